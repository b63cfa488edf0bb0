// SPDX-License-Identifier: Apache-2.0
// Purpose: time ranges of URLs, and moments in three zones.
import { describe, expect, it } from 'vitest'
import * as range from '@/time/range'
import * as zone from '@/time/zone'

const UTC: zone.Zone = { name: 'utc', offsetMinutes: 0 }
const SHANGHAI: zone.Zone = { name: 'server', offsetMinutes: 480 }
const MOMENT = Date.UTC(2026, 10, 21, 23, 45, 12, 345)

describe('ticks', () => {
  it('are round on the clock of the zone', () => {
    const from = Date.UTC(2026, 10, 21, 1, 36, 32)
    const clocks = zone
      .roundMoments(from, from + 36e5, 7, UTC)
      .map((ms) => zone.formatClock(ms, UTC, 'minute'))
    expect(clocks).toEqual(['01:40', '01:50', '02:00', '02:10', '02:20', '02:30'])
    const days = zone.roundMoments(from, from + 7 * 864e5, 7, SHANGHAI)
    expect(days.map((ms) => zone.formatClock(ms, SHANGHAI))).toEqual(Array(7).fill('00:00:00'))
    expect(zone.roundMoments(from, from + 3650 * 864e5, 7, UTC).length).toBeLessThanOrEqual(7)
  })
})

describe('ranges', () => {
  it('are those of the page where the URL has none', () => {
    const last = range.lastRange(6e5)
    expect(range.parseRange(undefined, undefined, last)).toEqual(last)
    expect(range.parseRange('nonsense', 'now', last)).toEqual(last)
    expect(range.formatPoint(range.parseRange('now-5m', 'now', last).from)).toBe('now-5m')
  })

  it('are cut as the server cuts them, to minutes, and to hours of more than a day', () => {
    const hour = 36e5
    expect(range.cutRange({ from: 6e4 + 1, to: 65e3 })).toEqual({ from: 6e4, to: 7e4 })
    expect(range.cutRange({ from: 1, to: 6e5 + 1 })).toEqual({ from: 0, to: 66e4 })
    expect(range.cutRange({ from: 0, to: 24 * hour })).toEqual({ from: 0, to: 24 * hour })
    expect(range.cutRange({ from: 6e4, to: 25 * hour + 6e4 })).toEqual({ from: 0, to: 26 * hour })
  })

  it('reads and writes lengths', () => {
    expect(range.parseAgo('15m')).toBe(9e5)
    expect(range.parseAgo('1h30m')).toBe(54e5)
    for (const bad of ['', '15', 'm', '15 m', '-1h', '1y']) expect(range.parseAgo(bad)).toBeNull()
    expect(range.formatAgo(54e5)).toBe('90m')
    expect(range.formatAgo(6048e5)).toBe('1w')
  })

  it('keeps relative ranges relative', () => {
    const read = range.parseRange('now-15m', 'now')
    expect(range.formatPoint(read.from)).toBe('now-15m')
    expect(range.formatPoint(read.to)).toBe('now')
    expect(range.isLive(read)).toBe(true)
    expect(range.resolve(read, 1e12)).toEqual({ from: 1e12 - 9e5, to: 1e12 })
  })

  it('takes epoch milliseconds', () => {
    const read = range.parseRange('1763769600000', '1763773200000')
    expect(range.resolve(read, 0)).toEqual({ from: 1763769600000, to: 1763773200000 })
    expect(range.isLive(read)).toBe(false)
  })

  it('falls back to the last hour on nonsense or a reversed range', () => {
    for (const [from, to] of [
      [undefined, undefined],
      ['yesterday', 'now'],
      ['now', 'now-1h'],
      ['2000', '1000'],
      [['now-1h'], 'now'],
    ])
      expect(range.parseRange(from, to)).toEqual(range.DEFAULT_RANGE)
  })

  it('shifts and zooms', () => {
    expect(range.shift({ from: 100, to: 200 }, -1)).toEqual({ from: 0, to: 100 })
    expect(range.zoom({ from: 100, to: 200 }, 2)).toEqual({ from: 50, to: 250 })
  })
})

describe('zones', () => {
  it('writes the wall clock of the zone', () => {
    expect(zone.formatMoment(MOMENT, UTC, 'ms')).toBe('2026-11-21 23:45:12.345')
    expect(zone.formatMoment(MOMENT, SHANGHAI)).toBe('2026-11-22 07:45:12')
    expect(zone.formatClock(MOMENT, UTC, 'minute')).toBe('23:45')
    expect(zone.formatMoment(NaN, UTC)).toBe('–')
  })

  it('reads what it writes, in every zone', () => {
    for (const z of [UTC, SHANGHAI, { name: 'browser', offsetMinutes: 0 } as zone.Zone])
      expect(zone.parseMoment(zone.formatMoment(MOMENT, z, 'ms'), z)).toBe(MOMENT)
  })

  it('refuses what is no date', () => {
    for (const bad of ['', '2026-02-30 10:00', '2026-13-01', '2026-01-01 25:00', 'now', '12:00'])
      expect(zone.parseMoment(bad, UTC)).toBeNull()
    expect(zone.parseMoment('2026-11-21', UTC)).toBe(Date.UTC(2026, 10, 21))
  })

  it('names offsets', () => {
    expect(zone.offsetText(480)).toBe('UTC+8')
    expect(zone.offsetText(-210)).toBe('UTC-3:30')
  })
})
