// SPDX-License-Identifier: Apache-2.0
// Purpose: made-up metrics of the made-up shop. For looking at the UI during development only; never part
// of what is shipped.
import { random, traceId } from './shop.mjs'

const MiB = 2 ** 20
const POOLS = [
  ['Eden Space', 'heap', 96],
  ['Survivor Space', 'heap', 8],
  ['Tenured Gen', 'heap', 210],
  ['Metaspace', 'non_heap', 88],
  ['CodeCache', 'non_heap', 30],
]
// [name, type, unit, series, { label: [values] }, greatest value]
const METRICS = [
  ['http.server.request.duration', 'histogram', 's', 42, { 'http.route': ['/', '/checkout', '/cart'] }, 0.4],
  ['jvm.class.count', 'gauge', '{class}', 2, {}, 14500],
  ['jvm.cpu.recent_utilization', 'gauge', '1', 2, {}, 0.6],
  ['jvm.cpu.time', 'counter', 's', 2, {}, 0.7],
  ['jvm.gc.duration', 'histogram', 's', 4, { 'jvm.gc.name': ['G1 Young Generation', 'G1 Old Generation'] }, 0.02],
  ['jvm.memory.used', 'gauge', 'By', 10, { 'jvm.memory.pool.name': POOLS.map(([pool]) => pool) }, 240 * MiB],
  ['jvm.thread.count', 'gauge', '{thread}', 8, { 'jvm.thread.state': ['runnable', 'waiting', 'timed_waiting', 'blocked'] }, 60],
  ['queue.length', 'gauge', '{item}', 1, {}, 30],
] // prettier-ignore
const SHARED = { service: ['payment', 'orders'], instance: ['orders-1', 'orders-2'] }
const STEPS = [10, 30, 60, 300, 600, 1800, 3600, 14400, 86400].map((seconds) => seconds * 1000)
const SENDERS = ['payment', 'orders']

const sends = (query, empty) =>
  !empty && (!query.get('service') || SENDERS.includes(query.get('service')))

export function names(query, empty) {
  const metrics = METRICS.map(([name, type, unit, series]) => ({ name, type, unit, series }))
  return { more: false, metrics: sends(query, empty) ? metrics : [] }
}

export function services(empty) {
  return { more: false, services: empty ? [] : SENDERS.map((name) => ({ name, namespace: '' })) }
}

function pointOf(type, as, time, stepMs, value) {
  if (type === 'gauge' || as === 'value')
    return {
      time_unix_ms: time,
      samples: 4,
      last: value,
      mean: value * 0.95,
      min: value * 0.8,
      max: value * 1.1,
      sum: value * 0.95,
    }
  const rate = { time_unix_ms: time, increase: (value * stepMs) / 1000, rate: value }
  if (type === 'counter') return rate
  const quantiles = { p50: value * 0.3, p90: value * 0.7, p95: value * 0.8, p99: value, p999: value * 1.6 } // prettier-ignore
  const count = 20 * (stepMs / 1000)
  return { time_unix_ms: time, increase: count, rate: 20, sum: value * 0.4 * count, mean: value * 0.4, ...quantiles } // prettier-ignore
}

export function series({ from, to }, query, empty) {
  const name = query.get('name')
  const step = Number(query.get('step')) || STEPS.find((ms) => (to - from) / ms <= 240) || 864e5
  const begin = Math.floor(from / step) * step
  const end = Math.ceil(to / step) * step
  const [, type = '', unit = '', , labels = {}, most = 1] =
    METRICS.find(([known]) => known === name) ?? []
  const by = query.get('by') ?? ''
  const as = query.get('as') ?? (type === 'gauge' || type === '' ? 'value' : 'rate')
  const kept = (value) => {
    const memory = query.get('label.jvm.memory.type')
    const only = query.get(`label.${by}`)
    const pool = POOLS.find(([known]) => known === value)
    return (!memory || !pool || pool[1] === memory) && (!only || only === value)
  }
  const values = by ? (labels[by] ?? SHARED[by] ?? ['']).filter(kept) : ['']
  const points = (at, value) => {
    const top = POOLS.find(([pool]) => pool === value)?.[2] * MiB || most / (at + 1)
    const list = []
    for (let time = begin; time < end; time += step) {
      const wave = 0.6 + 0.25 * Math.sin(time / 4e5 + at) + 0.15 * random(time / 1000 + at)()
      list.push(pointOf(type, as, time, step, top * wave))
    }
    return list
  }
  const groups =
    type && sends(query, empty)
      ? values.map((value, at) => ({ value, series: 2, points: points(at, value) }))
      : []
  const range = { from_unix_ms: begin, to_unix_ms: end, step_ms: step }
  const all = [...new Set([...Object.keys(labels), ...Object.keys(SHARED)])].sort()
  const whole = { left_out_series: 0, partial: false, labels: groups.length ? all : [] }
  return { name, type, unit, as, ...range, ...whole, by, groups }
}

// Of histograms: one of each ninth of the range.
export function exemplars(query, range, empty) {
  const [from, to] = [Number(query.get('from')) || range.from, Number(query.get('to')) || range.to]
  const [, type, , , , most] = METRICS.find(([known]) => known === query.get('name')) ?? []
  const list = []
  for (let at = 0; at < 9 && type === 'histogram' && sends(query, empty); at++)
    list.push({
      time_unix_ms: Math.floor(from + ((to - from) * (at + 0.5)) / 9),
      value: most * (0.4 + random(at + 1)()),
      trace_id: traceId(from, 7000 + at),
      span_id: '',
      service: SENDERS[at % SENDERS.length],
      namespace: 'shop',
      labels: { 'http.route': '/checkout', instance: 'a-1' },
    })
  return { from_unix_ms: from, to_unix_ms: to, exemplars: list }
}

// [measure, unit, metric, mean, worst mean, worst max]
const MEASURES = [
  ['cpu', '1', 'jvm.cpu.recent_utilization', 0.21, 0.34, 0.93],
  ['cpu_cores', '{cpu}', 'jvm.cpu.time', 0.42, 0.68, 1.86],
  ['heap', 'By', 'jvm.memory.used', 212 * MiB, 240 * MiB, 262 * MiB],
  ['heap_share', '1', 'jvm.memory.used', 0.55, 0.62, 0.68],
  ['gc', '1', 'jvm.gc.duration_sum', 0.0042, 0.0063, 0.021],
  ['threads', '{thread}', 'jvm.thread.count', 54, 61, 64],
  ['host_cpu', '1', 'jvm.system.cpu.utilization', 0.41, 0.44, 0.97],
]

// How the processes of a service are.
export function machine({ from, to }, query, empty) {
  const [, namespace, service] = query.get('node').split('/')
  const sent = sends(new Map([['service', service]]), empty)
  const measures = MEASURES.map(([measure, unit, metric, mean, worst, max]) => ({
    measure,
    unit,
    metric,
    instances: 2,
    mean,
    worst: { instance: `${service}-2`, mean: worst, max, max_unix_ms: from + (to - from) / 3 },
  }))
  const own = METRICS.filter(([name]) => name.startsWith('queue'))
  return {
    ...{ from_unix_ms: from, to_unix_ms: to, partial: false, step_ms: 60000, namespace },
    measures: sent ? measures : [],
    left_out_measures: 0,
    metrics: sent
      ? own.map(([name, type, unit, count]) => ({ name, type, unit, series: count }))
      : [],
    more_metrics: 0,
    other_metrics: sent ? METRICS.length - own.length : 0,
  }
}
