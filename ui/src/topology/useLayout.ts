// SPDX-License-Identifier: Apache-2.0
// Purpose: the layout of the graph that is shown, from a worker. A graph of the same shape (a refresh
// that brings new numbers) keeps its layout, so that nothing jumps.
import { onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import type { Graph } from './graph'
import type { Layout } from './layout'
import { cardHeightOf } from './scene'

export interface Placed {
  graph: Graph
  layout: Layout
}

interface Answer {
  job: number
  layout: Layout
  tookMs: number
}

function sameShape(a: Graph, b: Graph): boolean {
  return (
    a.nodes.length === b.nodes.length &&
    a.edges.length === b.edges.length &&
    a.nodes.every((node, at) => node.id === b.nodes[at]!.id) &&
    a.from.every((node, edge) => node === b.from[edge] && a.to[edge] === b.to[edge])
  )
}

export function useLayout(graph: Ref<Graph | null>) {
  const placed = shallowRef<Placed | null>(null)
  const tookMs = ref(0)
  const failed = ref(false)
  const worker = new Worker(new URL('./layout.worker.ts', import.meta.url), { type: 'module' })
  let job = 0
  let asked: Graph | null = null

  worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
    if (data.job !== job || !asked) return // the reader has gone on
    tookMs.value = data.tookMs
    placed.value = { graph: asked, layout: data.layout }
  })
  worker.addEventListener('error', () => (failed.value = true))

  watch(
    graph,
    (next) => {
      job++
      asked = next
      if (!next) placed.value = null
      else if (placed.value && sameShape(placed.value.graph, next))
        placed.value = { graph: next, layout: placed.value.layout }
      else {
        const input = {
          count: next.nodes.length,
          cardHeight: cardHeightOf(next),
          from: next.from,
          to: next.to,
        }
        worker.postMessage({ job, input })
      }
    },
    { immediate: true },
  )
  onScopeDispose(() => worker.terminate())
  return { placed, tookMs, failed }
}
