// SPDX-License-Identifier: Apache-2.0
// Purpose: the lines that a new user is told to paste name what is on, and are well-formed.
import { describe, expect, it } from 'vitest'
import { curlExample, metricExample, reachable, sdkExample } from '@/format/sendExamples'

const both = { http: 'h:7070', otlp_grpc: '127.0.0.1:4317', otlp_http: '127.0.0.1:4318' }
const grpc = { http: 'h:7070', otlp_grpc: '10.0.0.1:4317' }

describe('examples of sending', () => {
  it('name the receiver that is on', () => {
    expect(sdkExample(both, 'b')).toContain('ENDPOINT=http://127.0.0.1:4318\n')
    expect(sdkExample(both, 'b')).toContain('PROTOCOL=http/protobuf\n')
    expect(sdkExample(grpc, 'b')).toContain('ENDPOINT=http://10.0.0.1:4317\n')
    expect(sdkExample(grpc, 'b')).toContain('PROTOCOL=grpc\n')
    expect(curlExample(grpc, 'b')).toBeNull()
    expect(metricExample(grpc, 'b')).toBeNull()
    expect(sdkExample({ http: 'h:7070' }, 'b')).toBeNull()
  })

  it('send what this version keeps, and nothing else', () => {
    expect(sdkExample(both, 'b')).toContain('OTEL_TRACES_EXPORTER=otlp')
    expect(sdkExample(both, 'b')).toContain('OTEL_METRICS_EXPORTER=otlp')
    expect(sdkExample(both, 'b')).toContain('OTEL_LOGS_EXPORTER=none')
  })

  it('reach a server that listens everywhere as the browser does', () => {
    expect(reachable('0.0.0.0:4318', 'apm.example')).toBe('apm.example:4318')
    expect(reachable('[::]:4318', 'apm.example')).toBe('apm.example:4318')
    expect(reachable('10.0.0.0:4318', 'apm.example')).toBe('10.0.0.0:4318')
  })

  it('send one span of OTLP/JSON that the shell completes', () => {
    const text = curlExample(both, 'b')!.replaceAll(`'$(date +%s)'`, '1900000000')
    expect(text).toContain('curl http://127.0.0.1:4318/v1/traces')
    const body = JSON.parse(/-d '(.*)'$/s.exec(text)![1]!)
    const span = body.resourceSpans[0].scopeSpans[0].spans[0]
    expect(span.traceId).toMatch(/^[0-9a-f]{32}$/)
    expect(span.spanId).toMatch(/^[0-9a-f]{16}$/)
    expect(span.endTimeUnixNano - span.startTimeUnixNano).toBeCloseTo(25e6, -4)
  })

  it('send one value of a metric of OTLP/JSON', () => {
    const text = metricExample(both, 'b')!.replaceAll(`'$(date +%s)'`, '1900000000')
    expect(text).toContain('curl http://127.0.0.1:4318/v1/metrics')
    const body = JSON.parse(/-d '(.*)'$/s.exec(text)![1]!)
    const metric = body.resourceMetrics[0].scopeMetrics[0].metrics[0]
    expect(metric.gauge.dataPoints).toEqual([{ timeUnixNano: '1900000000000000000', asInt: '7' }])
  })
})
