// SPDX-License-Identifier: Apache-2.0
// Purpose: trees of entries as rows, what is needed at N times the calls, and what findings say.
import { describe, expect, it } from 'vitest'
import type { EntryNeed, EntryNode, Finding } from '@/api/types'
import { instancesBusy, missing, readTimes, stopOf, STOPS, TIMES_DEFAULT } from '@/capacity/times'
import { above, hasBelow, rowsOf, shownRows, treeOf } from '@/capacity/tree'
import { concerns, KINDS, sayingOf } from '@/findings/saying'
import { enCapacity } from '@/i18n/pages/en.capacity'
import { zhCapacity } from '@/i18n/pages/zh-CN.capacity'
import { render } from '@/i18n/render'
import { nodeId, partsOf } from '@/topology/nodeId'

function node(path: string, parent: string, more: Partial<EntryNode> = {}): EntryNode {
  return {
    path,
    parent,
    kind: 'service',
    namespace: 'shop',
    service: path,
    name: 'GET /',
    calls: 1,
    errors: 0,
    calls_per_entry: 1,
    presence: 1,
    p50_calls: 1,
    p99_calls: 1,
    max_calls: 1,
    self_ns: 1,
    share: 0.1,
    ...more,
  }
}

const database = { kind: 'database', namespace: '', service: '', name: 'pg/a@h:1' } as const
// Parents before children, but not each beside its own: b and c are called by a, d by b, e by c.
const ANSWER = [
  node('a', ''),
  node('b', 'a'),
  node('c', 'a'),
  node('d', 'b', database),
  node('e', 'c', database),
]

describe('the tree of an entry', () => {
  const tree = treeOf(ANSWER)

  it('has each node before what lies below it', () => {
    expect(tree.ids).toEqual(['a', 'b', 'd', 'c', 'e'])
    expect(tree.depth).toEqual([0, 1, 2, 1, 2])
    expect(tree.parent).toEqual([-1, 0, 1, 0, 3])
    expect(tree.end).toEqual([5, 3, 3, 5, 5])
    expect(above(tree, 4)).toEqual([3, 0])
    expect([0, 2].map((row) => hasBelow(tree, row))).toEqual([true, false])
  })

  it('hides what lies below a folded row', () => {
    expect(shownRows(tree, () => false)).toEqual([0, 1, 2, 3, 4])
    expect(shownRows(tree, (row) => row === 1)).toEqual([0, 1, 3, 4])
    expect(shownRows(tree, (row) => row === 0)).toEqual([0])
    expect(shownRows(treeOf([]), () => false)).toEqual([])
  })

  it('shows a node whose parent is not there as a root', () => {
    const odd = treeOf([node('a', ''), node('x', 'gone')])
    expect(odd.depth).toEqual([0, 0])
  })

  it('is as deep as calls go', () => {
    const deep = Array.from({ length: 2000 }, (_, at) => node(`n${at}`, at ? `n${at - 1}` : ''))
    expect(treeOf(deep).depth.at(-1)).toBe(1999)
  })

  it('finds a node by its ID, and all endpoints by that of their service', () => {
    expect([...rowsOf(tree, 'database//pg/a@h:1')]).toEqual([2, 4])
    expect([...rowsOf(tree, 'service/shop/c')]).toEqual([3])
    expect([...rowsOf(tree, 'service/shop/c/GET /')]).toEqual([3])
    expect(rowsOf(tree, 'service/shop').size).toBe(0)
    expect(rowsOf(tree, '').size).toBe(0)
  })
})

describe('IDs of nodes', () => {
  it('are those of the server', () => {
    const made = { kind: 'service', namespace: 'a/b', service: '50%', name: 'GET /x%' }
    expect(nodeId(made)).toBe('service/a%2Fb/50%25/GET /x%')
    expect(nodeId({ kind: 'client', namespace: '', service: '', name: '' })).toBe('client/')
    expect(nodeId(database)).toBe('database//pg/a@h:1')
    for (const whole of [made, database, { ...made, name: '' }]) {
      const { kind, namespace, service, name } = whole
      expect(partsOf(nodeId(whole))).toEqual({ kind, namespace, service, name })
    }
  })
})

describe('times N', () => {
  it('is a whole number that the server takes', () => {
    expect(readTimes('3')).toBe(3)
    expect(readTimes('1000')).toBe(1000)
    for (const bad of ['', ' ', '0', '-1', '1001', '2.5', 'x'])
      expect(readTimes(bad), bad).toBe(TIMES_DEFAULT)
  })

  it('has a place on the slider, also between its stops', () => {
    STOPS.forEach((times, at) => expect(stopOf(times)).toBe(at))
    expect(STOPS[stopOf(7)]).toBe(6)
    expect(STOPS[stopOf(40)]).toBe(30)
    expect(STOPS[stopOf(99)]).toBe(100)
  })

  it('says how many instances are missing, or that nobody knows', () => {
    const need = { instances: 2, instances_needed: 5 } as EntryNeed
    expect(missing(need)).toBe(3)
    expect(missing({ ...need, instances_needed: 2 })).toBe(0)
    expect(missing({ ...need, instances_needed: 0 })).toBeNull()
    const rates = { busiest_per_s: 7.58, added_per_s: 0.12, busiest_instance_per_s: 7.58 }
    expect(instancesBusy({ ...need, ...rates })).toBeCloseTo(1.016, 3)
  })
})

describe('a finding', () => {
  const named = { id: 'i', kind: 'service', namespace: 'shop', service: 's' } as const
  const finding = (kind: Finding['kind'], value: number, limit: number): Finding => ({
    kind,
    entry: { ...named, service: 'front', name: 'GET /buy' },
    caller: { ...named, service: 'orders', name: 'POST /orders' },
    node: { ...named, service: 'stock', name: 'GET /stock' },
    value,
    sampled: false,
    limit,
    chains: 12,
    self_ns: 1,
    trace_ids: [],
  })

  const say = (made: Finding, texts: typeof zhCapacity, language: string) => {
    const { sentence, params } = sayingOf(made)
    return render(texts[sentence], params, language)
  }

  it('says who and how much, with the limit, whatever its kind and the language', () => {
    for (const [language, texts] of [
      ['en', enCapacity],
      ['zh-CN', zhCapacity],
    ] as const)
      for (const kind of [...KINDS, 'of_a_newer_server' as Finding['kind']]) {
        const text = say(finding(kind, 0.5, 0.25), texts, language)
        expect(text, kind).toContain('stock GET /stock')
        expect(text, kind).toMatch(/0\.5|50\.0%/)
        expect(text, kind).toMatch(/0\.3|25\.0%/)
        expect(text, kind).not.toMatch(/[{}]/)
      }
  })

  it('rounds what it says', () => {
    const english = (made: Finding) => say(made, enCapacity, 'en')
    expect(english(finding('n_plus_one', 15.46, 5))).toMatch(/orders POST \/orders .* 15\.5 times/)
    expect(english(finding('fan_out', 1234.5, 50))).toContain('1,235 times')
    expect(english(finding('missing_path', 0.9975, 0.99))).toContain('99.8% of all')
  })

  it('concerns those between whom the calls are made', () => {
    const made = finding('repeated_calls', 7, 5)
    expect(concerns(made, 'orders', 'shop')).toBe(true)
    expect(concerns(made, 'stock', '')).toBe(true)
    expect(concerns(made, 'stock', 'other')).toBe(false)
    expect(concerns(made, 'front', 'shop')).toBe(false)
  })
})
