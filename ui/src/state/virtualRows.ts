// SPDX-License-Identifier: Apache-2.0
// Purpose: which rows of a long list are on the screen. Only those are in the document.
import { computed, onBeforeUnmount, onMounted, ref, type Ref } from 'vue'

const OVERSCAN = 8

export function useVirtualRows(
  scroller: Ref<HTMLElement | undefined>,
  count: () => number,
  rowHeight: () => number,
  headHeight: () => number,
) {
  const top = ref(0)
  const height = ref(600)
  let observer: ResizeObserver | undefined

  const onScroll = () => (top.value = scroller.value!.scrollTop)

  onMounted(() => {
    const element = scroller.value!
    observer = new ResizeObserver(() => (height.value = element.clientHeight))
    observer.observe(element)
    element.addEventListener('scroll', onScroll, { passive: true })
  })
  onBeforeUnmount(() => {
    observer?.disconnect()
    scroller.value?.removeEventListener('scroll', onScroll)
  })

  const first = computed(() =>
    Math.max(0, Math.min(count() - 1, Math.floor(top.value / rowHeight())) - OVERSCAN),
  )
  const last = computed(() =>
    Math.min(count(), Math.ceil((top.value + height.value) / rowHeight()) + OVERSCAN),
  )

  function scrollTo(index: number, where: 'nearest' | 'center'): void {
    const element = scroller.value
    if (!element) return
    const y = index * rowHeight()
    const room = element.clientHeight - headHeight()
    const above = y < element.scrollTop
    const below = y + rowHeight() > element.scrollTop + room
    if (!above && !below) return
    if (where === 'center') element.scrollTop = y - room / 2
    else element.scrollTop = above ? y : y + rowHeight() - room
  }

  return { first, last, scrollTo }
}
