// SPDX-License-Identifier: Apache-2.0
// Purpose: the geometry of what is drawn: cards, the curves between them, and what is under a pointer.
import type { Graph } from './graph'
import { CARD_WIDTH, type Layout } from './layout'
import { nodePlace } from './names'

const CARD_HEIGHT = 46
const CARD_HEIGHT_PLACED = 60 // with a line for what the node belongs to
const PORTS = 0.7 // of a card's side, that edges share
const SAMPLES = 12 // of each piece of a curve, for the pointer
const LOOP_PX = 26

// A curve: where it begins, then for each piece two controls and an end.
export type Curve = number[]

export interface Scene {
  graph: Graph
  layout: Layout
  cardHeight: number
  curves: Curve[]
  samples: Float32Array[] // points along each curve, x and y in turn
  boxes: Float32Array // of each curve: left, top, right, bottom
}

export function cardHeightOf(graph: Graph): number {
  return graph.nodes.some((node) => nodePlace(node)) ? CARD_HEIGHT_PLACED : CARD_HEIGHT
}

interface Ports {
  begin: Float32Array // heights at which each edge leaves and arrives
  end: Float32Array
}

type Side = 'left' | 'right'

// An edge leaves on the side that its end lies on. Of two cards above one another, on the right.
function sidesOf({ x }: Layout, from: number, to: number): { begin: Side; end: Side } {
  const apart = x[to]! - x[from]!
  if (Math.abs(apart) < CARD_WIDTH) return { begin: 'right', end: 'right' }
  return apart > 0 ? { begin: 'right', end: 'left' } : { begin: 'left', end: 'right' }
}

// Edges share the side of a card in the order of where they come from or go to.
function portsOf(graph: Graph, layout: Layout, cardHeight: number): Ports {
  const { from, to } = graph
  const begin = new Float32Array(from.length)
  const end = new Float32Array(from.length)
  const { bends, firstBend, y } = layout
  const toward = (edge: number, atBegin: boolean) => {
    const first = firstBend[edge]!
    const last = firstBend[edge + 1]!
    if (first === last) return y[atBegin ? to[edge]! : from[edge]!]!
    return bends[atBegin ? first + 1 : last - 1]! - cardHeight / 2
  }
  graph.nodes.forEach((_, node) => {
    const sides: Record<Side, { edge: number; atBegin: boolean; key: number }[]> = {
      left: [],
      right: [],
    }
    for (const edge of graph.out[node]!) {
      const side = sidesOf(layout, node, to[edge]!).begin
      sides[side].push({ edge, atBegin: true, key: toward(edge, true) })
    }
    for (const edge of graph.in[node]!) {
      const side = sidesOf(layout, from[edge]!, node).end
      sides[side].push({ edge, atBegin: false, key: toward(edge, false) })
    }
    for (const list of Object.values(sides)) {
      list.sort((a, b) => a.key - b.key)
      list.forEach(({ edge, atBegin }, at) => {
        const share = (1 - PORTS) / 2 + (PORTS * (at + 0.5)) / list.length
        ;(atBegin ? begin : end)[edge] = y[node]! + cardHeight * share
      })
    }
  })
  return { begin, end }
}

function loop(x: number, y: number): Curve {
  const right = x + CARD_WIDTH - 30
  return [right - 24, y, right - 24, y - LOOP_PX, right + 24, y - LOOP_PX, right + 24, y]
}

function curveOf(graph: Graph, layout: Layout, ports: Ports, edge: number): Curve {
  const { x, y, bends, firstBend } = layout
  const from = graph.from[edge]!
  const to = graph.to[edge]!
  if (from === to) return loop(x[from]!, y[from]!)
  const { begin, end } = sidesOf(layout, from, to)
  const startX = x[from]! + (begin === 'right' ? CARD_WIDTH : 0)
  const endX = x[to]! + (end === 'right' ? CARD_WIDTH : 0)
  const startY = ports.begin[edge]!
  const endY = ports.end[edge]!
  if (begin === end) {
    const out = startX + 22 + Math.min(60, Math.abs(endY - startY) / 6)
    return [startX, startY, out, startY, out, endY, endX, endY]
  }
  const points = [startX, startY, ...bends.slice(firstBend[edge], firstBend[edge + 1]), endX, endY]
  const curve = points.slice(0, 2)
  for (let at = 2; at < points.length; at += 2) {
    const [ax, ay, bx, by] = points.slice(at - 2, at + 2) as [number, number, number, number]
    const middle = (ax + bx) / 2
    curve.push(middle, ay, middle, by, bx, by)
  }
  return curve
}

export function pointAt(curve: Curve, piece: number, share: number): { x: number; y: number } {
  const at = piece * 6
  const rest = 1 - share
  const weights = [rest ** 3, 3 * rest * rest * share, 3 * rest * share * share, share ** 3]
  const along = (odd: number) =>
    weights.reduce((sum, weight, i) => sum + weight * curve[at + 2 * i + odd]!, 0)
  return { x: along(0), y: along(1) }
}

