// SPDX-License-Identifier: Apache-2.0
// Purpose: the boards of stores: their places in the URL, what they are compared with, and what stands out
// in their rows.
import { STATEMENT_ORDERS, type StatementOrder } from '@/api/sonde'
import type { StoreNode, StoreStatement } from '@/api/types'
import type { IconName } from '@/format/icons'
import type { NamedNode } from '@/topology/names'
import { changeText } from '@/red/series'

export const BOARDS = {
  db: { kind: 'db', icon: 'database', label: 'stores.db' },
  redis: { kind: 'cache', icon: 'cache', label: 'stores.redis' },
  rpc: { kind: 'rpc', icon: 'services', label: 'stores.rpc' },
  mq: { kind: 'mq', icon: 'queue', label: 'stores.mq' },
} as const satisfies Record<string, { kind: StoreNode['board']; icon: IconName; label: string }>
export type Board = keyof typeof BOARDS

// The board of a node of the topology; null for what is no store. RPC has none of its own: what is
// called by it is called in other ways too.
export function boardOf(node: Pick<NamedNode, 'kind'>): Board | null {
  if (node.kind === 'database') return 'db'
  if (node.kind === 'cache') return 'redis'
  return node.kind === 'queue' ? 'mq' : null
}

export const COMPARES = { hour: '1h', day: '1d', week: '7d' } as const
export type Compare = keyof typeof COMPARES
export const readCompare = (text: string): Compare | '' =>
  Object.hasOwn(COMPARES, text) ? (text as Compare) : ''

// As a heading sorts: always the most first.
export function readOrder(text: string): StatementOrder {
  const order = text.replace(/^-/, '') as StatementOrder
  return STATEMENT_ORDERS.includes(order) ? order : 'total'
}

// How many statements are asked for; more only where the reader wants them.
export const FEW = 100
export const MANY = 1000
export const readLimit = (text: string) => (text === String(MANY) ? MANY : FEW)

// What has become of a number: "+20%", "+7" where there was none before; null where it is the same.
export function differenceText(
  now: number,
  before: number,
  format: (value: number) => string,
): string | null {
  if (before > 0) return changeText(now, before)
  return now > 0 ? `+${format(now)}` : null
}

export const isNew = ({ before }: Pick<StoreStatement, 'before'>) =>
  before !== undefined && before.calls === 0

const N_PLUS_ONE_CALLS = 5 // as in query/findings.h

// Whether most chains that have it have it again and again.
export const isRepeated = ({
  chains,
  repeated_chains: repeated,
  calls_per_chain: each,
}: StoreStatement) => repeated * 2 > chains && each >= N_PLUS_ONE_CALLS

// A short name of a statement for URLs: FNV-1a of its store and text.
export function statementKey({ node, statement }: StoreStatement): string {
  let hash = 0x811c9dc5
  for (const unit of `${node.id}\n${statement}`)
    hash = Math.imul(hash ^ unit.codePointAt(0)!, 0x01000193) >>> 0
  return hash.toString(36)
}

// The statements of an earlier range that are not in this one.
export function goneOf(now: StoreStatement[], before: StoreStatement[]): StoreStatement[] {
  const here = new Set(now.map((row) => `${row.node.id}\n${row.statement}`))
  return before.filter((row) => !here.has(`${row.node.id}\n${row.statement}`))
}
