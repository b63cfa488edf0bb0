// SPDX-License-Identifier: Apache-2.0
// Purpose: page state that lives in the URL: one query parameter as a ref.
import { computed, onScopeDispose, ref, watch, type Ref, type WritableComputedRef } from 'vue'
import { useRoute, useRouter, type LocationQueryRaw } from 'vue-router'

// `push`: the change is a step that Back undoes; otherwise it replaces the present entry.
export function useQueryParam(
  name: string,
  fallback = '',
  mode: 'push' | 'replace' = 'replace',
): WritableComputedRef<string> {
  const route = useRoute()
  const router = useRouter()
  const page = route.name
  let last = fallback
  return computed({
    get: () => {
      const value = route.query[name]
      // While the page is being left the URL is already the next one's: nothing changes here.
      if (route.name === page) last = typeof value === 'string' ? value : fallback
      return last
    },
    set: (value) => {
      const query: LocationQueryRaw = { ...route.query }
      if (value === fallback) delete query[name]
      else query[name] = value
      void router[mode]({ query })
    },
  })
}

const LATE_MS = 250

// The same for what changes while a key is held: the URL follows a moment after the last change. Not once
// the page is being left: a change of the URL would end that, while the next page is still on its way.
export function useLateQueryParam(name: string, fallback = ''): Ref<string> {
  const page = useRoute().name
  const param = useQueryParam(name, fallback)
  const value = ref(param.value)
  let timer: ReturnType<typeof setTimeout> | undefined
  watch(value, (next) => {
    clearTimeout(timer)
    if (next === param.value) timer = undefined
    else
      timer = setTimeout(() => {
        timer = undefined
        param.value = next
      }, LATE_MS)
  })
  watch(param, (next) => {
    if (timer === undefined) value.value = next // by Back, or by a link
  })
  const drop = () => {
    clearTimeout(timer)
    timer = undefined
  }
  const stop = useRouter().beforeEach((to) => {
    if (to.name !== page) drop()
  })
  onScopeDispose(() => {
    stop()
    drop()
  })
  return value
}
