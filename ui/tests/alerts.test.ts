// SPDX-License-Identifier: Apache-2.0
// Purpose: values and thresholds of alerts, and what their texts hold.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  entryOf,
  fileOf,
  offsetOf,
  percentText,
  placeOf,
  quantileName,
  rulesOf,
  signOf,
  suspectOf,
  unitOfAlert,
  unitOfStrategy,
  valueText,
} from '@/alerts/values'
import { hoursOf, inOrder, isWeekly, silenceOf } from '@/alerts/silences'
import type {
  AlertRuleVersion,
  AlertSilence,
  AlertStrategy,
  IncidentAlert,
  IncidentDetails,
} from '@/api/types'
import { enAlerts } from '@/i18n/pages/en.alerts'

const strategy = (more: Partial<AlertStrategy>): AlertStrategy => ({
  metric: '',
  filter: '',
  measure: 'count',
  field: 'duration',
  every_ms: 60000,
  operator: '>',
  threshold: '1',
  group_by: [],
  at_least: 1,
  ...more,
})

const alert = (more: Partial<IncidentAlert>) =>
  ({ rule: 'slow', measure: 'quantile', operator: '>', group: {}, ...more }) as IncidentAlert

const rules = (...strategies: AlertStrategy[]) =>
  [{ rule: { name: 'slow', strategies } }] as AlertRuleVersion[]

describe('a value', () => {
  it('has the unit of its measure', () => {
    expect(unitOfStrategy(strategy({ measure: 'error_rate' }))).toBe('share')
    expect(unitOfStrategy(strategy({ measure: 'capacity' }))).toBe('share')
    expect(unitOfStrategy(strategy({ measure: 'rate' }))).toBe('per_second')
    expect(unitOfStrategy(strategy({ measure: 'quantile' }))).toBe('ns')
    expect(unitOfStrategy(strategy({ measure: 'count' }))).toBe('')
    expect(unitOfStrategy(strategy({ measure: 'max', field: 'span.items' }))).toBe('')
    expect(unitOfStrategy(strategy({ measure: 'max', metric: 'heap', field: 'value' }))).toBe('')
  })

  it('of an alert is known by its rule, and by nothing else', () => {
    const p99 = strategy({ measure: 'quantile' })
    const items = strategy({ measure: 'quantile', field: 'span.items' })
    expect(unitOfAlert(alert({}), rules(p99))).toBe('ns')
    expect(unitOfAlert(alert({}), [])).toBe('')
    expect(unitOfAlert(alert({}), rules(p99, items))).toBe('')
    expect(unitOfAlert(alert({ group: { name: 'a' } }), rules(p99))).toBe('')
    expect(unitOfAlert(alert({ operator: '<' }), rules(p99))).toBe('')
    expect(unitOfAlert(alert({ measure: 'error_rate' }), [])).toBe('share')
  })

  it('is written with its unit', () => {
    expect(valueText(1.25e9, 'ns', 'en')).toBe('1.25 s')
    expect(valueText(0.062, 'share', 'en')).toBe('6.20%')
    expect(valueText(4.9, 'per_second', 'en')).toBe('4.9/s')
    expect(valueText(12345, '', 'en')).toBe('12,345')
    expect(valueText(null, 'ns', 'en')).toBe('–')
  })
})

describe('a threshold', () => {
  it('of what compares with before is percent', () => {
    expect(percentText('50')).toBe('50%')
    expect(percentText('50%')).toBe('50%')
  })

  it('has a sign for every operator', () => {
    expect(['>', '<', '>=', 'rise', 'above_average', 'fall'].map(signOf).join(' ')).toBe(
      '> < ≥ ≥ ≥ ≤',
    )
  })

  it('names quantiles without what binary fractions add', () => {
    expect([0.5, 0.99, 0.999, 0.9999, 0.29].map(quantileName).join(' ')).toBe(
      'P50 P99 P99.9 P99.99 P29',
    )
  })
})

