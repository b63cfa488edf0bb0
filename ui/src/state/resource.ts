// SPDX-License-Identifier: Apache-2.0
// Purpose: one request of one panel with all its states: loading with the time it takes, cancelled,
// failed, stale while refreshing. A change of scope clears what is shown first; a refresh does not.
import { onScopeDispose, ref, shallowRef, watch, type Ref, type ShallowRef } from 'vue'
import { isAbort, toApiError, type ApiError } from '@/api/client'
import { signInCount } from './auth'
import { refreshTick } from './refresh'

export interface Progress {
  scanned: number
  total: number
}

export interface LoadContext {
  signal: AbortSignal
  progress(scanned: number, total: number): void
}

export interface Resource<T> {
  data: ShallowRef<T | null>
  error: ShallowRef<ApiError | null>
  loading: Ref<boolean>
  cancelled: Ref<boolean>
  elapsedMs: Ref<number>
  progress: ShallowRef<Progress | null>
  reload(): void
  cancel(): void
}

const TICK_MS = 100

function useElapsed() {
  const elapsedMs = ref(0)
  let timer: ReturnType<typeof setInterval> | undefined
  const stop = () => clearInterval(timer)
  const start = () => {
    stop()
    const begin = performance.now()
    elapsedMs.value = 0
    timer = setInterval(() => (elapsedMs.value = performance.now() - begin), TICK_MS)
  }
  return { elapsedMs, start, stop }
}

// `scope` names what is shown; null means nothing is to be loaded yet. `partial` shows a part of the
// answer before the rest is there.
export function useResource<T>(
  scope: () => string | null,
  load: (context: LoadContext, partial: (data: T) => void) => Promise<T>,
): Resource<T> {
  const data = shallowRef<T | null>(null)
  const error = shallowRef<ApiError | null>(null)
  const progress = shallowRef<Progress | null>(null)
  const loading = ref(false)
  const cancelled = ref(false)
  const clock = useElapsed()
  let controller: AbortController | null = null

  function stop(): void {
    controller?.abort()
    controller = null
    loading.value = false
    clock.stop()
  }

  async function run(): Promise<void> {
    stop()
    const mine = new AbortController()
    controller = mine
    loading.value = true
    cancelled.value = false
    error.value = null
    progress.value = null
    clock.start()
    const live = () => controller === mine
    const first = data.value === null // a refresh keeps what is shown until all is there
    try {
      const context: LoadContext = {
        signal: mine.signal,
        progress: (scanned, total) => live() && (progress.value = { scanned, total }),
      }
      const result = await load(context, (part) => live() && first && (data.value = part))
      if (live()) data.value = result
    } catch (failure) {
      if (live() && !isAbort(failure)) error.value = toApiError(failure)
    } finally {
      if (live()) stop()
    }
  }

  watch(
    scope,
    (next) => {
      data.value = null
      error.value = null
      if (next === null) stop()
      else void run()
    },
    { immediate: true },
  )
  watch([refreshTick, signInCount], () => scope() !== null && void run())
  onScopeDispose(stop)

  const cancel = () => {
    cancelled.value = true
    stop()
  }
  const elapsedMs = clock.elapsedMs
  return { data, error, loading, cancelled, elapsedMs, progress, reload: () => void run(), cancel }
}
