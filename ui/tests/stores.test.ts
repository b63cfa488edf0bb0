// SPDX-License-Identifier: Apache-2.0
// Purpose: boards of stores: filters for the calls of a fingerprint, what has changed, what stands out.
import { describe, expect, it } from 'vitest'
import type { StoreStatement } from '@/api/types'
import * as boards from '@/stores/boards'
import { patternOf, statementFilter } from '@/stores/statement'

const DATABASE = {
  id: 'database//postgresql/shop@db1:5432',
  kind: 'database',
  namespace: '',
  service: '',
  name: 'postgresql/shop@db1:5432',
} as const

function statement(text: string, more: Partial<StoreStatement> = {}): StoreStatement {
  const numbers = { calls: 10, errors: 0, mean_ns: 1, p50_ns: 1, p90_ns: 1, p95_ns: 1, p99_ns: 1 }
  return {
    statement: text,
    board: 'db',
    system: 'postgresql',
    node: DATABASE,
    ...numbers,
    p999_ns: 1,
    max_ns: 1,
    total_ns: 10,
    share: 1,
    node_share: 1,
    chains: 10,
    repeated_chains: 0,
    calls_per_chain: 1,
    p99_calls: 1,
    max_calls: 1,
    callers: [],
    left_out_callers: 0,
    ...more,
  }
}

// As the server matches: the whole value. JavaScript has no (?is) within a pattern.
const matches = (fingerprint: string, text: string) =>
  new RegExp(`^(?:${patternOf(fingerprint).replace('(?is)', '')})$`, 'is').test(text)

describe('the pattern of a fingerprint', () => {
  it('finds texts that differ in values, blanks and their number alone', () => {
    const select = 'SELECT a FROM t WHERE b = ? AND c IN (?)'
    expect(matches(select, "SELECT a FROM t WHERE b = 'x' AND c IN (1, 2, 3)")).toBe(true)
    expect(matches(select, 'select a\n  from t where b = $1 and c in ($2);')).toBe(true)
    expect(matches(select, 'SELECT a FROM u WHERE b = 1 AND c IN (2)')).toBe(false)
    expect(matches('SET user:? ?', 'SET user:17 {"name": "x"}')).toBe(true)
    expect(matches('SELECT 1.5 * a', 'SELECT 1x5 * a')).toBe(false)
  })

  it('takes any end for that of one that was cut, or has many values', () => {
    expect(matches('SELECT a FROM t WHERE …', 'SELECT a FROM t WHERE b = 1 AND c = 2')).toBe(true)
    expect(patternOf('f(?, a?b?c?d?e?f?g?h)').match(/\.\*/g)).toHaveLength(6)
  })
})

describe('the filter for a statement', () => {
  it('asks for its store and for its text, of one caller or of all', () => {
    const row = statement('SELECT a FROM t WHERE b = ?')
    const text = '\\\\s*SELECT\\\\s+a\\\\s+FROM\\\\s+t\\\\s+WHERE\\\\s+b\\\\s+=\\\\s+.*[\\\\s;]*'
    const store =
      '(span.db.system.name = "postgresql" || span.db.system = "postgresql") && ' +
      '(span.db.namespace = "shop" || span.db.name = "shop") && ' +
      '(span.server.address = "db1" || span.net.peer.name = "db1")'
    const said = `(span.db.query.text =~ "(?is)${text}" || span.db.statement =~ "(?is)${text}")`
    expect(statementFilter(row)).toBe(`{ ${store} && ${said} }`)
    const cart = { calls: 1, errors: 0, total_ns: 1, share: 1, sampled: false }
    expect(statementFilter(row, { namespace: 'shop', service: 'cart', ...cart })).toBe(
      `{ resource.service.name = "cart" && resource.service.namespace = "shop" && ${store} && ${said} }`,
    )
  })

  it('asks for the method of RPC on the side that calls, and for the destination of a queue', () => {
    const node = { id: 'service/shop/cart', kind: 'service', namespace: 'shop', service: 'cart' }
    const rpc = { board: 'rpc', node: { ...node, name: '' } } as Partial<StoreStatement>
    expect(statementFilter(statement('shop.Cart/Add', rpc))).toBe(
      '{ kind = client && ((span.rpc.service = "shop.Cart" && span.rpc.method = "Add") || ' +
        'span.rpc.method = "shop.Cart/Add" || name = "shop.Cart/Add") }',
    )
    const queue = { id: 'queue//kafka/orders', kind: 'queue', namespace: '', service: '' }
    const mq = { board: 'mq', node: { ...queue, name: 'kafka/orders' } } as Partial<StoreStatement>
    const filter = statementFilter(statement('publish orders', mq))!
    expect(filter).toContain('span.messaging.system = "kafka"')
    expect(filter).toContain('span.messaging.operation.type = "publish"')
    expect(filter).toContain('span.messaging.destination.template = "orders"')
  })

  it('is not written for statements that are told apart no more', () => {
    expect(statementFilter(statement('(other)'))).toBeNull()
  })
})

describe('boards', () => {
  it('are those of databases, caches and queues, by their nodes', () => {
    const kinds = ['database', 'cache', 'queue', 'service', 'external', 'line'] as const
    expect(kinds.map((kind) => boards.boardOf({ kind }))).toEqual([
      'db',
      'redis',
      'mq',
      null,
      null,
      null,
    ])
  })

  it('read what a link says, and take the usual for what makes no sense', () => {
    expect(['week', 'toString', 'x', ''].map(boards.readCompare)).toEqual(['week', '', '', ''])
    expect(['-p99', 'mean', 'p50', ''].map(boards.readOrder)).toEqual([
      'p99',
      'mean',
      'total',
      'total',
    ])
    expect(['1000', '5', 'x'].map(boards.readLimit)).toEqual([1000, 100, 100])
  })

  it('tell what has become of a number', () => {
    expect(boards.differenceText(12, 10, String)).toBe('+20%')
    expect(boards.differenceText(0, 10, String)).toBe('-100%')
    expect(boards.differenceText(7, 0, String)).toBe('+7')
    expect(boards.differenceText(0, 0, String)).toBeNull()
    expect(boards.differenceText(5, 5, String)).toBeNull()
  })

  it('mark new statements, gone ones, and those that chains have again and again', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((text) => statement(text)) as [
      StoreStatement,
      StoreStatement,
      StoreStatement,
    ]
    expect(boards.goneOf([a, b], [b, c])).toEqual([c])
    expect(boards.isNew(a)).toBe(false) // compared with nothing
    const before = { ...statement('a'), calls: 0 }
    expect(boards.isNew({ before })).toBe(true)
    expect(boards.isRepeated(a)).toBe(false)
    expect(boards.isRepeated({ ...a, repeated_chains: 6, calls_per_chain: 5 })).toBe(true)
    expect(boards.isRepeated({ ...a, repeated_chains: 5, calls_per_chain: 9 })).toBe(false)
    expect(boards.isRepeated({ ...a, chains: 0, calls_per_chain: 0 })).toBe(false)
  })

  it('name a statement by its store and text', () => {
    const keys = [
      statement('a'),
      statement('b'),
      statement('a', { node: { ...DATABASE, id: 'x' } }),
    ]
    expect(new Set(keys.map(boards.statementKey)).size).toBe(3)
    expect(boards.statementKey(statement('a'))).toBe(boards.statementKey(statement('a')))
  })
})
