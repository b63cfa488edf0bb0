// SPDX-License-Identifier: Apache-2.0
// Purpose: how much a caller depends on what it calls: in how many of the calls that fail it fails as well.
import type { TopologyEdge } from '@/api/types'

export const FAILED_LEAST = 3 // calls: of fewer nothing is said
const STRONG_SHARE = 0.5

export interface Strength {
  strong: boolean
  passedOn: number
  failed: number
}

// Of what the caller measured, where it did.
export function strengthOf(
  edge: Pick<TopologyEdge, 'errors' | 'client' | 'passed_on_errors'>,
): Strength | null {
  const failed = edge.client?.errors ?? edge.errors
  const passedOn = edge.passed_on_errors ?? 0
  if (failed < FAILED_LEAST) return null
  return { strong: passedOn / failed >= STRONG_SHARE, passedOn, failed }
}
