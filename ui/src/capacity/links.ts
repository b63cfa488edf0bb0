// SPDX-License-Identifier: Apache-2.0
// Purpose: the address of the tree of an entry.
import type { NamedNode } from '@/topology/names'
import { useLink } from '@/state/timeRange'

// `node` is the ID of a node that is marked in the tree.
export function useEntryLink() {
  const link = useLink()
  return ({ service, name, namespace }: NamedNode, node?: string) =>
    link('entry', { service, endpoint: name }, { ns: namespace || undefined, node })
}
