// SPDX-License-Identifier: Apache-2.0
// Purpose: lengths of time in words, for ranges and ages.
import { t } from './index'

const UNITS = [
  ['unit.weeks', 6048e5],
  ['unit.days', 864e5],
  ['unit.hours', 36e5],
  ['unit.minutes', 6e4],
  ['unit.seconds', 1e3],
] as const

// Exact where a unit divides it ("90 minutes"), for ranges the reader chose.
export function lengthText(ms: number): string {
  const [key, size] = UNITS.find(([, unit]) => ms >= unit && ms % unit === 0) ?? UNITS[4]
  return t(key, { count: Math.round(ms / size) })
}

// Rounded down to one unit, for ages.
export function ageText(ms: number): string {
  if (ms < 1000) return t('time.justNow')
  const [key, size] = UNITS.slice(1).find(([, unit]) => ms >= unit) ?? UNITS[4]
  return t('time.ago', { length: t(key, { count: Math.floor(ms / size) }) })
}
