// SPDX-License-Identifier: Apache-2.0
// Purpose: the waterfall without the screen: what of a trace is in which row, for 100,000 spans as
// for ten. Spans come in display order (depth first), so a subtree is a run of rows: that is what
// makes folding a jump and everything here one pass.
import type { Outline } from '@/api/types'
import { repeats } from '@/format/series'
import { learnServices, markOf } from '@/state/marks'

export const SERVER = 2
export const CLIENT = 3
export const ERROR = 2

export interface TraceModel {
  outline: Outline
  count: number
  end: Int32Array // row after the last of the subtree
  half: Int32Array // of a client row: the server row that joins it; -1
  owner: Int32Array // of a joined server row: its client row; -1
  colours: string[] // of the services, as CSS
  repeated: number[] // of the services: how many have the same colour and come before
  errors: number[] // rows with status error
  orphan: Set<number>
  // Segments of the critical path by row: those of row i are pathAt[i] up to pathAt[i + 1].
  pathAt: Int32Array
  pathFrom: Float64Array
  pathTo: Float64Array
}

function subtreeEnds(parent: number[]): Int32Array {
  const end = new Int32Array(parent.length)
  for (let row = parent.length - 1; row >= 0; row--) {
    if (end[row] === 0) end[row] = row + 1
    const up = parent[row]!
    if (up >= 0 && end[up]! < end[row]!) end[up] = end[row]!
  }
  return end
}

// A server span joins its parent when both name each other as peer.
function joinHalves(outline: Outline): { half: Int32Array; owner: Int32Array } {
  const { parent, peer, kind } = outline.spans
  const half = new Int32Array(parent.length).fill(-1)
  const owner = new Int32Array(parent.length).fill(-1)
  for (let row = 0; row < parent.length; row++) {
    const client = parent[row]!
    if (kind[row] !== SERVER || client < 0 || peer[row] !== client) continue
    if (peer[client] !== row || half[client] !== -1) continue
    half[client] = row
    owner[row] = client
  }
  return { half, owner }
}

function criticalByRow(outline: Outline) {
  const { span, from_ns: from, to_ns: to } = outline.critical
  const count = outline.spans.id.length
  const pathAt = new Int32Array(count + 1)
  for (const row of span) pathAt[row + 1]!++
  for (let row = 0; row < count; row++) pathAt[row + 1]! += pathAt[row]!
  const next = pathAt.slice()
  const pathFrom = new Float64Array(span.length)
  const pathTo = new Float64Array(span.length)
  span.forEach((row, at) => {
    const place = next[row]!++
    pathFrom[place] = from[at]!
    pathTo[place] = to[at]!
  })
  return { pathAt, pathFrom, pathTo }
}

export function buildModel(outline: Outline): TraceModel {
  learnServices(outline.services)
  const { status, parent } = outline.spans
  const errors: number[] = []
  status.forEach((value, row) => value === ERROR && errors.push(row))
  const colours = outline.services.map((name) => markOf(name).colour)
  return {
    outline,
    count: parent.length,
    end: subtreeEnds(parent),
    ...joinHalves(outline),
    colours,
    repeated: repeats(outline.services, colours),
    errors,
    orphan: new Set(outline.orphan_rows),
    ...criticalByRow(outline),
  }
}

export interface Folding {
  folded(row: number): boolean
}

// Whether anything can be folded under a row, given that halves are joined or not.
export function hasChildren(model: TraceModel, row: number, join: boolean): boolean {
  const inner = join ? model.half[row]! : -1
  const size = model.end[row]! - row - 1
  return size > (inner >= 0 ? 1 : 0)
}

// Rows that match, by service, by part of a name, by span ID or RpcId; null when nothing is asked for.
export function matchRows(
  model: TraceModel,
  text: string,
  services: ReadonlySet<string>,
): Uint8Array | null {
  const low = text.trim().toLowerCase()
  if (!low && services.size === 0) return null
  const { outline } = model
  const has = (name: string) => name.toLowerCase().includes(low)
  const serviceText = outline.services.map(has)
  const nameText = outline.names.map(has)
  const chosen = outline.services.map((name) => services.size === 0 || services.has(name))
  const { service, name, id, rpc_id: rpc } = outline.spans
  const match = new Uint8Array(model.count)
  for (let row = 0; row < model.count; row++) {
    const at = service[row]!
    const is = serviceText[at] || nameText[name[row]!] || id[row] === low || rpc[row] === low
    if (chosen[at] && is) match[row] = 1
  }
  return match
}

// 2: matches, 1: leads to a match, 0: neither. Parents stand before their children.
export function withAncestors(model: TraceModel, match: Uint8Array): Uint8Array {
  const keep = new Uint8Array(model.count)
  const { parent } = model.outline.spans
  for (let row = model.count - 1; row >= 0; row--) {
    if (match[row]) keep[row] = 2
    const up = parent[row]!
    if (keep[row] && up >= 0 && !keep[up]) keep[up] = 1
  }
  return keep
}

