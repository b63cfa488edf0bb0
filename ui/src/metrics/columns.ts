// SPDX-License-Identifier: Apache-2.0
// Purpose: a metric over time as lines: which numbers its points have, and one of them step by step for
// each of its groups.
import type { Metric, MetricGroup, MetricPoint } from '@/api/types'
import { formatOf, unitOf, type Format } from './units'

export const MEASURES = [
  'mean',
  'max',
  'min',
  'last',
  'sum',
  'rate',
  'increase',
  'p50',
  'p90',
  'p95',
  'p99',
  'p999',
] as const
export type Measure = (typeof MEASURES)[number]

const isPresent = (value: number | null | undefined): value is number =>
  value !== null && value !== undefined

// Those that any point has a value of.
export function measuresOf({ groups }: Metric): Measure[] {
  const found = new Set<Measure>()
  for (const { points } of groups)
    for (const point of points)
      for (const name of MEASURES) if (isPresent(point[name])) found.add(name)
  return MEASURES.filter((name) => found.has(name))
}

// What a reader looks for first: how slow, how often, how much.
export function firstMeasure(metric: Metric): Measure {
  const found = measuresOf(metric)
  const counts = unitOf(metric) === 'By' || /^\{.*\}$/.test(metric.unit)
  const wanted: Record<string, Measure[]> = {
    histogram: ['p99', 'mean', 'rate'],
    summary: ['p99', 'mean', 'rate'],
    counter: ['rate'],
    delta: ['rate'],
    gauge: counts ? ['sum', 'mean'] : ['mean'],
  }
  return (wanted[metric.type] ?? []).find((name) => found.includes(name)) ?? found[0] ?? 'mean'
}

// Of a histogram, how many there were is no matter of its unit.
export function measureFormat({ name, unit, type }: Metric, measure: Measure): Format {
  const distribution = type === 'histogram' || type === 'summary'
  if (distribution && (measure === 'rate' || measure === 'increase'))
    return formatOf('', '', measure === 'rate')
  return formatOf(name, unit, measure === 'rate')
}

// The begins of the steps that are over: of the last one, part is still to come.
export function timesOf(
  { from_unix_ms: from, to_unix_ms: to, step_ms: step }: Metric,
  nowMs: number,
) {
  const times: number[] = []
  for (let at = from; step > 0 && at < to; at += step) if (at + step <= nowMs) times.push(at)
  return times
}

export type Pick = (point: MetricPoint) => number | null | undefined

export interface Column {
  group: MetricGroup
  values: (number | null)[]
  most: number
}

// One column for each group, the greatest first; steps without anything are gaps.
export function columnsOf({ groups }: Metric, times: number[], pick: Pick): Column[] {
  const columns = groups.map((group) => {
    const values = new Map(group.points.map((point) => [point.time_unix_ms, pick(point) ?? null]))
    const column = times.map((at) => values.get(at) ?? null)
    const most = column.reduce<number>(
      (most, value) => Math.max(most, value ?? -Infinity),
      -Infinity,
    )
    return { group, values: column, most }
  })
  return columns.filter(({ most }) => most > -Infinity).sort((a, b) => b.most - a.most)
}

// Labels that metrics of these names are known to have, by the conventions of OpenTelemetry; the server
// takes any other.
const KNOWN: [RegExp, string[]][] = [
  [/^jvm\.memory\./, ['jvm.memory.pool.name', 'jvm.memory.type']],
  [/^jvm\.buffer\./, ['jvm.buffer.pool.name']],
  [/^jvm\.gc\./, ['jvm.gc.name', 'jvm.gc.action']],
  [/^jvm\.thread\./, ['jvm.thread.state', 'jvm.thread.daemon']],
  [/^v8js\.gc\./, ['v8js.gc.type']],
  [/^v8js\.(memory\.)?heap/, ['v8js.heap.space.name']],
  [/^nodejs\.eventloop\.time/, ['nodejs.eventloop.state']],
  [/^http\.server\./, ['http.route', 'http.request.method', 'http.response.status_code', 'error.type']],
  [/^http\.client\./, ['server.address', 'http.request.method', 'http.response.status_code', 'error.type']],
  [/^rpc\./, ['rpc.service', 'rpc.method', 'rpc.system']],
  [/^db\.client\.connection/, ['db.client.connection.pool.name', 'db.client.connection.state']],
  [/^db\.client\.operation/, ['db.system.name', 'db.operation.name', 'db.namespace', 'server.address']],
  [/^messaging\./, ['messaging.destination.name', 'messaging.system']],
] // prettier-ignore

export function knownLabels(name: string): string[] {
  const own = KNOWN.filter(([of]) => of.test(name)).flatMap(([, labels]) => labels)
  return ['service', 'instance', ...own]
}
