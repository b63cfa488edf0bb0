// SPDX-License-Identifier: Apache-2.0
// Purpose: sorting of tables by a column named as in the URL: "-spans" is descending.

export type SortValue = string | number

export function sortRows<T>(
  rows: readonly T[],
  sort: string,
  columns: Record<string, (row: T) => SortValue>,
): T[] {
  const descending = sort.startsWith('-')
  const value = columns[descending ? sort.slice(1) : sort]
  if (!value) return [...rows]
  const sign = descending ? -1 : 1
  return [...rows].sort((a, b) => {
    const x = value(a)
    const y = value(b)
    if (typeof x === 'string' && typeof y === 'string') return sign * x.localeCompare(y)
    return sign * (Number(x) - Number(y))
  })
}
