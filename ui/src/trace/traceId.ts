// SPDX-License-Identifier: Apache-2.0
// Purpose: trace IDs as people paste them: bare, with dashes, or a whole traceparent header.

export interface PastedId {
  id: string
  span?: string
}

export function readTraceId(text: string): PastedId | null {
  const low = text.trim().toLowerCase()
  const parent = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/.exec(low)
  if (parent) return { id: parent[1]!, span: parent[2]! }
  const bare = low.replace(/-/g, '')
  return /^[0-9a-f]{32}$/.test(bare) ? { id: bare } : null
}
