// SPDX-License-Identifier: Apache-2.0
// Purpose: paints the topology. Calls that fail are dashed and marked, what is not well has an icon and a
// heavier border, what has no data a dashed one: nothing is said by colour alone. The farther away, the
// less is written.
import type { NodeState, TopologyNode } from '@/api/types'
import { errorLevel } from '@/format/errorLevel'
import { formatDuration, formatRate, formatShare } from '@/format/format'
import { ICONS, type IconName } from '@/format/icons'
import { t } from '@/i18n'
import { markOf } from '@/state/marks'
import { zone } from '@/state/server'
import { formatClock } from '@/time/zone'
import type { Camera } from './camera'
import { askedBy } from './graph'
import { CARD_WIDTH } from './layout'
import { isPlace, kindIcon, nodeName, nodePlace } from './names'
import { markPlace, type Found, type Scene } from './scene'

const FULL = 0.55 // pixels a unit, from which on cards are written in full
const NAMES = 0.2 // and from which on they have names
const ARROWS = 0.33 // and edges arrows
const SHARES = 0.75 // and edges their share of errors
export const DENSE = 900 // edges: more than these are drawn paler
const PAD = 10
const ARROW = 7

export interface Look {
  found: Found // under the pointer, else chosen
  chosen: Found
  matches: Uint8Array | null // nodes that the reader looks for
}

type Colours = Record<
  'bg' | 'bg-raised' | 'line' | 'line-strong' | 'text' | 'text-2' | 'accent' | 'warn' | 'error',
  string
>

interface Painter {
  context: CanvasRenderingContext2D
  style: CSSStyleDeclaration
  colours: Colours
  font: string
  scale: number
  scene: Scene
  fitting: Map<string, string>
}

const NAMES_OF_COLOURS = ['bg', 'bg-raised', 'line', 'line-strong', 'text', 'text-2', 'accent', 'warn', 'error'] as const // prettier-ignore

const paths = new Map<IconName, Path2D>()

function iconPath(name: IconName): Path2D {
  if (!paths.has(name)) paths.set(name, new Path2D(ICONS[name]))
  return paths.get(name)!
}

function drawIcon(
  painter: Painter,
  name: IconName,
  x: number,
  y: number,
  size: number,
  colour: string,
) {
  const { context } = painter
  context.save()
  context.translate(x, y)
  context.scale(size / 16, size / 16)
  context.strokeStyle = colour
  context.lineWidth = 1.6
  context.lineCap = context.lineJoin = 'round'
  context.setLineDash([])
  context.stroke(iconPath(name))
  context.restore()
}

// As much of a text as fits, with an ellipsis at its end or, where the end says as much, in the middle.
function fitting(painter: Painter, text: string, width: number, middle = false): string {
  const { context } = painter
  const key = `${context.font}|${Math.round(width / 4)}|${middle}|${text}`
  const known = painter.fitting.get(key)
  if (known !== undefined) return known
  const cut = (count: number) => {
    const tail = middle ? Math.floor(count * 0.4) : 0
    return `${text.slice(0, count - tail)}…${text.slice(text.length - tail)}`
  }
  let low = 0
  let high = text.length
  if (context.measureText(text).width <= width) low = high
  while (low < high) {
    const count = Math.ceil((low + high) / 2)
    if (context.measureText(cut(count)).width <= width) low = count
    else high = count - 1
  }
  const result = low === text.length ? text : cut(low)
  painter.fitting.set(key, result)
  return result
}

// ---- Edges ---------------------------------------------------------------------------------------

function trace(context: CanvasRenderingContext2D, curve: number[]): void {
  context.moveTo(curve[0]!, curve[1]!)
  for (let at = 2; at < curve.length; at += 6)
    context.bezierCurveTo(
      ...(curve.slice(at, at + 6) as [number, number, number, number, number, number]),
    )
}

function arrow({ context, scale }: Painter, curve: number[]): void {
  const [cx, cy, x, y] = curve.slice(-4) as [number, number, number, number]
  const length = Math.hypot(x - cx, y - cy) || 1
  const [ux, uy] = [(x - cx) / length, (y - cy) / length]
  const size = ARROW / Math.max(0.6, Math.min(1.2, scale))
  context.moveTo(x, y)
  context.lineTo(x - ux * size - uy * size * 0.5, y - uy * size + ux * size * 0.5)
  context.lineTo(x - ux * size + uy * size * 0.5, y - uy * size - ux * size * 0.5)
} // filling closes it, for less than closing does

