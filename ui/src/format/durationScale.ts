// SPDX-License-Identifier: Apache-2.0
// Purpose: the logarithmic scale that the bars of a table share: from a tenth of a millisecond to the
// longest duration in the table, and over a factor of ten at least.

export const SCALE_FROM_NS = 1e5

export function scaleTo(longestNs: number): number {
  return Math.max(longestNs, SCALE_FROM_NS * 10)
}

// Where a duration stands, from 0 to 1.
export function scaleShare(ns: number, longestNs: number): number {
  const at = Math.log(Math.max(ns, SCALE_FROM_NS) / SCALE_FROM_NS)
  return Math.min(1, at / Math.log(scaleTo(longestNs) / SCALE_FROM_NS))
}
