// SPDX-License-Identifier: Apache-2.0
// Purpose: time ranges as URLs carry them: "now-15m" and "now" stay relative, everything else is
// epoch milliseconds.

export type Point = { kind: 'relative'; agoMs: number } | { kind: 'absolute'; ms: number }

export interface Range {
  from: Point
  to: Point
}

export interface Bounds {
  from: number
  to: number
}

const UNIT_MS: Record<string, number> = { s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5 }

// "15m", "1h30m" in milliseconds; null when it is not one.
export function parseAgo(text: string): number | null {
  if (!/^(\d+[smhdw])+$/.test(text)) return null
  let total = 0
  for (const [, count, unit] of text.matchAll(/(\d+)([smhdw])/g)) total += +count! * UNIT_MS[unit!]!
  return total
}

export function formatAgo(ms: number): string {
  for (const unit of ['w', 'd', 'h', 'm', 's'] as const)
    if (ms >= UNIT_MS[unit]! && ms % UNIT_MS[unit]! === 0) return `${ms / UNIT_MS[unit]!}${unit}`
  return `${Math.round(ms / 1000)}s`
}

export function parsePoint(text: string): Point | null {
  if (text === 'now') return { kind: 'relative', agoMs: 0 }
  if (text.startsWith('now-')) {
    const agoMs = parseAgo(text.slice(4))
    return agoMs === null ? null : { kind: 'relative', agoMs }
  }
  return /^\d{1,15}(\.\d+)?$/.test(text) ? { kind: 'absolute', ms: Number(text) } : null
}

export function formatPoint(point: Point): string {
  if (point.kind === 'absolute') return String(Math.round(point.ms))
  return point.agoMs === 0 ? 'now' : `now-${formatAgo(point.agoMs)}`
}

export function resolvePoint(point: Point, nowMs: number): number {
  return point.kind === 'absolute' ? point.ms : nowMs - point.agoMs
}

export function resolve(range: Range, nowMs: number): Bounds {
  return { from: resolvePoint(range.from, nowMs), to: resolvePoint(range.to, nowMs) }
}

export const lastRange = (agoMs: number): Range => ({
  from: { kind: 'relative', agoMs },
  to: { kind: 'relative', agoMs: 0 },
})
export const DEFAULT_RANGE = lastRange(36e5)

// What the URL says; that of the page when it says nothing or nonsense.
export function parseRange(from: unknown, to: unknown, fallback = DEFAULT_RANGE): Range {
  if (typeof from !== 'string') return fallback
  const start = parsePoint(from)
  const end = typeof to === 'string' ? parsePoint(to) : ({ kind: 'relative', agoMs: 0 } as Point)
  if (!start || !end) return fallback
  const now = Date.now()
  return resolvePoint(start, now) < resolvePoint(end, now) ? { from: start, to: end } : fallback
}

export function isLive(range: Range): boolean {
  return range.to.kind === 'relative' && range.to.agoMs === 0
}

// The same range one length earlier or later, or with a new length around its middle; absolute.
export function shift(bounds: Bounds, lengths: number): Bounds {
  const by = (bounds.to - bounds.from) * lengths
  return { from: bounds.from + by, to: bounds.to + by }
}

export function zoom(bounds: Bounds, factor: number): Bounds {
  const middle = (bounds.from + bounds.to) / 2
  const half = ((bounds.to - bounds.from) * factor) / 2
  return { from: middle - half, to: middle + half }
}

// Whole steps of ten seconds of less than ten minutes, of minutes, or of hours of more than a day: what the
// server cuts a range to where it is asked who calls whom.
export function cutRange({ from, to }: Bounds): Bounds {
  const range = to - from
  const unit =
    range > UNIT_MS.d! ? UNIT_MS.h! : range < 10 * UNIT_MS.m! ? 10 * UNIT_MS.s! : UNIT_MS.m!
  return { from: Math.floor(from / unit) * unit, to: Math.ceil(to / unit) * unit }
}
