// SPDX-License-Identifier: Apache-2.0
// Purpose: moments as text and back, in the reader's, the server's or UTC time. The form is the
// same in every language (2026-11-21 23:45:12.345): nobody has to guess the order of day and month.

export type ZoneName = 'browser' | 'utc' | 'server'

export interface Zone {
  name: ZoneName
  offsetMinutes: number // of the server; others do not need it
}

// A Date whose UTC fields read as the wall clock of the zone.
function wallClock(ms: number, zone: Zone): Date {
  if (zone.name === 'utc') return new Date(ms)
  const offset = zone.name === 'server' ? zone.offsetMinutes : -new Date(ms).getTimezoneOffset()
  return new Date(ms + offset * 6e4)
}

export type Precision = 'minute' | 'second' | 'ms'

function clockText(date: Date, precision: Precision): string {
  const text = date.toISOString().slice(11, 23)
  return precision === 'ms' ? text : text.slice(0, precision === 'second' ? 8 : 5)
}

export function formatClock(ms: number, zone: Zone, precision: Precision = 'second'): string {
  return Number.isFinite(ms) ? clockText(wallClock(ms, zone), precision) : '–'
}

export function formatMoment(ms: number, zone: Zone, precision: Precision = 'second'): string {
  if (!Number.isFinite(ms)) return '–'
  const date = wallClock(ms, zone)
  return `${date.toISOString().slice(0, 10)} ${clockText(date, precision)}`
}

// Clock alone when both ends are on one day, otherwise month and day too.
export function formatTick(ms: number, zone: Zone, spanMs: number): string {
  if (spanMs > 36 * 36e5) return formatMoment(ms, zone, 'minute').slice(5)
  return formatClock(ms, zone, spanMs > 20 * 6e4 ? 'minute' : spanMs > 2e3 ? 'second' : 'ms')
}

const ROUND_MS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 3e4, 6e4, 12e4, 3e5, 6e5, 12e5, 18e5,
  36e5, 72e5, 108e5, 216e5, 432e5, 864e5, 1728e5, 6048e5,
]

// Round moments of the zone's clock between two others, at most `most` of them.
export function roundMoments(from: number, to: number, most: number, zone: Zone): number[] {
  const raw = (to - from) / most
  const weeks = Math.max(1, Math.ceil(raw / 6048e5)) * 6048e5
  const step = ROUND_MS.find((ms) => ms >= raw) ?? weeks
  const offset = wallClock(from, zone).getTime() - from
  const list: number[] = []
  for (let at = Math.ceil((from + offset) / step) * step - offset; at <= to; at += step)
    list.push(at)
  return list
}

const FORM = /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?)?$/

export function parseMoment(text: string, zone: Zone): number | null {
  const match = FORM.exec(text.trim())
  if (!match) return null
  const [year, month, day, hour, minute, second] = match
    .slice(1, 7)
    .map((part) => Number(part ?? 0))
  const milli = Number((match[7] ?? '').padEnd(3, '0'))
  const fields = [year!, month! - 1, day!, hour!, minute!, second!, milli] as const
  const utc = Date.UTC(...fields)
  // Date.UTC lets 30 February pass as 2 March: refuse it.
  const check = new Date(utc)
  if (check.getUTCMonth() !== fields[1] || check.getUTCDate() !== fields[2] || hour! > 23)
    return null
  if (zone.name === 'utc') return utc
  if (zone.name === 'server') return utc - zone.offsetMinutes * 6e4
  return new Date(...fields).getTime()
}

export function offsetText(minutes: number): string {
  const sign = minutes < 0 ? '-' : '+'
  const size = Math.abs(minutes)
  const rest = size % 60 ? `:${String(size % 60).padStart(2, '0')}` : ''
  return `UTC${sign}${Math.floor(size / 60)}${rest}`
}
