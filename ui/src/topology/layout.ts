// SPDX-License-Identifier: Apache-2.0
// Purpose: a layered layout: who calls stands left of who is called. Pure, for a worker.
//
// 1. Parts that no call joins are laid out apart and packed below one another.
// 2. Calls that close a circle are turned for the layout (topology/layers.ts), and each node stands one
//    layer behind the last of its callers.
// 3. Within layers nodes are ordered so that few edges cross (topology/order.ts). An edge over several
//    layers has a bend in each, which takes room like a node.
// 4. A layer with more nodes than look well is split into columns; edges then have no bends.
// 5. Each node comes as near to the middle of its neighbours as its place in the order allows.
import type { Box } from './camera'
import { layersOf } from './layers'
import { orderLayers } from './order'
import { place } from './place'

export const CARD_WIDTH = 212 // for rate, errors and P99 in one line
const GAP_X = 96 // for what is written on an edge
const GAP_Y = 16
const BEND_HEIGHT = 8
const LOOP_HEIGHT = 36 // above the card of what calls itself: its edge, and what is written on it
const COLUMN_GAP = 28 // between the columns of one layer
const PART_GAP = 44
const ROWS_LEAST = 14
const ASPECT = 1.7 // width to height of a screen, that the drawing is to have

export interface LayoutInput {
  count: number
  cardHeight: number
  from: Int32Array
  to: Int32Array
}

// Left upper corners of the cards; of each edge the bends, x and y in turn, in its own direction.
export interface Layout {
  x: Float32Array
  y: Float32Array
  bends: Float32Array
  firstBend: Int32Array // of edge i, in numbers: from firstBend[i] to firstBend[i + 1]
  box: Box
}

// Numbers of the part that each node is in, the part with the most nodes first.
function partsOf({ count, from, to }: LayoutInput): { nodes: number[]; edges: number[] }[] {
  const root = Int32Array.from({ length: count }, (_, at) => at)
  const find = (node: number) => {
    while (root[node] !== node) node = root[node] = root[root[node]!]!
    return node
  }
  from.forEach((a, edge) => (root[find(a)] = find(to[edge]!)))
  const parts = new Map<number, { nodes: number[]; edges: number[] }>()
  for (let node = 0; node < count; node++) {
    const at = find(node)
    if (!parts.has(at)) parts.set(at, { nodes: [], edges: [] })
    parts.get(at)!.nodes.push(node)
  }
  from.forEach((a, edge) => parts.get(find(a))!.edges.push(edge))
  return [...parts.values()].sort((a, b) => b.nodes.length - a.nodes.length)
}

// How many rows a layer may have before it is split.
function rowsFor({ count, cardHeight }: LayoutInput): number {
  const cell = (CARD_WIDTH + (GAP_X + COLUMN_GAP) / 2) / (cardHeight + GAP_Y)
  return Math.max(ROWS_LEAST, Math.round(Math.sqrt((count * cell) / ASPECT)))
}

// The room above each card.
function loopsAbove({ count, from, to }: Omit<LayoutInput, 'cardHeight'>): Float32Array {
  const above = new Float32Array(count)
  from.forEach((node, edge) => {
    if (node === to[edge]) above[node] = LOOP_HEIGHT
  })
  return above
}

interface Part {
  x: Float32Array // of the nodes of the part, by their numbers in it
  y: Float32Array
  bends: number[][]
  width: number
  height: number
}

