// SPDX-License-Identifier: Apache-2.0
// Purpose: numbers for people, and the tables and dumps made of them.
import { describe, expect, it } from 'vitest'
import type { LedgerRow } from '@/api/types'
import * as f from '@/format/format'
import { base64Bytes, hexDump } from '@/format/hex'
import { offBy, sumRows } from '@/format/ledger'
import { COLOURS, markAt, MarkBook, ownPlace, repeats } from '@/format/series'
import { SCALE_FROM_NS, scaleShare, scaleTo } from '@/format/durationScale'
import { sortRows } from '@/format/sort'

describe('numbers', () => {
  it('writes durations with three digits', () => {
    const cases: [number, string][] = [
      [0, '0'],
      [999, '999 ns'],
      [48211, '48.2 µs'],
      [48211000, '48.2 ms'],
      [999.6e6, '1.00 s'],
      [1.25e9, '1.25 s'],
      [125e9, '2 m 05 s'],
      [12000e9, '3 h 20 m'],
      [7 * 86400e9, '7 d 00 h'],
      [-2e6, '-2.00 ms'],
      [NaN, '–'],
    ]
    for (const [ns, text] of cases) expect(f.formatDuration(ns)).toBe(text)
  })

  it('writes durations with the units of the language', () => {
    f.unitLanguage.value = 'zh-CN'
    const cases: [number, string][] = [
      [999, '999 纳秒'],
      [48211, '48.2 微秒'],
      [48211000, '48.2 毫秒'],
      [1.25e9, '1.25 秒'],
      [70e9, '1 分 10 秒'],
      [12000e9, '3 小时 20 分'],
      [7 * 86400e9, '7 天 00 小时'],
      [-2e6, '-2.00 毫秒'],
    ]
    for (const [ns, text] of cases) expect(f.formatDuration(ns)).toBe(text)
    expect([1e7, 1.5e9, 6e10, 7 * 86400e9].map(f.formatRoundDuration)).toEqual([
      '10 毫秒',
      '1.5 秒',
      '1 分',
      '7 天',
    ])
    f.unitLanguage.value = 'en'
  })

  it('writes durations for filters', () => {
    expect(f.filterDuration(94030000)).toBe('94.03ms')
    expect(f.filterDuration(1.5e9)).toBe('1.5s')
    expect(f.filterDuration(850)).toBe('850ns')
  })

  it('never rounds errors away', () => {
    expect(f.formatShare(1, 1e6)).toBe('<0.01%')
    expect(f.formatShare(999999, 1e6)).toBe('>99.99%')
    expect(f.formatShare(0, 10)).toBe('0%')
    expect(f.formatShare(10, 10)).toBe('100%')
    expect(f.formatShare(1, 0)).toBe('–')
    expect(f.formatShare(12, 1000)).toBe('1.20%')
  })

  it('writes bytes', () => {
    expect(f.formatBytes(1023)).toBe('1023 B')
    expect(f.formatBytes(1536)).toBe('1.50 KiB')
    expect(f.formatBytes(256 * 2 ** 20)).toBe('256 MiB')
  })
})

describe('ledger', () => {
  const row: LedgerRow = {
    signal: 'traces',
    service: 'orders',
    received: 100,
    stored: 90,
    pending: 4,
    sampled: 1,
    expired: 2,
    dropped: { invalid: 3 },
    balanced: true,
  }

  it('says what is left over', () => {
    expect(offBy(row)).toBe(0)
    expect(offBy({ ...row, received: 103 })).toBe(3)
    expect(offBy({ ...row, stored: 95 })).toBe(-5)
  })

  it('sums rows and reasons, and one bad row spoils the total', () => {
    const total = sumRows([row, { ...row, dropped: { invalid: 1, overload: 2 }, balanced: false }])
    expect(total.received).toBe(200)
    expect(total.dropped).toEqual({ invalid: 4, overload: 2 })
    expect(total.balanced).toBe(false)
  })
})

