// SPDX-License-Identifier: Apache-2.0
// Purpose: services whose calls fell to nothing: an outage that leaves no failed call behind where nobody
// answers. What is called seldom, or in bursts, is quiet without having stopped. Every page that says so
// judges by what is here.
import * as api from '@/api/sonde'
import type { NodeState, Red, Topology, TopologyNode } from '@/api/types'
import type { Bounds } from '@/time/range'
import { secondsOf } from '@/topology/graph'

export const QUIET_MS = 2 * 6e4 // so long without a call, at the end of the range
export const STOPPED_LOOKED_AT_MAX = 20 // services of one page: each takes a request
const EXPECTED_CALLS_MIN = 10 // that would have come meanwhile at the pace before
const LONGER_THAN_USUAL = 3 // times the longest pause before

// Services that may have stopped, busiest first: their calls over time can tell.
export function quietServices(whole: Topology, recent: Topology, nowMs: number): TopologyNode[] {
  const heard = new Set(recent.nodes.filter(({ calls }) => calls > 0).map(({ id }) => id))
  const quietSeconds = secondsOf(recent, nowMs)
  const before = secondsOf(whole, nowMs) - quietSeconds
  const expected = ({ calls }: TopologyNode) => (calls / before) * quietSeconds
  return whole.nodes
    .filter(
      (node) =>
        node.kind === 'service' &&
        !heard.has(node.id) &&
        before > 0 &&
        expected(node) >= EXPECTED_CALLS_MIN,
    )
    .sort((a, b) => b.calls - a.calls)
    .slice(0, STOPPED_LOOKED_AT_MAX)
}

// Since when it has no calls, by its calls over time up to `toMs`; null where such a pause is nothing new.
export function stoppedSince({ points, step_ms }: Red, toMs: number): number | null {
  const times = points.filter(({ calls }) => calls > 0).map(({ time_unix_ms }) => time_unix_ms)
  if (times.length === 0) return null
  const since = times.at(-1)! + step_ms
  const pauses = times.slice(1).map((time, at) => time - times[at]! - step_ms)
  const longest = pauses.reduce((most, pause) => Math.max(most, pause), 0)
  return toMs - since > LONGER_THAN_USUAL * longest ? since : null
}

// The services with their calls at the end of the range.
export const recentServices = (range: Bounds, signal: AbortSignal) =>
  api.topology('service', { from: range.to - QUIET_MS, to: range.to }, signal)

// Since when those of `whole` that have stopped have no calls, by the IDs of nodes.
export async function findStopped(
  whole: Topology,
  recent: Topology,
  range: Bounds,
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const quiet = quietServices(whole, recent, Date.now())
  const found = await Promise.all(
    quiet.map(async ({ id, service, namespace }) => {
      const of = { service, namespace: namespace || undefined }
      const sinceMs = stoppedSince(await api.red(of, range, undefined, signal), range.to)
      return [id, sinceMs] as const
    }),
  )
  return new Map(found.flatMap(([id, sinceMs]) => (sinceMs === null ? [] : [[id, sinceMs]])))
}

// One whose calls ended is not well, whatever those before say.
export function stateWith(state: NodeState, stoppedMs: number | null): NodeState {
  return stoppedMs !== null && state !== 'error' ? 'warn' : state
}

// The topology with what has stopped said of its nodes.
export function withStopped(whole: Topology, stopped: ReadonlyMap<string, number>): Topology {
  const nodes = whole.nodes.map((node) => {
    const stoppedMs = stopped.get(node.id) ?? null
    return stoppedMs === null
      ? node
      : { ...node, state: stateWith(node.state, stoppedMs), stoppedMs }
  })
  return stopped.size ? { ...whole, nodes } : whole
}
