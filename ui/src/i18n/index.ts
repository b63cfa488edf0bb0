// SPDX-License-Identifier: Apache-2.0
// Purpose: the typed message catalogue. English is the source; a translation that lacks a key does
// not compile, and a message's parameters are known from its text. Messages that few pages need come
// with those pages.
import { ref, watch } from 'vue'
import { formatCount, unitLanguage } from '@/format/format'
import { locale, type Locale } from '@/state/preferences'
import { en } from './en'
import type { enAdmin } from './pages/en.admin'
import type { enAlerts } from './pages/en.alerts'
import type { enCapacity } from './pages/en.capacity'
import type { enMetrics } from './pages/en.metrics'
import type { enStores } from './pages/en.stores'
import type { enTopology } from './pages/en.topology'
import { render, type Message } from './render'

// What comes later, by its part.
const PARTS = {
  admin: {
    en: async () => (await import('./pages/en.admin')).enAdmin,
    'zh-CN': async () => (await import('./pages/zh-CN.admin')).zhAdmin,
  },
  alerts: {
    en: async () => (await import('./pages/en.alerts')).enAlerts,
    'zh-CN': async () => (await import('./pages/zh-CN.alerts')).zhAlerts,
  },
  capacity: {
    en: async () => (await import('./pages/en.capacity')).enCapacity,
    'zh-CN': async () => (await import('./pages/zh-CN.capacity')).zhCapacity,
  },
  metrics: {
    en: async () => (await import('./pages/en.metrics')).enMetrics,
    'zh-CN': async () => (await import('./pages/zh-CN.metrics')).zhMetrics,
  },
  stores: {
    en: async () => (await import('./pages/en.stores')).enStores,
    'zh-CN': async () => (await import('./pages/zh-CN.stores')).zhStores,
  },
  topology: {
    en: async () => (await import('./pages/en.topology')).enTopology,
    'zh-CN': async () => (await import('./pages/zh-CN.topology')).zhTopology,
  },
}
type Part = keyof typeof PARTS

type Source = typeof en &
  typeof enAdmin &
  typeof enAlerts &
  typeof enCapacity &
  typeof enMetrics &
  typeof enStores &
  typeof enTopology
export type MessageKey = keyof Source
export type Catalogue = Record<keyof typeof en, Message>

type Text<M> = M extends { other: infer O } ? O : M
type ParamsOf<S> = S extends `${string}{${infer P}}${infer Rest}` ? P | ParamsOf<Rest> : never
type ParamNames<K extends MessageKey> = ParamsOf<Text<Source[K]>>
// Messages without parameters, for tables of labels.
export type PlainKey = {
  [K in MessageKey]: [ParamNames<K>] extends [never] ? K : never
}[MessageKey]

type Args<K extends MessageKey> = [ParamNames<K>] extends [never]
  ? []
  : [params: Record<ParamNames<K>, string | number>]

const catalogue = ref<Partial<Record<MessageKey, Message>>>(en)
const needed = new Set<Part>()
let loading = Promise.resolve()

async function load(next: Locale): Promise<void> {
  const whole = next === 'en' ? en : (await import('./zh-CN')).zhCN
  const parts = await Promise.all([...needed].map((part) => PARTS[part][next]()))
  if (next !== locale.value) return // chosen meanwhile: another load is on its way
  catalogue.value = Object.assign({}, whole, ...parts) as typeof catalogue.value
  unitLanguage.value = next
  document.documentElement.lang = next
}

export async function startI18n(): Promise<void> {
  watch(locale, (next) => (loading = load(next)))
  await (loading = load(locale.value))
}

// Loads what comes later together with what needs it.
export function withMessages<T>(part: Part, component: () => Promise<T>): () => Promise<T> {
  return async () => {
    if (!needed.has(part)) {
      needed.add(part)
      loading = load(locale.value)
    }
    try {
      const [made] = await Promise.all([component(), settled()])
      return made
    } catch (failure) {
      needed.delete(part) // asked for again with the next try
      loading = Promise.resolve()
      throw failure
    }
  }
}

// Until no load is on its way any more.
async function settled(): Promise<void> {
  for (let last; last !== loading;) await (last = loading)
}

export function t<K extends MessageKey>(key: K, ...args: Args<K>): string {
  return render(
    catalogue.value[key] ?? key,
    (args[0] ?? {}) as Record<string, string | number>,
    locale.value,
  )
}

// For keys put together from data (reasons, states): the data itself where no message is known.
export function tData(prefix: string, value: string): string {
  const message = catalogue.value[`${prefix}.${value}` as MessageKey]
  return message === undefined ? value : render(message, {}, locale.value)
}

export function n(value: number): string {
  return formatCount(value, locale.value)
}
