// SPDX-License-Identifier: Apache-2.0
// Purpose: the typed message catalogue. English is the source; a translation that lacks a key does
// not compile, and a message's parameters are known from its text.
import { ref, watch } from 'vue'
import { formatCount } from '@/format/format'
import { locale, type Locale } from '@/state/preferences'
import { en } from './en'
import { render, type Message } from './render'

export type MessageKey = keyof typeof en
export type Catalogue = Record<MessageKey, Message>

type Text<M> = M extends { other: infer O } ? O : M
type ParamsOf<S> = S extends `${string}{${infer P}}${infer Rest}` ? P | ParamsOf<Rest> : never
type ParamNames<K extends MessageKey> = ParamsOf<Text<(typeof en)[K]>>
// Messages without parameters, for tables of labels.
export type PlainKey = {
  [K in MessageKey]: [ParamNames<K>] extends [never] ? K : never
}[MessageKey]

type Args<K extends MessageKey> = [ParamNames<K>] extends [never]
  ? []
  : [params: Record<ParamNames<K>, string | number>]

const catalogue = ref<Catalogue>(en)

async function load(next: Locale): Promise<void> {
  catalogue.value = next === 'en' ? en : (await import('./zh-CN')).zhCN
  document.documentElement.lang = next
}

export async function startI18n(): Promise<void> {
  watch(locale, (next) => void load(next))
  await load(locale.value)
}

export function t<K extends MessageKey>(key: K, ...args: Args<K>): string {
  return render(
    catalogue.value[key],
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
