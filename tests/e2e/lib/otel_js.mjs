// SPDX-License-Identifier: Apache-2.0
// Purpose: sends spans with everything a span can have by the exporters of OpenTelemetry JS and reads
// them back by the command line and the API, from memory and from a part; then raw OTLP/JSON for what
// the SDK cannot make: nested values, bad spans, broken requests.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..')
const SONDE = process.env.SONDE_BINARY ?? join(ROOT, 'build/sonde')
const require = createRequire(join(ROOT, 'demo/package.json'))
const {
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  context,
  createTraceState,
  trace,
} = require('@opentelemetry/api')
const { BasicTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base')
const { resourceFromAttributes } = require('@opentelemetry/resources')
const EXPORTERS = {
  grpc: require('@opentelemetry/exporter-trace-otlp-grpc'),
  'http/protobuf': require('@opentelemetry/exporter-trace-otlp-proto'),
  'http/json': require('@opentelemetry/exporter-trace-otlp-http'),
}
const PART_WAIT_MS = 10000

const ATTRIBUTES = {
  text: 'plain',
  unicode: 'größer 茶经 🫖 "quoted" \\ \n\t',
  cut: 'cut through a pair: 🫖'.slice(0, -1),
  control: 'a\u0000b\u001fc',
  empty: '',
  long: 'x'.repeat(20000),
  yes: true,
  no: false,
  zero: 0,
  negative: -42,
  largest: Number.MAX_SAFE_INTEGER,
  smallest: Number.MIN_SAFE_INTEGER,
  double: 0.1,
  large: 1e20, // the SDK says intValue in JSON
  tiny: 5e-324,
  texts: ['a', '', '茶'],
  ints: [1, -2, 3],
  doubles: [0.5, -1.25],
  bools: [true, false],
  none: [],
  'dotted.key with blanks': 'v',
}
const RESOURCE = {
  'service.namespace': 'e2e',
  'service.version': '1.2.3',
  'service.instance.id': 'i-1',
  'resource.list': ['x', 'y'],
}

async function startServer(folder) {
  const child = spawn(
    SONDE,
    [
      'server',
      '--data',
      join(folder, 'data'),
      ...['--http', '--otlp-grpc', '--otlp-http'].flatMap((f) => [f, '127.0.0.1:0']),
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, SONDE_STORE_FLUSH_AGE: '1s', SONDE_LOG_LEVEL: 'error' },
    },
  )
  process.on('exit', () => child.kill('SIGKILL'))
  const found = {}
  for await (const line of createInterface({ input: child.stdout })) {
    const match = /^ {2}(http|otlp-grpc|otlp-http) +(\S+)/.exec(line)
    if (match) {
      found[match[1]] = `http://${match[2]}`
    }
    if (Object.keys(found).length === 3) {
      break
    }
  }
  return { child, url: found.http, grpc: found['otlp-grpc'], otlp: found['otlp-http'] }
}

function sonde(server, ...words) {
  return execFileSync(SONDE, words, {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    env: { ...process.env, SONDE_SERVER: server.url },
  })
}

async function get(server, path, status = 200) {
  const answer = await fetch(server.url + path)
  assert.equal(answer.status, status, path)
  return answer.json()
}

// Integers beyond 2^53 (times) come as JSON numbers with all digits; JSON.parse would round them.
function parseExact(text) {
  return JSON.parse(text.replace(/"(start_unix_nano|time_unix_nano)":(\d+)/g, '"$1":"$2"'))
}

const nanos = ([s, n]) => BigInt(s) * 1000000000n + BigInt(n)

