// SPDX-License-Identifier: Apache-2.0
// Purpose: the geometry of the scatter.
import { describe, expect, it } from 'vitest'
import type { Scatter, TraceSummary } from '@/api/types'
import type { Bounds } from '@/time/range'
import { inOrder } from '@/traces/order'
import * as s from '@/traces/scatterScale'

const ID = 'a'.repeat(32)
const scatter: Scatter = {
  from: 1000,
  to: 2000,
  columns: 10,
  column_ms: 100,
  rows: 3,
  duration_min_ns: 1e6,
  duration_max_ns: 1e9,
  cells: [
    [0, 0, 5, 0, ID],
    [9, 2, 100, 3, ID],
  ],
  stats: {
    scanned_spans: 0,
    total_spans: 0,
    elapsed_ms: 0,
    partial: false,
    parts: 0,
    hot_batches: 0,
    sampled: false,
  },
}

describe('scatter', () => {
  it('is logarithmic in duration and even in time', () => {
    expect(s.durationAt(scatter, 0)).toBeCloseTo(1e6)
    expect(s.durationAt(scatter, 1)).toBeCloseTo(1e7)
    expect(s.durationAt(scatter, 3)).toBeCloseTo(1e9)
    expect(s.timeAt(scatter, 5)).toBe(1500)
  })

  it('turns a dragged rectangle into an area, whichever way it was dragged', () => {
    const area = s.areaOf(scatter, 0.8, 1 / 3, 0.2, 0)
    expect(area.fromMs).toBe(1200)
    expect(area.toMs).toBe(1800)
    expect(area.minNs).toBeCloseTo(1e8)
    expect(area.maxNs).toBeCloseTo(1e9)
  })

  it('tells the share of errors by the width of a stripe, none too thin and none too wide', () => {
    expect(s.errorWidth(10, 1000, 0, 2)).toBe(0)
    expect(s.errorWidth(10, 1000, 1, 2)).toBe(2) // one among many is seen, and no more
    expect(s.errorWidth(10, 1000, 500, 2)).toBe(5)
    expect(s.errorWidth(10, 1000, 999, 2)).toBe(8) // not all
    expect(s.errorWidth(10, 1000, 1000, 2)).toBe(10)
    expect(s.errorWidth(1, 2, 1, 2)).toBeLessThanOrEqual(1)
  })

  it('finds the cell next to a point, within reach', () => {
    expect(s.nearestCell(scatter, 0.95, 0.1)?.[2]).toBe(100)
    expect(s.nearestCell(scatter, 0.5, 0.5)).toBeNull()
  })

  it('marks durations within the scale', () => {
    expect(s.durationTicks(scatter).map((tick) => tick.ns)).toContain(1e7)
    const flat = { ...scatter, duration_min_ns: 5, duration_max_ns: 5 }
    expect(s.durationTicks(flat)).toEqual([{ ns: 5, share: 0 }])
  })

  it('stretches a scale that is too short to be read', () => {
    const one: Scatter = { ...scatter, rows: 1, duration_min_ns: 50e6, duration_max_ns: 52e6 }
    one.cells = [[4, 0, 1, 0, ID]]
    const wide = s.widened(one)
    const [cell] = wide.cells
    expect(wide.duration_max_ns / wide.duration_min_ns).toBeGreaterThanOrEqual(4)
    expect(s.durationAt(wide, cell![1])).toBeCloseTo(50e6, -2)
    expect(s.durationAt(wide, cell![1] + 1)).toBeCloseTo(52e6, -2)
    expect(s.durationTicks(wide).length).toBeGreaterThan(1)
    expect(s.widened(scatter)).toBe(scatter)
    const all = s.durationTicks({ ...scatter, duration_min_ns: 1, duration_max_ns: 864e12 })
    expect(all.length).toBeLessThanOrEqual(8)
    // Without it there is no round number between the ends: they and the middle are named.
    expect(s.durationTicks({ ...one, duration_min_ns: 5.1e7 })).toHaveLength(3)
  })

  it('names three durations at least, however short the scale', () => {
    for (const ratio of [1.05, 1.5, 2, 4, 6, 9, 20])
      for (const low of [3e3, 1.1e6, 9e6, 40e6, 2e9]) {
        const short = { ...scatter, duration_min_ns: low, duration_max_ns: low * ratio }
        const marks = s.durationTicks(short)
        expect(marks.length, `${low} * ${ratio}`).toBeGreaterThanOrEqual(3)
        expect(marks.length).toBeLessThanOrEqual(8)
      }
  })

  // A scatter of `columns` columns over data that began at a moment and have come ever since.
  const since = (beganMs: number, from: number, to: number, columns = 60): Scatter => {
    const column_ms = (to - from) / columns
    const first = Math.max(0, Math.floor((beganMs - from) / column_ms))
    const filled = Array.from({ length: columns - first }, (_, at) => first + at)
    const cells = filled.map((column): s.Cell => [column, 3, 1, 0, ID])
    return { ...scatter, from, to, columns, column_ms, cells: beganMs < to ? cells : [] }
  }

  it('finds the second in which data begin, whatever a column stands for', async () => {
    for (const length of [6e5, 36e5, 7 * 864e5, 365 * 864e5]) {
      const began = Math.round(length * 0.9) + 123
      const look = ({ from, to }: Bounds) => Promise.resolve(since(began, from, to))
      const found = await s.beginningOf(since(began, 0, length), look)
      expect(found, `${length} ms`).toBeLessThanOrEqual(began)
      expect(found, `${length} ms`).toBeGreaterThan(began - 1001)
    }
  })

  it('offers no beginning where nothing is gained or nobody knows it', async () => {
    const look = () => Promise.reject(new Error('looked for nothing'))
    expect(await s.beginningOf(since(36e5, 0, 36e5), look)).toBeNull() // no data
    expect(await s.beginningOf(since(12 * 6e4, 0, 36e5), look)).toBeNull() // a short lead
    const cut = since(50 * 6e4, 0, 36e5)
    expect(await s.beginningOf({ ...cut, stats: { ...cut.stats, partial: true } }, look)).toBeNull()
  })

  it('takes the column for the beginning when what was in it is gone meanwhile', async () => {
    const look = ({ from, to }: Bounds) => Promise.resolve(since(to, from, to))
    expect(await s.beginningOf(since(50 * 6e4 + 7, 0, 36e5), look)).toBe(50 * 6e4)
  })

  it('shades by the logarithm', () => {
    expect(s.heat(1, 100)).toBe(0)
    expect(s.heat(10, 100)).toBeCloseTo(0.5)
    expect(s.heat(100, 100)).toBe(1)
    expect(s.heat(1, 1)).toBe(0.5)
  })
})

describe('the list of traces', () => {
  const traces = [3, 9, 5].map((start_unix_ms) => ({ start_unix_ms })) as TraceSummary[]
  const starts = (order: 'newest' | 'slowest') =>
    inOrder(traces, order).map(({ start_unix_ms }) => start_unix_ms)

  it('has the newest by the start that it shows, others as they were ranked', () => {
    expect(starts('newest')).toEqual([9, 5, 3])
    expect(starts('slowest')).toEqual([3, 9, 5])
  })
})
