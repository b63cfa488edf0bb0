// SPDX-License-Identifier: Apache-2.0
// Purpose: the waterfall's rows, on a small trace by hand and on large ones from the fixture.
import { describe, expect, it } from 'vitest'
import type { Attributes, Outline, SpanEvent } from '@/api/types'
import { failureText } from '@/trace/failure'
import * as m from '@/trace/model'
import { noteWidth, placeNote } from '@/trace/note'
import { readTraceId } from '@/trace/traceId'
import { keyParts } from '@/trace/values'
import * as w from '@/trace/window'
import { formatFold, isFolded, OPEN, parseFold, setFolded } from '@/tree/folding'
import { makeTrace, outline as fixtureOutline } from '../dev/shop.mjs'

// 0 root; 1 client -> 2 server -> 3 inner; 4 failed sibling; 5 an orphan, a root of its own.
function small(): Outline {
  return {
    trace_id: '1'.repeat(32),
    start_unix_nano: 0,
    start_unix_ms: 0,
    duration_ns: 100,
    services: ['front', 'orders'],
    names: ['GET /', 'POST', 'POST /orders', 'insert'],
    spans: {
      id: ['a0', 'a1', 'a2', 'a3', 'a4', 'a5'],
      parent: [-1, 0, 1, 2, 0, -1],
      rpc_id: ['0', '0.1', '0.1.1', '0.1.1.1', '0.2', '0'],
      service: [0, 0, 1, 1, 0, 1],
      name: [0, 1, 2, 3, 1, 3],
      kind: [2, 3, 2, 1, 3, 1],
      status: [0, 0, 0, 0, 2, 2],
      start_ns: [0, 10, 15, 20, 60, 70],
      duration_ns: [100, 40, 30, 10, 30, 5],
      self_ns: [30, 10, 20, 10, 30, 5],
      depth: [0, 1, 2, 3, 1, 0],
      critical_ns: [30, 10, 20, 10, 30, 0],
      peer: [-1, 2, 1, -1, -1, -1],
      skew_ns: [0, 0, 0, 0, 0, 0],
    },
    critical: {
      span: [0, 1, 2, 1, 4, 0],
      from_ns: [0, 10, 15, 45, 60, 90],
      to_ns: [10, 15, 45, 50, 90, 100],
    },
    orphan_rows: [5],
    orphans: 1,
    errors: 2,
    total_spans: 6,
    truncated: false,
    damaged_parts: [],
  }
}

const open: m.Folding = { folded: () => false }
const rowsOf = (...args: Parameters<typeof m.visibleRows>) => [...m.visibleRows(...args)]

