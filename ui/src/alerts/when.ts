// SPDX-License-Identifier: Apache-2.0
// Purpose: when a silence holds, in words.
import { hoursOf } from './silences'
import type { AlertSilence } from '@/api/types'
import { t } from '@/i18n'
import { locale } from '@/state/preferences'
import { zone } from '@/state/server'
import { formatMoment } from '@/time/zone'

const at = (ms: number) => formatMoment(ms, zone.value, 'minute')

// The day once, where both ends are on it.
function between(from: string, until: string): string {
  const isOneDay = until.slice(0, 10) === from.slice(0, 10)
  return `${from} – ${isOneDay ? until.slice(11) : until}`
}

function rangeOf({ from_unix_ms: from, until_unix_ms: until }: AlertSilence): string {
  if (from && until) return between(at(from), at(until))
  if (until) return t('silences.until', { time: at(until) })
  return from ? t('silences.from', { time: at(from) }) : ''
}

export function whenOf(silence: AlertSilence): string {
  const hours = hoursOf(silence, locale.value, t('alerts.comma'))
  return [rangeOf(silence), hours].filter(Boolean).join(' · ') || t('silences.always')
}