export const piecesOf = (curve: Curve) => (curve.length - 2) / 6

// Where something stands on an edge: on its middle, and, of two that go there and back, apart from the
// other, as far as what stands there is high.
export function markPlace({ graph, curves }: Scene, edge: number, height: number) {
  const curve = curves[edge]!
  const { x, y } = pointAt(curve, Math.floor((piecesOf(curve) - 1) / 2), 0.5)
  const [from, to] = [graph.from[edge]!, graph.to[edge]!]
  const back = graph.out[to]!.find((other) => graph.to[other] === from)
  if (back === undefined || from === to) return { x, y }
  const other = pointAt(curves[back]!, Math.floor((piecesOf(curves[back]!) - 1) / 2), 0.5)
  const apart = Math.max(0, height + 6 - Math.hypot(x - other.x, y - other.y)) / 2
  const upper = y < other.y || (y === other.y && edge < back)
  return { x, y: upper ? y - apart : y + apart }
}

function sample(curve: Curve): Float32Array {
  const pieces = piecesOf(curve)
  const points = new Float32Array((pieces * SAMPLES + 1) * 2)
  for (let i = 0; i <= pieces * SAMPLES; i++) {
    const piece = Math.min(pieces - 1, Math.floor(i / SAMPLES))
    const { x, y } = pointAt(curve, piece, i / SAMPLES - piece)
    points[2 * i] = x
    points[2 * i + 1] = y
  }
  return points
}

export function makeScene(graph: Graph, layout: Layout): Scene {
  const cardHeight = cardHeightOf(graph)
  const ports = portsOf(graph, layout, cardHeight)
  const curves = graph.edges.map((_, edge) => curveOf(graph, layout, ports, edge))
  const samples = curves.map(sample)
  const boxes = new Float32Array(curves.length * 4)
  samples.forEach((points, edge) => {
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity]
    for (let at = 0; at < points.length; at += 2) {
      left = Math.min(left, points[at]!)
      right = Math.max(right, points[at]!)
      top = Math.min(top, points[at + 1]!)
      bottom = Math.max(bottom, points[at + 1]!)
    }
    boxes.set([left, top, right, bottom], edge * 4)
  })
  return { graph, layout, cardHeight, curves, samples, boxes }
}

// ---- What is where -------------------------------------------------------------------------------

export interface Found {
  node: number // -1: none
  edge: number
}

export const NOTHING: Found = { node: -1, edge: -1 }

function nodeAt({ layout: { x, y }, cardHeight }: Scene, px: number, py: number): number {
  for (let node = 0; node < x.length; node++)
    if (
      px >= x[node]! &&
      px <= x[node]! + CARD_WIDTH &&
      py >= y[node]! &&
      py <= y[node]! + cardHeight
    )
      return node
  return -1
}

function edgeAt({ samples, boxes }: Scene, px: number, py: number, reach: number): number {
  let best = -1
  let least = reach
  samples.forEach((points, edge) => {
    const box = edge * 4
    if (px < boxes[box]! - reach || px > boxes[box + 2]! + reach) return
    if (py < boxes[box + 1]! - reach || py > boxes[box + 3]! + reach) return
    for (let at = 2; at < points.length; at += 2) {
      const [ax, ay] = [points[at - 2]!, points[at - 1]!]
      const [dx, dy] = [points[at]! - ax, points[at + 1]! - ay]
      const length = dx * dx + dy * dy
      const share = length > 0 ? ((px - ax) * dx + (py - ay) * dy) / length : 0
      const cut = Math.min(1, Math.max(0, share))
      const distance = Math.hypot(px - ax - cut * dx, py - ay - cut * dy)
      if (distance < least) {
        least = distance
        best = edge
      }
    }
  })
  return best
}

export function findAt(scene: Scene, px: number, py: number, reach: number): Found {
  const node = nodeAt(scene, px, py)
  return node >= 0 ? { node, edge: -1 } : { node, edge: edgeAt(scene, px, py, reach) }
}

export type Direction = 'left' | 'right' | 'up' | 'down'

// The nearest card in a direction, one that stands askew counting as farther.
export function neighbour({ layout: { x, y } }: Scene, node: number, way: Direction): number {
  const across = way === 'left' || way === 'right'
  const sign = way === 'left' || way === 'up' ? -1 : 1
  let best = node
  let least = Infinity
  for (let other = 0; other < x.length; other++) {
    const dx = x[other]! - x[node]!
    const dy = y[other]! - y[node]!
    const ahead = sign * (across ? dx : dy)
    if (other === node || ahead < 1) continue
    const distance = ahead + 2.5 * Math.abs(across ? dy : dx)
    if (distance < least) {
      least = distance
      best = other
    }
  }
  return best
}
