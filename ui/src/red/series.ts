// SPDX-License-Identifier: Apache-2.0
// Purpose: an answer of calls over time as columns that a chart draws, beside an earlier one.
import type { Calls, Red, RedPoint } from '@/api/types'

export const COMPARISONS = { hour: 36e5, day: 864e5, week: 6048e5 } as const
export type Comparison = keyof typeof COMPARISONS

export const QUANTILES = ['p50_ns', 'p90_ns', 'p99_ns', 'p999_ns'] as const
export type Quantile = (typeof QUANTILES)[number]

export interface Columns {
  rate: (number | null)[] // calls a second
  share: (number | null)[] // of errors; null without calls
  durations: Record<Quantile, (number | null)[]>
}

// The begins of the steps that are over: of the last one, part is still to come.
export function stepsOf(red: Red, nowMs: number): number[] {
  const times: number[] = []
  for (let at = red.from_unix_ms; at < red.to_unix_ms; at += red.step_ms)
    if (at + red.step_ms <= nowMs) times.push(at)
  return times
}

// A step without calls has a rate of nought and no durations.
export function columnsOf(red: Red, times: number[], laterMs = 0): Columns {
  const points = new Map<number, RedPoint>()
  for (const point of red.points) {
    const at = point.time_unix_ms + laterMs
    points.set(at - ((((at - (times[0] ?? 0)) % red.step_ms) + red.step_ms) % red.step_ms), point)
  }
  const column = <T>(value: (point: RedPoint) => T, none: T) =>
    times.map((at) => {
      const point = points.get(at)
      return point && point.calls > 0 ? value(point) : none
    })
  const quantile = (key: Quantile) => column<number | null>((point) => point[key], null)
  return {
    rate: column<number | null>((point) => (point.calls / red.step_ms) * 1000, 0),
    share: column<number | null>((point) => point.errors / point.calls, null),
    durations: {
      p50_ns: quantile('p50_ns'),
      p90_ns: quantile('p90_ns'),
      p99_ns: quantile('p99_ns'),
      p999_ns: quantile('p999_ns'),
    },
  }
}

// "+12%", "-4.0%", "×3.4"; null where nothing was before or nothing has changed.
export function changeText(now: number, before: number): string | null {
  if (!(before > 0) || !Number.isFinite(now)) return null
  const ratio = now / before
  if (ratio >= 3) return `×${ratio.toFixed(ratio < 10 ? 1 : 0)}`
  const percent = (ratio - 1) * 100
  const text = Math.abs(percent) < 10 ? percent.toFixed(1) : percent.toFixed(0)
  return Number(text) === 0 ? null : `${percent > 0 ? '+' : ''}${text}%`
}

export const shareOf = ({ errors, calls }: Calls) => (calls > 0 ? errors / calls : 0)
