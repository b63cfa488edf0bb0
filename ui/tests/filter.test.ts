// SPDX-License-Identifier: Apache-2.0
// Purpose: what the filter builder reads and writes.
import { describe, expect, it } from 'vitest'
import * as l from '@/filter/language'
import { charAtByte, markPosition } from '@/filter/position'
import { serviceFilter } from '@/filter/service'

describe('conditions', () => {
  it('reads a plain filter and writes it again', () => {
    const text =
      '{ resource.service.name = "cart" && duration > 100ms && span.http.response.status_code >= 500 }'
    const conditions = l.parseConditions(text)
    expect(conditions).toEqual([
      { key: 'resource.service.name', op: '=', value: '"cart"' },
      { key: 'duration', op: '>', value: '100ms' },
      { key: 'span.http.response.status_code', op: '>=', value: '500' },
    ])
    expect(l.writeConditions(conditions!)).toBe(text)
  })

  it('reads texts with everything in them', () => {
    const value = l.quote('a "b" && c } 会员 \\')
    const text = `{name=~${value}}`
    expect(l.parseConditions(text)).toEqual([{ key: 'name', op: '=~', value }])
  })

  it('leaves alone what is more than conditions', () => {
    for (const text of [
      '{ a = 1 || b = 2 }',
      '{ (a = 1) }',
      '{ a = }',
      '{ a 1 }',
      '{ a = 1 && }',
      'a = 1',
      '{ a = "open }',
    ])
      expect(l.parseConditions(text), text).toBeNull()
    expect(l.parseConditions('')).toEqual([])
    expect(l.parseConditions('{ }')).toEqual([])
  })

  it('quotes odd keys and splits them again', () => {
    expect(l.attributeKey('span', 'http.route')).toBe('span.http.route')
    const odd = l.attributeKey('resource', 'odd key')
    expect(odd).toBe('resource."odd key"')
    expect(l.splitKey(odd)).toEqual({ scope: 'resource', name: 'odd key' })
    expect(l.parseConditions(`{ ${odd} = 1 }`)![0]!.key).toBe(odd)
    expect(l.splitKey('duration')).toBeNull()
  })
})

describe('values', () => {
  it('writes what was typed as the key needs it', () => {
    expect(l.toLiteral('duration', '100ms')).toBe('100ms')
    expect(l.toLiteral('status', 'error')).toBe('error')
    expect(l.toLiteral('name', '500')).toBe('"500"')
    expect(l.toLiteral('span.code', '500', ['int'])).toBe('500')
    expect(l.toLiteral('span.code', '500', ['string'])).toBe('"500"')
    expect(l.toLiteral('span.code', '"500"', ['int'])).toBe('"500"')
    expect(l.toLiteral('span.sql', 'it\'s "x"')).toBe('"it\'s \\"x\\""')
    expect(l.toLiteral('span.ok', 'true')).toBe('true')
  })

  it('shows literals as typed, and reads them back the same', () => {
    for (const [key, literal] of [
      ['span.a', '"orders"'],
      ['span.a', '"500"'],
      ['span.a', '500'],
      ['span.a', '""'],
      ['span.a', '"say \\"hi\\""'],
      ['duration', '1.5s'],
      ['status', 'error'],
    ] as const)
      expect(l.toLiteral(key, l.fromLiteral(literal))).toBe(literal)
  })
})

describe('braces', () => {
  it('are added where they were left out, and nowhere else', () => {
    expect(l.braced(' duration > 2s ')).toBe('{ duration > 2s }')
    expect(l.braced('{ duration > 2s }')).toBe('{ duration > 2s }')
    expect(l.braced('{ duration >')).toBe('{ duration >') // the server says what is missing
    expect(l.braced('{}')).toBe('{}')
    expect(l.braced('  ')).toBe('')
  })
})

describe('narrowing', () => {
  it('replaces a bound of the same side only', () => {
    const bound = (op: string, value: string) => ({ key: 'duration', op, value })
    expect(l.narrow('{ duration > 1s && duration < 9s }', [bound('>=', '2s')])).toBe(
      '{ duration < 9s && duration >= 2s }',
    )
    expect(l.narrow('{}', [bound('>=', '2s'), bound('<=', '3s')])).toBe(
      '{ duration >= 2s && duration <= 3s }',
    )
  })

  it('wraps what it cannot read', () => {
    const added = [{ key: 'status', op: '=', value: 'error' }]
    expect(l.narrow('{ a = 1 || b = 2 }', added)).toBe('{ (a = 1 || b = 2) && status = error }')
  })

  it('makes the filter of a service', () => {
    expect(serviceFilter('orders', '')).toBe('{ resource.service.name = "orders" }')
    expect(serviceFilter('a"b', 'shop')).toBe(
      '{ resource.service.name = "a\\"b" && resource.service.namespace = "shop" }',
    )
  })
})

describe('positions', () => {
  it('turns bytes into characters', () => {
    expect(charAtByte('会员 = 1', 6)).toBe(2)
    expect(markPosition('{ 会 > }', 8)).toEqual({ before: '{ 会 > ', at: '}', after: '' })
  })

  it('marks a blank at the end', () => {
    expect(markPosition('{ a', 99)).toEqual({ before: '{ a', at: ' ', after: '' })
  })
})
