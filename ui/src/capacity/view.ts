// SPDX-License-Identifier: Apache-2.0
// Purpose: what the reader has chosen of the tree of an entry: the row, what is folded, the node that is
// marked. It lives in the URL.
import { computed } from 'vue'
import { above, rowsOf, shownRows, type Tree } from './tree'
import { useLateQueryParam, useQueryParam } from '@/state/urlState'
import { formatFold, isFolded, OPEN, parseFold, setFolded, type FoldState } from '@/tree/folding'

export function useEntryView(tree: () => Tree) {
  const at = useLateQueryParam('at')
  const foldText = useQueryParam('fold')
  const node = useQueryParam('node')

  const fold = computed<FoldState>({
    get: () => parseFold(foldText.value, tree().ids),
    set: (next) => (foldText.value = formatFold(next, tree().ids)),
  })
  const rows = computed(() => shownRows(tree(), (row) => isFolded(fold.value, row)))
  const marked = computed(() => rowsOf(tree(), node.value))
  // The chosen row; where none is, the first that is marked.
  const selected = computed<number>({
    get: () => (at.value ? tree().ids.indexOf(at.value) : ([...marked.value][0] ?? -1)),
    set: (row) => (at.value = tree().ids[row] ?? ''),
  })

  const setRow = (row: number, folded: boolean) =>
    (fold.value = setFolded(fold.value, [row], folded))
  const foldAll = (folded: boolean) =>
    (fold.value = folded ? { all: true, except: new Set(tree().nodes.length ? [0] : []) } : OPEN)
  // What is shown of a row: the row, or what hides it.
  const shownOf = (row: number) =>
    above(tree(), row)
      .filter((up) => isFolded(fold.value, up))
      .at(-1) ?? row
  return { node, fold, rows, marked, selected, setRow, foldAll, shownOf }
}

export type EntryView = ReturnType<typeof useEntryView>
