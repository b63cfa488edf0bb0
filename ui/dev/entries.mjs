// SPDX-License-Identifier: Apache-2.0
// Purpose: made-up entries of the made-up shop with their trees and needs, and findings. For looking at
// the UI during development only; never part of what is shipped.
import { SERVICES, traceId } from './shop.mjs'

const named = (at, name) => ({
  kind: 'service',
  namespace: SERVICES[at][1],
  service: SERVICES[at][0],
  name: name ?? SERVICES[at][2][0],
})
const DATABASE = { kind: 'database', namespace: '', service: '', name: 'postgresql/shop@db1:5432' }
const CACHE = { kind: 'cache', namespace: '', service: '', name: 'redis@cache1:6379' }
const OTHER = { kind: 'service', namespace: '', service: '(other)', name: '' }

// [node, calls for one of its parent, what lies below]
const TREES = [
  [
    named(0, 'GET /checkout'),
    1,
    [
      [named(1), 1, [[named(2), 1, []], [DATABASE, 8, []], [named(3), 1.4, [[DATABASE, 2, []]]]]],
      [named(4), 0.6, [[CACHE, 3, []]]],
      [OTHER, 0.002, []],
    ],
  ],
  [named(0, 'GET /product/:id'), 1, [[named(3), 1, [[DATABASE, 1, []]]], [named(4), 1, [[CACHE, 2, []]]]]],
  [named(8), 1, [[named(9), 3, []]]],
] // prettier-ignore
const enc = (text) => text.replace(/%/g, '%25').replace(/\//g, '%2F')
const idOf = ({ kind, namespace, service, name }) =>
  [kind, enc(namespace), ...(service ? [enc(service)] : []), ...(name ? [name] : [])].join('/')
const hex = (number) => number.toString(16).padStart(16, '0')

function nodesOf(tree, calls) {
  const nodes = []
  const add = ([node, each, below], parent, count, salt) => {
    const path = hex(salt)
    const made = Math.round(count * each)
    nodes.push({
      path,
      parent,
      ...node,
      calls: made,
      errors: node.service === 'payment' ? Math.round(made / 14) : 0,
      calls_per_entry: made / calls,
      presence: Math.min(1, made / calls),
      p50_calls: Math.max(1, Math.round(each)),
      p99_calls: Math.max(1, Math.round(each * 1.5)),
      max_calls: Math.max(1, Math.round(each * 3)),
      self_ns: made * (3 + (salt % 7)) * 4e5,
    })
    below.forEach((child, at) => add(child, path, made, salt * 11 + at + 1))
  }
  add(tree, '', calls, 1)
  const whole = nodes.reduce((sum, node) => sum + node.self_ns, 0)
  return nodes.map((node) => ({ ...node, share: node.self_ns / whole }))
}

function whole({ from, to }) {
  const begin = Math.floor(from / 6e4) * 6e4
  const end = Math.ceil(to / 6e4) * 6e4
  return { from_unix_ms: begin, to_unix_ms: end, partial: false }
}
const callsOf = ({ from_unix_ms: from, to_unix_ms: to }, at) =>
  Math.round((to - from) / (200 + at * 333))
const sum = (nodes, key) => nodes.reduce((all, node) => all + node[key], 0)

function listed(answer, nodesBy) {
  const entries = TREES.map((tree, at) => {
    const nodes = nodesBy(nodesOf(tree, callsOf(answer, at)))
    const [own, calls] = [sum(nodes, 'self_ns'), nodes.length ? nodes[0].calls : 0]
    const errors = nodes.length ? nodes[0].errors : 0
    return { id: idOf(tree[0]), ...tree[0], calls, errors, self_ns: own, paths: nodes.length }
  }).filter(({ paths }) => paths > 0)
  const all = sum(entries, 'self_ns')
  return {
    ...answer,
    entries: entries
      .map((entry) => ({ ...entry, share: entry.self_ns / all }))
      .sort((a, b) => b.self_ns - a.self_ns),
  }
}

function needsOf(answer, nodes, times) {
  const seconds = (answer.to_unix_ms - answer.from_unix_ms) / 1000
  const services = new Map()
  for (const { kind, namespace, service, calls } of nodes)
    if (kind === 'service' && service !== '(other)')
      services.set(service, { namespace, calls: (services.get(service)?.calls ?? 0) + calls })
  return [...services].map(([service, { namespace, calls }], at) => {
    const rate = calls / seconds
    const known = at !== 2 // one whose instances do not tell their IDs
    const added = rate * (times - 1)
    const one = known ? rate * 0.8 : 0
    const instances = known ? 2 : 0
    return {
      namespace,
      service,
      calls_per_s: rate,
      added_per_s: added,
      busiest_per_s: rate * 1.5,
      busiest_instance_per_s: one,
      instances,
      instances_needed: known ? Math.max(2, Math.ceil((rate * 1.5 + added) / one)) : 0,
    }
  })
}

export function entries(range, query, empty) {
  const answer = whole(range)
  const service = query.get('service')
  const endpoint = query.get('endpoint')
  if (!endpoint) return empty ? { ...answer, entries: [] } : listed(answer, (nodes) => nodes)
  const at = TREES.findIndex(([node]) => node.service === service && node.name === endpoint)
  const nodes = at < 0 || empty ? [] : nodesOf(TREES[at], callsOf(answer, at))
  const times = Number(query.get('times') ?? 1)
  return {
    ...answer,
    calls: nodes[0]?.calls ?? 0,
    errors: nodes[0]?.errors ?? 0,
    self_ns: sum(nodes, 'self_ns'),
    nodes,
    times,
    needs: needsOf(answer, nodes, times),
  }
}

export function load(range, query, empty) {
  const id = query.get('node')
  const own = (node) => idOf(node) === id || (node.service && idOf({ ...node, name: '' }) === id)
  return empty
    ? { ...whole(range), entries: [] }
    : listed(whole(range), (nodes) => nodes.filter(own))
}

export function findings(range, empty) {
  const node = (of) => ({ id: idOf(of), ...of })
  const [buy, orders, stock] = [named(0, 'GET /checkout'), named(1), named(3)].map(node)
  const found = (kind, caller, to, value, limit, chains, self_ns, more = {}) => ({
    kind,
    entry: buy,
    caller,
    node: node(to),
    value,
    limit,
    chains,
    self_ns,
    trace_ids: [1, 2, 3].map((at) => traceId(range.to - at * 6e4, 4000 + at)),
    ...more,
  })
  const statement = 'SELECT quantity FROM stock WHERE product = ? AND warehouse = ?'
  const dead = { kind: 'dead_endpoint', node: node(named(2, 'GET /old')), value: 214.3, limit: 10 }
  const list = [
    found('n_plus_one', orders, DATABASE, 8, 5, 9812, 4.1e10, { statement }),
    found('repeated_calls', buy, named(4), 6.4, 5, 8120, 9.3e9),
    found('serial_calls', buy, named(3), 0.312, 0.2, 9950, 5.2e11, {
      calls: [named(4), named(3), named(9)].map(node),
    }),
    found('fan_out', orders, named(3), 212, 50, 98, 3.4e9),
    found('rare_path', stock, named(9), 0.0021, 0.01, 21, 1.1e8),
    found('missing_path', orders, named(2), 0.9975, 0.99, 25, 9e7, { trace_ids: [] }),
    { ...dead, chains: 0, self_ns: 0, trace_ids: [] },
  ]
  return { ...whole(range), findings: empty ? [] : list }
}
