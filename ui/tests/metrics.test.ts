// SPDX-License-Identifier: Apache-2.0
// Purpose: metrics as lines: units, which number comes first, steps, groups.
import { describe, expect, it } from 'vitest'
import type { Metric, MetricGroup } from '@/api/types'
import { COLOURS } from '@/metrics/colours'
import {
  columnsOf,
  firstMeasure,
  knownLabels,
  measureFormat,
  measuresOf,
  timesOf,
} from '@/metrics/columns'
import { busyOf, CHARTS, chartsOf } from '@/metrics/runtime'
import { formatNumber, formatOf, shortened } from '@/metrics/units'

function metric(more: Partial<Metric> = {}, groups: MetricGroup[] = []): Metric {
  return {
    name: 'm',
    type: 'gauge',
    unit: '',
    help: '',
    as: 'value',
    from_unix_ms: 1000,
    to_unix_ms: 5000,
    step_ms: 1000,
    left_out_series: 0,
    labels: [],
    partial: false,
    by: '',
    groups,
    ...more,
  }
}
const group = (value: string, points: MetricGroup['points']) => ({ value, series: 1, points })

describe('units', () => {
  it('are read as senders write them', () => {
    expect(formatOf('a', 'By')(1536)).toBe('1.50 KiB')
    expect(formatOf('a', 'MBy')(1)).toBe('977 KiB')
    expect(formatOf('a', 'By')(-2048)).toBe('-2.00 KiB')
    expect(formatOf('a', 's')(0.0123)).toBe('12.3 ms')
    expect(formatOf('a', 'ms')(12)).toBe('12.0 ms')
    expect(formatOf('a', '{thread}')(17)).toBe('17')
    expect(formatOf('a', 'V')(12.34)).toBe('12.3 V')
    expect(formatOf('jvm.cpu.recent_utilization', '1')(0.4567)).toBe('45.7%')
    expect(formatOf('sonde.agent.effort', '1')(3)).toBe('3')
  })

  it('are known by the name where Prometheus says none', () => {
    expect(formatOf('node_memory_MemAvailable_bytes', '')(20 * 1024 ** 3)).toBe('20.0 GiB')
    expect(formatOf('node_network_receive_bytes_total', '', true)(2048)).toBe('2.00 KiB/s')
    expect(formatOf('go_gc_duration_seconds', '')(0.0123)).toBe('12.3 ms')
    expect(formatOf('wait_seconds', 'seconds')(0.25)).toBe('250 ms')
    expect(formatOf('cache_hit_ratio', '')(0.25)).toBe('25%')
    expect(formatOf('process_start_time_seconds', '')(1_700_000_000)).toBe('1.7B')
    expect(formatOf('a_bytes', 'ms')(12)).toBe('12.0 ms')
    expect(measureFormat(metric({ name: 'a_seconds', type: 'histogram' }), 'rate')(3)).toBe('3/s')
    expect(firstMeasure(metric({ name: 'a_bytes' }, [group('', [{ time_unix_ms: 1, mean: 1, sum: 2 }])]))).toBe('sum') // prettier-ignore
  })

  it('are by the second where a rate is shown', () => {
    expect(formatOf('a', 'By', true)(2048)).toBe('2.00 KiB/s')
    expect(formatOf('a', 's', true)(0.25)).toBe('250 ms/s')
    expect(formatOf('a', '{call}', true)(0.5)).toBe('0.5/s')
  })

  it('leave numbers of any size readable', () => {
    expect([0, 0.00213, 12.44, 312.4, 31204].map((value) => formatNumber(value))).toEqual(['0', '0.00213', '12.4', '312', '31,204']) // prettier-ignore
    expect(formatNumber(4_200_000)).toBe('4.2M')
    expect(formatNumber(0.00002)).toBe('2.0e-5')
    expect(formatNumber(NaN)).toBe('–')
  })

  it('are short on a scale', () => {
    expect(shortened('8.00 MiB')).toBe('8 MiB')
    expect(shortened('12.50%')).toBe('12.5%')
    expect(shortened('100 ms')).toBe('100 ms')
    expect(shortened('0.10/s')).toBe('0.1/s')
  })
})

