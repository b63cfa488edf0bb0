// SPDX-License-Identifier: Apache-2.0
// Purpose: one beat for every panel: the refresh button, and a clock when the reader wants one.
import { ref, watch } from 'vue'

export const refreshTick = ref(0)
export const refreshEveryMs = ref(0) // 0: only by hand

export function refreshNow(): void {
  refreshTick.value++
}

let timer: ReturnType<typeof setInterval> | undefined

watch(refreshEveryMs, (every) => {
  clearInterval(timer)
  if (every > 0) timer = setInterval(() => !document.hidden && refreshNow(), every)
})