function layOutPart({ count, from, to, cardHeight }: LayoutInput, rows: number): Part {
  const layers = layersOf(count, from, to)
  const sizes: number[] = []
  for (const layer of layers.of) sizes[layer] = (sizes[layer] ?? 0) + 1
  const split = sizes.some((size) => size > rows)
  const ordered = orderLayers(count, layers, !split)
  const columns = ordered.layers.map((list) => (split ? Math.ceil(list.length / rows) : 1))
  const above = loopsAbove({ count, from, to })
  const height = (item: number) => (item < count ? cardHeight + above[item]! : BEND_HEIGHT)
  const ys = place(ordered, columns, height, GAP_Y)
  const x = new Float32Array(count)
  const y = new Float32Array(count)
  const itemX = new Float32Array(ordered.count)
  let left = 0
  ordered.layers.forEach((list, layer) => {
    const wide = columns[layer]!
    list.forEach((item, at) => (itemX[item] = left + (at % wide) * (CARD_WIDTH + COLUMN_GAP)))
    left += wide * (CARD_WIDTH + COLUMN_GAP) - COLUMN_GAP + GAP_X
  })
  let low = Infinity
  let high = -Infinity
  for (let item = 0; item < ordered.count; item++) {
    low = Math.min(low, ys[item]!)
    high = Math.max(high, ys[item]! + height(item))
  }
  for (let node = 0; node < count; node++) {
    x[node] = itemX[node]!
    y[node] = ys[node]! + above[node]! - low
  }
  // A bend is passed on a straight line, as wide as a card.
  const bends = ordered.bends.map((items, edge) => {
    const points = items.flatMap((item) => {
      const at = ys[item]! - low + BEND_HEIGHT / 2
      return [itemX[item]!, at, itemX[item]! + CARD_WIDTH, at]
    })
    if (!layers.turned[edge]) return points
    const back: number[] = []
    for (let at = points.length - 2; at >= 0; at -= 2) back.push(points[at]!, points[at + 1]!)
    return back
  })
  return { x, y, bends, width: left - GAP_X, height: high - low }
}

// Single nodes beside one another; those that call themselves have room for it.
function gridOf(count: number, width: number, cardHeight: number, above: number): Part {
  const fitting = Math.floor((width + COLUMN_GAP) / (CARD_WIDTH + COLUMN_GAP))
  const across = Math.max(1, Math.min(count, Math.max(6, fitting)))
  const x = Float32Array.from(
    { length: count },
    (_, at) => (at % across) * (CARD_WIDTH + COLUMN_GAP),
  )
  const y = Float32Array.from(
    { length: count },
    (_, at) => Math.floor(at / across) * (cardHeight + GAP_Y + above) + above,
  )
  const rows = Math.ceil(count / across)
  return {
    x,
    y,
    bends: [],
    width: across * (CARD_WIDTH + COLUMN_GAP) - COLUMN_GAP,
    height: rows * (cardHeight + GAP_Y + above) - GAP_Y,
  }
}

export function layOut(input: LayoutInput): Layout {
  const { count, from, to, cardHeight } = input
  const x = new Float32Array(count)
  const y = new Float32Array(count)
  const bends: number[][] = Array.from(from, () => [])
  const rows = rowsFor(input)
  let top = 0
  let width = 0
  const put = (part: Part, nodes: number[], edges: number[]) => {
    nodes.forEach((node, at) => {
      x[node] = part.x[at]!
      y[node] = part.y[at]! + top
    })
    edges.forEach((edge, at) => {
      bends[edge] = part.bends[at]!.map((value, odd) => (odd % 2 ? value + top : value))
    })
    top += part.height + PART_GAP
    width = Math.max(width, part.width)
  }
  const parts = partsOf(input)
  const local = new Int32Array(count)
  for (const { nodes, edges } of parts.filter((part) => part.nodes.length > 1)) {
    nodes.forEach((node, at) => (local[node] = at))
    const ends = (side: Int32Array) => Int32Array.from(edges, (edge) => local[side[edge]!]!)
    const part = { count: nodes.length, from: ends(from), to: ends(to), cardHeight }
    put(layOutPart(part, rows), nodes, edges)
  }
  const singles = parts.filter((part) => part.nodes.length === 1)
  if (singles.length > 0)
    put(
      gridOf(
        singles.length,
        width,
        cardHeight,
        singles.some((part) => part.edges.length > 0) ? LOOP_HEIGHT : 0,
      ),
      singles.map((part) => part.nodes[0]!),
      [],
    )
  const firstBend = new Int32Array(from.length + 1)
  bends.forEach((list, edge) => (firstBend[edge + 1] = firstBend[edge]! + list.length))
  return {
    x,
    y,
    bends: Float32Array.from(bends.flat()),
    firstBend,
    box: { x: 0, y: 0, width, height: Math.max(0, top - PART_GAP) },
  }
}
