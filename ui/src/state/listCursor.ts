// SPDX-License-Identifier: Apache-2.0
// Purpose: j and k move through the rows of a list, Enter opens one. The row is kept with the entry
// of the history, so that Back finds it again.
import { nextTick, ref } from 'vue'
import { useKeys } from './keys'

export function useListCursor(count: () => number, open: (row: number) => void) {
  const { row: left } = (history.state ?? {}) as { row?: unknown }
  const current = ref(typeof left === 'number' ? left : -1)

  async function move(by: number): Promise<void> {
    const last = count() - 1
    if (last < 0) return
    current.value = Math.min(last, Math.max(0, current.value + by))
    history.replaceState({ ...history.state, row: current.value }, '')
    await nextTick()
    document.querySelector('[data-current="true"]')?.scrollIntoView({ block: 'nearest' })
  }

  useKeys({
    j: () => void move(1),
    k: () => void move(-1),
    Enter: (event) => {
      const link = (event.target as HTMLElement | null)?.closest?.('a, button, summary')
      if (link instanceof HTMLElement) link.click()
      else if (current.value >= 0 && current.value < count()) open(current.value)
    },
  })
  return current
}
