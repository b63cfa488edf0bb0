// SPDX-License-Identifier: Apache-2.0
// Purpose: the keys of a treegrid, of which the grid as a whole has the focus: moving from row to row, folding,
// and going up and down the tree.
import type { Ref } from 'vue'

export interface TreeGrid {
  scroller: Ref<HTMLElement | undefined>
  rows: () => ArrayLike<number> // that are shown, in order
  row: () => number // the chosen one, or what is shown of it; -1: none
  at: () => number // its place in `rows`; -1: nowhere
  select(row: number): void
  parentOf(row: number): number // as it is shown; -1: none
  hasBelow(row: number): boolean
  isFolded(row: number): boolean
  setFolded(row: number, folded: boolean): void
}

const PAGE = 20

// `more` are keys that only this grid has, as long as the grid itself has the focus.
export function useTreeKeys(grid: TreeGrid, more: Record<string, () => void> = {}) {
  const count = () => grid.rows().length

  function selectAt(index: number): void {
    if (count() > 0) grid.select(grid.rows()[Math.min(count() - 1, Math.max(0, index))]!)
  }

  function move(by: number): void {
    grid.scroller.value?.focus({ preventScroll: true }) // arrow keys go on from here
    selectAt(grid.at() < 0 ? 0 : grid.at() + by)
  }

  function foldOrLeave(): void {
    const row = grid.row()
    if (row < 0) return
    if (grid.hasBelow(row) && !grid.isFolded(row)) grid.setFolded(row, true)
    else if (grid.parentOf(row) >= 0) grid.select(grid.parentOf(row))
  }

  function unfoldOrEnter(): void {
    const row = grid.row()
    if (row < 0 || !grid.hasBelow(row)) return
    if (grid.isFolded(row)) grid.setFolded(row, false)
    else move(1)
  }

  const keys: Record<string, () => void> = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    PageDown: () => move(PAGE),
    PageUp: () => move(-PAGE),
    Home: () => selectAt(0),
    End: () => selectAt(count() - 1),
    ArrowLeft: foldOrLeave,
    ArrowRight: unfoldOrEnter,
  }

  function onKey(event: KeyboardEvent): void {
    const own = event.target === grid.scroller.value ? more[event.key] : undefined
    const action = own ?? keys[event.key]
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    action()
  }

  return { move, onKey }
}
