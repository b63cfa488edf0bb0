// SPDX-License-Identifier: Apache-2.0
// Purpose: the time range of the page, which lives in its URL.
import { computed } from 'vue'
import { useRoute, useRouter, type RouteLocationRaw } from 'vue-router'
import { formatPoint, lastRange, parseRange, resolve, type Bounds, type Range } from '@/time/range'

export function useTimeRange() {
  const route = useRoute()
  const router = useRouter()
  const range = computed(() => {
    const { lastMs } = route.meta
    return parseRange(route.query.from, route.query.to, lastMs ? lastRange(lastMs) : undefined)
  })
  // Names the range without resolving it, so that relative ranges compare equal.
  const key = computed(() => `${formatPoint(range.value.from)}/${formatPoint(range.value.to)}`)

  function set(next: Range): void {
    const query = { ...route.query, from: formatPoint(next.from), to: formatPoint(next.to) }
    void router.push({ query })
  }

  function setBounds(bounds: Bounds): void {
    set({
      from: { kind: 'absolute', ms: bounds.from },
      to: { kind: 'absolute', ms: Math.max(bounds.to, bounds.from + 1) },
    })
  }

  const bounds = (): Bounds => resolve(range.value, Date.now())

  return { range, key, set, setBounds, bounds }
}

// Links to other pages keep the range of this one.
export function useLink() {
  const route = useRoute()
  return (
    name: string,
    params: Record<string, string> = {},
    query: Record<string, string | undefined> = {},
  ): RouteLocationRaw => {
    const kept: Record<string, string> = {}
    if (typeof route.query.from === 'string') kept.from = route.query.from
    if (typeof route.query.to === 'string') kept.to = route.query.to
    return { name, params, query: { ...kept, ...query } }
  }
}
