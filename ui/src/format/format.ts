// SPDX-License-Identifier: Apache-2.0
// Purpose: numbers for people: durations, counts, bytes, shares. Units are the same in every
// language, so only the number formatting follows the locale.

const MS = 1e6

function digits(value: number): string {
  if (value >= 100) return value.toFixed(0)
  if (value >= 10) return value.toFixed(1)
  return value.toFixed(2)
}

// 950 ns, 48.2 ms, 1.25 s, 2 m 05 s, 3 h 20 m, 7 d 00 h.
export function formatDuration(ns: number): string {
  if (!Number.isFinite(ns)) return '–'
  if (ns < 0) return `-${formatDuration(-ns)}`
  if (ns === 0) return '0'
  if (ns < 1000) return `${Math.round(ns)} ns`
  if (ns < MS * 0.9995) return `${digits(ns / 1000)} µs`
  if (ns < 999.5 * MS) return `${digits(ns / MS)} ms`
  const seconds = ns / 1e9
  if (seconds < 59.95) return `${digits(seconds)} s`
  const whole = Math.round(seconds)
  const hours = Math.floor(whole / 3600)
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${String(hours % 24).padStart(2, '0')} h`
  const minutes = Math.floor((whole % 3600) / 60)
  if (hours > 0) return `${hours} h ${String(minutes).padStart(2, '0')} m`
  return `${minutes} m ${String(whole % 60).padStart(2, '0')} s`
}

// The same for round values on a scale: 10 ms rather than 10.0 ms.
export function formatRoundDuration(ns: number): string {
  const short = formatDuration(ns).replace(/(\.\d*?)0+(?= )/, '$1')
  return short.replace('. ', ' ').replace(/ 00 [a-z]$/, '')
}

// As the filter language writes it: exact enough, no blank.
export function filterDuration(ns: number): string {
  const trim = (value: number) => String(Number(value.toPrecision(4)))
  if (ns < 1000) return `${Math.round(ns)}ns`
  if (ns < MS) return `${trim(ns / 1000)}us`
  if (ns < 1e9) return `${trim(ns / MS)}ms`
  return `${trim(ns / 1e9)}s`
}

// Calls in a time: 1,240/s, 12.3/s, 0.42/s, and what is seldom by the minute: 3.1/min.
export function formatRate(calls: number, seconds: number): string {
  const rate = calls / seconds
  if (!Number.isFinite(rate)) return '–'
  if (rate === 0) return '0/s'
  if (rate >= 1000) return `${formatCount(Math.round(rate), 'en')}/s`
  if (rate >= 0.1) return `${digits(rate)}/s`
  const minutes = rate * 60
  return minutes < 0.01 ? '<0.01/min' : `${digits(minutes)}/min`
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return unit === 0 ? `${bytes} B` : `${digits(value)} ${BYTE_UNITS[unit]}`
}

export function formatCount(value: number, locale: string): string {
  return new Intl.NumberFormat(locale).format(value)
}

// A share that never rounds a few errors away to nothing.
export function formatShare(part: number, whole: number): string {
  if (whole === 0) return '–'
  const percent = (part / whole) * 100
  if (part === 0) return '0%'
  if (part === whole) return '100%'
  if (percent < 0.01) return '<0.01%'
  if (part < whole && percent > 99.99) return '>99.99%'
  return `${percent < 10 ? percent.toFixed(2) : percent.toFixed(1)}%`
}
