// SPDX-License-Identifier: Apache-2.0
// Purpose: the services of the range by business line, with what the last minutes say of each.
import type { NodeState, Service, Topology, TopologyNode } from '@/api/types'

export interface Tile {
  name: string
  id: string // of its page
  namespace: string
  node: TopologyNode | null // null: it answered no call in the last minutes
  seenMs: number | null // its newest span in the range; null where only calls are known
}

export interface Line {
  name: string
  node: TopologyNode | null
  tiles: Tile[]
}

const ORDER: NodeState[] = ['error', 'warn', 'unknown', 'ok']

export const stateOf = (tile: Tile): NodeState => tile.node?.state ?? 'unknown'

// What is worst comes first, then what has most calls.
function byUrgency(a: Tile, b: Tile): number {
  return (
    ORDER.indexOf(stateOf(a)) - ORDER.indexOf(stateOf(b)) ||
    (b.node?.calls ?? 0) - (a.node?.calls ?? 0) ||
    a.name.localeCompare(b.name)
  )
}

const worst = ({ tiles }: Line) => Math.min(...tiles.map((tile) => ORDER.indexOf(stateOf(tile))))

export function wallOf(services: Service[], byService: Topology, byLine: Topology): Line[] {
  const tiles = new Map<string, Tile>()
  const key = (namespace: string, name: string) => JSON.stringify([namespace, name])
  for (const { name, id, namespace, last_seen_unix_ms: seenMs } of services)
    tiles.set(key(namespace, name), { name, id, namespace, node: null, seenMs })
  for (const node of byService.nodes) {
    if (node.kind !== 'service' || !node.service) continue
    const { service: name, namespace } = node
    const known = tiles.get(key(namespace, name)) ?? { name, id: name, namespace, seenMs: null }
    tiles.set(key(namespace, name), { ...known, node: node.calls > 0 ? node : null })
  }
  const lines = new Map<string, Line>()
  const nodes = new Map(byLine.nodes.map((node) => [`${node.kind} ${node.namespace}`, node]))
  for (const tile of tiles.values()) {
    const name = tile.namespace
    if (!lines.has(name))
      lines.set(name, { name, node: nodes.get(`line ${name}`) ?? null, tiles: [] })
    lines.get(name)!.tiles.push(tile)
  }
  for (const line of lines.values()) line.tiles.sort(byUrgency)
  return [...lines.values()].sort(
    (a, b) =>
      worst(a) - worst(b) ||
      (b.node?.calls ?? 0) - (a.node?.calls ?? 0) ||
      a.name.localeCompare(b.name),
  )
}

export function countStates(lines: Line[]): Record<NodeState, number> {
  const counts = { unknown: 0, ok: 0, warn: 0, error: 0 }
  for (const { tiles } of lines) for (const tile of tiles) counts[stateOf(tile)]++
  return counts
}
