// SPDX-License-Identifier: Apache-2.0
// Purpose: the IDs of nodes, as query/node.h makes them: KIND/LINE/SERVICE/NAME with what a node has of
// service and name.

export interface NodeParts {
  kind: string
  namespace: string
  service: string
  name: string
}

const part = (text: string) => text.replace(/%/g, '%25').replace(/\//g, '%2F')

export function nodeId({ kind, namespace, service, name }: NodeParts): string {
  const more = [...(service ? [part(service)] : []), ...(name ? [name] : [])]
  return [kind, part(namespace), ...more].join('/')
}

const text = (of: string) => of.replace(/%2F/g, '/').replace(/%25/g, '%')

// The parts of an ID; only a service's has one of `service`.
export function partsOf(id: string): NodeParts {
  const [kind = '', line = '', ...rest] = id.split('/')
  const service = kind === 'service' ? text(rest.shift() ?? '') : ''
  return { kind, namespace: text(line), service, name: rest.join('/') }
}