// The rows to show, in order.
export function visibleRows(
  model: TraceModel,
  folding: Folding,
  join: boolean,
  keep: Uint8Array | null,
): Int32Array {
  const shown = new Int32Array(model.count)
  let count = 0
  for (let row = 0; row < model.count;) {
    const joined = join && model.owner[row]! >= 0
    if (keep && !keep[row]) {
      row = model.end[row]! // nothing below matches either
      continue
    }
    if (!joined) shown[count++] = row
    row = !joined && folding.folded(row) ? model.end[row]! : row + 1
  }
  return shown.subarray(0, count)
}

// How far each row is indented: joined halves take one level for two.
export function indents(model: TraceModel, join: boolean): Uint16Array {
  const { parent } = model.outline.spans
  const indent = new Uint16Array(model.count)
  for (let row = 0; row < model.count; row++) {
    const up = parent[row]!
    if (up < 0) continue
    indent[row] = join && model.owner[row]! >= 0 ? indent[up]! : indent[up]! + 1
  }
  return indent
}

// The row that stands for a span on the screen.
export function displayRow(model: TraceModel, row: number, join: boolean): number {
  const owner = model.owner[row]!
  return join && owner >= 0 ? owner : row
}

export function ancestors(model: TraceModel, row: number): number[] {
  const { parent } = model.outline.spans
  const list: number[] = []
  for (let up = parent[row]!; up >= 0; up = parent[up]!) list.push(up)
  return list
}

export interface Between {
  gap: number // ns that neither side accounts for: network and queueing
  after: number // ns that the server went on when the client had gone; then there is no gap
}

const NOTHING: Between = { gap: 0, after: 0 }
const AFTER_LEAST = 0.02 // of the client's time: less is the difference of two clocks

// What lies between the halves of a joined call.
export function between(model: TraceModel, client: number): Between {
  const server = model.half[client]!
  if (server < 0) return NOTHING
  const { start_ns: start, duration_ns: duration } = model.outline.spans
  const gap = duration[client]! - duration[server]!
  if (gap >= 0) return { gap, after: 0 }
  const after = start[server]! + duration[server]! - start[client]! - duration[client]!
  return after > duration[client]! * AFTER_LEAST ? { gap: 0, after } : NOTHING
}

// The rows on the screen that show an error: both halves of a joined call are one.
export function errorRows(model: TraceModel, join: boolean): number[] {
  return [...new Set(model.errors.map((row) => displayRow(model, row, join)))].sort((a, b) => a - b)
}

// Of every row the nearest one above it that shows an error; -1 where there is none.
function errorsAbove(model: TraceModel, failed: ReadonlySet<number>, join: boolean): Int32Array {
  const { parent } = model.outline.spans
  const above = new Int32Array(model.count).fill(-1)
  for (let row = 0; row < model.count; row++) {
    const up = parent[row]!
    if (up < 0) continue
    const shown = displayRow(model, up, join)
    above[row] = shown !== row && failed.has(shown) ? shown : above[up]!
  }
  return above
}

// The error rows in the order in which a reader asks for them: where a failure began (no error is
// below it), then outwards the errors it caused. The chain that reaches farthest out comes first, of
// several the one that ends on the critical path.
export function errorOrder(model: TraceModel, join: boolean): number[] {
  const rows = errorRows(model, join)
  const failed = new Set(rows)
  const above = errorsAbove(model, failed, join)
  const causes = new Set(rows)
  const outermost = new Map<number, number>()
  for (const row of rows) {
    causes.delete(above[row]!)
    outermost.set(row, outermost.get(above[row]!) ?? row)
  }
  const onPath = (row: number) => (model.outline.spans.critical_ns[row]! > 0 ? 0 : 1)
  const first = [...causes].sort(
    (a, b) => outermost.get(a)! - outermost.get(b)! || onPath(a) - onPath(b) || a - b,
  )
  const order = new Set<number>()
  for (const cause of first)
    for (let row = cause; row >= 0 && !order.has(row); row = above[row]!) order.add(row)
  return [...order]
}

// The next in an order of errors, around its end; the first (or last) after a row that has none, and
// -1 when there are none at all.
export function nextError(errors: readonly number[], from: number, step: 1 | -1): number {
  if (errors.length === 0) return -1
  const at = errors.indexOf(from)
  if (at < 0) return step === 1 ? errors[0]! : errors.at(-1)!
  return errors[(at + step + errors.length) % errors.length]!
}

// Index of a row among the visible ones; -1 when it is hidden. The list is ascending.
export function indexOfRow(rows: Int32Array, row: number): number {
  let low = 0
  let high = rows.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    if (rows[middle] === row) return middle
    if (rows[middle]! < row) low = middle + 1
    else high = middle - 1
  }
  return -1
}
