// SPDX-License-Identifier: Apache-2.0
// Purpose: the server's endpoints as functions.
import { ApiError, getJson, getLines } from './client'
import type * as T from './types'
import { cutRange } from '@/time/range'

const V1 = '/api/v1'

export interface TimeBounds {
  from: number
  to: number
}

const enc = encodeURIComponent

export const services = (range: TimeBounds, signal?: AbortSignal) =>
  getJson<T.ServiceList>(`${V1}/services`, { ...range }, signal)

export const operations = (
  id: string,
  namespace: string | undefined,
  range: TimeBounds,
  signal?: AbortSignal,
) =>
  getJson<T.OperationList>(`${V1}/services/${enc(id)}/operations`, { namespace, ...range }, signal)

// Whose calls: of one endpoint or instance, or of all, and then each one's total too where `by` asks.
export interface RedOf {
  service: string
  namespace?: string
  endpoint?: string
  instance?: string
  by?: 'endpoint' | 'instance'
}

// The server takes whole milliseconds.
const whole = ({ from, to }: TimeBounds) => ({ from: Math.floor(from), to: Math.ceil(to) })

// Over the range that the server cuts for who calls whom, so that calls are the same on every page.
export const red = (of: RedOf, range: TimeBounds, step?: number, signal?: AbortSignal) =>
  getJson<T.Red>(`${V1}/red`, { ...of, step, ...cutRange(whole(range)) }, signal)

export const LEVELS = ['line', 'service', 'endpoint'] as const
export const PLACE_LEVELS = ['dc', 'rack', 'host'] as const // where services run
export type Level = (typeof LEVELS)[number] | (typeof PLACE_LEVELS)[number]

export const topology = (level: Level, range: TimeBounds, signal?: AbortSignal) =>
  getJson<T.Topology>(`${V1}/topology`, { level, ...whole(range) }, signal)

// How the processes and machines of a service are, and what it measures itself.
export const nodeMetrics = (node: string, range: TimeBounds, signal?: AbortSignal) =>
  getJson<T.NodeMetrics>(`${V1}/topology/metrics`, { node, ...whole(range) }, signal)

export const entries = (range: TimeBounds, signal?: AbortSignal) =>
  getJson<T.Entries>(`${V1}/entries`, { ...whole(range) }, signal)

// All chains of one entry, and what its services would need if it were called `times` as often.
export const entryTree = (
  entry: { service: string; endpoint: string; namespace?: string },
  times: number,
  range: TimeBounds,
  signal?: AbortSignal,
) => getJson<T.Entries>(`${V1}/entries`, { ...entry, times, ...whole(range) }, signal)

export const entriesLoading = (node: string, range: TimeBounds, signal?: AbortSignal) =>
  getJson<T.Entries>(`${V1}/entries/load`, { node, ...whole(range) }, signal)

export const findings = (range: TimeBounds, signal?: AbortSignal) =>
  getJson<T.Findings>(`${V1}/findings`, { ...whole(range) }, signal)

// Whose metrics; without a service, of all.
export interface MetricsOf {
  service?: string
  namespace?: string
}

export const metrics = (of: MetricsOf, range: TimeBounds, signal?: AbortSignal) =>
  getJson<T.Metrics>(`${V1}/metrics`, { ...of, ...whole(range) }, signal)

export const metricServices = (range: TimeBounds, signal?: AbortSignal) =>
  getJson<T.MetricServices>(`${V1}/metrics/services`, { ...whole(range) }, signal)

export interface MetricOf extends MetricsOf {
  name: string
  as?: 'value' | 'rate'
  by?: string // a label
  labels?: Record<string, string> // that series must have
}

const labelParams = (labels: Record<string, string> = {}) =>
  Object.fromEntries(Object.entries(labels).map(([key, value]) => [`label.${key}`, value]))

export const metric = ({ labels, ...of }: MetricOf, range: TimeBounds, signal?: AbortSignal) => {
  const params = { ...of, ...labelParams(labels), ...whole(range) }
  return getJson<T.Metric>(`${V1}/metrics/query`, params, signal)
}

// Of a metric with a label a series must have, and whatever it is shown as or split by.
export const exemplars = (
  { name, service, namespace, labels }: MetricOf,
  range: TimeBounds,
  signal?: AbortSignal,
) => {
  const params = { name, service, namespace, ...labelParams(labels), ...whole(range) }
  return getJson<T.Exemplars>(`${V1}/metrics/exemplars`, params, signal)
}

