// SPDX-License-Identifier: Apache-2.0
// Purpose: Back and Forward show a page where the reader left it. The document does not scroll,
// <main> does, so the browser cannot do it; and lists are shorter at first than they will be.
import { nextTick } from 'vue'
import type { Router } from 'vue-router'

const KEPT_MAX = 100
const WAIT_MS = 10_000 // for the content; nobody waits longer to be scrolled
const SETTLE_MS = 2000 // for what stands above it

// The entry of the history that is shown; the router numbers them.
function position(): number {
  return Number((history.state as { position?: number } | null)?.position ?? 0)
}

// Scrolls as soon as there is enough to scroll, and keeps that place while the panels above come in,
// unless the reader moves first.
function scrollWhenThere(main: HTMLElement, top: number): () => void {
  const gestures = ['wheel', 'keydown', 'pointerdown'] as const
  const stop = () => {
    watcher.disconnect()
    clearTimeout(timer)
    main.style.overflowAnchor = ''
    for (const gesture of gestures) removeEventListener(gesture, stop)
  }
  const attempt = () => {
    if (main.scrollHeight - main.clientHeight < top) return
    main.scrollTop = top
    watcher.disconnect()
    clearTimeout(timer)
    timer = setTimeout(stop, SETTLE_MS)
  }
  const watcher = new MutationObserver(attempt)
  let timer = setTimeout(stop, WAIT_MS)
  main.style.overflowAnchor = 'none' // what comes in above is in its place already
  watcher.observe(main, { childList: true, subtree: true })
  for (const gesture of gestures) addEventListener(gesture, stop, { passive: true })
  attempt()
  return stop
}

export function rememberScroll(router: Router, find: () => HTMLElement | null): void {
  const tops = new Map<number, number>()
  let shown = position()
  let popped = false
  let stop = () => {}

  router.options.history.listen(() => (popped = true))
  router.beforeEach(() => {
    // By now the history may be at the next entry: `shown` is the one that is left.
    tops.set(shown, find()?.scrollTop ?? 0)
    if (tops.size > KEPT_MAX) tops.delete(tops.keys().next().value!)
  })
  router.afterEach((to, from) => {
    const top = popped ? tops.get(position()) : undefined
    const moved = popped || to.path !== from.path
    popped = false
    shown = position()
    if (!moved) return
    stop()
    void nextTick(() => {
      const main = find()
      if (!main) return
      main.scrollTop = 0
      if (top) stop = scrollWhenThere(main, top)
    })
  })
}
