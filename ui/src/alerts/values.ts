// SPDX-License-Identifier: Apache-2.0
// Purpose: what a strategy measures and an alert measured, as numbers for people; and the places and
// names that texts of alerts hold.
import type { AlertRuleVersion, AlertStrategy, IncidentAlert } from '@/api/types'
import { formatDuration, formatShare } from '@/format/format'
import { formatNumber } from '@/metrics/units'

export type AlertUnit = 'ns' | 'share' | 'per_second' | ''

const SHARES = ['error_rate', 'capacity']
const OF_FIELD = ['average', 'sum', 'min', 'max', 'quantile']

export function unitOfStrategy({ measure, metric, field }: AlertStrategy): AlertUnit {
  if (SHARES.includes(measure)) return 'share'
  if (measure === 'rate') return 'per_second'
  return !metric && field === 'duration' && OF_FIELD.includes(measure) ? 'ns' : ''
}

// An alert names its measure alone; what of is known by its rule, as long as that is there. Where its
// strategies do not agree, nothing is said.
export function strategiesOf(alert: IncidentAlert, rules: AlertRuleVersion[]): AlertStrategy[] {
  const groups = Object.keys(alert.group).sort().join('\n')
  const found = rules.find(({ rule }) => rule.name === alert.rule)?.rule.strategies ?? []
  return found.filter(
    ({ measure, operator, group_by: by }) =>
      measure === alert.measure &&
      (operator ?? '') === alert.operator &&
      [...by].sort().join('\n') === groups,
  )
}

export function unitOfAlert(alert: IncidentAlert, rules: AlertRuleVersion[]): AlertUnit {
  if (SHARES.includes(alert.measure)) return 'share'
  if (alert.measure === 'rate') return 'per_second'
  const units = new Set(strategiesOf(alert, rules).map(unitOfStrategy))
  return units.size === 1 ? [...units][0]! : ''
}

export function valueText(value: number | null, unit: AlertUnit, locale: string): string {
  if (value === null) return '–'
  if (unit === 'ns') return formatDuration(value)
  if (unit === 'share') return formatShare(value, 1)
  return `${formatNumber(value, locale)}${unit === 'per_second' ? '/s' : ''}`
}

// Those that compare with what was before hold from their limit on.
const SIGNS: Record<string, string> = {
  above_average: '≥',
  rise: '≥',
  below_average: '≤',
  fall: '≤',
  above_baseline: '>',
  below_baseline: '<',
  off_baseline: '≷',
  will_exceed: '≥',
  will_fall_below: '≤',
  '>=': '≥',
  '<=': '≤',
}
export const signOf = (operator: string) => SIGNS[operator] ?? operator

// P99 of 0.99, P99.9 of 0.999: without what binary fractions add.
export const quantileName = (quantile: number) => `P${Number((quantile * 100).toPrecision(8))}`

// Thresholds of what compares with an average or a window before are percent, with the sign or without.
export const percentText = (threshold: string) =>
  threshold.endsWith('%') ? threshold : `${threshold}%`

// ---- Texts --------------------------------------------------------------------------------------

// "shop POST /orders": a service of the incident with what it was asked; names may hold blanks.
export function entryOf(text: string, services: string[]): { service: string; name: string } {
  const known = services
    .filter((service) => text.startsWith(`${service} `))
    .sort((a, b) => b.length - a.length)[0]
  const at = known?.length ?? text.indexOf(' ')
  return at < 0
    ? { service: text, name: '' }
    : { service: text.slice(0, at), name: text.slice(at + 1) }
}

// "payment -> postgresql": who failed and whom it called, who may be no service.
export function suspectOf(text: string): { service: string; called: string } {
  const [service, ...rest] = text.split(' -> ')
  return { service: service!, called: rest.join(' -> ') }
}

// Where in a file reading stopped, both from 1; the column counts bytes of UTF-8.
export interface FilePlace {
  line: number
  column: number
}

export function placeOf(message: string): FilePlace | null {
  const found = /(?:^|[:\s])(\d+):(\d+): /.exec(message)
  return found ? { line: Number(found[1]), column: Number(found[2]) } : null
}

// The same place as an offset in the text; the end of what is shorter.
export function offsetOf(text: string, { line, column }: FilePlace): number {
  const lines = text.split('\n')
  const before = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0)
  const bytes = new TextEncoder().encode(lines[line - 1] ?? '')
  const within = new TextDecoder().decode(bytes.slice(0, Math.max(0, column - 1)))
  return Math.min(text.length, before + within.length)
}

// A version of a rule as a file: it is kept as an item of the file's list.
export const fileOf = (body: string) => (/^\s*- /.test(body) ? `rules:\n${body}` : body)

// Names as the text has them, in order; a quoted one without its quotes. Only `name` at the head of
// an item of `rules`: channels are written in braces or stand below `channels`.
export function rulesOf(text: string): string[] {
  const names: string[] = []
  let within = false
  for (const line of text.split('\n')) {
    if (/^\S/.test(line) && !line.startsWith('#') && !line.startsWith('-')) {
      within = /^rules\s*:/.test(line)
    }
    const found = within && /^\s*-\s+name:\s*(.+?)\s*(?:#.*)?$/.exec(line)
    if (found) names.push(found[1]!.replace(/^(["'])(.*)\1$/, '$2'))
  }
  return names
}
