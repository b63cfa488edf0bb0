// SPDX-License-Identifier: Apache-2.0
// Purpose: the keys of a treegrid.
import { describe, expect, it, vi } from 'vitest'
import { shallowRef } from 'vue'
import { useTreeKeys } from '@/tree/keys'

// 0 has 1 and 3, 1 has 2.
const PARENTS = [-1, 0, 1, 0]
const ENDS = [4, 3, 3, 4]

function grid(more: Record<string, () => void> = {}) {
  const folded = new Set<number>()
  const focus = vi.fn()
  const scroller = { focus } as unknown as HTMLElement
  let row = -1
  const isHidden = (of: number): boolean =>
    PARENTS[of]! >= 0 && (folded.has(PARENTS[of]!) || isHidden(PARENTS[of]!))
  const rows = () => [0, 1, 2, 3].filter((of) => !isHidden(of))
  const { onKey } = useTreeKeys(
    {
      scroller: shallowRef(scroller),
      rows,
      row: () => row,
      at: () => rows().indexOf(row),
      select: (next) => (row = next),
      parentOf: (of) => PARENTS[of]!,
      hasBelow: (of) => ENDS[of]! > of + 1,
      isFolded: (of) => folded.has(of),
      setFolded: (of, next) => (next ? folded.add(of) : folded.delete(of)),
    },
    more,
  )
  const press = (key: string, event: Partial<KeyboardEvent> = {}) => {
    const preventDefault = vi.fn()
    onKey({ key, target: scroller, preventDefault, ...event } as unknown as KeyboardEvent)
    return { row, rows: rows(), taken: preventDefault.mock.calls.length > 0 }
  }
  return { press, focus }
}

describe('keys of a treegrid', () => {
  it('moves within the rows that are shown', () => {
    const { press, focus } = grid()
    expect(press('ArrowDown').row).toBe(0) // the first, where none is chosen
    expect(press('ArrowUp').row).toBe(0)
    expect(press('ArrowDown').row).toBe(1)
    expect(press('PageDown').row).toBe(3)
    expect(press('Home').row).toBe(0)
    expect(press('End').row).toBe(3)
    expect(focus).toHaveBeenCalled()
  })

  it('folds before it leaves, and unfolds before it enters', () => {
    const { press } = grid()
    press('Home')
    press('ArrowDown')
    expect(press('ArrowLeft')).toMatchObject({ row: 1, rows: [0, 1, 3] })
    expect(press('ArrowLeft')).toMatchObject({ row: 0, rows: [0, 1, 3] })
    expect(press('ArrowDown').row).toBe(1)
    expect(press('ArrowRight')).toMatchObject({ row: 1, rows: [0, 1, 2, 3] })
    expect(press('ArrowRight').row).toBe(2)
    expect(press('ArrowRight').row).toBe(2) // nothing is below it
  })

  it('leaves keys of others alone', () => {
    const open = vi.fn()
    const { press } = grid({ Enter: open })
    expect(press('a').taken).toBe(false)
    expect(press('ArrowDown', { ctrlKey: true }).taken).toBe(false)
    expect(press('Enter', { target: null }).taken).toBe(false) // of a link in a row
    expect(open).not.toHaveBeenCalled()
    expect(press('Enter').taken).toBe(true)
    expect(open).toHaveBeenCalledOnce()
  })
})
