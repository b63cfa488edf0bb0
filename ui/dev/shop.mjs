// SPDX-License-Identifier: Apache-2.0
// Purpose: made-up traces of a made-up shop, always the same for the same seed. For looking at the
// UI during development only; never part of what is shipped.

export function random(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296
  }
}

export const SERVICES = [
  ['storefront', 'shop', ['GET /', 'GET /product/:id', 'GET /checkout', 'POST /cart']],
  ['orders', 'shop', ['POST /orders', 'GET /orders/:id', 'orders.place']],
  ['payment', 'shop', ['POST /charge', 'payment.Charge/Authorize']],
  ['stock', 'shop', ['POST /reserve', 'SELECT stock', 'UPDATE stock']],
  ['recommendations', 'shop', ['GET /for/:user', 'rank']],
  ['edge-nginx', 'shop', ['GET', 'POST']],
  ['会员中心', 'members', ['查询积分', 'GET /members/:id']],
  ['mailer', 'back-office', ['mail.send', 'render template']],
  ['invoice-worker', 'back-office', ['invoice.create', 'PUT /blob']],
  ['legacy-erp', '', ['SOAP /sync', 'read ledger']],
  ['search', 'shop', ['GET /search', 'lucene.query']],
  ['session-cache', 'shop', ['GET', 'SETEX']],
]

const hex = (next, digits) => {
  let text = ''
  while (text.length < digits) text += Math.floor(next() * 16).toString(16)
  return text
}

export function traceId(ms, counter) {
  const time = Math.floor(ms).toString(16).padStart(12, '0')
  return `${time}0a010203000a28${counter.toString(16).padStart(6, '0')}`.slice(0, 32)
}

// A tree of spans under a time budget; columns as in the outline, and full fields on demand.
export function makeTrace(id, startMs, size, seed) {
  const next = random(seed)
  const rows = []
  // Most are quick, a few are slow.
  const budget = 8e6 * Math.exp(next() * 2.2 + (next() < 0.06 ? 2.5 : 0)) * (size > 1000 ? 40 : 1)

  function add(parent, service, name, kind, start, duration, status) {
    const row = rows.length
    const depth = parent < 0 ? 0 : rows[parent].depth + 1
    const siblings = parent < 0 ? 0 : ++rows[parent].children
    const rpc = parent < 0 ? '0' : `${rows[parent].rpc}.${siblings}`
    rows.push({
      row,
      parent,
      service,
      name,
      kind,
      start,
      duration,
      status,
      depth,
      rpc,
      id: hex(next, 16),
      children: 0,
      peer: -1,
      skew: 0,
      critical: 0,
      child: 0,
    })
    return row
  }

  const INNER = ['SELECT stock', 'redis GET', 'render', 'validate cart', 'middleware - auth']
  const pick = (list) => list[Math.floor(next() * list.length)]

  function call(parent, service, at, length, depth) {
    const target = Math.floor(next() * SERVICES.length)
    const gap = Math.min(length * 0.4, (0.2 + next() * 1.5) * 1e6)
    const failed = next() < 0.008
    const client = add(parent, service, pick(['POST', 'GET']), 3, at, length, failed ? 2 : 0)
    const name = pick(SERVICES[target][2])
    const server = add(client, target, name, 2, at + gap * 0.4, length - gap, failed ? 2 : 0)
    rows[client].peer = server
    rows[server].peer = client
    if (next() < 0.05) rows[server].skew = Math.floor((next() - 0.5) * 4e6)
    work(server, target, rows[server].start, rows[server].duration, depth + 1)
  }

  function work(parent, service, start, duration, depth) {
    const calls = depth > 4 || duration < 3e5 ? 0 : 2 + Math.floor(next() * 4)
    let at = start + duration * 0.03
    for (let i = 0; i < calls && rows.length < size - 1; i++) {
      const length = ((start + duration - at) / (calls - i)) * (0.55 + next() * 0.4)
      if (next() < 0.5) call(parent, service, at, length, depth)
      else add(parent, service, pick(INNER), pick([1, 3]), at, length, next() < 0.004 ? 2 : 0)
      if (next() > 0.2) at += length * 1.02
    }
  }

  const root = Math.floor(next() * 2) ? 0 : 5
  add(-1, root, SERVICES[root][2][2] ?? 'GET', 2, 0, budget, 0)
  work(0, root, 0, budget, 0)
  // Large traces are filled up with many small items under the root.
  while (size > 1000 && rows.length < size) {
    const start = budget * (0.02 + 0.9 * (rows.length / size))
    const length = Math.min(budget * 0.05, budget - start)
    const item = add(0, root, `batch item ${rows.length}`, 1, start, length, 0)
    for (let i = 0; i < 12 && rows.length < size - 2; i++)
      call(item, root, start + (length * i) / 12, length / 12.5, 3)
  }
  if (rows.some((row) => row.status === 2)) rows[0].status = next() < 0.6 ? 2 : 0
  markPath(rows)
  return { id, startMs, rows, path: rows.path, duration: budget }
}

