// SPDX-License-Identifier: Apache-2.0
// Purpose: a stand-in for the server during development: the API of openapi.json with made-up data,
// and the built UI with the production content security policy. Never part of what is shipped.
//   node dev/fixture.mjs [--port 7070] [--token SECRET] [--slow MS] [--empty | --no-spans]
// Trace IDs of note: one digit repeated 32 times; 1: 12 spans, 2: 10,000, 3: 100,000, 4: orphans,
// 5: a root with more events and links than are shown, 6: cut short, 7: damaged parts.
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { places, red, topology } from './calls.mjs'
import { entries, findings, load } from './entries.mjs'
import { exemplars, machine, names, series, services } from './metrics.mjs'
import { fullSpan, lack, makeTrace, outline, random, SERVICES, traceId } from './shop.mjs'

const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? fallback : process.argv[at + 1]
}
const PORT = Number(option('port', 7070))
const TOKEN = option('token', '')
const SLOW_MS = Number(option('slow', 0))
const NO_SPANS = process.argv.includes('--no-spans') // but metrics
const NOTHING = process.argv.includes('--empty')
const EMPTY = NOTHING || NO_SPANS
const DIST = fileURLToPath(new URL('../dist/', import.meta.url))
const OPENAPI = fileURLToPath(new URL('../../src/api/openapi.json', import.meta.url))
const CSP =
  "default-src 'self'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
const STARTED = Date.now() - 7.3 * 36e5
const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

class Refused extends Error {
  constructor(status, body) {
    super(body.error)
    this.status = status
    this.body = body
  }
}

// ---- Data ------------------------------------------------------------------------------------

const known = new Map()
const SPECIAL = {
  5: { crowded: true },
  6: { lack: { partial: true, partial_reason: 'time_limit' } },
  7: { lack: { partial: true, partial_reason: 'unreadable_part', damaged_parts: [7, 9] } },
  8: {
    lack: {
      partial: true,
      partial_reason: 'memory_limit',
      truncated: true,
      total_spans: 1234567,
    },
  },
}

function getTrace(id) {
  if (known.has(id)) return known.get(id)
  const special = /^(\d)\1{31}$/.exec(id)
  if (!special && !/^[0-9a-f]{12}0a010203/.test(id)) return null
  const sizes = { 1: 12, 2: 10000, 3: 100000, 4: 60 }
  const size = special ? (sizes[special[1]] ?? 40) : 5 + (parseInt(id.slice(-4), 16) % 36)
  if (special && special[1] === '9') return null
  const start = special ? Date.now() - 3e5 : parseInt(id.slice(0, 12), 16)
  const trace = makeTrace(id, start, size, parseInt(id.slice(-6), 16) + 7)
  if (special?.[1] === '4') {
    // A subtree whose parent never came stands last, as a root of its own.
    const base = trace.rows.length
    trace.rows.push({
      ...trace.rows[3],
      row: base,
      id: 'dead00000000beef',
      parent: -1,
      depth: 0,
      rpc: '0',
      peer: -1,
      critical: 0,
    })
    trace.orphans = [base]
  }
  if (special) Object.assign(trace, SPECIAL[special[1]])
  known.set(id, trace)
  if (known.size > 500) known.delete(known.keys().next().value)
  return trace
}

function summary(trace) {
  const services = new Map()
  for (const row of trace.rows) services.set(row.service, (services.get(row.service) ?? 0) + 1)
  const root = trace.rows[0]
  return {
    trace_id: trace.id,
    root_service: SERVICES[root.service][0],
    root_name: root.name,
    start_unix_nano: Math.round(trace.startMs * 1e6),
    start_unix_ms: trace.startMs,
    duration_ns: Math.round(trace.duration),
    spans: trace.rows.length,
    errors: trace.rows.filter((row) => row.status === 2).length,
    services: [...services.entries()]
      .sort((a, b) => b[1] - a[1])
      .map(([s]) => SERVICES[s][0])
      .slice(0, 16),
    complete: !trace.orphans && parseInt(trace.id.slice(-2), 16) % 19 !== 5,
  }
}