describe('rows', () => {
  const model = m.buildModel(small())

  it('knows where subtrees end', () => {
    expect([...model.end]).toEqual([5, 4, 4, 4, 5, 6])
  })

  it('joins the halves of a call into one row', () => {
    expect(rowsOf(model, open, true, null)).toEqual([0, 1, 3, 4, 5])
    expect(rowsOf(model, open, false, null)).toEqual([0, 1, 2, 3, 4, 5])
    expect([...m.indents(model, true)]).toEqual([0, 1, 1, 2, 1, 0])
    expect([...m.indents(model, false)]).toEqual([0, 1, 2, 3, 1, 0])
    expect(m.between(model, 1)).toEqual({ gap: 10, after: 0 })
    expect(m.between(model, 4)).toEqual({ gap: 0, after: 0 })
    expect(m.displayRow(model, 2, true)).toBe(1)
    expect(m.displayRow(model, 2, false)).toBe(2)
  })

  it('says when the server went on after the client, unless it is the difference of clocks', () => {
    const late = small()
    late.spans.duration_ns[2] = 60 // from 15 to 75; the client has gone at 50
    expect(m.between(m.buildModel(late), 1)).toEqual({ gap: 0, after: 25 })
    late.spans.start_ns[2] = 10
    late.spans.duration_ns[2] = 40.5
    expect(m.between(m.buildModel(late), 1)).toEqual({ gap: 0, after: 0 })
  })

  it('joins only what names each other and stands under one another', () => {
    const apart = small()
    apart.spans.peer = [-1, 2, -1, -1, -1, -1]
    expect(m.buildModel(apart).half[1]).toBe(-1)
  })

  it('has nothing to fold under a joined call without inner spans', () => {
    const bare = small()
    bare.spans.parent[3] = 0
    const other = m.buildModel(bare)
    expect(m.hasChildren(other, 1, true)).toBe(false)
    expect(m.hasChildren(other, 1, false)).toBe(true)
    expect(m.hasChildren(model, 1, true)).toBe(true)
  })

  it('folds', () => {
    const folding = { folded: (row: number) => row === 1 }
    expect(rowsOf(model, folding, true, null)).toEqual([0, 1, 4, 5])
    expect(rowsOf(model, { folded: () => true }, true, null)).toEqual([0, 5])
  })

  it('filters by service and text, and keeps the way to what matches', () => {
    expect(m.matchRows(model, ' ', new Set())).toBeNull()
    const match = m.matchRows(model, 'INSERT', new Set())!
    expect([...match]).toEqual([0, 0, 0, 1, 0, 1])
    const keep = m.withAncestors(model, match)
    expect([...keep]).toEqual([1, 1, 1, 2, 0, 2])
    expect(rowsOf(model, open, true, keep)).toEqual([0, 1, 3, 5])
    expect([...m.matchRows(model, '', new Set(['front']))!]).toEqual([1, 1, 0, 0, 1, 0])
    expect([...m.matchRows(model, 'a4', new Set())!]).toEqual([0, 0, 0, 0, 1, 0])
    const rpc = model.outline.spans.rpc_id[4]!
    expect([...m.matchRows(model, rpc, new Set())!]).toEqual([0, 0, 0, 0, 1, 0])
  })

  it('steps through errors around the end', () => {
    const errors = m.errorRows(model, true)
    expect(errors).toEqual([4, 5])
    expect(m.nextError(errors, -1, 1)).toBe(4)
    expect(m.nextError(errors, 4, 1)).toBe(5)
    expect(m.nextError(errors, 5, 1)).toBe(4)
    expect(m.nextError(errors, 4, -1)).toBe(5)
    expect(m.nextError(errors, 3, 1)).toBe(4)
    expect(m.nextError(errors, 3, -1)).toBe(5)
    expect(m.nextError([], 4, 1)).toBe(-1)
  })

  it('counts the two halves of a failed call as one stop', () => {
    const failed = small()
    failed.spans.status = [0, 2, 2, 0, 0, 0]
    const both = m.buildModel(failed)
    expect(m.errorRows(both, true)).toEqual([1])
    expect(m.errorRows(both, false)).toEqual([1, 2])
  })

  it('knows the ancestors', () => {
    expect(m.ancestors(model, 3)).toEqual([2, 1, 0])
  })

  it('sorts the segments of the critical path by row', () => {
    expect([...model.pathAt]).toEqual([0, 2, 4, 5, 5, 6, 6])
    expect([model.pathFrom[0], model.pathFrom[1]]).toEqual([0, 90])
    expect([model.pathFrom[2], model.pathTo[3]]).toEqual([10, 50])
  })

  it('finds rows among the visible', () => {
    const rows = m.visibleRows(model, open, true, null)
    expect(m.indexOfRow(rows, 3)).toBe(2)
    expect(m.indexOfRow(rows, 2)).toBe(-1)
  })
})

describe('large traces', () => {
  for (const size of [10_000, 100_000])
    it(`holds together at ${size} spans`, () => {
      const trace = makeTrace('2'.repeat(32), 1e12, size, 9)
      const model = m.buildModel(fixtureOutline(trace) as Outline)
      const { parent } = model.outline.spans
      expect(model.count).toBe(size)
      expect(
        parent.every((up, row) => up < row && (up < 0 || model.end[up]! >= model.end[row]!)),
      ).toBe(true)
      const joined = model.owner.reduce((sum, owner) => sum + (owner >= 0 ? 1 : 0), 0)
      expect(joined).toBeGreaterThan(size / 10)
      expect(m.visibleRows(model, open, true, null)).toHaveLength(size - joined)
      expect(m.visibleRows(model, { folded: () => true }, true, null)).toHaveLength(1)
      const sum = model.outline.spans.critical_ns.reduce((a, b) => a + b, 0)
      expect(Math.abs(sum - model.outline.duration_ns)).toBeLessThan(model.count)
    }, 60_000) // of a busy machine
})