// Which calls to stores: of one board, service and business line ('': of services without one); `compare`
// is how long before they are to be compared with.
export interface StoresOf {
  kind: T.StoreNode['board']
  service?: string
  namespace?: string
  compare?: string
}

export const stores = (of: StoresOf, range: TimeBounds, signal?: AbortSignal) =>
  getJson<T.Stores>(`${V1}/stores`, { ...of, ...whole(range) }, signal)

export const STATEMENT_ORDERS = ['total', 'mean', 'calls', 'errors', 'p99'] as const
export type StatementOrder = (typeof STATEMENT_ORDERS)[number]

export const storeStatements = (
  of: StoresOf & { node?: string; by: StatementOrder; limit: number },
  range: TimeBounds,
  signal?: AbortSignal,
) => getJson<T.StoreStatements>(`${V1}/stores/statements`, { ...of, ...whole(range) }, signal)

export const ORDERS = ['newest', 'slowest', 'errors'] as const
export type Order = (typeof ORDERS)[number]

export interface SearchHooks {
  trace(trace: T.TraceSummary): void
  progress(scanned: number, total: number): void
}

interface StreamLine {
  progress?: { scanned_spans: number; total_spans: number }
  trace?: T.TraceSummary
  stats?: T.Stats
  error?: string
  request_id?: string
}

export async function searchTraces(
  params: TimeBounds & { q: string; limit: number; order: Order },
  hooks: SearchHooks,
  signal?: AbortSignal,
): Promise<T.Stats> {
  let stats: T.Stats | undefined
  await getLines(
    `${V1}/traces`,
    { ...params },
    (value) => {
      const line = value as StreamLine
      if (line.progress) hooks.progress(line.progress.scanned_spans, line.progress.total_spans)
      else if (line.trace) hooks.trace(line.trace)
      else if (line.stats) stats = line.stats
      else if (line.error !== undefined) throw new ApiError(500, line)
    },
    signal,
  )
  if (!stats) throw new ApiError(0, { error: 'the answer ended early' })
  return stats
}

export const scatter = (
  params: TimeBounds & { q: string; columns: number; rows: number },
  signal?: AbortSignal,
) => getJson<T.Scatter>(`${V1}/scatter`, { ...params }, signal)

export const outline = (id: string, signal?: AbortSignal) =>
  getJson<T.Outline>(`${V1}/traces/${enc(id)}/outline`, {}, signal)

export const span = (traceId: string, spanId: string, signal?: AbortSignal) =>
  getJson<T.SpanMatches>(`${V1}/traces/${enc(traceId)}/spans/${enc(spanId)}`, {}, signal)

export const rawTracePath = (id: string) => `${V1}/traces/${enc(id)}/raw`

export const traceIdParts = (id: string, signal?: AbortSignal) =>
  getJson<T.TraceIdParts>(`${V1}/trace-id/${enc(id)}`, {}, signal)

export const checkFilter = (q: string, signal?: AbortSignal) =>
  getJson<T.FilterOk>(`${V1}/filter`, { q }, signal)

export const attributes = (range: TimeBounds, prefix: string, signal?: AbortSignal) =>
  getJson<T.AttributeKeyList>(`${V1}/attributes`, { ...range, prefix, limit: 1000 }, signal)

export const attributeValues = (
  scope: 'span' | 'resource',
  key: string,
  range: TimeBounds,
  prefix: string,
  signal?: AbortSignal,
) =>
  getJson<T.AttributeValueList>(
    `${V1}/attributes/${enc(key)}/values`,
    { scope, ...range, prefix, limit: 50 },
    signal,
  )

export const status = (signal?: AbortSignal) => getJson<T.Status>('/api/status', {}, signal)
export const ledger = (signal?: AbortSignal) => getJson<T.Ledger>(`${V1}/ledger`, {}, signal)
export const store = (signal?: AbortSignal) => getJson<T.Store>(`${V1}/store`, {}, signal)
export const config = (signal?: AbortSignal) => getJson<T.Config>(`${V1}/config`, {}, signal)
export const scrapeTargets = (signal?: AbortSignal) =>
  getJson<T.ScrapeTargets>(`${V1}/scrape/targets`, {}, signal)
export const deadLetters = (limit: number, signal?: AbortSignal) =>
  getJson<T.DeadLetterList>(`${V1}/dead-letters`, { limit }, signal)
