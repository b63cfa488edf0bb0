// SPDX-License-Identifier: Apache-2.0
// Purpose: what a strategy watches and an alert measured, in the reader's language.
import type { AlertRuleVersion, AlertStrategy, IncidentAlert } from '@/api/types'
import { percentText, quantileName, signOf, strategiesOf, unitOfAlert, valueText } from './values'
import { t, tData } from '@/i18n'
import { lengthText } from '@/i18n/units'
import { shortened } from '@/metrics/units'
import { locale } from '@/state/preferences'

function fieldText({ metric, field }: AlertStrategy): string {
  if (metric) return metric
  return field === 'duration' ? t('alerts.field.duration') : field
}

function measureText(s: AlertStrategy): string {
  const { metric, measure } = s
  switch (measure) {
    case 'count':
      return metric ? t('alerts.points', { metric }) : t('alerts.spans')
    case 'rate':
      return metric ? t('alerts.growth', { metric }) : t('alerts.spanRate')
    case 'error_rate':
      return t('alerts.errorRate')
    case 'quantile':
      return t('alerts.of', { measure: quantileName(s.quantile ?? 0.5), field: fieldText(s) })
    case 'distinct':
      return t('alerts.distinct', { field: s.field })
    case 'capacity':
      return t('alerts.capacity')
    default:
      return t('alerts.of', { measure: tData('alerts.measure', measure), field: fieldText(s) })
  }
}

function holdsText({ operator, threshold = '', within_ms = 0 }: AlertStrategy): string {
  const share = percentText(threshold)
  const within = lengthText(within_ms)
  switch (operator) {
    case 'above_average':
      return t('alerts.aboveAverage', { share })
    case 'below_average':
      return t('alerts.belowAverage', { share })
    case 'rise':
      return t('alerts.rise', { share })
    case 'fall':
      return t('alerts.fall', { share })
    case 'above_baseline':
      return t('alerts.aboveBaseline', { share })
    case 'below_baseline':
      return t('alerts.belowBaseline', { share })
    case 'off_baseline':
      return t('alerts.offBaseline', { share })
    case 'will_exceed':
      return t('alerts.willExceed', { threshold, within })
    case 'will_fall_below':
      return t('alerts.willFallBelow', { threshold, within })
    default:
      return `${signOf(operator ?? '')} ${threshold}`
  }
}

export function saysStrategy(s: AlertStrategy): string {
  const every = lengthText(s.every_ms)
  const parts = [
    s.measure === 'absence'
      ? s.metric
        ? t('alerts.noPoints', { metric: s.metric, every })
        : t('alerts.noSpans', { every })
      : t('alerts.watches', { measure: measureText(s), holds: holdsText(s), every }),
  ]
  if (s.group_by.length) parts.push(t('alerts.by', { fields: s.group_by.join(', ') }))
  if (s.at_least > 1) parts.push(t('alerts.atLeast', { count: s.at_least }))
  return parts.join(t('alerts.comma'))
}

export interface Measured {
  measure: string
  value: string
  limit: string // with its sign; empty where nothing is compared
}

export function saysAlert(alert: IncidentAlert, rules: AlertRuleVersion[]): Measured {
  const unit = unitOfAlert(alert, rules)
  const known = new Set(strategiesOf(alert, rules).map(measureText))
  const limit = shortened(valueText(alert.threshold, unit, locale.value))
  return {
    measure:
      known.size === 1 && alert.measure !== 'absence'
        ? [...known][0]!
        : alert.measure
          ? tData('alerts.measure', alert.measure)
          : t('alerts.fromOutside'),
    value: valueText(alert.value, unit, locale.value),
    limit: alert.operator && alert.threshold !== null ? `${signOf(alert.operator)} ${limit}` : '',
  }
}