const WIDTHS = 5

// From 0 for the fewest calls to 4 for the most, by the logarithm.
function widthLevel(calls: number, most: number): number {
  const share = Math.log1p(Math.max(0, calls)) / Math.log1p(Math.max(1, most))
  return Math.min(WIDTHS - 1, Math.floor(share * WIDTHS))
}

interface Stroke {
  level: 'warn' | 'error' | null
  width: number
  edges: number[]
}

// Edges that look alike are one path: a canvas draws few large ones faster than many small ones.
function strokes(scene: Scene, edges: number[]): Stroke[] {
  const most = scene.graph.edges.reduce((max, edge) => Math.max(max, edge.calls), 1)
  const groups = new Map<string, Stroke>()
  for (const at of edges) {
    const edge = scene.graph.edges[at]!
    const level = errorLevel(edge.errors, edge.calls)
    const width = widthLevel(edge.calls, most)
    const key = `${level} ${width}`
    if (!groups.has(key)) groups.set(key, { level, width, edges: [] })
    groups.get(key)!.edges.push(at)
  }
  const order = [null, 'warn', 'error']
  return [...groups.values()].sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level))
}

function drawEdges(painter: Painter, edges: number[], colour: string | null): void {
  const { context, colours, scale, scene } = painter
  for (const { level, width, edges: alike } of strokes(scene, edges)) {
    const shown = level ? colours[level] : (colour ?? colours['line-strong'])
    context.strokeStyle = context.fillStyle = shown
    context.lineWidth = (0.9 + width * 0.75) / Math.max(0.45, Math.min(1, scale))
    context.setLineDash(level === 'error' ? [4, 3] : level === 'warn' ? [9, 4] : [])
    context.beginPath()
    for (const edge of alike) trace(context, scene.curves[edge]!)
    context.stroke()
    if (scale < ARROWS) continue
    context.beginPath()
    for (const edge of alike) arrow(painter, scene.curves[edge]!)
    context.fill()
  }
  context.setLineDash([])
}

// What stands on an edge: a building where its calls cross data centres, a triangle or a cross where they
// fail; near by, how many do. Beside one another: where edges are short they would cover each other.
function drawMarks(painter: Painter, edges: number[]): void {
  const { context, colours, scale, scene } = painter
  if (scale < NAMES) return
  const size = 13 / Math.max(0.5, Math.min(1, scale))
  for (const at of edges) {
    const { errors, calls, cross_dc: crosses } = scene.graph.edges[at]!
    const level = errorLevel(errors, calls)
    const icons: [IconName, string][] = [
      ...(crosses ? [['dc', colours.text] as [IconName, string]] : []),
      ...(level ? [[level, colours[level]] as [IconName, string]] : []),
    ]
    if (icons.length === 0) continue
    const { x, y } = markPlace(scene, at, size)
    const text = level && scale >= SHARES ? formatShare(errors, calls) : ''
    context.font = `600 10.5px ${painter.font}`
    const wide = icons.length * (size + 2) + 2 + (text ? context.measureText(text).width + 4 : 0)
    context.fillStyle = colours.bg
    context.beginPath()
    context.roundRect(x - wide / 2, y - size / 2 - 1.5, wide, size + 3, 4)
    context.fill()
    let left = x - wide / 2 + 2
    for (const [icon, colour] of icons) {
      drawIcon(painter, icon, left, y - size / 2, size, colour)
      left += size + 2
    }
    if (!text) continue
    context.fillStyle = colours[level!]
    context.textBaseline = 'middle'
    context.fillText(text, left + 1, y + 0.5)
  }
}

// ---- Cards ---------------------------------------------------------------------------------------

function drawMark(painter: Painter, name: string, x: number, y: number, size: number): void {
  const { context, style } = painter
  const mark = markOf(name)
  const colour = style.getPropertyValue(mark.colour.slice(4, -1))
  context.fillStyle = context.strokeStyle = colour
  context.beginPath()
  if (mark.shape === 'diamond') {
    context.moveTo(x + size / 2, y - 0.5)
    context.lineTo(x + size + 0.5, y + size / 2)
    context.lineTo(x + size / 2, y + size + 0.5)
    context.lineTo(x - 0.5, y + size / 2)
    context.closePath()
  } else if (mark.shape === 'square') context.roundRect(x, y, size, size, size / 4)
  else context.arc(x + size / 2, y + size / 2, size / 2 - (mark.shape === 'ring' ? 1 : 0), 0, 7)
  if (mark.shape === 'ring') {
    context.lineWidth = size / 4
    context.stroke()
  } else context.fill()
}

