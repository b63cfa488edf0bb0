// SPDX-License-Identifier: Apache-2.0
// Purpose: values of metrics for people, by the units that senders give (UCUM): bytes, durations, shares,
// and things that are counted, such as {thread}.
import { formatBytes, formatDuration } from '@/format/format'

const SECONDS: Record<string, number> = {
  s: 1,
  ms: 1e-3,
  us: 1e-6,
  µs: 1e-6,
  ns: 1e-9,
  min: 60,
  h: 3600,
}
const BYTES: Record<string, number> = {
  By: 1,
  kBy: 1e3,
  MBy: 1e6,
  GBy: 1e9,
  KiBy: 1024,
  MiBy: 1024 ** 2,
  GiBy: 1024 ** 3,
}

// A number of any size in at most four digits: 0.00213, 12.4, 3,120, 4.2M.
export function formatNumber(value: number, locale = 'en'): string {
  if (!Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  if (size > 0 && size < 1e-4) return value.toExponential(1)
  const short = size >= 1e6
  const options: Intl.NumberFormatOptions = short
    ? { notation: 'compact', maximumSignificantDigits: 4 }
    : size >= 100
      ? { maximumFractionDigits: 0 }
      : { maximumSignificantDigits: 3 }
  return new Intl.NumberFormat(short ? 'en' : locale, options).format(value)
}

// "{thread}" counts threads: the name of the metric says of what.
const counted = (unit: string) => /^\{.*\}$/.test(unit)

// Shares have no unit, and nothing but their names to be known by.
const isShare = (name: string, unit: string) =>
  unit === '1' && /(utilization|ratio|usage|percent)$/.test(name)

// As Prometheus calls units. Its names end with them, and often nothing else tells. A moment is no
// duration.
const PROMETHEUS: Record<string, string> = { bytes: 'By', seconds: 's', ratio: '1' }
export function unitOf({ name, unit }: { name: string; unit: string }): string {
  const end = /(?<!_time|_timestamp)_(bytes|seconds|ratio)(_total|_sum)?$/.exec(name)
  const said = unit || (end?.[1] ?? '')
  return PROMETHEUS[said] ?? said
}

export type Format = (value: number) => string

// Whether round values are powers of two.
export const isBinary = (unit: string) => /^([KMG]i)?By$/.test(unit)

// For the marks of a scale: 8 MiB rather than 8.00 MiB.
export const shortened = (text: string) =>
  text.replace(/(\.\d*?)0+(?=\D|$)/, '$1').replace(/\.(?=\D|$)/, '')

export function formatOf(name: string, sent: string, perSecond = false): Format {
  const end = perSecond ? '/s' : ''
  const unit = unitOf({ name, unit: sent })
  if (isShare(name, unit)) return (value) => `${formatNumber(value * 100)}%${end}`
  if (unit in BYTES)
    return (value) =>
      value < 0
        ? `-${formatBytes(-value * BYTES[unit]!)}${end}`
        : `${formatBytes(Math.round(value * BYTES[unit]!))}${end}`
  if (unit in SECONDS) return (value) => `${formatDuration(value * SECONDS[unit]! * 1e9)}${end}`
  const shown = unit === '1' || unit === '' || counted(unit) ? '' : ` ${unit}`
  return (value) => `${formatNumber(value)}${shown}${end}`
}