// The critical path backwards from the end of the root: the child that ends last, and so on.
function markPath(rows) {
  const children = rows.map(() => [])
  for (const row of rows) if (row.parent >= 0) children[row.parent].push(row)
  const path = []
  const walk = (row, until) => {
    let at = Math.min(until, row.start + row.duration)
    const kids = children[row.row]
      .slice()
      .sort((a, b) => b.start + b.duration - a.start - a.duration)
    for (const kid of kids) {
      const end = kid.start + kid.duration
      if (end > at || kid.start < row.start) continue
      if (at > end) path.push([row.row, end, at])
      walk(kid, end)
      at = kid.start
    }
    if (at > row.start) path.push([row.row, row.start, at])
  }
  walk(rows[0], rows[0].start + rows[0].duration)
  path.reverse()
  for (const [row, from, to] of path) rows[row].critical += to - from
  rows.path = path
  for (const row of rows)
    row.self = Math.max(0, row.duration - children[row.row].reduce((sum, k) => sum + k.duration, 0))
}

// What the server says of every answer about a trace that may not be whole.
export const lack = (trace) => ({ partial: false, damaged_parts: [], ...trace.lack })

export function outline(trace) {
  const names = new Map()
  const services = new Map()
  const index = (map, value) => map.get(value) ?? (map.set(value, map.size), map.size - 1)
  const { rows } = trace
  const count = rows.length
  const col = (pick) => rows.map(pick)
  const int = (pick) => rows.map((row) => Math.round(pick(row)))
  const path = trace.path ?? rows.path ?? []
  const spans = {
    id: col((r) => r.id),
    parent: col((r) => r.parent),
    rpc_id: col((r) => r.rpc),
    service: col((r) => index(services, SERVICES[r.service][0])),
    name: col((r) => index(names, r.name)),
    kind: col((r) => r.kind),
    status: col((r) => r.status),
    start_ns: int((r) => r.start),
    duration_ns: int((r) => r.duration),
    self_ns: int((r) => r.self ?? 0),
    depth: col((r) => r.depth),
    critical_ns: int((r) => r.critical),
    peer: col((r) => (r.peer < count ? r.peer : -1)),
    skew_ns: col((r) => r.skew),
  }
  const orphans = trace.orphans ?? []
  return {
    trace_id: trace.id,
    start_unix_nano: Math.round(trace.startMs * 1e6),
    start_unix_ms: trace.startMs,
    duration_ns: Math.round(trace.duration),
    services: [...services.keys()],
    names: [...names.keys()],
    spans,
    critical: {
      span: path.map(([row]) => row),
      from_ns: path.map(([, from]) => Math.round(from)),
      to_ns: path.map(([, , to]) => Math.round(to)),
    },
    orphan_rows: orphans,
    orphans: orphans.length,
    errors: rows.filter((r) => r.status === 2).length,
    total_spans: count,
    truncated: false,
    ...lack(trace),
  }
}

