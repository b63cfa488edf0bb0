// SPDX-License-Identifier: Apache-2.0
// Purpose: the layout beside the page's own thread, so that the page goes on.
import { layOut, type LayoutInput } from './layout'

self.addEventListener('message', (event: MessageEvent<{ job: number; input: LayoutInput }>) => {
  const begin = performance.now()
  const layout = layOut(event.data.input)
  self.postMessage({ job: event.data.job, layout, tookMs: performance.now() - begin })
})