function stats(from, to, more = {}) {
  const total = Math.round(((to - from) / 1000) * 51)
  return {
    scanned_spans: total,
    total_spans: total,
    elapsed_ms: 8.4,
    partial: false,
    parts: 4,
    hot_batches: 2,
    sampled: false,
    ...more,
  }
}

function bounds(query) {
  const to = Number(query.get('to') ?? Date.now())
  return { to, from: Number(query.get('from') ?? to - 36e5) }
}

// What the server calls the lack of a value, by the field that it is compared with.
const LACKS = {
  duration: { code: 'duration', expected: 'a duration such as 100ms or 1.5s' },
  status: { code: 'status', expected: "'=' or '!=' with error, ok or unset" },
  kind: { code: 'kind', expected: "'=' or '!=' with server, client, internal, …" },
  name: { code: 'text', expected: 'a text in quotes' },
  value: { code: 'value', expected: 'a text in quotes, a number, a duration, true, false or nil' },
}

// Just enough of the filter language to see it work; the server's own parser is the real one.
function readFilter(text) {
  const q = (text ?? '').trim() || '{}'
  const bad = (position, code, expected, found) => {
    const error = `expected ${expected}, ${found}`
    throw new Refused(400, { error, position, expected, code, parameter: 'q' })
  }
  const bytes = (at) => Buffer.byteLength(q.slice(0, at))
  if (q[0] !== '{') bad(0, 'start', "'{'", `found '${q}'`)
  if (!q.endsWith('}'))
    bad(bytes(q.length), 'joint', "'&&', '||' or '}'", 'but the filter ends here')
  const open = /([\w.]+)\s*(>=|<=|!=|=~|!~|[=<>])\s*(&&|\|\||\}|\))/.exec(q)
  if (open) {
    const { code, expected } = LACKS[open[1]] ?? LACKS.value
    bad(bytes(open.index + open[0].length - open[3].length), code, expected, `found '${open[3]}'`)
  }
  const service = /service\.name\s*=\s*"([^"]*)"/.exec(q)?.[1]
  const units = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 6e10 }
  const bound = (op) => {
    const match = new RegExp(`duration\\s*${op}=?\\s*([\\d.]+)(ns|us|ms|s|m)`).exec(q)
    return match ? Number(match[1]) * units[match[2]] : null
  }
  const min = bound('>')
  const max = bound('<')
  const failed = /status\s*=\s*error/.test(q)
  return (s) =>
    (!service || s.services.includes(service)) &&
    (!failed || s.errors > 0) &&
    (min === null || s.duration_ns >= min) &&
    (max === null || s.duration_ns <= max)
}

function* traces({ from, to }, match) {
  if (EMPTY) return
  const step = Math.max(700, (to - from) / 3000)
  let at = Math.floor((to - 1500) / step) * step
  for (let i = 0; at > from && i < 3000; i++, at -= step) {
    const id = traceId(at, Math.imul(Math.floor(at / step), 2654435761) >>> 8)
    const found = summary(getTrace(id))
    if (match(found)) yield found
  }
}

function serviceRows({ from, to }) {
  if (EMPTY) return []
  return SERVICES.map(([name, namespace], i) => {
    const next = random(i * 77 + 3)
    const spans = Math.round(((to - from) / 1000) * (1 + next() * 40))
    const share = [0.0004, 0.012, 0.071, 0, 0.0022, 0, 0.03, 0, 0.0009, 0.2, 0, 0][i]
    return {
      id: name,
      name,
      namespace,
      spans,
      errors: Math.round(spans * share),
      p50_ns: Math.round((0.3 + next() * 30) * 1e6),
      p99_ns: Math.round((40 + next() * 2200) * 1e6),
      last_seen_unix_ms: to - (i === 9 ? 11 * 6e4 : next() * 4000),
    }
  }).sort((a, b) => b.spans - a.spans)
}

// ---- Routes ----------------------------------------------------------------------------------

