// SPDX-License-Identifier: Apache-2.0
// Purpose: what a finding says: which sentence, and the names and numbers in it.
import type { Finding } from '@/api/types'
import { formatShare } from '@/format/format'

export const KINDS = [
  'n_plus_one',
  'repeated_calls',
  'serial_calls',
  'fan_out',
  'rare_path',
  'missing_path',
  'dead_endpoint',
] as const satisfies readonly Finding['kind'][]

const SENTENCES = {
  n_plus_one: 'finding.saysNPlusOne',
  repeated_calls: 'finding.saysRepeated',
  serial_calls: 'finding.saysSerial',
  fan_out: 'finding.saysFanOut',
  rare_path: 'finding.saysRare',
  missing_path: 'finding.saysMissing',
  dead_endpoint: 'finding.saysDead',
} as const satisfies Record<Finding['kind'], string>
const SHARES: readonly Finding['kind'][] = ['rare_path', 'missing_path', 'serial_calls']

export interface Saying {
  sentence: (typeof SENTENCES)[Finding['kind']] | 'finding.saysOther'
  params: Record<'caller' | 'node' | 'calls' | 'value' | 'limit', string | number>
}

type Named = Finding['node']

export const nameOf = ({ id, service, name }: Named) =>
  [service, name].filter(Boolean).join(' ') || id

const round = (value: number) => Number(value.toFixed(value < 100 ? 1 : 0))

export function sayingOf({ kind, caller, node, calls, value, limit }: Finding): Saying {
  const number = SHARES.includes(kind) ? (share: number) => formatShare(share, 1) : round
  return {
    sentence: SENTENCES[kind] ?? 'finding.saysOther', // of a newer server
    params: {
      caller: caller ? nameOf(caller) : '',
      node: nameOf(node),
      calls: (calls ?? [node]).map(nameOf).join(' → '),
      value: number(value),
      limit: number(limit),
    },
  }
}

// Whether it is about a service: what it calls, or how it is called.
export function concerns(finding: Finding, service: string, namespace: string): boolean {
  return [finding.caller, finding.node].some(
    (node) => node?.service === service && (!namespace || node.namespace === namespace),
  )
}
