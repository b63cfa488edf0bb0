// SPDX-License-Identifier: Apache-2.0
// Purpose: which charts tell how the runtime of a service is: of the JVM, and of Node.js.
import type { MetricPoint } from '@/api/types'
import type { MessageKey } from '@/i18n'
import type { Measure } from './columns'

export interface RuntimeChart {
  title: Extract<MessageKey, `runtime.${string}`>
  name: string
  by: string
  labels?: Record<string, string>
  measure: Measure | 'busy' // busy: the share of time that was measured
}

export const CHARTS: RuntimeChart[] = [
  {
    title: 'runtime.heap',
    name: 'jvm.memory.used',
    labels: { 'jvm.memory.type': 'heap' },
    by: 'jvm.memory.pool.name',
    measure: 'sum',
  },
  {
    title: 'runtime.nonHeap',
    name: 'jvm.memory.used',
    labels: { 'jvm.memory.type': 'non_heap' },
    by: 'jvm.memory.pool.name',
    measure: 'sum',
  },
  { title: 'runtime.gcTime', name: 'jvm.gc.duration', by: 'jvm.gc.name', measure: 'busy' },
  { title: 'runtime.gcCount', name: 'jvm.gc.duration', by: 'jvm.gc.name', measure: 'rate' },
  { title: 'runtime.cpu', name: 'jvm.cpu.recent_utilization', by: 'instance', measure: 'mean' },
  { title: 'runtime.threads', name: 'jvm.thread.count', by: 'jvm.thread.state', measure: 'sum' },
  { title: 'runtime.classes', name: 'jvm.class.count', by: 'instance', measure: 'mean' },
  {
    title: 'runtime.v8Heap',
    name: 'v8js.memory.heap.used',
    by: 'v8js.heap.space.name',
    measure: 'sum',
  },
  { title: 'runtime.v8GcTime', name: 'v8js.gc.duration', by: 'v8js.gc.type', measure: 'busy' },
  {
    title: 'runtime.loopBusy',
    name: 'nodejs.eventloop.utilization',
    by: 'instance',
    measure: 'mean',
  },
  {
    title: 'runtime.loopDelay',
    name: 'nodejs.eventloop.delay.p99',
    by: 'instance',
    measure: 'max',
  },
]

// Those that the service sends.
export function chartsOf(names: readonly string[]): RuntimeChart[] {
  const sent = new Set(names)
  return CHARTS.filter(({ name }) => sent.has(name))
}

// Seconds that were measured in a second; of instances together, so that it may be more than 1.
export const busyOf = (stepMs: number) => (point: MetricPoint) =>
  point.sum === null || point.sum === undefined ? null : point.sum / (stepMs / 1000)
