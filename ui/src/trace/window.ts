// SPDX-License-Identifier: Apache-2.0
// Purpose: the stretch of a trace's time that the timeline shows, and round numbers for its ruler.

export interface Window {
  from: number // ns from the start of the trace
  to: number
}

const TICK_PX = 76 // that a label of the ruler takes

export function ticksFor(width: number): number {
  return Math.max(1, Math.min(8, Math.floor(width / TICK_PX)))
}

const LEAST_NS = 1000

export function clampWindow(window: Window, durationNs: number): Window {
  const whole = Math.max(durationNs, LEAST_NS)
  const length = Math.min(whole, Math.max(LEAST_NS, window.to - window.from))
  const from = Math.min(Math.max(0, window.from), whole - length)
  return { from, to: from + length }
}

// Zoomed by a factor below (in) or above (out) one, around a moment that stays in place.
export function zoomWindow(window: Window, factor: number, around: number): Window {
  return {
    from: around - (around - window.from) * factor,
    to: around + (window.to - around) * factor,
  }
}

export function parseWindow(text: string, durationNs: number): Window | null {
  const match = /^(\d+)-(\d+)$/.exec(text)
  if (!match) return null
  const window = { from: Number(match[1]), to: Number(match[2]) }
  return window.to > window.from && window.from < durationNs
    ? clampWindow(window, durationNs)
    : null
}

export function formatWindow(window: Window): string {
  return `${Math.floor(window.from)}-${Math.ceil(window.to)}`
}

// Round moments within the window, at most `most` of them.
export function ticks(window: Window, most: number): number[] {
  const raw = (window.to - window.from) / most
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw)!
  const list: number[] = []
  for (let at = Math.ceil(window.from / step) * step; at <= window.to; at += step) list.push(at)
  return list
}

// Left edge and width of a stretch as shares of the window, cut to a little beyond it.
export function place(window: Window, start: number, duration: number) {
  const length = window.to - window.from
  const left = Math.min(1.01, Math.max(-0.01, (start - window.from) / length))
  const right = Math.min(1.01, Math.max(-0.01, (start + duration - window.from) / length))
  return { left: `${(left * 100).toFixed(3)}%`, width: `${((right - left) * 100).toFixed(3)}%` }
}