// What the server must answer for a span that the SDK made.
function expectedOf(span) {
  return {
    span_id: span.spanContext().spanId,
    parent_span_id: span.parentSpanContext?.spanId ?? '',
    name: span.name,
    kind: SpanKind[span.kind].toLowerCase(),
    start_unix_nano: String(nanos(span.startTime)),
    duration_ns: Number(nanos(span.endTime) - nanos(span.startTime)),
    status: SpanStatusCode[span.status.code].toLowerCase(),
    status_message: span.status.message ?? '',
    trace_state: span.spanContext().traceState?.serialize() ?? '',
    // No UTF-8 has the half of a pair; every exporter or the server puts U+FFFD there.
    attributes: { ...span.attributes, ...(span.attributes.cut && { cut: 'cut through a pair: \ufffd' }) },
    resource: { ...span.resource.attributes },
    scope: {
      name: span.instrumentationScope.name,
      version: span.instrumentationScope.version,
      attributes: {},
    },
    events: span.events.map((e) => ({
      time_unix_nano: String(nanos(e.time)),
      offset_ns: Number(nanos(e.time) - nanos(span.startTime)),
      name: e.name,
      attributes: e.attributes ?? {},
    })),
    links: span.links.map((l) => ({
      trace_id: l.context.traceId,
      span_id: l.context.spanId,
      attributes: l.attributes ?? {},
    })),
  }
}

function compare(answer, spans, where) {
  assert.equal(answer.spans.length, spans.length, where)
  for (const span of spans) {
    const expected = expectedOf(span)
    const seen = answer.spans.find((s) => s.span_id === expected.span_id)
    assert.ok(seen, `${where}: span ${span.name} is missing`)
    const part = Object.fromEntries(Object.keys(expected).map((k) => [k, seen[k]]))
    assert.deepEqual(part, expected, `${where}: ${span.name}`)
    assert.equal(seen.service, span.resource.attributes['service.name'])
    assert.equal(seen.namespace, 'e2e')
  }
}

function work(tracer) {
  const remote = trace.setSpanContext(context.active(), {
    traceId: '00112233445566778899aabbccddeeff',
    spanId: '0011223344556677',
    traceFlags: TraceFlags.SAMPLED,
    isRemote: true,
    traceState: createTraceState('vendor=value,other=1'),
  })
  const root = tracer.startSpan('root 根', { kind: SpanKind.SERVER, attributes: ATTRIBUTES })
  const inside = trace.setSpan(context.active(), root)
  const kinds = [SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER]
  const children = kinds.map((kind, i) =>
    tracer.startSpan(`child ${i}`, { kind, attributes: { i } }, inside),
  )
  children[0].addEvent('first', { 'event.text': 'ä', 'event.list': [1, 2] })
  children[0].addEvent('second')
  children[0].recordException(new TypeError('it broke'))
  children[0].setStatus({ code: SpanStatusCode.ERROR, message: 'it broke: größer' })
  children[1].setStatus({ code: SpanStatusCode.OK })
  children[2].addLink({ context: trace.getSpanContext(remote), attributes: { why: 'test', n: 7 } })
  const stranger = tracer.startSpan('continued', { kind: SpanKind.SERVER }, remote)
  for (const span of [...children, stranger, root]) {
    span.end()
  }
  return { spans: [root, ...children], stranger }
}

// One exporter with one compression; gives the spans that were acknowledged.
async function sendBy(server, protocol, compression) {
  const service = `js-${protocol.replace('/', '-')}-${compression}`
  const url = protocol === 'grpc' ? server.grpc : `${server.otlp}/v1/traces`
  const exporter = new EXPORTERS[protocol].OTLPTraceExporter({ url, compression })
  const results = []
  const send = exporter.export.bind(exporter)
  exporter.export = (spans, done) =>
    send(spans, (result) => {
      results.push(result)
      done(result)
    })
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': service, ...RESOURCE }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  })
  const made = work(provider.getTracer('e2e.tracer', '4.5.6'))
  await provider.forceFlush()
  assert.deepEqual(
    results.map((r) => r.code),
    [0],
    `${service}: the exporter's result ${results[0]?.error}`,
  )
  await provider.shutdown()
  return { service, ...made }
}

