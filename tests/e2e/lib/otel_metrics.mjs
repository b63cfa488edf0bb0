// SPDX-License-Identifier: Apache-2.0
// Purpose: measures with OpenTelemetry JS and exports to a server; tells on standard output, one line
// of JSON an export, what the SDK handed to its exporter and whether that was taken.
// Usage: otel_metrics.mjs PROTOCOL URL TEMPORALITY INSTANCE; exports once for each line on standard
// input, and ends with it. A line is "go", and it measures what it likes, or a list of numbers in JSON,
// which are what it measures by an exponential histogram.
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..')
const require = createRequire(join(ROOT, 'demo/package.json'))
const {
  AggregationTemporality,
  AggregationType,
  DataPointType,
  MeterProvider,
  PeriodicExportingMetricReader,
} = require('@opentelemetry/sdk-metrics')
const { resourceFromAttributes } = require('@opentelemetry/resources')
const EXPORTERS = {
  grpc: '@opentelemetry/exporter-metrics-otlp-grpc',
  protobuf: '@opentelemetry/exporter-metrics-otlp-proto',
  json: '@opentelemetry/exporter-metrics-otlp-http',
}
const [protocol, url, temporality, instance] = process.argv.slice(2)
const { OTLPMetricExporter } = require(EXPORTERS[protocol])
const inner = new OTLPMetricExporter({
  url: protocol === 'grpc' ? url : `${url}/v1/metrics`,
  compression: 'gzip',
})
const wanted =
  temporality === 'delta' ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE

const nanos = ([seconds, rest]) => String(BigInt(seconds) * 1000000000n + BigInt(rest))
const pointOf = (p) => ({
  attributes: p.attributes,
  start: nanos(p.startTime),
  time: nanos(p.endTime),
  value: p.value,
})
const metricOf = (scope) => (m) => ({
  scope: scope.name,
  name: m.descriptor.name,
  unit: m.descriptor.unit,
  type: DataPointType[m.dataPointType],
  delta: m.aggregationTemporality === AggregationTemporality.DELTA,
  monotonic: m.isMonotonic ?? false,
  points: m.dataPoints.map(pointOf),
})
const exporter = {
  selectAggregationTemporality: () => wanted,
  export(data, done) {
    // Before it is handed on: the SDK reuses what it has.
    const metrics = data.scopeMetrics.flatMap((s) => s.metrics.map(metricOf(s.scope)))
    const seen = JSON.stringify(metrics)
    inner.export(data, (result) => {
      console.log(`{"code":${result.code},"metrics":${seen}}`)
      done(result)
    })
  },
  forceFlush: () => inner.forceFlush(),
  shutdown: () => inner.shutdown(),
}
const provider = new MeterProvider({
  resource: resourceFromAttributes({
    'service.namespace': 'js',
    'service.name': `meter-${protocol}`,
    'service.instance.id': instance,
  }),
  readers: [
    new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3600000 }), // by hand
  ],
  views: [
    {
      instrumentName: 'work.exponential',
      aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM, options: { maxSize: 60 } },
    },
  ],
})
const meter = provider.getMeter('e2e.meter')
const counter = meter.createCounter('work.done', { unit: '{job}', description: 'Jobs that are done' })
const upDown = meter.createUpDownCounter('work.open', { unit: '{job}' })
const duration = meter.createHistogram('work.duration', { unit: 's' })
const exponential = meter.createHistogram('work.exponential', { unit: 's' })
let level = 0
meter.createObservableGauge('work.level').addCallback((r) => {
  r.observe(level, { tank: 'a', full: level > 5 })
  r.observe(-level / 3, { tank: 'b', full: false })
})

let seed = 4711
const random = () => {
  seed = (seed * 1103515245 + 12345) % 2147483648
  return seed / 2147483648
}
for await (const line of createInterface({ input: process.stdin })) {
  if (line !== 'go') {
    for (const value of JSON.parse(line)) exponential.record(value)
    await provider.forceFlush().catch(() => {}) // told with the code
    continue
  }
  level = Math.round(random() * 10)
  for (let i = 0; i < 50; i++) {
    const kind = ['mail', 'print', 'größer'][Math.floor(random() * 3)]
    counter.add(1 + Math.floor(random() * 5), { kind, tries: Math.floor(random() * 2) })
    upDown.add(Math.floor(random() * 7) - 3, { kind })
    duration.record(10 ** (random() * 5 - 2), { kind })
    exponential.record(random() < 0.1 ? 0 : 10 ** (random() * 3 - 2), { kind })
  }
  await provider.forceFlush().catch(() => {}) // told with the code
}
await provider.shutdown().catch(() => {})
