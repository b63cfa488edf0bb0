// SPDX-License-Identifier: Apache-2.0
// Purpose: the order of nodes within layers, so that few edges cross: each goes to the mean place of its
// neighbours, layer after layer, there and back, and the best of all rounds is kept.
import { incidence, type Incidence, type Layers } from './layers'

export interface Ordered {
  layers: number[][] // items: nodes, and bends behind them
  count: number // of items
  bends: number[][] // of each edge, from its earlier to its later end
  // Pieces of edges, between items of layers that follow one another where there are bends.
  from: Int32Array
  to: Int32Array
}

const ROUNDS = 12
const ROUNDS_LARGE = 5
const LARGE = 400 // items
const BENDS_MAX = 6000 // beyond them edges run straight

function withBends(count: number, layers: Layers, bend: boolean): Ordered {
  const from: number[] = []
  const to: number[] = []
  const layerOf = [...layers.of]
  const bends = Array.from(layers.from, (a, edge) => {
    const b = layers.to[edge]!
    const items: number[] = []
    if (layers.of[a] === layers.of[b]) return items
    let last = a
    if (bend && layerOf.length < count + BENDS_MAX)
      for (let layer = layers.of[a]! + 1; layer < layers.of[b]!; layer++) {
        const item = layerOf.push(layer) - 1
        items.push(item)
        from.push(last)
        to.push(item)
        last = item
      }
    from.push(last)
    to.push(b)
    return items
  })
  const list: number[][] = []
  layerOf.forEach((layer, item) => (list[layer] ??= []).push(item))
  const filled = Array.from(list, (items) => items ?? [])
  return {
    layers: filled,
    count: layerOf.length,
    bends,
    from: Int32Array.from(from),
    to: Int32Array.from(to),
  }
}

// A first order in which neighbours are near: as walking into the depth from the first layer finds them.
function walkOrder(graph: Ordered): number[][] {
  const out = incidence(graph.count, graph.from)
  const into = incidence(graph.count, graph.to)
  const seen = new Uint8Array(graph.count)
  const order: number[] = []
  for (const start of graph.layers.flat()) {
    const stack = [start]
    while (stack.length > 0) {
      const item = stack.pop()!
      if (seen[item]) continue
      seen[item] = 1
      order.push(item)
      for (let i = into.first[item + 1]! - 1; i >= into.first[item]!; i--)
        stack.push(graph.from[into.list[i]!]!)
      for (let i = out.first[item + 1]! - 1; i >= out.first[item]!; i--)
        stack.push(graph.to[out.list[i]!]!)
    }
  }
  const rank = new Int32Array(graph.count)
  order.forEach((item, at) => (rank[item] = at))
  return graph.layers.map((list) => [...list].sort((a, b) => rank[a]! - rank[b]!))
}

const GRAIN = 4096 // of places, that crossings are counted with

// How many pairs of edges from one layer cross, by counting inversions in a Fenwick tree.
function crossings(graph: Ordered, layers: number[][], out: Incidence, at: Float64Array): number {
  const tree = new Int32Array(GRAIN + 1)
  const target = (i: number) => Math.ceil(at[graph.to[out.list[i]!]!]! * GRAIN) // from 1 on
  let total = 0
  for (const list of layers) {
    tree.fill(0)
    let before = 0
    for (const item of list) {
      const first = out.first[item]!
      const end = out.first[item + 1]!
      for (let i = first; i < end; i++) {
        total += before
        for (let node = target(i); node > 0; node -= node & -node) total -= tree[node]!
      }
      for (let i = first; i < end; i++)
        for (let node = target(i); node <= GRAIN; node += node & -node) tree[node]!++
      before += end - first
    }
  }
  return total
}

// Places within a layer from 0 to 1, so that layers of any length compare.
function places(layers: number[][], count: number): Float64Array {
  const at = new Float64Array(count)
  for (const list of layers) list.forEach((item, i) => (at[item] = (i + 0.5) / list.length))
  return at
}

export function orderLayers(count: number, layers: Layers, bend: boolean): Ordered {
  const graph = withBends(count, layers, bend)
  const out = incidence(graph.count, graph.from)
  const into = incidence(graph.count, graph.to)
  let order = walkOrder(graph)
  let best = order
  const at = places(order, graph.count)
  let least = crossings(graph, order, out, at)
  const mean = new Float64Array(graph.count)
  const rounds = graph.count > LARGE ? ROUNDS_LARGE : ROUNDS
  for (let round = 0; round < rounds && least > 0; round++) {
    const down = round % 2 === 0
    const edges = down ? into : out
    const others = down ? graph.from : graph.to
    order = order.map((list) => [...list])
    const sequence = down ? order : [...order].reverse()
    for (const list of sequence) {
      for (const item of list) {
        const first = edges.first[item]!
        const end = edges.first[item + 1]!
        let sum = 0
        for (let i = first; i < end; i++) sum += at[others[edges.list[i]!]!]!
        mean[item] = end > first ? sum / (end - first) : at[item]!
      }
      list.sort((a, b) => mean[a]! - mean[b]! || at[a]! - at[b]!)
      list.forEach((item, i) => (at[item] = (i + 0.5) / list.length))
    }
    const now = crossings(graph, order, out, at)
    if (now < least) {
      least = now
      best = order
    }
  }
  return { ...graph, layers: best }
}
