// SPDX-License-Identifier: Apache-2.0
// Purpose: how many times as often an entry is to be called, and what its services would need then.
import type { EntryNeed } from '@/api/types'

export const TIMES_MAX = 1000 // ENTRY_TIMES_MAX of the server
export const TIMES_DEFAULT = 2

// Where the slider stops: the wider apart, the larger.
export const STOPS = [1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100, 200, 500, 1000] as const

export function readTimes(text: string): number {
  const value = Number(text)
  return text.trim() !== '' && Number.isInteger(value) && value >= 1 && value <= TIMES_MAX
    ? value
    : TIMES_DEFAULT
}

// The stop that is nearest, the lower of two.
export function stopOf(times: number): number {
  return STOPS.reduce<number>(
    (best, value, at) => (Math.abs(value - times) < Math.abs(STOPS[best]! - times) ? at : best),
    0,
  )
}

// Instances that are missing; null where nobody can say.
export function missing(need: EntryNeed): number | null {
  return need.instances_needed > 0 ? Math.max(0, need.instances_needed - need.instances) : null
}

// How many instances the busiest minute and what is added would keep as busy as one ever was: rounded up, and
// never fewer than now, these are the needed ones.
export const instancesBusy = (need: EntryNeed): number =>
  (need.busiest_per_s + need.added_per_s) / need.busiest_instance_per_s