const ATTRIBUTES = [
  ['span', 'http.request.method', ['string']],
  ['span', 'http.response.status_code', ['int']],
  ['span', 'http.route', ['string']],
  ['span', 'db.query.text', ['string']],
  ['span', 'user.tier', ['string']],
  ['resource', 'service.name', ['string']],
  ['resource', 'service.namespace', ['string']],
  ['resource', 'host.name', ['string']],
  ['resource', 'deployment.environment.name', ['string']],
  ['resource', 'process.pid', ['int']],
]
const VALUES = {
  'service.name': SERVICES.map(([name]) => name),
  'http.request.method': ['GET', 'POST', 'PUT'],
  'http.response.status_code': [200, 404, 500, 502],
  'host.name': ['node-1', 'node-2', 'node-4'],
  'user.tier': ['gold', 'plain'],
  name: SERVICES.flatMap(([, , names]) => names),
}

function scatter(query) {
  const range = bounds(query)
  const match = readFilter(query.get('q'))
  const columns = Number(query.get('columns') ?? 120)
  const rows = Number(query.get('rows') ?? 40)
  const found = [...traces(range, match)]
  const durations = found.map((s) => s.duration_ns)
  const min = Math.max(1, Math.min(...durations, 1e9))
  const max = Math.max(...durations, min + 1)
  const cells = new Map()
  for (const s of found) {
    const column = Math.min(
      columns - 1,
      Math.floor(((s.start_unix_ms - range.from) / (range.to - range.from)) * columns),
    )
    const row = Math.min(
      rows - 1,
      Math.floor((Math.log(s.duration_ns / min) / Math.log(max / min)) * rows),
    )
    const cell = cells.get(column * 1000 + row) ?? [column, row, 0, 0, s.trace_id]
    cell[2] += s.spans
    cell[3] += s.errors
    cells.set(column * 1000 + row, cell)
  }
  return {
    ...range,
    columns,
    column_ms: (range.to - range.from) / columns,
    rows,
    duration_min_ns: min,
    duration_max_ns: max,
    cells: [...cells.values()],
    stats: stats(range.from, range.to),
  }
}

const ORDERS = {
  newest: (list) => list,
  slowest: (list) =>
    list
      .sort((a, b) => b.duration_ns - a.duration_ns)
      .map((s) => ({ ...s, matched_duration_ns: s.duration_ns })),
  errors: (list) =>
    list
      .filter((s) => s.errors > 0)
      .sort((a, b) => b.errors - a.errors)
      .map((s) => ({ ...s, matched_errors: s.errors })),
}

async function search(query, request, response) {
  const range = bounds(query)
  const match = readFilter(query.get('q'))
  const limit = Math.min(1000, Number(query.get('limit') ?? 20))
  const order = query.get('order') ?? 'newest'
  if (!ORDERS[order]) throw new Refused(400, { error: `order must be newest, slowest or errors` })
  const found = ORDERS[order]([...traces(range, match)]).slice(0, limit)
  if (!request.headers.accept?.includes('ndjson'))
    return { traces: found, stats: stats(range.from, range.to) }
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  const total = stats(range.from, range.to).total_spans
  for (let i = 0; i <= 10; i++) {
    const part = found.slice((found.length * i) / 11, (found.length * (i + 1)) / 11)
    for (const trace of part) response.write(JSON.stringify({ trace }) + '\n')
    response.write(
      JSON.stringify({
        progress: { scanned_spans: Math.round((total * i) / 10), total_spans: total },
      }) + '\n',
    )
    await sleep(SLOW_MS / 10)
  }
  const partial = query.get('q')?.includes('partial')
    ? { partial: true, partial_reason: 'time_limit' }
    : {}
  response.end(JSON.stringify({ stats: stats(range.from, range.to, partial) }) + '\n')
  return undefined
}

function need(id) {
  const trace = EMPTY ? null : getTrace(id.toLowerCase())
  if (!trace) throw new Refused(404, { error: 'no such trace' })
  return trace
}

