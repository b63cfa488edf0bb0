// SPDX-License-Identifier: Apache-2.0
// Purpose: what the reader chose of the topology: level, focus, depth, problems, view, node. All of it
// lives in the URL, so that a link shows the same and Back undoes.
import { computed, shallowRef, watchEffect } from 'vue'
import { useRoute, useRouter, type LocationQueryRaw } from 'vue-router'
import * as api from '@/api/sonde'
import type { Topology } from '@/api/types'
import { useQueryParam } from '@/state/urlState'
import { around, edgeKey, focusAt, graphOf, problems, type Graph } from './graph'
import { nodeName, nodePlace } from './names'
import { NOTHING, type Found } from './scene'

export const MODES = ['map', 'nodes', 'edges'] as const
const ALL_LEVELS = [...api.LEVELS, ...api.PLACE_LEVELS]
export type Mode = (typeof MODES)[number]
export const DEPTHS = ['1', '2', '3'] as const

// Of hosts and racks most have no calls between them that are known: they are shown as cards.
export const hasMap = (level: string) => level !== 'host' && level !== 'rack'

export function useTopologyChoices() {
  const level = useQueryParam('level', 'service', 'push')
  const focus = useQueryParam('focus', '', 'push')
  const depth = useQueryParam('depth', '1', 'push')
  const only = useQueryParam('problems', '', 'push')
  const mode = useQueryParam('view', 'map', 'push')
  return {
    level: computed(() => ALL_LEVELS.find((name) => name === level.value) ?? 'service'),
    focus,
    depth: computed(() => DEPTHS.find((name) => name === depth.value) ?? '1'),
    problems: computed(() => only.value === '1'),
    mode: computed<Mode>(() => MODES.find((name) => name === mode.value) ?? 'map'),
    text: useQueryParam('text'),
    node: useQueryParam('node'),
    edge: useQueryParam('edge'),
  }
}

type Choices = ReturnType<typeof useTopologyChoices>

export function useTopologyView(choices: Choices, answer: () => Topology | null) {
  const route = useRoute()
  const router = useRouter()
  const { focus, depth, text, node, edge } = choices
  const whole = shallowRef<Graph | null>(null)
  watchEffect(() => {
    const data = answer()
    whole.value = data && graphOf(data, Date.now())
  })
  const near = computed(() =>
    whole.value && focus.value
      ? around(whole.value, focus.value, Number(depth.value))
      : whole.value,
  )
  const shown = computed(() =>
    near.value && choices.problems.value ? problems(near.value) : near.value,
  )
  const chosen = computed<Found>(() => {
    if (!shown.value) return NOTHING
    if (node.value)
      return { node: shown.value.nodes.findIndex(({ id }) => id === node.value), edge: -1 }
    if (!edge.value) return NOTHING
    return { node: -1, edge: shown.value.edges.findIndex((made) => edgeKey(made) === edge.value) }
  })
  const matches = computed(() => {
    const low = text.value.toLowerCase()
    if (!low || !shown.value) return null
    return Uint8Array.from(shown.value.nodes, (made) =>
      `${nodePlace(made)} ${nodeName(made)}`.toLowerCase().includes(low) ? 1 : 0,
    )
  })

  // All that changes together is one step.
  function go(change: LocationQueryRaw, step: 'push' | 'replace' = 'push'): void {
    void router[step]({ query: { ...route.query, ...change } })
  }

  function choose(found: Found): void {
    const picked = shown.value?.edges[found.edge]
    const next = {
      node: shown.value?.nodes[found.node]?.id,
      edge: picked ? edgeKey(picked) : undefined,
    }
    if (next.node !== (node.value || undefined) || next.edge !== (edge.value || undefined))
      go(next, 'replace')
  }

  return {
    ...choices,
    whole,
    around: near,
    shown,
    chosen,
    matches,
    choose,
    focusName: computed(() => {
      const found = whole.value?.nodes.find(({ id }) => id === focus.value)
      return found ? nodeName(found) : focus.value.split('/').slice(1).filter(Boolean).join('/')
    }),
    focusOn: (at: number) => go({ focus: shown.value?.nodes[at]?.id }),
    unfocus: () => go({ focus: undefined, depth: undefined }),
    showAll: () => go({ focus: undefined, depth: undefined, problems: undefined, text: undefined }),
    setLevel: (next: api.Level) => {
      const same = focus.value ? (focusAt(focus.value, next) ?? undefined) : undefined
      const at = next === 'service' ? undefined : next
      go({ level: at, focus: same, node: undefined, edge: undefined })
    },
    setDepth: (next: string) => go({ depth: next === '1' ? undefined : next }),
    setMode: (next: Mode) => go({ view: next === 'map' ? undefined : next, sort: undefined }),
    toggleProblems: () => go({ problems: choices.problems.value ? undefined : '1' }),
  }
}

export type TopologyView = ReturnType<typeof useTopologyView>
