// SPDX-License-Identifier: Apache-2.0
// Purpose: rows of a table of calls: narrowed by a text, sorted by a column, walked through by keys. What
// the reader chose lives in the URL.
import { computed } from 'vue'
import { useListCursor } from './listCursor'
import { useQueryParam } from './urlState'
import type { Calls } from '@/api/types'
import { sortRows, type SortValue } from '@/format/sort'

const COLUMNS: Record<string, (row: Calls) => SortValue> = {
  calls: (row) => row.calls,
  errors: (row) => row.errors,
  share: (row) => row.errors / Math.max(1, row.calls),
  p50: (row) => row.p50_ns,
  p99: (row) => row.p99_ns,
}

interface RowsOptions<T extends Calls> {
  rows: () => readonly T[]
  text: (row: T) => string // that is looked into
  columns: Record<string, (row: T) => SortValue> // beside those of every table
  open: (row: T) => void
  sortParam?: string
}

export function useCallsRows<T extends Calls>(options: RowsOptions<T>) {
  const text = useQueryParam('text')
  const sort = useQueryParam(options.sortParam ?? 'sort', '-calls')
  const rows = computed(() => {
    const low = text.value.toLowerCase()
    const shown = options.rows().filter((row) => options.text(row).toLowerCase().includes(low))
    return sortRows(shown, sort.value, { ...COLUMNS, ...options.columns })
  })
  const current = useListCursor(
    () => rows.value.length,
    (row) => options.open(rows.value[row]!),
  )
  return { text, sort, rows, current }
}