const isSquare = ({ kind }: TopologyNode) => kind === 'service' || kind === 'line' || isPlace(kind)

const isTrouble = (state: NodeState) => state === 'warn' || state === 'error'

function drawFrame(
  painter: Painter,
  node: TopologyNode,
  x: number,
  y: number,
  chosen: boolean,
): void {
  const { context, colours, scale, scene } = painter
  const trouble = isTrouble(node.state)
  const radius = isSquare(node) ? 5 : scene.cardHeight / 2
  context.fillStyle = colours['bg-raised']
  context.strokeStyle = trouble ? colours[node.state as 'warn' | 'error'] : colours['line-strong']
  context.lineWidth = (trouble ? 2 : 1) / Math.max(0.5, Math.min(1, scale))
  context.setLineDash(node.state === 'unknown' && node.kind !== 'client' ? [4, 3] : [])
  context.beginPath()
  context.roundRect(x, y, CARD_WIDTH, scene.cardHeight, radius)
  context.fill()
  context.stroke()
  context.setLineDash([])
  if (!chosen) return
  context.strokeStyle = colours.accent
  context.lineWidth = 2 / Math.min(1, scale)
  const out = 3
  context.beginPath()
  context.roundRect(
    x - out,
    y - out,
    CARD_WIDTH + 2 * out,
    scene.cardHeight + 2 * out,
    radius + out,
  )
  context.stroke()
}

function drawSign(painter: Painter, node: TopologyNode, x: number, y: number, size: number): void {
  if (node.kind === 'service') {
    const small = size * 0.62
    drawMark(painter, node.service, x + (size - small) / 2, y + (size - small) / 2, small)
  } else drawIcon(painter, kindIcon(node.kind), x, y, size, painter.colours['text-2'])
}

// What a node answers, or since when nothing any more; of clients, what they ask.
function numbersOf({ graph }: Scene, at: number): string {
  const node = graph.nodes[at]!
  if (node.kind === 'client') return formatRate(askedBy(graph, at).calls, graph.seconds)
  if (node.stoppedMs) return t('wall.stopped', { time: formatClock(node.stoppedMs, zone.value) })
  if (node.calls <= 0) return '–'
  const share = formatShare(node.errors, node.calls)
  return `${formatRate(node.calls, graph.seconds)} · ${share} · P99 ${formatDuration(node.p99_ns)}`
}

function drawFull(painter: Painter, at: number, x: number, y: number): void {
  const { context, colours, scene, font } = painter
  const node = scene.graph.nodes[at]!
  const inset = isSquare(node) ? PAD : PAD + 6
  const place = nodePlace(node)
  const trouble = isTrouble(node.state)
  const width = CARD_WIDTH - inset - PAD - 20 - (trouble ? 18 : 0)
  drawSign(painter, node, x + inset - 1, y + 8, 14)
  context.textBaseline = 'alphabetic'
  context.fillStyle = colours.text
  context.font = `600 12px ${font}`
  context.fillText(
    fitting(painter, nodeName(node), width, node.kind !== 'service'),
    x + inset + 19,
    y + 20,
  )
  context.fillStyle = colours['text-2']
  context.font = `11px ${font}`
  const room = CARD_WIDTH - 2 * inset
  if (place) context.fillText(fitting(painter, place, room), x + inset, y + 36)
  context.fillText(
    fitting(painter, numbersOf(scene, at), room),
    x + inset,
    y + scene.cardHeight - 9,
  )
  if (!trouble) return
  const state = node.state as 'warn' | 'error'
  drawIcon(painter, state, x + CARD_WIDTH - 14 - inset + 2, y + 8, 14, colours[state])
}

// Far away the name alone, as large as fits, or only the card; trouble is seen from anywhere.
function drawFar(painter: Painter, at: number, x: number, y: number): void {
  const { context, colours, scale, scene, font } = painter
  const node = scene.graph.nodes[at]!
  const middle = y + scene.cardHeight / 2
  const trouble = isTrouble(node.state)
  const icon = Math.min(scene.cardHeight - 4, 12 / scale)
  if (trouble) {
    const state = node.state as 'warn' | 'error'
    drawIcon(painter, state, x + CARD_WIDTH - icon - 6, middle - icon / 2, icon, colours[state])
  }
  if (scale < NAMES) return
  const size = Math.min(scene.cardHeight * 0.62, 10.5 / scale)
  drawSign(painter, node, x + 8, middle - size / 2, size)
  const width = CARD_WIDTH - size - 22 - (trouble ? icon + 4 : 0)
  const grown = size / 12 // one font for every size, so that each text is measured once
  context.save()
  context.translate(x + size + 14, middle + 1)
  context.scale(grown, grown)
  context.font = `600 12px ${font}`
  context.fillStyle = colours.text
  context.textBaseline = 'middle'
  context.fillText(fitting(painter, nodeName(node), width / grown, node.kind !== 'service'), 0, 0)
  context.restore()
}

