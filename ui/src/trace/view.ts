// SPDX-License-Identifier: Apache-2.0
// Purpose: what the reader has chosen on a trace page: selection, folding, filters, time window.
// It lives in the URL, written a moment after the last change so that holding a key down is cheap.
import { computed, ref, shallowRef, watch, type Ref } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { formatFold, isFolded, OPEN, parseFold, setFolded, type FoldState } from '@/tree/folding'
import * as m from './model'
import { clampWindow, formatWindow, parseWindow, type Window } from './window'

const URL_DELAY_MS = 250

// Deeper rows stand below one another; the RpcId says the rest.
export const INDENT_LEVELS_MAX = 24

function useChoices(model: m.TraceModel) {
  const { query } = useRoute()
  const start = (name: string) => (typeof query[name] === 'string' ? (query[name] as string) : '')
  const span = start('span')
  return {
    selected: ref(span ? model.outline.spans.id.indexOf(span) : -1),
    fold: shallowRef<FoldState>(parseFold(start('fold'), model.outline.spans.id)),
    text: ref(start('text')),
    services: shallowRef<ReadonlySet<string>>(new Set(start('svc').split('~').filter(Boolean))),
    critical: ref(start('cp') === '1'),
    join: ref(start('join') !== '0'),
    window: shallowRef<Window | null>(parseWindow(start('w'), model.outline.duration_ns)),
  }
}

type Choices = ReturnType<typeof useChoices>

function useUrl(model: m.TraceModel, choices: Choices): void {
  const route = useRoute()
  const router = useRouter()
  const path = route.path
  const wanted = computed(() => ({
    span: model.outline.spans.id[choices.selected.value],
    fold: formatFold(choices.fold.value, model.outline.spans.id) || undefined,
    text: choices.text.value || undefined,
    svc: [...choices.services.value].join('~') || undefined,
    cp: choices.critical.value ? '1' : undefined,
    join: choices.join.value ? undefined : '0',
    w: choices.window.value ? formatWindow(choices.window.value) : undefined,
  }))
  let timer: ReturnType<typeof setTimeout> | undefined
  watch(wanted, (next) => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      if (route.path === path) void router.replace({ query: { ...route.query, ...next } })
    }, URL_DELAY_MS)
  })
}

function useRows(model: m.TraceModel, choices: Choices) {
  const match = computed(() => m.matchRows(model, choices.text.value, choices.services.value))
  const keep = computed(() => match.value && m.withAncestors(model, match.value))
  const matches = computed(() => match.value?.reduce((sum, hit) => sum + hit, 0) ?? null)
  const rows = computed(() => {
    const state = choices.fold.value
    const folding = { folded: (row: number) => isFolded(state, row) }
    return m.visibleRows(model, folding, choices.join.value, keep.value)
  })
  const errors = computed(() => m.errorOrder(model, choices.join.value))
  const indent = computed(() => m.indents(model, choices.join.value))
  return { keep, matches, rows, errors, indent }
}

function useFoldActions(model: m.TraceModel, choices: Choices) {
  const { fold, selected, join } = choices
  const shown = (row: number) => m.displayRow(model, row, join.value)
  const toggle = (row: number) =>
    (fold.value = setFolded(fold.value, [row], !isFolded(fold.value, row)))
  const set = (row: number, folded: boolean) => (fold.value = setFolded(fold.value, [row], folded))
  const all = (folded: boolean) =>
    (fold.value = folded ? { all: true, except: new Set(rootRows(model)) } : OPEN)
  // Selects a span and opens what hides it.
  const reveal = (row: number) => {
    const hiding = m.ancestors(model, row).filter((up) => isFolded(fold.value, up))
    if (hiding.length) fold.value = setFolded(fold.value, hiding, false)
    selected.value = row
  }
  return { shown, toggle, set, all, reveal }
}

function rootRows(model: m.TraceModel): number[] {
  const list: number[] = []
  for (let row = 0; row < model.count; row = model.end[row]!) list.push(row)
  return list
}

export function useTraceView(model: m.TraceModel) {
  const choices = useChoices(model)
  useUrl(model, choices)
  const whole = clampWindow({ from: 0, to: model.outline.duration_ns }, model.outline.duration_ns)
  const shownWindow = computed(() => choices.window.value ?? whole)
  const setWindow = (next: Window | null) => {
    const cut = next && clampWindow(next, model.outline.duration_ns)
    choices.window.value = cut && cut.to - cut.from < whole.to ? cut : null
  }
  return {
    model,
    ...choices,
    ...useRows(model, choices),
    ...useFoldActions(model, choices),
    shownWindow: shownWindow as Ref<Window>,
    setWindow,
  }
}

export type TraceView = ReturnType<typeof useTraceView>