function status() {
  const MiB = 1 << 20
  return {
    version: '0.1.0',
    commit: 'e6c40f4b7a10c2d9',
    started_unix_ms: Math.round(STARTED),
    now_unix_ms: Date.now(),
    timezone_offset_minutes: 480,
    timezone: 'CST',
    ready: true,
    addresses: {
      http: `127.0.0.1:${PORT}`,
      otlp_grpc: '127.0.0.1:4317',
      otlp_http: '127.0.0.1:4318',
    },
    memory: {
      limit_bytes: 256 * MiB,
      soft_bytes: 192 * MiB,
      used_bytes: 71 * MiB,
      peak_bytes: 148 * MiB,
      rss_bytes: 118 * MiB,
      accounts: { bodies: 3 * MiB, batches: 42 * MiB, store: 26 * MiB, query: 0 },
    },
    journal: {
      sync: 'always',
      records: 182311,
      bytes: 7.1e9,
      syncs: 40112,
      first_seq: 180001,
      last_seq: 182311,
      segments: 4,
      disk_bytes: 256 * MiB,
      disk_bytes_max: 4096 * MiB,
      torn_bytes: 0,
      damaged_segments: 0,
      lost_records: 0,
      doubtful_records: 0,
      failures: 0,
    },
    keeping: {
      chosen: false,
      verdicts: { not: 0, line: 0, error: 0, slow: 0, new: 0, rare: 0, share: 0, restart: 0 },
      fresh_parts: 0,
      sifted_parts: 0,
      sifted_rows: 0,
      left_out_traces: 0,
      known_fates: 0,
      forgotten_verdicts: 0,
      partial_traces: 0,
      other_shapes: 0,
    },
    store: {
      hot_rows: 88123,
      hot_bytes: 26 * MiB,
      parts: 37,
      part_rows: 18240001,
      part_bytes: 5.6e8,
      flushes: 812,
      merges: 240,
      merged_rows: 7e7,
      expired_parts: 3,
      stripped_parts: 1,
      damaged_parts: 0,
      flush_failures: 0,
      merge_failures: 0,
      put_off_merges: 0,
      dead_letters: 3,
      full: false,
      disk_free_bytes: 41e9,
    },
    receive: {
      requests: 912331,
      requests_refused: 12,
      spans: 18328124,
      bytes: 8.2e9,
      ack_p50_ns: 2.1e6,
      ack_p99_ns: 9.4e6,
      open_connections: 9,
      overload: { state: 'open', state_ms: 0, slowed: 0, shed: 0, spans_shed: 0 },
    },
  }
}

function ledger() {
  if (EMPTY) return { rows: [] }
  const rows = SERVICES.slice(0, 9).map(([service], i) => {
    const received = 100000 * (i + 1) + 311
    const dropped = i === 2 ? { overload: 1200, invalid: 31 } : i === 5 ? { duplicate: 4 } : {}
    const gone = Object.values(dropped).reduce((a, b) => a + b, 0)
    return {
      signal: 'traces',
      service,
      received,
      stored: received - 900 - gone,
      pending: 900,
      sampled: 0,
      expired: 0,
      dropped,
      balanced: true,
    }
  })
  rows.push({
    signal: 'traces',
    service: '',
    received: 12,
    stored: 0,
    pending: 0,
    sampled: 0,
    expired: 0,
    dropped: { malformed: 12 },
    balanced: true,
  })
  rows.push({
    signal: 'metrics',
    service: 'orders',
    received: 4100,
    stored: 0,
    pending: 0,
    sampled: 0,
    expired: 0,
    dropped: { unsupported: 4097 },
    balanced: false,
  })
  return { rows }
}

function store() {
  const now = Date.now()
  const lines = EMPTY
    ? []
    : ['shop', 'members', 'back-office', ''].map((line, i) => ({
        line,
        parts: 22 - i * 5,
        rows: 9e6 / (i + 1),
        bytes: 2.9e8 / (i + 1),
        min_time_unix_ms: now - 3 * 864e5,
        max_time_unix_ms: now - 40e3,
        retention: {
          age_ms: i === 3 ? 0 : 7 * 864e5,
          bytes: i === 0 ? 50 * 2 ** 30 : 0,
          errors_age_ms: i === 1 ? 30 * 864e5 : 0,
        },
      }))
  const parts = EMPTY
    ? []
    : Array.from({ length: 37 }, (_, i) => ({
        id: 1040 - i,
        line: ['shop', 'members', 'back-office', ''][i % 4],
        level: i < 6 ? 0 : i < 16 ? 1 : 2,
        stripped: i === 20,
        fresh: false,
        rows: i < 6 ? 131072 : 1048576,
        bytes: i < 6 ? 4.9e6 : 3.3e7,
        min_time_unix_ms: now - (i + 1) * 6e5,
        max_time_unix_ms: now - i * 6e5 - 4e4,
      }))
  return { lines, parts }
}

