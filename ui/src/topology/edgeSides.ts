// SPDX-License-Identifier: Apache-2.0
// Purpose: the two sides of an edge, and what lies between them.
import type { TopologyEdge } from '@/api/types'

// How much longer callers waited than callees worked, on average: network and queueing. Means can be
// subtracted, quantiles cannot. Null where one side tells nothing.
export function gapOf({ client, server }: TopologyEdge): number | null {
  if (!client || !server || client.calls <= 0 || server.calls <= 0) return null
  return client.mean_ns - server.mean_ns
}
