// SPDX-License-Identifier: Apache-2.0
// Purpose: the filters for the spans of a node of the topology.
import { quote, type Condition } from './language'
import { serviceFilter } from './service'
import type { NamedNode } from '@/topology/names'

const status: Condition = { key: 'status', op: '=', value: 'error' }

// "postgresql/shop@host:5432" taken apart; a part that is not there is empty.
export function peerParts(name: string): { system: string; inner: string; host: string } {
  const at = name.lastIndexOf('@')
  const what = at < 0 ? name : name.slice(0, at)
  const slash = what.indexOf('/')
  return {
    system: slash < 0 ? what : what.slice(0, slash),
    inner: slash < 0 ? '' : what.slice(slash + 1),
    host: at < 0 ? '' : name.slice(at + 1).replace(/:\d+$/, ''),
  }
}

const either = (keys: string[], value: string) =>
  keys.length === 1
    ? `span.${keys[0]} = ${quote(value)}`
    : `(${keys.map((key) => `span.${key} = ${quote(value)}`).join(' || ')})`

// What holds of the spans of those who call what sends no spans, by the attributes that its name comes
// from; null where no attributes tell them apart.
export function peerConditions(node: NamedNode): string[] | null {
  const { system, inner, host } = peerParts(node.name)
  const parts: string[] = []
  if (node.kind === 'queue') {
    parts.push(either(['messaging.system'], system))
    if (inner) parts.push(either(['messaging.destination.name'], inner))
  } else if (node.kind === 'database' || node.kind === 'cache') {
    parts.push(either(['db.system.name', 'db.system'], system))
    if (inner) parts.push(either(['db.namespace', 'db.name'], inner))
    if (host) parts.push(either(['server.address', 'net.peer.name'], host))
  } else if (node.kind === 'external' && node.name && !node.name.startsWith('(')) {
    const address = node.name.replace(/:\d+$/, '')
    parts.push(
      `(span.peer.service = ${quote(node.name)} || span.server.address = ${quote(address)} || span.net.peer.name = ${quote(address)})`,
    )
  } else return null
  return parts
}

const RESOURCES: Partial<Record<NamedNode['kind'], string[]>> = {
  host: ['host.name', 'host.id'],
  rack: ['host.rack'],
  dc: ['cloud.availability_zone', 'cloud.region'],
}

// What holds of the spans of instances at a place; null where it is none, or not told.
function placeConditions({ kind, name }: NamedNode): string[] | null {
  const keys = RESOURCES[kind]
  if (!keys || !name) return null
  const any = keys.map((key) => `resource.${key} = ${quote(name)}`).join(' || ')
  return [keys.length > 1 ? `(${any})` : any]
}

// The filter for the spans of a node; null where no filter tells them apart.
export function nodeFilter(node: NamedNode, failed = false): string | null {
  const more = failed ? [status] : []
  if (node.kind === 'service') {
    if (!node.service) return null
    const name: Condition[] = node.name ? [{ key: 'name', op: '=', value: quote(node.name) }] : []
    return serviceFilter(node.service, node.namespace, ...name, ...more)
  }
  if (node.kind === 'line') {
    const line = node.namespace ? quote(node.namespace) : 'nil'
    const conditions = [`resource.service.namespace = ${line}`]
    return `{ ${[...conditions, ...(failed ? ['status = error'] : [])].join(' && ')} }`
  }
  const conditions = placeConditions(node) ?? peerConditions(node)
  return conditions && `{ ${[...conditions, ...(failed ? ['status = error'] : [])].join(' && ')} }`
}