const SETTINGS = [
  ['auth.ingest_token', '', '', 'default', true],
  ['auth.query_token', '(set)', '', 'environment', true],
  ['http.address', '127.0.0.1:7070', '127.0.0.1:7070', 'default', false],
  ['journal.disk_max', '4 GiB', '4 GiB', 'default', false],
  ['journal.sync', 'always', 'always', 'default', false],
  ['memory.limit', '256 MiB', '512 MiB', 'file', false],
  ['otlp.grpc.address', '127.0.0.1:4317', '127.0.0.1:4317', 'default', false],
  ['otlp.http.address', '127.0.0.1:4318', '127.0.0.1:4318', 'default', false],
  ['retention.age', '7d', '3d', 'file', true],
  ['store.dir', '/var/lib/sonde', './data', 'flag', false],
]

function letters() {
  if (EMPTY) return { letters: [] }
  const body = Buffer.from(
    '{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"orders"}}]},"scopeSpans":[{"spans":[{"traceId":"zz"}]}]}]}',
  )
  return {
    letters: ['malformed', 'invalid', 'too_large'].map((reason, i) => ({
      id: 31 - i,
      received_unix_ms: Date.now() - (i + 1) * 77e3,
      signal: 'traces',
      reason,
      protocol: ['otlp/http+json', 'otlp/grpc', 'otlp/http+protobuf'][i],
      peer: '10.1.2.3:51422',
      message: [
        'resourceSpans[0].scopeSpans[0].spans[0].traceId: not 32 hex digits',
        'span without a span ID',
        'body over 64 MiB',
      ][i],
      offset: [127, 12, 0][i],
      records: i === 0 ? 0 : 1,
      body_base64: body.toString('base64'),
      body_bytes: body.length,
    })),
  }
}

function decoded(id) {
  const time = parseInt(id.slice(0, 12), 16)
  return {
    trace_id: id,
    plausible: Math.abs(time - Date.now()) < 400 * 864e5,
    time_unix_ms: time,
    ipv4: [12, 14, 16, 18].map((at) => parseInt(id.slice(at, at + 2), 16)).join('.'),
    pid: 4711,
    environment: 1,
    counter: 17,
  }
}

