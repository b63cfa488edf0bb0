// SPDX-License-Identifier: Apache-2.0
// Purpose: the merged call tree of an entry as rows: how deep each lies, what lies below it, and which
// are shown.
import type { EntryNode } from '@/api/types'
import { nodeId } from '@/topology/nodeId'

// The service of what is beyond the limits of a tree.
export const OTHER = '(other)'

export interface Tree {
  nodes: EntryNode[] // in the order of rows: each before what lies below it
  ids: string[] // paths
  depth: number[]
  parent: number[] // -1 of the entry
  end: number[] // the row behind all that lies below
}

export function treeOf(answer: readonly EntryNode[]): Tree {
  const known = new Set(answer.map(({ path }) => path))
  const below = new Map<string, EntryNode[]>()
  for (const node of answer) {
    const parent = known.has(node.parent) ? node.parent : ''
    if (!below.has(parent)) below.set(parent, [])
    below.get(parent)!.push(node)
  }
  const tree: Tree = { nodes: [], ids: [], depth: [], parent: [], end: [] }
  const add = (node: EntryNode, depth: number, parent: number) => {
    const row = tree.nodes.push(node) - 1
    tree.ids.push(node.path)
    tree.depth.push(depth)
    tree.parent.push(parent)
    for (const child of below.get(node.path) ?? []) add(child, depth + 1, row)
    tree.end[row] = tree.nodes.length
  }
  for (const node of below.get('') ?? []) add(node, 0, -1)
  return tree
}

export const hasBelow = (tree: Tree, row: number) => tree.end[row]! > row + 1

export function shownRows(tree: Tree, folded: (row: number) => boolean): number[] {
  const rows: number[] = []
  for (let row = 0; row < tree.nodes.length;) {
    rows.push(row)
    row = folded(row) ? tree.end[row]! : row + 1
  }
  return rows
}

export function above(tree: Tree, row: number): number[] {
  const rows: number[] = []
  for (let up = tree.parent[row]!; up >= 0; up = tree.parent[up]!) rows.push(up)
  return rows
}

// Rows of a node of the topology; that of a whole service stands for its endpoints.
export function rowsOf(tree: Tree, id: string): Set<number> {
  const rows = new Set<number>()
  if (!id) return rows
  tree.nodes.forEach((node, row) => {
    const own = nodeId(node)
    if (own === id || (node.service && nodeId({ ...node, name: '' }) === id)) rows.add(row)
  })
  return rows
}
