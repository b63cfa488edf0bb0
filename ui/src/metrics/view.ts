// SPDX-License-Identifier: Apache-2.0
// Purpose: what the reader has chosen of a metric: whose, by which label, of which values of labels, which
// number. It lives in the URL; labels as `label.KEY=VALUE`, as the server takes them.
import { computed } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { useQueryParam } from '@/state/urlState'

const PREFIX = 'label.'
export const LABELS_MAX = 8 // METRIC_LABELS_MAX of the server

export function useMetricView() {
  const route = useRoute()
  const router = useRouter()
  const page = route.name
  let last: Record<string, string> = {}

  const labels = computed(() => {
    if (route.name !== page) return last // the page is being left
    const found = Object.entries(route.query).flatMap(([key, value]) =>
      key.startsWith(PREFIX) && typeof value === 'string'
        ? [[key.slice(PREFIX.length), value] as const]
        : [],
    )
    return (last = Object.fromEntries(found.slice(0, LABELS_MAX)))
  })
  // Only that value, and split by nothing.
  const only = (key: string, value: string) =>
    void router.push({ query: { ...route.query, [PREFIX + key]: value, by: undefined } })
  const without = (key: string) =>
    void router.push({ query: { ...route.query, [PREFIX + key]: undefined } })

  const service = useQueryParam('service')
  const isNarrowed = computed(() => !!service.value || Object.keys(labels.value).length > 0)
  // Of every service, with any labels.
  function showAll(): void {
    const query = { ...route.query, service: undefined, ns: undefined }
    const none = Object.keys(labels.value).map((key) => [PREFIX + key, undefined])
    void router.push({ query: { ...query, ...Object.fromEntries(none) } })
  }

  return {
    service,
    namespace: useQueryParam('ns'),
    by: useQueryParam('by', '', 'push'),
    as: useQueryParam('as', '', 'push'),
    measure: useQueryParam('m', '', 'push'),
    mode: useQueryParam('view', 'chart'),
    labels,
    only,
    without,
    isNarrowed,
    showAll,
  }
}