async function answer(url, request, response) {
  const query = url.searchParams
  const part = url.pathname.split('/').map(decodeURIComponent)
  if (url.pathname === '/api/status') return status()
  if (part[2] !== 'v1') throw new Refused(404, { error: 'no such endpoint' })
  const range = bounds(query)
  switch (part[3]) {
    case 'openapi.json':
      return JSON.parse(readFileSync(OPENAPI, 'utf8'))
    case 'traces': {
      if (!part[4]) return search(query, request, response)
      if (!/^[0-9a-f]{32}$/i.test(part[4]))
        throw new Refused(400, { error: 'a trace ID has 32 hex digits', parameter: 'trace_id' })
      const trace = need(part[4])
      if (part[5] === 'outline') return outline(trace)
      if (part[5] === 'spans') {
        const row = trace.rows.findIndex((r) => r.id === part[6])
        if (row < 0) throw new Refused(404, { error: 'no such span' })
        return { trace_id: trace.id, spans: [fullSpan(trace, row)], ...lack(trace) }
      }
      return part[5] === 'raw'
        ? { resourceSpans: [] }
        : {
            trace_id: trace.id,
            spans: trace.rows.map((_, row) => fullSpan(trace, row)),
            ...lack(trace),
          }
    }
    case 'services': {
      if (!part[4]) return { services: serviceRows(range), stats: stats(range.from, range.to) }
      const service = serviceRows(range).find((row) => row.id === part[4])
      const names = SERVICES.find(([name]) => name === part[4])?.[2] ?? []
      const operations = !service
        ? []
        : names.map((name, i) => ({
            name,
            kind: i === 2 ? 'internal' : 'server',
            spans: Math.round(service.spans / (i + 1.5)),
            errors: Math.round(service.errors / (i + 2)),
            p50_ns: Math.round(service.p50_ns * (1 + i)),
            p99_ns: Math.round(service.p99_ns / (1 + i)),
          }))
      return { operations, stats: stats(range.from, range.to) }
    }
    case 'red': {
      if (!query.get('service')) throw new Refused(400, { error: 'service is missing' })
      return red(range, query, EMPTY)
    }
    case 'topology':
      if (part[4] === 'metrics') return machine(range, query, EMPTY)
      if (['host', 'rack', 'dc'].includes(query.get('level')))
        return places(range, query.get('level'), EMPTY)
      return topology(range, query.get('level') ?? 'service', EMPTY)
    case 'entries':
      return part[4] === 'load' ? load(range, query, EMPTY) : entries(range, query, EMPTY)
    case 'metrics':
      if (part[4] === 'exemplars') return exemplars(query, range, EMPTY)
      if (part[4] === 'services') return services(NOTHING)
      return part[4] === 'query' ? series(range, query, NOTHING) : names(query, NOTHING)
    case 'findings':
      return findings(range, EMPTY)
    case 'attributes': {
      if (!part[4])
        return {
          attributes: ATTRIBUTES.map(([scope, key, types]) => ({ scope, key, types })),
          truncated: true,
        }
      return {
        truncated: true,
        approximate: part[4] === 'name',
        values: (VALUES[part[4]] ?? ['one', 'two']).map((value, i) => ({ value, spans: 1000 - i })),
      }
    }
    case 'scatter':
      return scatter(query)
    case 'filter':
      readFilter(query.get('q'))
      return { ok: true, canonical: query.get('q') }
    case 'trace-id':
      return decoded(part[4])
    case 'scrape':
      return { targets: [], left_out_targets: 0, files: 0, bad_files: 0, left_out_files: 0 }
    case 'ledger':
      return ledger()
    case 'store':
      return store()
    case 'config':
      return {
        file: '/etc/sonde/sonde.yaml',
        settings: SETTINGS.map(([key, value, fallback, source, reloadable]) => ({
          key,
          value,
          default: fallback,
          source,
          reloadable,
        })),
      }
    case 'dead-letters':
      return letters()
  }
  throw new Refused(404, { error: 'no such endpoint' })
}

// ---- Serving ---------------------------------------------------------------------------------

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
}

function serveFile(path, response) {
  let file = join(DIST, normalize(path))
  if (!existsSync(file) || statSync(file).isDirectory()) file = join(DIST, 'index.html')
  response.writeHead(200, {
    'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
    'content-security-policy': CSP,
  })
  createReadStream(file).pipe(response)
}

let counter = 0

createServer(async (request, response) => {
  const url = new URL(request.url, 'http://fixture')
  const id = `r-fix-${String(++counter).padStart(6, '0')}`
  if (!url.pathname.startsWith('/api')) return serveFile(decodeURIComponent(url.pathname), response)
  response.setHeader('x-request-id', id)
  try {
    if (TOKEN && request.headers.authorization !== `Bearer ${TOKEN}`)
      throw new Refused(401, { error: 'a token is needed' })
    if (SLOW_MS && !request.headers.accept?.includes('ndjson')) await sleep(SLOW_MS)
    const body = await answer(url, request, response)
    if (body === undefined) return
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body))
  } catch (error) {
    if (!(error instanceof Refused)) console.error(error)
    const body = error.body ?? { error: 'the fixture failed' }
    response.writeHead(error.status ?? 500, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ ...body, request_id: id }))
  }
}).listen(PORT, '127.0.0.1', () => console.log(`fixture on http://127.0.0.1:${PORT}`))
