// SPDX-License-Identifier: Apache-2.0
// Purpose: the rows of the filter builder, in words and in the language.
import { describe, expect, it } from 'vitest'
import * as b from '@/filter/builder'
import { parseConditions, writeConditions } from '@/filter/language'

const write = (row: b.Row, types?: string[]) => {
  const condition = b.conditionOf(row, types)
  return condition && writeConditions([condition])
}
const read = (filter: string) => parseConditions(filter)!.map(b.rowOf)

describe('rows', () => {
  it('write the language for those who do not know it', () => {
    expect(write({ key: 'duration', verb: 'atLeast', typed: '1s' })).toBe('{ duration >= 1s }')
    expect(write({ key: 'span.a', verb: 'exists', typed: 'x' })).toBe('{ span.a != nil }')
    expect(write({ key: 'span.a', verb: 'absent', typed: '' })).toBe('{ span.a = nil }')
    expect(write({ key: 'span.a', verb: 'is', typed: '5' }, ['string'])).toBe('{ span.a = "5" }')
    expect(write({ key: 'name', verb: 'contains', typed: 'a.b' })).toBe('{ name =~ ".*a\\\\.b.*" }')
  })

  it('take an RpcId for a text', () => {
    expect(write({ key: 'rpcID', verb: 'is', typed: '0.1' })).toBe('{ rpcID = "0.1" }')
    expect(write({ key: 'span:rpcID', verb: 'is', typed: '0' })).toBe('{ span:rpcID = "0" }')
    expect(b.verbsOf('rpcID')).toEqual(['is', 'isNot', 'contains', 'matches', 'matchesNot'])
  })

  it('write nothing while they are not finished', () => {
    expect(write(b.EMPTY_ROW)).toBeNull()
    expect(write({ key: ' ', verb: 'exists', typed: '' })).toBeNull()
  })

  it('come back as they went', () => {
    for (const row of [
      { key: 'name', verb: 'contains', typed: 'GET /a(b)*\\d "x"' },
      { key: 'name', verb: 'matches', typed: '.*a|b.*' },
      { key: 'name', verb: 'matchesNot', typed: '500' },
      { key: 'span.http.response.status_code', verb: 'above', typed: '499' },
      { key: 'status', verb: 'isNot', typed: 'ok' },
      { key: 'span.a', verb: 'exists', typed: '' },
      { key: 'span.a', verb: 'is', typed: '"500"' },
      { key: 'rpcID', verb: 'is', typed: '0.1' },
      { key: 'span:rpcID', verb: 'isNot', typed: '0' },
      { key: 'rpcID', verb: 'contains', typed: '.1.' },
    ] as b.Row[])
      expect(read(write(row)!)).toEqual([row])
  })

  it('reads every example', () => {
    for (const filter of Object.values(b.EXAMPLES)) {
      const rows = read(filter)
      expect(rows.length).toBeGreaterThan(0)
      expect(writeConditions(rows.map((row) => b.conditionOf(row)!))).toBe(filter)
    }
  })

  it('offers what makes sense for a field', () => {
    expect(b.verbsOf('status')).toEqual(['is', 'isNot'])
    expect(b.verbsOf('duration')).not.toContain('contains')
    expect(b.verbsOf('span.a', ['string'])).not.toContain('above')
    expect(b.verbsOf('span.a', ['int'])).not.toContain('contains')
    for (const key of b.COMMON_KEYS) expect(b.verbsOf(key).length).toBeGreaterThan(1)
  })
})
