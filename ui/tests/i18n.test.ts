// SPDX-License-Identifier: Apache-2.0
// Purpose: the two catalogues say the same things with the same parameters.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { en } from '@/i18n/en'
import { enAdmin } from '@/i18n/pages/en.admin'
import { enAlerts } from '@/i18n/pages/en.alerts'
import { enCapacity } from '@/i18n/pages/en.capacity'
import { enMetrics } from '@/i18n/pages/en.metrics'
import { enStores } from '@/i18n/pages/en.stores'
import { enTopology } from '@/i18n/pages/en.topology'
import { zhAdmin } from '@/i18n/pages/zh-CN.admin'
import { zhAlerts } from '@/i18n/pages/zh-CN.alerts'
import { zhCapacity } from '@/i18n/pages/zh-CN.capacity'
import { zhMetrics } from '@/i18n/pages/zh-CN.metrics'
import { zhStores } from '@/i18n/pages/zh-CN.stores'
import { zhTopology } from '@/i18n/pages/zh-CN.topology'
import { render, type Message } from '@/i18n/render'
import { zhCN } from '@/i18n/zh-CN'

const english: Record<string, Message> = {
  ...en,
  ...enAdmin,
  ...enAlerts,
  ...enCapacity,
  ...enMetrics,
  ...enStores,
  ...enTopology,
}
const chinese: Record<string, Message> = {
  ...zhCN,
  ...zhAdmin,
  ...zhAlerts,
  ...zhCapacity,
  ...zhMetrics,
  ...zhStores,
  ...zhTopology,
}

const parameters = (message: Message) =>
  [...(typeof message === 'string' ? message : message.other).matchAll(/\{(\w+)\}/g)]
    .map((match) => match[1])
    .sort()

describe('catalogues', () => {
  it('have the same keys and parameters', () => {
    expect(Object.keys(chinese).sort()).toEqual(Object.keys(english).sort())
    for (const [key, message] of Object.entries(english))
      expect(parameters(chinese[key]!), key).toEqual(parameters(message))
  })

  it('say nothing in two places', () => {
    const parts = [en, enAdmin, enAlerts, enCapacity, enMetrics, enStores, enTopology].map(
      (part) => Object.keys(part).length,
    )
    expect(Object.keys(english).length).toBe(parts.reduce((sum, count) => sum + count))
  })

  it('leave nothing empty', () => {
    for (const message of [...Object.values(english), ...Object.values(chinese)])
      expect(JSON.stringify(message)).not.toContain('""')
  })
})

describe('what a filter lacks', () => {
  it('is said for every code of the server', () => {
    const api = readFileSync(new URL('../../src/api/openapi.json', import.meta.url), 'utf8')
    const { code } = JSON.parse(api).components.schemas.FilterError.properties
    for (const name of code.enum as string[])
      if (name !== 'other') expect(Object.keys(en), name).toContain(`expect.${name}`)
  })
})

describe('a finding', () => {
  it('is named for every kind of the server', () => {
    const api = readFileSync(new URL('../../src/api/openapi.json', import.meta.url), 'utf8')
    const { kind } = JSON.parse(api).components.schemas.Finding.properties
    for (const name of kind.enum as string[])
      expect(Object.keys(english), name).toContain(`finding.${name}`)
  })
})

describe('a measure of a machine', () => {
  it('is named for every one of the server', () => {
    const api = readFileSync(new URL('../../src/api/openapi.json', import.meta.url), 'utf8')
    const { measure } = JSON.parse(api).components.schemas.NodeMeasure.properties
    for (const name of measure.enum as string[])
      expect(Object.keys(english), name).toContain(`machine.${name}`)
  })
})

describe('an account of memory', () => {
  it('is named for every one of the server', () => {
    const budget = readFileSync(new URL('../../src/ledger/budget.c', import.meta.url), 'utf8')
    const names = [...budget.matchAll(/\[ACCOUNT_[A-Z]+\] = "(\w+)"/g)].map(([, name]) => name)
    expect(names).toContain('store')
    for (const name of names) expect(Object.keys(english), name).toContain(`account.${name}`)
  })
})

describe('rendering', () => {
  it('chooses the plural and formats numbers', () => {
    const message = { one: '{count} span', other: '{count} spans' }
    expect(render(message, { count: 1 }, 'en')).toBe('1 span')
    expect(render(message, { count: 0 }, 'en')).toBe('0 spans')
    expect(render(message, { count: 12345 }, 'en')).toBe('12,345 spans')
    expect(render('{count} 个 Span', { count: 12345 }, 'zh-CN')).toBe('12,345 个 Span')
  })

  it('puts texts in as they are', () => {
    expect(render('a {x} b', { x: '{y} $& <b>' }, 'en')).toBe('a {y} $& <b> b')
    expect(render('a {missing}', {}, 'en')).toBe('a {missing}')
  })
})