describe('texts', () => {
  it('part an entry where a service of the incident ends', () => {
    expect(entryOf('shop POST /orders', [])).toEqual({ service: 'shop', name: 'POST /orders' })
    const services = ['shop', 'shop floor']
    expect(entryOf('shop floor GET /', services)).toEqual({ service: 'shop floor', name: 'GET /' })
    expect(entryOf('shop', ['shop'])).toEqual({ service: 'shop', name: '' })
  })

  it('part a suspect from whom it called', () => {
    expect(suspectOf('payment -> postgresql')).toEqual({
      service: 'payment',
      called: 'postgresql',
    })
    expect(suspectOf('payment')).toEqual({ service: 'payment', called: '' })
  })

  it('hold the place where a file is wrong', () => {
    expect(placeOf('rules:1:42: expected count')).toEqual({ line: 1, column: 42 })
    expect(placeOf('3:7: expected a number')).toEqual({ line: 3, column: 7 })
    expect(placeOf('no channel nobody at 12:30')).toBeNull()
  })

  it('are counted in bytes up to a place', () => {
    const text = 'a: 1\nb: 错误 x\n'
    expect(offsetOf(text, { line: 1, column: 1 })).toBe(0)
    expect(text.slice(offsetOf(text, { line: 2, column: 4 + 7 }))).toBe('x\n')
    expect(offsetOf(text, { line: 9, column: 1 })).toBe(text.length)
  })

  it('of a version are a file', () => {
    expect(fileOf('  - name: a\n')).toBe('rules:\n  - name: a\n')
    expect(fileOf('rules:\n  - name: a\n')).toBe('rules:\n  - name: a\n')
  })
})

describe('what the server names', () => {
  const api = readFileSync(new URL('../../src/api/openapi.json', import.meta.url), 'utf8')
  const { AlertStrategy: s, Incident: i, IncidentEntry: e } = JSON.parse(api).components.schemas

  it('is said in words', () => {
    const names: [string, string[]][] = [
      ['alerts.measure', s.properties.measure.enum],
      ['level', i.properties.level.enum],
      ['incident', i.properties.state.enum],
      ['event', e.properties.kind.enum],
    ]
    for (const [prefix, values] of names)
      for (const value of values) expect(Object.keys(enAlerts)).toContain(`${prefix}.${value}`)
  })
})

describe('the rules of a text', () => {
  it('are named by their names, without quotes and comments', () => {
    const text = [
      'rules:',
      '  - name: slow # a comment',
      '    strategies:',
      '      - {measure: count, every: 1m}',
      '  - name: "of the shop"',
      'channels:',
      '  - name: ops',
    ].join('\n')
    expect(rulesOf(text)).toEqual(['slow', 'of the shop'])
  })
  it('are none where the text cannot be told', () => {
    expect(rulesOf('{"rules": []}')).toEqual([])
  })
})

describe('a silence', () => {
  const incident = (services: string[], ...alerts: [rule: string, service: string][]) =>
    ({
      id: 7,
      services,
      alert_list: alerts.map(([rule, service]) => ({ rule, service })),
    }) as IncidentDetails
  const silence = (more: Partial<AlertSilence>): AlertSilence => ({
    name: 'n',
    reason: '',
    rules: [],
    services: [],
    from_unix_ms: 0,
    until_unix_ms: 0,
    days: [],
    begin_minute: 0,
    end_minute: 0,
    offset_minutes: 0,
    holds: false,
    is_over: false,
    body: '',
    ...more,
  })

  it('covers the rules and services of an incident until a whole second', () => {
    const alerts: [string, string][] = [
      ['x', 'a'],
      ['y', 'a'],
      ['x', 'a'],
    ]
    expect(silenceOf(incident(['a'], ...alerts), 1790000000999, ' deploy ')).toEqual({
      name: 'incident 7',
      rules: ['x', 'y'],
      services: ['a'],
      until: '2026-09-21T14:13:20Z',
      reason: 'deploy',
    })
  })

  it('covers all services where an alert is of none', () => {
    expect(silenceOf(incident(['a'], ['x', 'a'], ['z', '']), 0, ' ')).toEqual({
      name: 'incident 7',
      rules: ['x', 'z'],
      until: '1970-01-01T00:00:00Z',
    })
  })

  it('tells on which hours of the week it holds', () => {
    const nights = silence({
      days: ['sat', 'mon'],
      begin_minute: 1320,
      end_minute: 365,
      offset_minutes: -330,
    })
    expect(hoursOf(nights, 'en', ', ')).toBe('Sat, Mon · 22:00–06:05 · UTC-5:30')
    expect(hoursOf(nights, 'zh-CN', '、')).toMatch(/^周六、周一 · /)
    expect(hoursOf(silence({ days: ['sun'] }), 'en', ', ')).toBe('Sun · UTC+0')
    expect(hoursOf(silence({}), 'en', ', ')).toBe('')
    expect([nights, silence({ end_minute: 60 }), silence({})].map(isWeekly)).toEqual([
      true,
      true,
      false,
    ])
  })

  it('comes first where it holds, and last where it is over', () => {
    const list = [
      silence({ name: 'a', is_over: true }),
      silence({ name: 'b' }),
      silence({ name: 'c', holds: true }),
      silence({ name: 'd', holds: true }),
    ]
    expect(inOrder(list).map(({ name }) => name)).toEqual(['c', 'd', 'b', 'a'])
    expect(list[0]!.name).toBe('a')
  })
})
