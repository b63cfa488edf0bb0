// SPDX-License-Identifier: Apache-2.0
// Purpose: the rows of a page with one table: loaded for the range, narrowed by a text and the page's
// own choices, sorted by a column, walked through by keys. What the reader chose lives in the URL.
import { computed, type ComputedRef } from 'vue'
import { useListCursor } from './listCursor'
import { useResource, type LoadContext } from './resource'
import { useTimeRange } from './timeRange'
import { useQueryParam } from './urlState'
import { sortRows, type SortValue } from '@/format/sort'
import type { Bounds } from '@/time/range'

interface Measured {
  name: string
  spans: number
  errors: number
  p50_ns: number
  p99_ns: number
}

// The columns that every such table has.
const COLUMNS: Record<string, (row: Measured) => SortValue> = {
  name: (row) => row.name,
  spans: (row) => row.spans,
  errors: (row) => row.errors,
  share: (row) => row.errors / Math.max(1, row.spans),
  p50: (row) => row.p50_ns,
  p99: (row) => row.p99_ns,
}

interface ListOptions<A, T extends Measured> {
  scope: () => string // beside the range
  load: (bounds: Bounds, context: LoadContext) => Promise<A>
  items: (answer: A) => T[]
  columns: Record<string, (row: T) => SortValue> // beside those of every table
  keep?: (row: T) => boolean
  open: (row: T) => void
}

export function useFilteredList<A, T extends Measured>(options: ListOptions<A, T>) {
  const { key, bounds } = useTimeRange()
  const text = useQueryParam('text')
  const sort = useQueryParam('sort', '-spans')

  const resource = useResource(
    () => `${options.scope()} ${key.value}`,
    (context) => options.load(bounds(), context),
  )
  const all: ComputedRef<T[]> = computed(() =>
    resource.data.value === null ? [] : options.items(resource.data.value),
  )
  const rows = computed(() => {
    const low = text.value.toLowerCase()
    const shown = all.value.filter(
      (row) => row.name.toLowerCase().includes(low) && (options.keep?.(row) ?? true),
    )
    return sortRows(shown, sort.value, { ...COLUMNS, ...options.columns })
  })
  const current = useListCursor(
    () => rows.value.length,
    (row) => options.open(rows.value[row]!),
  )
  return { resource, text, sort, all, rows, current }
}
