// SPDX-License-Identifier: Apache-2.0
// Purpose: how to send the first spans and metrics to this server, as lines of a shell.
import type { Status } from '@/api/types'

export type Addresses = Status['addresses']

// A server that listens on every address of its host is reached as the browser reaches it.
export function reachable(address: string, browserHost: string): string {
  return address.replace(/^(0\.0\.0\.0|\[::\])(?=:\d+$)/, browserHost)
}

// Environment variables of every OpenTelemetry SDK; null when no receiver is on.
export function sdkExample(addresses: Addresses, browserHost: string): string | null {
  const { otlp_http: http, otlp_grpc: grpc } = addresses
  const address = http ?? grpc
  if (!address) return null
  return [
    'export OTEL_SERVICE_NAME=my-service',
    `export OTEL_EXPORTER_OTLP_ENDPOINT=http://${reachable(address, browserHost)}`,
    `export OTEL_EXPORTER_OTLP_PROTOCOL=${http ? 'http/protobuf' : 'grpc'}`,
    'export OTEL_TRACES_EXPORTER=otlp OTEL_METRICS_EXPORTER=otlp OTEL_LOGS_EXPORTER=none',
  ].join('\n')
}

// The shell puts the time in, and with it makes new IDs at every run: 22 + 10 and 6 + 10 digits.
const NOW = `'$(date +%s)'`

const RESOURCE =
  '    "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"hello"}}]},'

const post = (address: string, browserHost: string, signal: string) =>
  `curl http://${reachable(address, browserHost)}/v1/${signal} \\`

// One span of OTLP/JSON; null when the receiver that takes it is off.
export function curlExample(addresses: Addresses, browserHost: string): string | null {
  if (!addresses.otlp_http) return null
  return [
    post(addresses.otlp_http, browserHost, 'traces'),
    `  -H 'Content-Type: application/json' -d '{"resourceSpans":[{`,
    RESOURCE,
    `    "scopeSpans":[{"spans":[{"name":"GET /hello","kind":2,`,
    `      "traceId":"5b8efff798038103d269b6${NOW}","spanId":"eee19b${NOW}",`,
    `      "startTimeUnixNano":"${NOW}000000000","endTimeUnixNano":"${NOW}025000000"}]}]}]}'`,
  ].join('\n')
}

// One value of a metric, likewise.
export function metricExample(addresses: Addresses, browserHost: string): string | null {
  if (!addresses.otlp_http) return null
  return [
    post(addresses.otlp_http, browserHost, 'metrics'),
    `  -H 'Content-Type: application/json' -d '{"resourceMetrics":[{`,
    RESOURCE,
    `    "scopeMetrics":[{"metrics":[{"name":"hello.queue.length","unit":"{item}","gauge":{`,
    `      "dataPoints":[{"timeUnixNano":"${NOW}000000000","asInt":"7"}]}}]}]}]}'`,
  ].join('\n')
}