const SHOWN = 1000 // events of a span, and links
const CROWD = { events: 1240, links: 1001 }

function crowd(trace, startNs) {
  const events = Array.from({ length: SHOWN }, (_, at) => ({
    time_unix_nano: startNs + at * 1000,
    offset_ns: at * 1000,
    name: `message ${at + 1}`,
    attributes: { 'message.id': at + 1 },
  }))
  const links = Array.from({ length: SHOWN }, (_, at) => ({
    trace_id: traceId(trace.startMs - 5000, at),
    span_id: '00f067aa0ba902b7',
    attributes: {},
  }))
  return {
    events,
    links,
    events_left_out: CROWD.events - SHOWN,
    links_left_out: CROWD.links - SHOWN,
  }
}

const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer']
const STATUS = ['unset', 'ok', 'error']

export function fullSpan(trace, row) {
  const r = trace.rows[row]
  const [service, namespace] = SERVICES[r.service]
  const startNs = Math.round(trace.startMs * 1e6 + r.start - r.skew)
  const failed = r.status === 2
  return {
    span_id: r.id,
    parent_span_id: r.parent < 0 ? '' : trace.rows[r.parent].id,
    rpc_id: r.rpc,
    service,
    namespace,
    name: r.name,
    kind: KINDS[r.kind],
    start_unix_nano: startNs,
    start_unix_ms: startNs / 1e6,
    duration_ns: Math.round(r.duration),
    status: STATUS[r.status],
    status_message: failed ? 'connect ECONNREFUSED 10.1.2.9:5432' : '',
    attributes: {
      'http.request.method': 'POST',
      'http.route': r.name,
      'http.response.status_code': failed ? 502 : 200,
      'url.full': `http://${service}:8080/v1/reserve?sku=10${row}&warehouse=shanghai`,
      'network.peer.address': '10.1.2.9',
      'user.tier': 'gold',
      'cart.items': [
        { sku: 'a-1', count: 2 },
        { sku: 'b-7', count: 1 },
      ],
      ...(r.kind === 3
        ? {
            'db.query.text': `SELECT id, amount FROM stock WHERE sku IN (${'?, '.repeat(300)}?) FOR UPDATE`,
          }
        : {}),
    },
    resource: {
      'service.name': service,
      'service.namespace': namespace,
      'service.instance.id': `${service}-7d9f-x2k1`,
      'host.name': 'node-4',
      'telemetry.sdk.language': 'nodejs',
      'deployment.environment.name': 'production',
      'process.pid': 4711,
    },
    scope: { name: '@opentelemetry/instrumentation-http', version: '0.57.0' },
    events: failed
      ? [
          {
            time_unix_nano: startNs + 400000,
            offset_ns: 400000,
            name: 'retry',
            attributes: { attempt: 2 },
          },
          {
            time_unix_nano: startNs + 900000,
            offset_ns: 900000,
            name: 'exception',
            attributes: {
              'exception.type': 'ConnectionRefused',
              'exception.message': 'connect ECONNREFUSED 10.1.2.9:5432',
              'exception.stacktrace':
                'Error: connect ECONNREFUSED 10.1.2.9:5432\n    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1611:16)\n    at reserve (/srv/stock/src/reserve.js:42:11)\n    at async handler (/srv/stock/src/http.js:17:5)',
            },
          },
        ]
      : [],
    links:
      row % 7 === 3
        ? [
            {
              trace_id: traceId(trace.startMs - 5000, 99),
              span_id: '00f067aa0ba902b7',
              attributes: { reason: 'batch' },
            },
          ]
        : [],
    events_left_out: 0,
    links_left_out: 0,
    ...(trace.crowded && row === 0 ? crowd(trace, startNs) : {}),
    ...(row % 11 === 4 ? { dropped_attributes: 3, dropped_events: 0, dropped_links: 0 } : {}),
  }
}
