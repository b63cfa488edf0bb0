// SPDX-License-Identifier: Apache-2.0
// Purpose: the reader's own choices. They live in this browser and never in a URL, so that a shared
// link changes nobody's preferences.
import { computed, ref, watch } from 'vue'
import type { ZoneName } from '@/time/zone'
import { narrow } from './viewport'

export type Theme = 'system' | 'dark' | 'light'
export type Density = 'dense' | 'comfortable'
export type Locale = 'en' | 'zh-CN'

function stored<T extends string>(name: string, allowed: readonly T[], fallback: T) {
  const key = `sonde.${name}`
  const saved = localStorage.getItem(key) as T | null
  const value = ref<T>(saved && allowed.includes(saved) ? saved : fallback)
  watch(value, (next) => localStorage.setItem(key, next as T))
  return value
}

const browserLocale: Locale = navigator.language.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en'

export const theme = stored<Theme>('theme', ['system', 'dark', 'light'], 'system')
export const density = stored<Density>('density', ['dense', 'comfortable'], 'dense')
export const locale = stored<Locale>('locale', ['en', 'zh-CN'], browserLocale)
export const rpcColumn = stored<'shown' | 'hidden'>('rpc', ['shown', 'hidden'], 'shown')
export const zoneName = stored<ZoneName>('zone', ['browser', 'utc', 'server'], 'browser')

const systemDark = matchMedia('(prefers-color-scheme: dark)')
const systemIsDark = ref(systemDark.matches)
systemDark.addEventListener('change', (event) => (systemIsDark.value = event.matches))

export const themeInForce = computed(() =>
  theme.value === 'system' ? (systemIsDark.value ? 'dark' : 'light') : theme.value,
)

// --size-span-row: of a narrow screen, two lines of text.
export const spanRowHeight = computed(() =>
  narrow.value ? 38 : density.value === 'comfortable' ? 30 : 22,
)

// Writes the choices to <html>, where the style sheets read them.
export function applyPreferences(): void {
  watch(themeInForce, (value) => (document.documentElement.dataset.theme = value), {
    immediate: true,
  })
  watch(density, (value) => (document.documentElement.dataset.density = value), {
    immediate: true,
  })
}
