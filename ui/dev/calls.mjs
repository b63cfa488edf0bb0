// SPDX-License-Identifier: Apache-2.0
// Purpose: made-up calls of the made-up shop, over time and between services. For looking at the UI
// during development only; never part of what is shipped.
import { random, SERVICES } from './shop.mjs'

const PEERS = [
  ['database', 'postgresql/shop@db1:5432'],
  ['cache', 'redis@cache1:6379'],
  ['queue', 'kafka/orders'],
  ['external', 'api.bank.example:443'],
]
// Who calls whom: services by their numbers, peers behind them.
const CALLS = [
  [5, 0], [0, 1], [0, 4], [0, 10], [1, 2], [1, 3], [2, 15], [3, 12], [1, 12], [4, 13], [0, 11],
  [1, 14], [14, 7], [14, 8], [8, 9], [0, 6], [6, 12], [9, 3],
] // prettier-ignore
const ENTRY = 5
const STATES = { 2: 'error', 9: 'warn' }
const SHARES = { 2: 0.071, 9: 0.02 }

const hash = (text) => [...text].reduce((h, c) => Math.imul(h ^ c.charCodeAt(0), 16777619), 7) >>> 0
const enc = (text) => text.replace(/%/g, '%25').replace(/\//g, '%2F')

function callsOf(seed, calls, share = 0) {
  const next = random(seed)
  const p50 = Math.round((0.4 + next() * 20) * 1e6)
  return {
    calls,
    errors: Math.round(calls * share),
    mean_ns: Math.round(p50 * 1.3),
    p50_ns: p50,
    p90_ns: Math.round(p50 * 2.1),
    p95_ns: Math.round(p50 * 3),
    p99_ns: Math.round(p50 * (5 + next() * 4)),
    p999_ns: Math.round(p50 * 14),
  }
}

const NONE = {
  ...callsOf(1, 0),
  mean_ns: 0,
  p50_ns: 0,
  p90_ns: 0,
  p95_ns: 0,
  p99_ns: 0,
  p999_ns: 0,
}

const STEPS = [10, 30, 60, 300, 600, 1800, 3600, 14400, 86400].map((seconds) => seconds * 1000)

export function red({ from, to }, query, empty) {
  const service = query.get('service')
  const step = Number(query.get('step')) || STEPS.find((ms) => (to - from) / ms <= 240) || 864e5
  const begin = Math.floor(from / step) * step
  const end = Math.ceil(to / step) * step
  const answer = { from_unix_ms: begin, to_unix_ms: end, partial: false, step_ms: step }
  const at = SERVICES.findIndex(([name]) => name === service)
  const known = at >= 0 && !empty
  const seed = hash(service + (query.get('endpoint') ?? '') + (query.get('instance') ?? ''))
  const points = []
  for (let time = begin; known && time < end; time += step) {
    const wave = 1 + 0.4 * Math.sin(time / 6e5) + 0.2 * random(time / 1000)()
    const calls = Math.round((wave * step) / 100)
    points.push({ time_unix_ms: time, ...callsOf(seed + (time % 97), calls, SHARES[at] ?? 0.001) })
  }
  const all = points.reduce((sum, point) => sum + point.calls, 0)
  const whole = !query.get('endpoint') && !query.get('instance')
  const total = !known
    ? NONE
    : whole // the same as on the map
      ? callsOf(hash(nodeAt(at, 'service').id), Math.round((end - begin) / 90), SHARES[at] ?? 0)
      : callsOf(seed, all, SHARES[at] ?? 0.001)
  const by = query.get('by')
  if (!by) return { ...answer, total, points }
  const names =
    by === 'endpoint' ? (SERVICES[at]?.[2] ?? []).slice(0, 2) : [`${service}-1`, `${service}-2`]
  const groups = known
    ? names.map((name, i) => ({
        name,
        ...callsOf(hash(name), Math.round(all / (i + 2)), SHARES[at]),
      }))
    : []
  return { ...answer, total, points, groups, left_out_groups: 0 }
}

function nodeAt(at, level) {
  if (at >= SERVICES.length) {
    const [kind, name] = PEERS[at - SERVICES.length]
    return { id: `${kind}//${name}`, kind, namespace: '', service: '', name }
  }
  const [service, namespace, names] = SERVICES[at]
  if (level === 'line')
    return { id: `line/${enc(namespace)}`, kind: 'line', namespace, service: '', name: '' }
  const id = `service/${enc(namespace)}/${enc(service)}`
  if (level === 'service') return { id, kind: 'service', namespace, service, name: '' }
  return { id: `${id}/${names[0]}`, kind: 'service', namespace, service, name: names[0] }
}

export function topology({ from, to }, level, empty) {
  const begin = Math.floor(from / 6e4) * 6e4
  const end = Math.ceil(to / 6e4) * 6e4
  const answer = { from_unix_ms: begin, to_unix_ms: end, partial: false }
  if (empty) return { ...answer, nodes: [], edges: [] }
  const nodes = new Map()
  const edges = new Map()
  const client = { id: 'client/', kind: 'client', namespace: '', service: '', name: '' }
  nodes.set(client.id, { ...client, ...NONE, state: 'unknown', state_reasons: [] })
  const put = (at) => {
    const node = nodeAt(at, level)
    const state = STATES[at] ?? 'ok'
    const calls = callsOf(hash(node.id), Math.round((end - begin) / 90), SHARES[at] ?? 0)
    const value = calls.errors / calls.calls
    const reasons = [
      { measure: 'error_share', level: state, value, limit: state === 'warn' ? 0.01 : 0.05 },
    ]
    const state_reasons = state === 'ok' ? [] : reasons
    if (!nodes.has(node.id)) nodes.set(node.id, { ...node, ...calls, state, state_reasons })
    return node.id
  }
  const join = (a, b, to) => {
    const calls = callsOf(hash(a + b), Math.round((end - begin) / 120), SHARES[to] ?? 0)
    const waited = { ...calls, mean_ns: calls.mean_ns + 9e5, p50_ns: calls.p50_ns + 8e5 }
    const sides = to >= SERVICES.length ? { client: calls } : { client: waited, server: calls }
    const crosses = to % 5 === 3 // every fifth runs in the other data centre
    const cross = { cross_dc: crosses, cross_dc_calls: crosses ? calls.calls : 0 }
    edges.set(`${a}|${b}`, { from: a, to: b, ...calls, ...cross, ...sides })
  }
  join(client.id, put(ENTRY), ENTRY)
  for (const [a, b] of CALLS) join(put(a), put(b), b)
  return { ...answer, nodes: [...nodes.values()], edges: [...edges.values()] }
}

// Where the services run: [host, rack, data centre].
const HOSTS = [
  ['web-1', 'r1', 'hz-a'],
  ['web-2', 'r2', 'hz-a'],
  ['app-1', 'r1', 'hz-a'],
  ['app-2', '', 'sh-b'],
  ['app-3', 'r7', 'sh-b'],
  ['', '', ''],
]
const CPU = [0.34, 0.42, 0.91, 0.22, 0.18]

function measuresOf(at, host) {
  if (at >= CPU.length) return []
  const one = (measure, unit, metric, mean, max) => ({
    ...{ measure, unit, metric, instances: 1, mean },
    worst: { instance: host || 'web-1', mean, max, max_unix_ms: 1700000000000 },
  })
  return [
    one('host_cpu', '1', 'system.cpu.utilization', CPU[at], CPU[at] * 1.08),
    one('host_memory', '1', 'system.memory.utilization', 0.5 + at / 20, 0.6 + at / 20),
    one('host_load', '', 'system.cpu.load_average.1m', 4 * CPU[at], 5 * CPU[at]),
  ]
}

export function places({ from, to }, level, empty) {
  const answer = { from_unix_ms: from, to_unix_ms: to, partial: false }
  const left = { left_out_instances: 0, left_out_measures: 0 }
  const nodes = new Map()
  const count = Math.round((to - from) / 90)
  for (const [at, [host, rack, dc]] of (empty ? [] : HOSTS).entries()) {
    const parts = { dc: [dc], rack: [dc, rack], host: [dc, rack, host] }[level]
    const id = [level, ...parts].join('/')
    const hosted = SERVICES.filter((_, service) => service % HOSTS.length === at)
    const services = hosted.map(([service, namespace]) => ({
      ...{ namespace, service, instances: 1 },
      ...callsOf(hash(service + host), count),
    }))
    const known = nodes.get(id)
    if (known) {
      known.place.services.push(...services)
      known.place.hosts++
      known.place.instances += services.length
      continue
    }
    const state = at === 2 ? 'warn' : 'ok'
    const reason = { measure: 'error_share', level: 'warn', value: 0.02, limit: 0.01 }
    nodes.set(id, {
      ...{ id, kind: level, namespace: '', service: '', name: parts.at(-1) },
      ...callsOf(hash(id), count * hosted.length, at === 2 ? 0.02 : 0),
      ...{ state, state_reasons: state === 'ok' ? [] : [reason] },
      place: {
        ...{ dc, rack: level === 'dc' ? '' : rack, host: level === 'host' ? host : '' },
        ...{ hosts: host ? 1 : 0, instances: services.length, services },
        measures: measuresOf(at, level === 'host' ? '' : host),
      },
    })
  }
  const cross = (a, b, calls) => ({
    ...{ from: `dc/${a}`, to: `dc/${b}`, cross_dc: true, cross_dc_calls: calls },
    ...{ ...callsOf(hash(a + b), calls), server: callsOf(hash(a + b), calls) },
  })
  const edges =
    level === 'dc' && !empty ? [cross('hz-a', 'sh-b', count), cross('sh-b', 'hz-a', 400)] : []
  return { ...answer, ...left, nodes: [...nodes.values()], edges }
}
