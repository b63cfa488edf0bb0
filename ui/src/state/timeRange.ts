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

// Links to other pages keep the range of this one. `own`: also where it is the page's own, so that what is
// linked shows the same numbers.
export function useLink({ own = false } = {}) {
  const route = useRoute()
  return (
    name: string,
    params: Record<string, string> = {},
    query: Record<string, string | undefined> = {},
  ): RouteLocationRaw => {
    const { from, to } = route.query
    const { lastMs } = route.meta
    const kept: Record<string, string> = {}
    if (typeof from === 'string') kept.from = from
    if (typeof to === 'string') kept.to = to
    if (own && lastMs && kept.from === undefined) {
      const { from: begin, to: end } = lastRange(lastMs)
      Object.assign(kept, { from: formatPoint(begin), to: formatPoint(end) })
    }
    return { name, params, query: { ...kept, ...query } }
  }
}
