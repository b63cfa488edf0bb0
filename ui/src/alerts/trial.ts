// SPDX-License-Identifier: Apache-2.0
// Purpose: what limits the answer of a dry run, in the reader's language.
import type { AlertTrialRemark } from '@/api/types'
import { n, t } from '@/i18n'
import { lengthText } from '@/i18n/units'
import { zone } from '@/state/server'
import { formatMoment } from '@/time/zone'

export function remarkText(remark: AlertTrialRemark): string {
  const since = formatMoment(remark.since_unix_ms ?? 0, zone.value, 'minute')
  const count = remark.records ?? 0
  switch (remark.kind) {
    case 'sampled':
      return t('trial.sampled')
    case 'stored_since':
      return t('trial.storedSince', { since })
    case 'points_since':
      return t('trial.pointsSince', { since })
    case 'season_short':
      return t('trial.seasonShort', { since })
    case 'not_kept':
      return t('trial.notKept', { names: (remark.names ?? []).join(', ') })
    case 'step':
      return t('trial.step', { step: lengthText(remark.step_ms ?? 0) })
    case 'refused':
      return t('trial.refused', { count: n(count) })
    default:
      return t('trial.unfit', { count: n(count) })
  }
}