describe('folding in URLs', () => {
  const model = m.buildModel(small())

  it('survives the round trip', () => {
    const folded = setFolded(OPEN, [1, 0], true)
    const text = formatFold(folded, model.outline.spans.id)
    expect(text).toBe('a1.a0')
    expect(parseFold(text, model.outline.spans.id)).toEqual(folded)
    const mostly = setFolded({ all: true, except: new Set() }, [0], false)
    expect(formatFold(mostly, model.outline.spans.id)).toBe('all.a0')
    expect(isFolded(parseFold('all.a0', model.outline.spans.id), 0)).toBe(false)
    expect(isFolded(parseFold('all.a0', model.outline.spans.id), 1)).toBe(true)
    expect(formatFold(OPEN, model.outline.spans.id)).toBe('')
  })

  it('ignores spans that are gone', () => {
    expect(parseFold('ffff', model.outline.spans.id).except.size).toBe(0)
  })
})

describe('time windows', () => {
  it('stays inside the trace', () => {
    expect(w.clampWindow({ from: -5e5, to: 5e5 }, 1e7)).toEqual({ from: 0, to: 1e6 })
    expect(w.clampWindow({ from: 9.9e6, to: 11e6 }, 1e7).to).toBe(1e7)
    expect(w.clampWindow({ from: 5, to: 6 }, 1e7)).toEqual({ from: 5, to: 1005 })
    expect(w.clampWindow({ from: 0, to: 0 }, 0)).toEqual({ from: 0, to: 1000 })
  })

  it('zooms around a moment', () => {
    expect(w.zoomWindow({ from: 0, to: 100 }, 0.5, 20)).toEqual({ from: 10, to: 60 })
  })

  it('reads and writes', () => {
    expect(w.parseWindow(w.formatWindow({ from: 1000, to: 9000 }), 1e6)).toEqual({
      from: 1000,
      to: 9000,
    })
    for (const bad of ['', '5', '9-5', '-5-9', 'a-b', '2000000-3000000'])
      expect(w.parseWindow(bad, 1e6)).toBeNull()
  })

  it('puts marks at round moments', () => {
    expect(w.ticks({ from: 0, to: 100 }, 6)).toEqual([0, 20, 40, 60, 80, 100])
    expect(w.ticks({ from: 0, to: 7 }, 6).length).toBeLessThanOrEqual(7)
  })

  it('places bars, cut to just beyond the window', () => {
    expect(w.place({ from: 0, to: 100 }, 25, 50)).toEqual({ left: '25.000%', width: '50.000%' })
    expect(w.place({ from: 0, to: 100 }, -1e9, 2e9)).toEqual({ left: '-1.000%', width: '102.000%' })
  })
})

describe('pasted trace IDs', () => {
  const id = '4bf92f3577b34da6a3ce929d0e0e4736'

  it('come bare, as a UUID, or in a traceparent header', () => {
    expect(readTraceId(` ${id.toUpperCase()} `)).toEqual({ id })
    expect(readTraceId('4bf92f35-77b3-4da6-a3ce-929d0e0e4736')).toEqual({ id })
    const header = `00-${id}-00f067aa0ba902b7-01`
    expect(readTraceId(header)).toEqual({ id, span: '00f067aa0ba902b7' })
    for (const other of ['', 'orders', id.slice(1), `${id}0`]) expect(readTraceId(other)).toBeNull()
  })
})