describe('the numbers of a metric', () => {
  const point = { time_unix_ms: 1000, rate: 1, mean: 2, p50: null, p99: 3, last: null }

  it('are those that any point has', () => {
    expect(measuresOf(metric({}, [group('', [point])]))).toEqual(['mean', 'rate', 'p99'])
    expect(measuresOf(metric())).toEqual([])
  })

  it('begin with what a reader looks for', () => {
    const of = (more: Partial<Metric>, points: object) =>
      firstMeasure(metric(more, [group('', [{ time_unix_ms: 1000, ...points }])]))
    const value = { mean: 1, max: 1, min: 1, last: 1, sum: 1 }
    expect(of({ type: 'gauge', unit: 'By' }, value)).toBe('sum')
    expect(of({ type: 'gauge', unit: '{thread}' }, value)).toBe('sum')
    expect(of({ type: 'gauge', unit: '1' }, value)).toBe('mean')
    expect(of({ type: 'counter' }, { rate: 1, increase: 1 })).toBe('rate')
    expect(of({ type: 'counter', as: 'value' }, value)).toBe('mean')
    expect(of({ type: 'histogram' }, { rate: 1, mean: 1, p99: 1 })).toBe('p99')
    expect(of({ type: 'histogram' }, { rate: 1, mean: 1 })).toBe('mean')
  })

  it('count where a histogram says how often', () => {
    const histogram = metric({ type: 'histogram', unit: 's' })
    expect(measureFormat(histogram, 'rate')(2)).toBe('2/s')
    expect(measureFormat(histogram, 'p99')(2)).toBe('2.00 s')
    expect(measureFormat(metric({ type: 'counter', unit: 'By' }), 'increase')(2048)).toBe(
      '2.00 KiB',
    )
  })
})

describe('lines', () => {
  it('are of the steps that are over, with gaps where nothing is', () => {
    const made = metric({}, [
      group('few', [{ time_unix_ms: 2000, mean: 1 }]),
      group('none', [{ time_unix_ms: 2000, mean: null }]),
      group('many', [
        { time_unix_ms: 1000, mean: 5 },
        { time_unix_ms: 3000, mean: 0 },
      ]),
    ])
    const times = timesOf(made, 4500)
    expect(times).toEqual([1000, 2000, 3000])
    const columns = columnsOf(made, times, (point) => point.mean)
    expect(columns.map(({ group: { value } }) => value)).toEqual(['many', 'few'])
    expect(columns.map(({ values }) => values)).toEqual([
      [5, null, 0],
      [null, 1, null],
    ])
    expect(timesOf(metric({ step_ms: 0 }), 4500)).toEqual([])
  })

  it('differ in colour', () => {
    expect(new Set(COLOURS).size).toBe(12)
  })
})

describe('labels', () => {
  it('that are offered are those that the metric is known to have', () => {
    expect(knownLabels('jvm.memory.used')).toContain('jvm.memory.pool.name')
    expect(knownLabels('my.own')).toEqual(['service', 'instance'])
  })
})

describe('the runtime of a service', () => {
  it('is shown by what the service sends', () => {
    expect(chartsOf([])).toEqual([])
    expect(chartsOf(['jvm.thread.count', 'else']).map(({ title }) => title)).toEqual([
      'runtime.threads',
    ])
    expect(new Set(CHARTS.map(({ title }) => title)).size).toBe(CHARTS.length)
  })

  it('says what share of the time went to garbage collection', () => {
    expect(busyOf(10_000)({ time_unix_ms: 0, sum: 0.5 })).toBeCloseTo(0.05)
    expect(busyOf(10_000)({ time_unix_ms: 0, sum: null })).toBeNull()
    expect(busyOf(10_000)({ time_unix_ms: 0 })).toBeNull()
  })
})
