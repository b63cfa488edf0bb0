// SPDX-License-Identifier: Apache-2.0
// Purpose: silences: one of an incident as a file of rules has it, on which hours of the week one holds, and
// in which order they are listed.
import type { AlertFileSilence, AlertSilence, IncidentDetails } from '@/api/types'
import { offsetText } from '@/time/zone'

const NAMES_MAX = 64 // of rules, and of services, of one silence
const MONDAY_MS = 345_600_000 // 1970-01-05
const DAY_MS = 86_400_000
const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

// What the incident's alerts are of now; another rule or service that joins is told. No services stands for
// all: so it is where an alert is of none, which no name would cover.
export function coveredBy({ services, alert_list: alerts }: IncidentDetails) {
  return {
    rules: [...new Set(alerts.map(({ rule }) => rule))].slice(-NAMES_MAX),
    services: alerts.every(({ service }) => service) ? services.slice(0, NAMES_MAX) : [],
  }
}

export function silenceOf(
  incident: IncidentDetails,
  untilMs: number,
  why: string,
): AlertFileSilence {
  const { rules, services } = coveredBy(incident)
  const reason = why.trim()
  return {
    name: `incident ${incident.id}`,
    rules,
    ...(services.length ? { services } : {}),
    until: `${new Date(untilMs).toISOString().slice(0, 19)}Z`,
    ...(reason ? { reason } : {}),
  }
}

const isAllDay = ({ begin_minute: begin, end_minute: end }: AlertSilence) => !begin && !end

// Holds again and again, on days or between hours.
export const isWeekly = (silence: AlertSilence) => silence.days.length > 0 || !isAllDay(silence)

const clock = (minute: number) =>
  [Math.floor(minute / 60), minute % 60].map((part) => String(part).padStart(2, '0')).join(':')

// "Sat, Sun · 22:00–06:00 · UTC+8"; empty where it holds all the time.
export function hoursOf(silence: AlertSilence, locale: string, comma: string): string {
  const { days, begin_minute: begin, end_minute: end, offset_minutes: offset } = silence
  const format = new Intl.DateTimeFormat(locale, { weekday: 'short', timeZone: 'UTC' })
  const dayNames = days.map((day) => format.format(MONDAY_MS + DAYS.indexOf(day) * DAY_MS))
  const parts = [
    dayNames.join(comma),
    isAllDay(silence) ? '' : `${clock(begin)}–${clock(end)}`,
  ].filter(Boolean)
  return parts.length ? [...parts, offsetText(offset)].join(' · ') : ''
}

// What holds now before what may hold again, and that before what is over.
export function inOrder(silences: AlertSilence[]): AlertSilence[] {
  const rank = ({ holds, is_over: over }: AlertSilence) => (holds ? 0 : over ? 2 : 1)
  return [...silences].sort((a, b) => rank(a) - rank(b))
}
