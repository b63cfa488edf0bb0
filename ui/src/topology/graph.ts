// SPDX-License-Identifier: Apache-2.0
// Purpose: the topology as a graph: who is beside whom, and which part of it the reader asked for.
import type { Topology, TopologyEdge, TopologyNode } from '@/api/types'
import { PLACE_LEVELS, type Level } from '@/api/sonde'
import { errorLevel } from '@/format/errorLevel'

export interface Graph {
  nodes: TopologyNode[]
  edges: TopologyEdge[]
  from: Int32Array // of each edge, the number of its node
  to: Int32Array
  out: number[][] // edges by their nodes
  in: number[][]
  seconds: number // that the numbers are of
}

// The last minute of an answer may not be over.
export function secondsOf(range: { from_unix_ms: number; to_unix_ms: number }, nowMs: number) {
  return Math.max(1, (Math.min(range.to_unix_ms, nowMs) - range.from_unix_ms) / 1000)
}

export function makeGraph(nodes: TopologyNode[], edges: TopologyEdge[], seconds: number): Graph {
  const number = new Map(nodes.map((node, at) => [node.id, at]))
  const known = edges.filter((edge) => number.has(edge.from) && number.has(edge.to))
  const graph: Graph = {
    nodes,
    edges: known,
    from: Int32Array.from(known, (edge) => number.get(edge.from)!),
    to: Int32Array.from(known, (edge) => number.get(edge.to)!),
    out: nodes.map(() => []),
    in: nodes.map(() => []),
    seconds,
  }
  known.forEach((_, edge) => {
    graph.out[graph.from[edge]!]!.push(edge)
    graph.in[graph.to[edge]!]!.push(edge)
  })
  return graph
}

export const graphOf = (answer: Topology, nowMs: number) =>
  makeGraph(answer.nodes, answer.edges, secondsOf(answer, nowMs))

export const edgeKey = (edge: TopologyEdge) => `${edge.from}|${edge.to}`

// The graph without the nodes that are not kept, and without the edges that `keepEdge` refuses.
export function subgraph(
  graph: Graph,
  keep: (node: number) => boolean,
  keepEdge: (edge: number) => boolean = () => true,
): Graph {
  const nodes = graph.nodes.filter((_, at) => keep(at))
  const edges = graph.edges.filter((_, at) => keepEdge(at))
  return makeGraph(nodes, edges, graph.seconds)
}

// What a node asked of others, of clients all that is known: how often, and how often it failed.
export function askedBy({ edges, out }: Graph, node: number): { calls: number; errors: number } {
  const asked = { calls: 0, errors: 0 }
  for (const edge of out[node]!) {
    asked.calls += edges[edge]!.calls
    asked.errors += edges[edge]!.errors
  }
  return asked
}

// ---- Focus ---------------------------------------------------------------------------------------

// IDs are KIND/LINE/SERVICE/NAME with what a node has of these, so that the ID of a service stands for
// its endpoints, and "service/LINE" for the services of a line.
export function isFocus(id: string, focus: string): boolean {
  return id === focus || id.startsWith(`${focus}/`)
}

// What the focus of one level is at another: null where nothing is like it there.
export function focusAt(focus: string, level: Level): string | null {
  const parts = focus.split('/')
  const isPlace = (kind: string) => (PLACE_LEVELS as readonly string[]).includes(kind)
  if (isPlace(parts[0]!) || isPlace(level)) return parts[0] === level ? focus : null
  if (parts[0] === 'line') return level === 'line' ? focus : `service/${parts[1] ?? ''}`
  if (parts[0] !== 'service') return focus
  if (level === 'line') return `line/${parts[1] ?? ''}`
  return level === 'service' ? parts.slice(0, 3).join('/') : focus
}

// The nodes that reach the focus, or that it reaches, in `depth` calls or fewer: not those that only
// share a neighbour with it.
export function around(graph: Graph, focus: string, depth: number): Graph {
  const kept = new Set<number>()
  const used = new Set<number>()
  const start = graph.nodes.flatMap((node, at) => (isFocus(node.id, focus) ? [at] : []))
  for (const [edgesOf, other] of [
    [graph.out, graph.to],
    [graph.in, graph.from],
  ] as const) {
    const seen = new Set(start)
    let ring = start
    for (let step = 0; step < depth; step++) {
      const next: number[] = []
      for (const node of ring)
        for (const edge of edgesOf[node]!) {
          used.add(edge)
          const at = other[edge]!
          if (!seen.has(at)) next.push(at)
          seen.add(at)
        }
      ring = next
    }
    for (const node of seen) kept.add(node)
  }
  return subgraph(
    graph,
    (node) => kept.has(node),
    (edge) => used.has(edge),
  )
}

// ---- Problems ------------------------------------------------------------------------------------

export const isTroubled = (node: TopologyNode) => node.state === 'warn' || node.state === 'error'
const isTroubledEdge = (edge: TopologyEdge) => errorLevel(edge.errors, edge.calls) !== null

// What is not well, with the calls that fail and both their ends.
export function problems(graph: Graph): Graph {
  const kept = new Set<number>()
  graph.nodes.forEach((node, at) => isTroubled(node) && kept.add(at))
  graph.edges.forEach((edge, at) => {
    if (!isTroubledEdge(edge)) return
    kept.add(graph.from[at]!)
    kept.add(graph.to[at]!)
  })
  return subgraph(graph, (node) => kept.has(node))
}
