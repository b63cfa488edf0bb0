// SPDX-License-Identifier: Apache-2.0
// Purpose: the layers of a graph: each edge leads to a later layer, once those that close circles are
// turned. Where that takes more layers than can be taken in, as among services that all call one
// another, a node stands as far from the entries as the shortest way to it, and edges may stay within a
// layer.

export interface Layers {
  of: Int32Array // the layer of each node
  from: Int32Array // of each edge, after turning
  to: Int32Array
  turned: Uint8Array // 1: the edge was turned
}

// The edges of each node: those of node n are list[first[n]] to list[first[n + 1] - 1].
export interface Incidence {
  first: Int32Array
  list: Int32Array
}

export function incidence(count: number, ends: Int32Array): Incidence {
  const first = new Int32Array(count + 1)
  for (const node of ends) first[node + 1]!++
  for (let node = 0; node < count; node++) first[node + 1]! += first[node]!
  const next = first.slice(0, count)
  const list = new Int32Array(ends.length)
  ends.forEach((node, edge) => (list[next[node]!++] = edge))
  return { first, list }
}

// Nodes in the order in which they begin walks: the least called first.
function byCallers(count: number, from: Int32Array, to: Int32Array): number[] {
  const calls = new Int32Array(count)
  to.forEach((node, edge) => from[edge] !== node && calls[node]!++)
  return Array.from({ length: count }, (_, at) => at).sort((a, b) => calls[a]! - calls[b]! || a - b)
}

// Turns the edges that lead back to a node on the way to it, found by walking into the depth, from
// those that fewest call.
function turnCircles(count: number, from: Int32Array, to: Int32Array): Uint8Array {
  const turned = new Uint8Array(from.length)
  const out = incidence(count, from)
  const state = new Uint8Array(count) // 1: on the way, 2: done
  const next = out.first.slice(0, count)
  for (const start of byCallers(count, from, to)) {
    if (state[start]) continue
    const way = [start]
    state[start] = 1
    while (way.length > 0) {
      const node = way[way.length - 1]!
      if (next[node]! === out.first[node + 1]!) {
        state[node] = 2
        way.pop()
        continue
      }
      const edge = out.list[next[node]!++]!
      const other = to[edge]!
      if (state[other] === 1) turned[edge] = 1
      else if (state[other] === 0) {
        state[other] = 1
        way.push(other)
      }
    }
  }
  return turned
}

// The length of the shortest way from an entry; where there is none, from what is called least.
function shortestPaths(count: number, from: Int32Array, to: Int32Array): Int32Array {
  const layer = new Int32Array(count).fill(-1)
  const out = incidence(count, from)
  const called = new Uint8Array(count)
  to.forEach((node, edge) => from[edge] !== node && (called[node] = 1))
  const order = byCallers(count, from, to)
  const entries = order.filter((node) => !called[node])
  for (const starts of [entries, ...order.map((node) => [node])]) {
    const ready = starts.filter((node) => layer[node]! < 0)
    for (const node of ready) layer[node] = 0
    for (let at = 0; at < ready.length; at++) {
      const node = ready[at]!
      for (let i = out.first[node]!; i < out.first[node + 1]!; i++) {
        const other = to[out.list[i]!]!
        if (layer[other]! >= 0) continue
        layer[other] = layer[node]! + 1
        ready.push(other)
      }
    }
  }
  return layer
}

// One behind the last caller; those without callers stand just before the first that they call.
function longestPaths(count: number, from: Int32Array, to: Int32Array): Int32Array {
  const layer = new Int32Array(count)
  const out = incidence(count, from)
  const left = new Int32Array(count)
  from.forEach((a, edge) => a !== to[edge] && left[to[edge]!]!++)
  const sources: number[] = []
  for (let node = 0; node < count; node++) if (left[node] === 0) sources.push(node)
  const ready = [...sources]
  for (let at = 0; at < ready.length; at++) {
    const node = ready[at]!
    for (let i = out.first[node]!; i < out.first[node + 1]!; i++) {
      const other = to[out.list[i]!]!
      if (other === node) continue
      layer[other] = Math.max(layer[other]!, layer[node]! + 1)
      if (--left[other]! === 0) ready.push(other)
    }
  }
  for (const node of sources) {
    let nearest = Infinity
    for (let i = out.first[node]!; i < out.first[node + 1]!; i++) {
      const other = to[out.list[i]!]!
      if (other !== node) nearest = Math.min(nearest, layer[other]!)
    }
    if (nearest !== Infinity) layer[node] = nearest - 1
  }
  return layer
}

const layersMax = (count: number) => 12 + Math.sqrt(count) / 2

export function layersOf(count: number, from: Int32Array, to: Int32Array): Layers {
  let turned = turnCircles(count, from, to)
  const turn = (ends: Int32Array, others: Int32Array) =>
    ends.map((node, edge) => (turned[edge] ? others[edge]! : node))
  let of = longestPaths(count, turn(from, to), turn(to, from))
  if (of.reduce((a, b) => Math.max(a, b), 0) >= layersMax(count)) {
    of = shortestPaths(count, from, to)
    turned = Uint8Array.from(from, (node, edge) => (of[to[edge]!]! < of[node]! ? 1 : 0))
  }
  return { of, from: turn(from, to), to: turn(to, from), turned }
}
