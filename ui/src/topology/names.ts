// SPDX-License-Identifier: Apache-2.0
// Purpose: what nodes are called, and their icons.
import type { TopologyNode } from '@/api/types'
import type { IconName } from '@/format/icons'
import { t } from '@/i18n'

export type Kind = TopologyNode['kind']
export type NamedNode = Pick<TopologyNode, 'kind' | 'namespace' | 'service' | 'name' | 'place'>

export const isPlace = (kind: string) => kind === 'host' || kind === 'rack' || kind === 'dc'

const UNTOLD = '(unknown)' // what the server calls a callee of which the caller says nothing

// The large line of a card.
export function nodeName(node: NamedNode): string {
  if (node.kind === 'line') return node.namespace || t('services.noLine')
  if (node.kind === 'client') return node.name || t('topology.clients')
  if (node.kind === 'external' && node.name === UNTOLD) return t('topology.untold')
  if (isPlace(node.kind)) return node.name || t('topology.placeUnknown')
  return node.name || node.service || t('topology.unseen')
}

// What it belongs to, where the name does not say it.
export function nodePlace(node: NamedNode): string {
  if (node.kind === 'rack') return node.place?.dc ?? ''
  if (node.kind === 'host')
    return [node.place?.dc, node.place?.rack].filter((part) => part).join(' / ')
  return node.kind === 'service' && node.name ? node.service : ''
}

// In a sentence.
export const nodeText = (node: NamedNode) => `${nodePlace(node)} ${nodeName(node)}`.trim()

// An IPv4 or IPv6 address, with its port or without.
const ADDRESS =
  /^(\d{1,3}(\.\d{1,3}){3}(:\d+)?|\[?[0-9a-f]*:[0-9a-f:.]*:[0-9a-f.]*(%\w+)?\]?(:\d+)?)$/i

// In words. Of a callee that only an address is known of, or nothing, nobody knows that it is a service.
export function kindText({ kind, name }: NamedNode): string {
  if (kind === 'external' && (name === UNTOLD || ADDRESS.test(name))) return t('nodeKind.peer')
  return t(`nodeKind.${kind === 'service' && name ? 'endpoint' : kind}`)
}

export const kindIcon = (kind: Kind): IconName => (kind === 'service' ? 'services' : kind)