function drawCard(painter: Painter, at: number, chosen: boolean): void {
  const { layout, graph } = painter.scene
  const x = layout.x[at]!
  const y = layout.y[at]!
  drawFrame(painter, graph.nodes[at]!, x, y, chosen)
  if (painter.scale >= FULL) drawFull(painter, at, x, y)
  else drawFar(painter, at, x, y)
}

// ---- All of it -----------------------------------------------------------------------------------

// The nodes and edges beside what is found: they stay bright while the rest fades.
function beside(
  { graph }: Scene,
  { node, edge }: Found,
): { nodes: Set<number>; edges: number[] } | null {
  if (edge >= 0) return { nodes: new Set([graph.from[edge]!, graph.to[edge]!]), edges: [edge] }
  if (node < 0) return null
  const edges = [...new Set([...graph.out[node]!, ...graph.in[node]!])]
  return {
    nodes: new Set([node, ...edges.flatMap((at) => [graph.from[at]!, graph.to[at]!])]),
    edges,
  }
}

const fittingTexts = new Map<string, string>()
const TEXTS_MAX = 20_000

function painterOf(canvas: HTMLCanvasElement, scene: Scene, scale: number): Painter {
  const style = getComputedStyle(canvas)
  const colours = Object.fromEntries(
    NAMES_OF_COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`)]),
  ) as Colours
  if (fittingTexts.size > TEXTS_MAX) fittingTexts.clear()
  const context = canvas.getContext('2d')!
  return { context, style, colours, font: style.fontFamily, scale, scene, fitting: fittingTexts }
}

function seen(scene: Scene, camera: Camera, width: number, height: number) {
  const right = camera.x + width / camera.scale
  const bottom = camera.y + height / camera.scale
  const { x, y } = scene.layout
  const nodes: number[] = []
  for (let at = 0; at < x.length; at++)
    if (x[at]! < right && x[at]! + CARD_WIDTH > camera.x)
      if (y[at]! < bottom && y[at]! + scene.cardHeight > camera.y) nodes.push(at)
  const edges: number[] = []
  for (let at = 0; at < scene.curves.length; at++) {
    const [l, t, r, b] = scene.boxes.subarray(at * 4, at * 4 + 4)
    if (l! < right && r! > camera.x && t! < bottom && b! > camera.y) edges.push(at)
  }
  return { nodes, edges }
}

export function drawTopology(
  canvas: HTMLCanvasElement,
  scene: Scene,
  camera: Camera,
  look: Look,
): void {
  const ratio = devicePixelRatio || 1
  const width = canvas.clientWidth
  const height = canvas.clientHeight
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio)
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio)
  const painter = painterOf(canvas, scene, camera.scale)
  const { context } = painter
  context.setTransform(1, 0, 0, 1, 0, 0)
  context.clearRect(0, 0, canvas.width, canvas.height)
  const zoom = camera.scale * ratio
  context.setTransform(zoom, 0, 0, zoom, -camera.x * zoom, -camera.y * zoom)
  const { nodes, edges } = seen(scene, camera, width, height)
  const bright = beside(scene, look.found)
  const dense = scene.graph.edges.length > DENSE
  const full = bright ? 0.2 : look.matches ? 0.25 : 0.8
  context.globalAlpha = dense ? full * 0.35 : full
  drawEdges(painter, edges, null)
  context.globalAlpha = 1
  if (!bright) drawMarks(painter, edges)
  context.globalAlpha = 1
  if (bright) drawEdges(painter, bright.edges, painter.colours.accent)
  for (const at of nodes) {
    const fades = bright ? !bright.nodes.has(at) : look.matches ? !look.matches[at] : false
    context.globalAlpha = fades ? 0.35 : 1
    drawCard(painter, at, at === look.chosen.node)
  }
  context.globalAlpha = 1
  if (bright) drawMarks(painter, bright.edges)
}
