// SPDX-License-Identifier: Apache-2.0
// Purpose: which rows of a tree are folded, in a form that fits a URL: all open or all folded, and the
// exceptions by their IDs.

const EXCEPTIONS_MAX = 200

export interface FoldState {
  all: boolean // folded unless excepted
  except: ReadonlySet<number>
}

export const OPEN: FoldState = { all: false, except: new Set() }

export function isFolded(state: FoldState, row: number): boolean {
  return state.all !== state.except.has(row)
}

export function setFolded(state: FoldState, rows: Iterable<number>, folded: boolean): FoldState {
  const except = new Set(state.except)
  for (const row of rows)
    if (folded === state.all) except.delete(row)
    else except.add(row)
  return { all: state.all, except }
}

export function formatFold(state: FoldState, ids: readonly string[]): string {
  const named = [...state.except].slice(0, EXCEPTIONS_MAX).map((row) => ids[row]!)
  return [...(state.all ? ['all'] : []), ...named].join('.')
}

export function parseFold(text: string, ids: readonly string[]): FoldState {
  if (!text) return OPEN
  const names = new Set(text.split('.'))
  const all = names.delete('all')
  const except = new Set<number>()
  if (names.size > 0) ids.forEach((id, row) => names.has(id) && except.add(row))
  return { all, except }
}
