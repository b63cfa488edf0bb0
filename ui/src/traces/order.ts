// SPDX-License-Identifier: Apache-2.0
// Purpose: the traces found, in the order of the column that the reader takes it from.
import type { Order } from '@/api/sonde'
import type { TraceSummary } from '@/api/types'

// The newest are found by their newest matching spans; what the list shows is when a trace began.
export function inOrder(traces: TraceSummary[], order: Order): TraceSummary[] {
  if (order !== 'newest') return traces
  return [...traces].sort((a, b) => b.start_unix_ms - a.start_unix_ms)
}