describe('the order of errors', () => {
  it('begins where the failure began and goes outwards', () => {
    const outline = small()
    outline.spans.status = [2, 2, 2, 2, 0, 2]
    const model = m.buildModel(outline)
    expect(m.errorOrder(model, true)).toEqual([3, 1, 0, 5])
    expect(m.errorOrder(model, false)).toEqual([3, 2, 1, 0, 5])
  })

  it('passes over spans of the chain that say nothing', () => {
    const outline = small()
    outline.spans.status = [2, 0, 0, 2, 0, 0]
    expect(m.errorOrder(m.buildModel(outline), true)).toEqual([3, 0])
  })

  it('prefers the chain on the critical path', () => {
    const outline = small()
    outline.spans.status = [2, 0, 0, 2, 2, 0]
    outline.spans.critical_ns = [30, 0, 0, 0, 30, 0]
    expect(m.errorOrder(m.buildModel(outline), true)).toEqual([4, 0, 3])
  })

  it('holds every error once', () => {
    const model = m.buildModel(fixtureOutline(makeTrace('2'.repeat(32), 0, 10000, 3)) as Outline)
    for (const join of [true, false]) {
      const order = m.errorOrder(model, join)
      expect([...order].sort((a, b) => a - b)).toEqual(m.errorRows(model, join))
    }
  })
})

describe('what is known of a failure', () => {
  const said = (attributes: Attributes, status_message = '', events: SpanEvent[] = []) =>
    failureText({ attributes, status_message, events })

  it('is the message, the exception, or a code', () => {
    expect(said({ 'http.response.status_code': 502 }, 'refused')).toBe('refused')
    const attributes = { 'exception.type': 'IOError', 'exception.message': 'gone' }
    const event = { name: 'exception', time_unix_nano: 0, offset_ns: 0, attributes }
    expect(said({ 'http.response.status_code': 502 }, '', [event])).toBe('IOError: gone')
    expect(said({ 'http.response.status_code': 502, 'error.type': '502' })).toBe('HTTP 502')
    expect(said({ 'http.response.status_code': 200, 'error.type': 'timeout' })).toBe('timeout')
    expect(said({ 'rpc.grpc.status_code': 14 })).toBe('gRPC 14')
    expect(said({})).toBe('')
  })
})

describe('the note of a joined call', () => {
  const at = (client: [number, number], server: [number, number], lane = 600) => {
    const stretch = ([start, end]: [number, number]) => ({ start, end })
    return placeNote(stretch(client), stretch(server), noteWidth('⇄ 473 ms'), lane)
  }

  it('stands beside the bars where there is room', () => {
    expect(at([0, 50], [10, 40])).toEqual({ style: { left: '50%' }, over: false })
    expect(at([60, 99], [70, 90])).toEqual({ style: { right: '40%' }, over: false })
  })

  it('stands in the larger free part of the client bar where there is none beside it', () => {
    expect(at([0, 99], [90, 99])).toEqual({ style: { right: '10%' }, over: false })
    expect(at([0, 99], [1, 20])).toEqual({ style: { left: '20%' }, over: false })
    expect(at([-50, 150], [40, 50])).toEqual({ style: { left: '50%' }, over: false })
  })

  it('stands over the middle of the server bar, where that fills the client bar', () => {
    const need = (noteWidth('⇄ 473 ms') / 600) * 100
    const middle = (sum: number) => ({ style: { left: `${(sum - need) / 2}%` }, over: true })
    expect(at([0, 99], [1, 98])).toEqual(middle(99)) // both ends stay in sight
    expect(at([-1, 101], [-1, 101])).toEqual(middle(100))
    expect(at([4, 300], [5, 300])).toEqual(middle(104))
  })

  it('is left out where the call is not in sight, or the lane is too narrow', () => {
    expect(at([101, 101], [101, 101])).toBeNull()
    expect(at([0, 99], [1, 98], 50)).toBeNull()
    expect(at([0, 99], [1, 98], 100)).toBeNull() // it would cover most of the bar
  })

  it('takes more room in Chinese', () => {
    expect(noteWidth('服务端 +1 ms')).toBeGreaterThan(noteWidth('abc +1 ms'))
  })
})

describe('attribute keys', () => {
  it('break after dots and underscores', () => {
    expect(keyParts('http.response.status_code')).toEqual(['http.', 'response.', 'status_', 'code'])
    expect(keyParts('')).toEqual([''])
  })
})
