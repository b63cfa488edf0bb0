// SPDX-License-Identifier: Apache-2.0
// Purpose: the services of the range by business line, with what the last minutes say of each.
import type { NodeState, Service, Topology, TopologyNode } from '@/api/types'
import { stateWith } from './stopped'
import { joinServices, type KnownService } from '@/red/services'

export interface Tile extends KnownService {
  stoppedMs: number | null // since when it has no calls, where that is no usual pause
}

export interface Line {
  name: string
  node: TopologyNode | null
  tiles: Tile[]
}

const ORDER: NodeState[] = ['error', 'warn', 'unknown', 'ok']

export const stateOf = ({ node, stoppedMs }: Tile): NodeState =>
  stateWith(node?.state ?? 'unknown', stoppedMs)

// What is worst comes first, then what has most calls.
function byUrgency(a: Tile, b: Tile): number {
  return (
    ORDER.indexOf(stateOf(a)) - ORDER.indexOf(stateOf(b)) ||
    (b.node?.calls ?? 0) - (a.node?.calls ?? 0) ||
    a.name.localeCompare(b.name)
  )
}

const worst = ({ tiles }: Line) => Math.min(...tiles.map((tile) => ORDER.indexOf(stateOf(tile))))

// `stopped` says since when, by the IDs of nodes.
export function wallOf(
  services: Service[],
  byService: Topology,
  byLine: Topology,
  stopped: ReadonlyMap<string, number> = new Map(),
): Line[] {
  const lines = new Map<string, Line>()
  const nodes = new Map(byLine.nodes.map((node) => [`${node.kind} ${node.namespace}`, node]))
  for (const tile of joinServices(services, byService)) {
    const name = tile.namespace
    if (!lines.has(name))
      lines.set(name, { name, node: nodes.get(`line ${name}`) ?? null, tiles: [] })
    const stoppedMs = (tile.node && stopped.get(tile.node.id)) ?? null
    lines.get(name)!.tiles.push({ ...tile, stoppedMs })
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
