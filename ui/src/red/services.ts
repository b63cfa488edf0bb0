// SPDX-License-Identifier: Apache-2.0
// Purpose: services as both answers know them: by the spans that they sent, and by the calls that they
// answered. Calls are those of the topology, so that every page has the same.
import type { Calls, Service, Topology, TopologyNode } from '@/api/types'

export interface KnownService {
  name: string
  id: string // of its page
  namespace: string
  node: TopologyNode | null // null: it answered no call
  spans: number
  seenMs: number | null // its newest span; null where only calls are known
}

export const NO_CALLS: Calls = {
  calls: 0,
  errors: 0,
  mean_ns: 0,
  p50_ns: 0,
  p90_ns: 0,
  p95_ns: 0,
  p99_ns: 0,
  p999_ns: 0,
}

export function joinServices(services: Service[], byService: Topology): KnownService[] {
  const known = new Map<string, KnownService>()
  const key = (namespace: string, name: string) => JSON.stringify([namespace, name])
  for (const { name, id, namespace, spans, last_seen_unix_ms: seenMs } of services)
    known.set(key(namespace, name), { name, id, namespace, node: null, spans, seenMs })
  for (const node of byService.nodes) {
    if (node.kind !== 'service' || !node.service) continue
    const { service: name, namespace } = node
    const of = { name, id: name, namespace, spans: 0, seenMs: null }
    const sent = known.get(key(namespace, name)) ?? of
    known.set(key(namespace, name), { ...sent, node: node.calls > 0 ? node : null })
  }
  return [...known.values()]
}

export interface ServiceRow extends KnownService, Calls {}

export const rowOf = (service: KnownService): ServiceRow => ({
  ...NO_CALLS,
  ...callsOf(service.node),
  ...service,
})

function callsOf(node: TopologyNode | null): Partial<Calls> {
  if (!node) return {}
  const { calls, errors, mean_ns, p50_ns, p90_ns, p95_ns, p99_ns, p999_ns } = node
  return { calls, errors, mean_ns, p50_ns, p90_ns, p95_ns, p99_ns, p999_ns }
}
