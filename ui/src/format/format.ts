// SPDX-License-Identifier: Apache-2.0
// Purpose: numbers for people: durations, counts, bytes, shares. Durations have the units of the reader's
// language; the other units are the same in every one.
import { ref } from 'vue'
import type { Locale } from '@/state/preferences'

const MS = 1e6
const UNITS: Record<Locale, Record<'ns' | 'us' | 'ms' | 's' | 'm' | 'h' | 'd', string>> = {
  en: { ns: 'ns', us: 'µs', ms: 'ms', s: 's', m: 'm', h: 'h', d: 'd' },
  'zh-CN': { ns: '纳秒', us: '微秒', ms: '毫秒', s: '秒', m: '分', h: '小时', d: '天' },
}
// Whose units durations have: the catalogue's language, set together with it (i18n).
export const unitLanguage = ref<Locale>('en')

type Unit = keyof (typeof UNITS)['en']

function digits(value: number): string {
  if (value >= 100) return value.toFixed(0)
  if (value >= 10) return value.toFixed(1)
  return value.toFixed(2)
}

// `round` leaves out what is zero at the end.
function duration(ns: number, round: boolean): string {
  const units = UNITS[unitLanguage.value]
  const one = (value: number, unit: Unit) =>
    `${round ? Number(digits(value)) : digits(value)} ${units[unit]}`
  const two = (value: number, unit: Unit, rest: number, small: Unit) =>
    `${value} ${units[unit]}` +
    (round && rest === 0 ? '' : ` ${String(rest).padStart(2, '0')} ${units[small]}`)
  if (!Number.isFinite(ns)) return '–'
  if (ns < 0) return `-${duration(-ns, round)}`
  if (ns === 0) return '0'
  if (ns < 1000) return `${Math.round(ns)} ${units.ns}`
  if (ns < MS * 0.9995) return one(ns / 1000, 'us')
  if (ns < 999.5 * MS) return one(ns / MS, 'ms')
  const seconds = ns / 1e9
  if (seconds < 59.95) return one(seconds, 's')
  const whole = Math.round(seconds)
  const hours = Math.floor(whole / 3600)
  if (hours >= 48) return two(Math.floor(hours / 24), 'd', hours % 24, 'h')
  const minutes = Math.floor((whole % 3600) / 60)
  return hours > 0 ? two(hours, 'h', minutes, 'm') : two(minutes, 'm', whole % 60, 's')
}

// 950 ns, 48.2 ms, 1.25 s, 2 m 05 s, 3 h 20 m, 7 d 00 h; 2 分 05 秒.
export const formatDuration = (ns: number) => duration(ns, false)

// The same for round values on a scale: 10 ms rather than 10.0 ms.
export const formatRoundDuration = (ns: number) => duration(ns, true)

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
