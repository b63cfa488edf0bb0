// SPDX-License-Identifier: Apache-2.0
// Purpose: the main pages, in their order: the rail, the shortcuts and their help are made of these.
import type { IconName } from '@/format/icons'
import type { PlainKey } from '@/i18n'

export interface MainPage {
  name: string // of its route
  key: string // behind "g"
  icon: IconName
  label: PlainKey
  covers: readonly string[] // routes that are below it
}

const page = (
  name: string,
  key: string,
  icon: IconName,
  label: PlainKey,
  ...below: string[]
): MainPage => ({ name, key: `g ${key}`, icon, label, covers: [name, ...below] })

export const PAGES: readonly MainPage[] = [
  page('overview', 'o', 'overview', 'nav.overview'),
  page('incidents', 'i', 'bell', 'nav.incidents', 'incident', 'alerts'),
  page('topology', 'm', 'topology', 'nav.topology'),
  page('services', 's', 'services', 'nav.services', 'service'),
  page('traces', 't', 'traces', 'nav.traces', 'trace'),
  page('capacity', 'c', 'capacity', 'nav.capacity', 'entry'),
  page('findings', 'f', 'finding', 'findings.title'),
  page('stores', 'd', 'database', 'nav.stores'),
  page('metrics', 'x', 'metrics', 'nav.metrics', 'metric'),
  page('admin', 'a', 'admin', 'nav.admin'),
]
