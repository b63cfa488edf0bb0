// SPDX-License-Identifier: Apache-2.0
// Purpose: page state that lives in the URL, while pages are left.
import { createApp, effectScope, nextTick, type Ref } from 'vue'
import { createMemoryHistory, createRouter } from 'vue-router'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { useLateQueryParam } from '@/state/urlState'

const page = { template: '' }

async function pageOf(arrives: Promise<void>) {
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [
      { path: '/here', name: 'here', component: page },
      { path: '/there', name: 'there', component: () => arrives.then(() => page) },
    ],
  })
  const app = createApp(page)
  app.use(router)
  await router.push('/here')
  let at!: Ref<string>
  const scope = effectScope()
  app.runWithContext(() => scope.run(() => (at = useLateQueryParam('at'))))
  return { router, at, scope }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('a parameter that is written late', () => {
  it('follows the last change', async () => {
    const { router, at } = await pageOf(Promise.resolve())
    at.value = 'a'
    await nextTick()
    at.value = 'b'
    await nextTick()
    expect(router.currentRoute.value.query).toEqual({})
    await vi.advanceTimersByTimeAsync(300)
    expect(router.currentRoute.value.query).toEqual({ at: 'b' })
  })

  it('does not stop the reader from leaving while the next page is on its way', async () => {
    let arrive!: () => void
    const { router, at, scope } = await pageOf(new Promise((resolve) => (arrive = resolve)))
    at.value = 'a'
    await nextTick()
    const left = router.push('/there')
    await vi.advanceTimersByTimeAsync(300)
    arrive()
    expect(await left).toBeUndefined() // no failure
    expect(router.currentRoute.value.fullPath).toBe('/there')
    scope.stop()
  })
})
