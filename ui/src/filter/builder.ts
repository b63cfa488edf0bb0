// SPDX-License-Identifier: Apache-2.0
// Purpose: the rows of the filter builder: conditions in words that need no knowledge of the
// language, and back.
import { fromLiteral, isRpcId, quote, toLiteral, type Condition } from './language'

export const VERBS = [
  'is',
  'isNot',
  'contains',
  'above',
  'atLeast',
  'below',
  'atMost',
  'matches',
  'matchesNot',
  'exists',
  'absent',
] as const
export type Verb = (typeof VERBS)[number]

export interface Row {
  key: string
  verb: Verb
  typed: string
}

export const EMPTY_ROW: Row = { key: 'resource.service.name', verb: 'is', typed: '' }

// Fields that most questions begin with; they have names in the reader's language.
export const COMMON_KEYS = [
  'resource.service.name',
  'name',
  'duration',
  'status',
  'kind',
  'span.http.route',
  'span.http.response.status_code',
  'resource.service.namespace',
  'rpcID',
] as const
export type CommonKey = (typeof COMMON_KEYS)[number]

// What a reader can begin with instead of an empty row.
export const EXAMPLES = {
  failing: '{ status = error && kind = server }',
  slow: '{ duration >= 500ms && kind = server }',
  http5xx: '{ span.http.response.status_code >= 500 }',
  database: '{ span.db.system.name != nil && duration >= 10ms }',
} as const

const OPS: Record<Verb, string> = {
  is: '=',
  isNot: '!=',
  contains: '=~',
  above: '>',
  atLeast: '>=',
  below: '<',
  atMost: '<=',
  matches: '=~',
  matchesNot: '!~',
  exists: '!=',
  absent: '=',
}

const EQUAL: Verb[] = ['is', 'isNot']
const ORDER: Verb[] = ['above', 'atLeast', 'below', 'atMost']
const TEXT: Verb[] = ['contains', 'matches', 'matchesNot']
const PRESENCE: Verb[] = ['exists', 'absent']

// The verbs that make sense for a field; all of them where its values are unknown.
export function verbsOf(key: string, types: readonly string[] = []): Verb[] {
  if (key === 'status' || key === 'kind') return EQUAL
  if (key === 'duration') return [...ORDER, ...EQUAL]
  if (key === 'name' || isRpcId(key)) return [...EQUAL, ...TEXT]
  const texts = types.length === 0 || types.includes('string')
  const numbers = types.length === 0 || types.some((type) => type === 'int' || type === 'double')
  return [...EQUAL, ...(texts ? TEXT : []), ...(numbers ? ORDER : []), ...PRESENCE]
}

export function needsValue(verb: Verb): boolean {
  return !PRESENCE.includes(verb)
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

// The text that a pattern looks for anywhere; null when it is any other pattern.
function containedText(literal: string): string | null {
  const match = /^\.\*(.+)\.\*$/s.exec(fromQuoted(literal) ?? '')
  if (!match) return null
  const text = match[1]!.replace(/\\(.)/gs, '$1')
  return escapePattern(text) === match[1] ? text : null
}

function fromQuoted(literal: string): string | null {
  try {
    return literal.startsWith('"') ? (JSON.parse(literal) as string) : null
  } catch {
    return null
  }
}

function verbOf({ op, value }: Condition): Verb {
  if (value === 'nil') return op === '=' ? 'absent' : 'exists'
  if (op === '=~') return containedText(value) === null ? 'matches' : 'contains'
  return VERBS.find((verb) => OPS[verb] === op)!
}

export function rowOf(condition: Condition): Row {
  const verb = verbOf(condition)
  const { key, value } = condition
  if (!needsValue(verb)) return { key, verb, typed: '' }
  if (verb === 'contains') return { key, verb, typed: containedText(value)! }
  if (verb === 'matches' || verb === 'matchesNot' || isRpcId(key))
    return { key, verb, typed: fromQuoted(value) ?? value }
  return { key, verb, typed: fromLiteral(value) }
}

// null while the row is not finished.
export function conditionOf(row: Row, types: readonly string[] = []): Condition | null {
  const key = row.key.trim()
  const op = OPS[row.verb]
  if (!key) return null
  if (!needsValue(row.verb)) return { key, op, value: 'nil' }
  if (row.typed === '') return null
  if (row.verb === 'contains') return { key, op, value: quote(`.*${escapePattern(row.typed)}.*`) }
  if (row.verb === 'matches' || row.verb === 'matchesNot')
    return { key, op, value: quote(row.typed) }
  return { key, op, value: toLiteral(key, row.typed, types) }
}