async function checkSent(server, { service, spans, stranger }) {
  const id = spans[0].spanContext().traceId
  compare(
    parseExact(sonde(server, 'trace', 'get', id, '--json')),
    spans,
    `${service} by the command line`,
  )
  const answer = await fetch(`${server.url}/api/v1/traces/${id}`)
  const text = await answer.text()
  compare(parseExact(text), spans, `${service} by the API`)
  assert.deepEqual(
    JSON.parse(text)
      .spans.map((s) => s.rpc_id)
      .sort(),
    ['0', '0.1', '0.2', '0.3', '0.4'],
  )
  const others = parseExact(sonde(server, 'trace', 'get', stranger.spanContext().traceId, '--json'))
  compare(
    { spans: others.spans.filter((s) => s.service === service) },
    [stranger],
    `${service}: continued`,
  )
  for (const filter of [
    `{ resource.service.name = "${service}" && span.unicode = ${JSON.stringify(ATTRIBUTES.unicode)} }`,
    `{ resource.service.name = "${service}" && span.negative = -42 && span.double < 0.2 && span.yes }`,
    `{ resource.service.name = "${service}" && status = error && event:name = "exception" && statusMessage =~ "it broke.*" }`,
    `{ resource.service.name = "${service}" && link.why = "test" && kind = producer }`,
  ]) {
    const lines = sonde(server, 'trace', 'search', filter, '--json').trim().split('\n')
    assert.equal(lines.length, 1, filter)
    const hit = JSON.parse(lines[0])
    assert.deepEqual(
      [hit.trace_id, hit.root_service, hit.root_name, hit.spans, hit.errors],
      [id, service, 'root 根', 5, 1],
      filter,
    )
  }
  const { services } = await get(server, '/api/v1/services')
  const row = services.find((s) => s.name === service)
  assert.deepEqual([row.namespace, row.spans, row.errors], ['e2e', 6, 1], service)
  const { operations } = await get(server, `/api/v1/services/${service}/operations?namespace=e2e`)
  assert.deepEqual(operations.map((o) => o.name).sort(), [
    'child 0',
    'child 1',
    'child 2',
    'child 3',
    'continued',
    'root 根',
  ])
}

const kv = (key, value) => ({ key, value })
function rawRequest(spans) {
  return {
    resourceSpans: [
      {
        resource: { attributes: [kv('service.name', { stringValue: 'raw' })] },
        scopeSpans: [{ scope: { name: 'raw' }, spans }],
      },
    ],
  }
}

async function post(server, body, headers = {}) {
  const answer = await fetch(`${server.otlp}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })
  return { status: answer.status, body: await answer.json() }
}

const START = `${BigInt(Date.now()) * 1000000n + 123n}`
const base = (traceId, spanId) => ({
  traceId,
  spanId,
  name: 'raw',
  kind: 1,
  startTimeUnixNano: START,
  endTimeUnixNano: START,
})

async function checkNested(server) {
  const traceId = '5'.repeat(32)
  const attributes = [
    kv('list', {
      arrayValue: {
        values: [
          { stringValue: 'x' },
          { intValue: '9223372036854775807' },
          {
            kvlistValue: {
              values: [kv('deep', { arrayValue: { values: [{ boolValue: true }] } })],
            },
          },
        ],
      },
    }),
    kv('map', { kvlistValue: { values: [kv('a', { doubleValue: 1.5 }), kv('b', {})] } }),
    kv('bytes', { bytesValue: 'AAEC/w==' }),
    kv('empty', {}),
    kv('nan', { doubleValue: 'NaN' }),
    kv('infinite', { doubleValue: '-Infinity' }),
  ]
  const span = {
    ...base(traceId, '5'.repeat(16)),
    attributes,
    events: [{ timeUnixNano: START, name: 'e', attributes }],
    flags: 1,
  }
  assert.deepEqual(
    await post(server, gzipSync(JSON.stringify(rawRequest([span]))), {
      'content-encoding': 'gzip',
    }),
    { status: 200, body: {} },
  )
  const text = sonde(server, 'trace', 'get', traceId, '--json')
  assert.ok(text.includes('9223372036854775807'), 'the largest integer has all its digits')
  const seen = JSON.parse(text).spans[0]
  const expected = {
    list: ['x', Number('9223372036854775807'), { deep: [true] }],
    map: { a: 1.5, b: null },
    bytes: { bytes_base64: 'AAEC/w==' },
    empty: null,
    nan: 'NaN',
    infinite: '-Infinity',
  }
  assert.deepEqual(seen.attributes, expected, 'nested attributes of a span')
  assert.deepEqual(seen.events[0].attributes, expected, 'nested attributes of an event')
  const raw = await get(server, `/api/v1/traces/${traceId}/raw`)
  assert.deepEqual(
    raw.resourceSpans[0].scopeSpans[0].spans[0].attributes,
    attributes,
    'the raw download',
  )
}

async function checkRefused(server) {
  const good = base('6'.repeat(32), '6'.repeat(16))
  const bad = base('0'.repeat(32), '7'.repeat(16))
  const partial = await post(server, JSON.stringify(rawRequest([good, bad])))
  assert.equal(partial.status, 200)
  assert.equal(partial.body.partialSuccess.rejectedSpans, '1')
  assert.match(partial.body.partialSuccess.errorMessage, /trace_?id/i)
  assert.equal((await get(server, `/api/v1/traces/${good.traceId}`)).spans.length, 1)

  const broken = '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":5}]}]}]}'
  const refused = await post(server, broken)
  assert.equal(refused.status, 400)
  assert.equal(refused.body.field, 'resourceSpans[0].scopeSpans[0].spans[0].traceId')
  assert.equal(refused.body.offset, broken.indexOf('5}'))
  const torn = await post(server, broken.slice(0, 30))
  assert.deepEqual([torn.status, torn.body.offset], [400, 30])
  const notGzip = await post(server, 'plain', { 'content-encoding': 'gzip' })
  assert.equal(notGzip.status, 400)
  const noType = await fetch(`${server.otlp}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'text/plain' },
    body: 'x',
  })
  assert.equal(noType.status, 415)

  const { letters } = await get(server, '/api/v1/dead-letters?limit=20')
  const letter = letters.find((l) => l.message.startsWith(refused.body.field))
  assert.deepEqual(
    [letter.reason, letter.protocol, letter.offset],
    ['malformed', 'otlp/http+json', refused.body.offset],
  )
  assert.equal(Buffer.from(letter.body_base64, 'base64').toString(), broken)
  assert.ok(
    letters.some((l) => l.reason === 'invalid' && l.records === 1),
    'the bad span is among the dead letters',
  )
}