describe('tables and dumps', () => {
  it('sorts by the column of the URL and leaves the source alone', () => {
    const rows = [{ a: 2 }, { a: 3 }, { a: 1 }]
    const columns = { a: (row: { a: number }) => row.a }
    expect(sortRows(rows, '-a', columns).map((row) => row.a)).toEqual([3, 2, 1])
    expect(sortRows(rows, 'a', columns).map((row) => row.a)).toEqual([1, 2, 3])
    expect(sortRows(rows, 'unknown', columns)).toEqual(rows)
  })

  it('marks the line of the byte in question', () => {
    const bytes = base64Bytes(btoa('x'.repeat(40)))
    const lines = hexDump(bytes, 17)
    expect(lines).toHaveLength(3)
    expect(lines.map((line) => line.hit)).toEqual([false, true, false])
    expect(lines[2]!.text).toContain('xxxxxxxx')
    expect(hexDump(new Uint8Array(), 5)).toEqual([])
  })

  it('writes round durations of a scale without noughts', () => {
    const texts = [0, 1e4, 5e5, 1e6, 2.5e6, 1e7, 1e8, 1.5e9, 6e10].map(f.formatRoundDuration)
    expect(texts).toEqual([
      '0',
      '10 µs',
      '500 µs',
      '1 ms',
      '2.5 ms',
      '10 ms',
      '100 ms',
      '1.5 s',
      '1 m',
    ])
  })

  it('gives a service the same colour and shape whoever asks, and whatever else is known', () => {
    const name = 'payment'
    const mark = new MarkBook().markOf(name)
    const book = new MarkBook()
    book.learn(['orders', 'stock', name, 'storefront'])
    expect(book.markOf(name)).toEqual(mark)
    expect(mark).toEqual(markAt(ownPlace(name)))
  })

  it('gives every service a mark of its own, which later services do not change', () => {
    const book = new MarkBook()
    const names = Array.from({ length: 40 }, (_, i) => `service-${String(i).padStart(2, '0')}`)
    book.learn([...names].reverse())
    const looks = names.map((name) => JSON.stringify(book.markOf(name)))
    expect(new Set(looks).size).toBe(40)
    book.learn(['a first in the alphabet'])
    expect(names.map((name) => JSON.stringify(book.markOf(name)))).toEqual(looks)
    // Of one colour, only the shape yields.
    const kept = names.filter((name) => book.markOf(name).colour === markAt(ownPlace(name)).colour)
    expect(kept.length).toBeGreaterThan(30)
  })

  it('spreads names over the colours', () => {
    const counts = new Map<string, number>()
    for (let i = 0; i < 1200; i++) {
      const { colour } = markAt(ownPlace(`svc-${i}`))
      counts.set(colour, (counts.get(colour) ?? 0) + 1)
    }
    expect(counts.size).toBe(COLOURS)
    for (const count of counts.values()) expect(count).toBeGreaterThan(60)
  })

  it('gives marks also when there are more services than marks', () => {
    const book = new MarkBook()
    book.learn(Array.from({ length: 200 }, (_, i) => `n${i}`))
    expect(book.markOf('one more')).toEqual(markAt(ownPlace('one more')))
  })

  it('counts the services that share a colour in alphabetical order', () => {
    expect(repeats(['c', 'a', 'b', 'd'], ['x', 'x', 'y', 'x'])).toEqual([1, 0, 0, 2])
  })
})

describe('the scale of the bars of a table', () => {
  it('is logarithmic between its two ends', () => {
    expect(scaleTo(1e9)).toBe(1e9)
    expect(scaleTo(5)).toBe(SCALE_FROM_NS * 10)
    expect(scaleShare(SCALE_FROM_NS, 1e9)).toBe(0)
    expect(scaleShare(1e7, 1e9)).toBeCloseTo(0.5)
    expect(scaleShare(1e9, 1e9)).toBe(1)
    expect(scaleShare(1, 1e9)).toBe(0)
  })
})
