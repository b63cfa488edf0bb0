// SPDX-License-Identifier: Apache-2.0
// Purpose: the way from a list of traces to one of them and back: the trace's URL carries the list's
// filter, order and length, so that the way back is there in a shared link too.
import { computed } from 'vue'
import { useRoute } from 'vue-router'
import { useLink } from './timeRange'

const KEYS = ['q', 'order', 'limit'] as const

export function useListLink() {
  const route = useRoute()
  const link = useLink()
  const query = computed(() =>
    Object.fromEntries(
      KEYS.map((key) => [key, route.query[key]]).filter(([, value]) => typeof value === 'string'),
    ),
  )
  return {
    toTrace: (id: string) => link('trace', { id }, query.value),
    toList: computed(() => link('traces', {}, query.value)),
    filter: computed(() => (query.value.q as string | undefined) ?? ''),
  }
}