async function checkLedger(server, sent) {
  const { rows } = await get(server, '/api/v1/ledger')
  for (const row of rows) {
    const dropped = Object.values(row.dropped).reduce((a, b) => a + b, 0)
    assert.ok(row.balanced, JSON.stringify(row))
    assert.equal(
      row.received,
      row.stored + row.pending + row.sampled + row.expired + dropped,
      JSON.stringify(row),
    )
  }
  for (const { service } of sent) {
    assert.equal(rows.find((r) => r.service === service).received, 6, service)
  }
  const raw = rows.find((r) => r.service === 'raw')
  assert.deepEqual([raw.received, raw.dropped.invalid], [3, 1])
  assert.ok(rows.find((r) => r.service === '').dropped.malformed >= 3)
}

async function checkLogs(server) {
  const body = { resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: 'x' } }] }] }] }
  const answer = await fetch(`${server.otlp}/v1/logs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  assert.equal(answer.status, 200)
  assert.equal((await answer.json()).partialSuccess.rejectedLogRecords, '1')
}

async function untilInPart(server) {
  const end = Date.now() + PART_WAIT_MS
  for (;;) {
    const { store } = await get(server, '/api/status')
    if (store.hot_rows === 0 && store.parts > 0) {
      return
    }
    assert.ok(Date.now() < end, 'the first part was not written')
    await sleep(50)
  }
}

const folder = mkdtempSync(join(tmpdir(), 'sonde-otel-js-'))
const server = await startServer(folder)
const sent = []
for (const protocol of Object.keys(EXPORTERS)) {
  for (const compression of ['none', 'gzip']) {
    sent.push(await sendBy(server, protocol, compression))
    console.log(`sent by ${protocol}, ${compression}`)
  }
}
for (const phase of ['memory', 'a part']) {
  for (const one of sent) {
    await checkSent(server, one)
  }
  console.log(`read back from ${phase}`)
  await untilInPart(server)
}
await checkNested(server)
await checkRefused(server)
await checkLogs(server)
await checkLedger(server, sent)
await untilInPart(server)
await checkLedger(server, sent)
server.child.kill('SIGTERM')
const [code] = await once(server.child, 'exit')
assert.equal(code, 0, "the server's exit code")
assert.equal(
  JSON.parse(sonde(server, 'store', 'verify', '--data', join(folder, 'data'))).damaged,
  0,
)
rmSync(folder, { recursive: true })
console.log('ok')
