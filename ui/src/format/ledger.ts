// SPDX-License-Identifier: Apache-2.0
// Purpose: sums over the loss ledger.
import type { LedgerRow } from '@/api/types'

export function droppedSum(row: Pick<LedgerRow, 'dropped'>): number {
  return Object.values(row.dropped).reduce((sum, count) => sum + count, 0)
}

// What the equation of the ledger leaves over: 0 when it balances.
export function offBy(row: LedgerRow): number {
  const gone = row.stored + row.pending + row.sampled + row.expired + droppedSum(row)
  return row.received - gone
}

export function sumRows(rows: LedgerRow[]): LedgerRow {
  const total: LedgerRow = {
    signal: 'traces',
    service: '',
    received: 0,
    stored: 0,
    pending: 0,
    sampled: 0,
    expired: 0,
    dropped: {},
    balanced: true,
  }
  for (const row of rows) {
    for (const name of ['received', 'stored', 'pending', 'sampled', 'expired'] as const)
      total[name] += row[name]
    for (const [reason, count] of Object.entries(row.dropped))
      total.dropped[reason] = (total.dropped[reason] ?? 0) + count
    total.balanced &&= row.balanced
  }
  return total
}
