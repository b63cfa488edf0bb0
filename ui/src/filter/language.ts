// SPDX-License-Identifier: Apache-2.0
// Purpose: the part of the filter language that the builder understands: conditions joined by &&.
// The server alone decides what is well formed; this only reads and writes plain filters.

export interface Condition {
  key: string // "duration", "span.http.route", "resource.service.name"
  op: string
  value: string // as the language writes it: "text" in quotes, or a bare number, duration, keyword
}

export const OPERATORS = ['=', '!=', '>', '>=', '<', '<=', '=~', '!~'] as const
export const INTRINSICS = ['name', 'duration', 'status', 'kind', 'rpcID'] as const

// Whether a field is the RpcId: a text that looks like a number.
export function isRpcId(key: string): boolean {
  return key === 'rpcID' || key === 'span:rpcID'
}

export function quote(text: string): string {
  return JSON.stringify(text)
}

// A filter without its braces, as people type it, gets them; whoever does this says so.
export function braced(text: string): string {
  const typed = text.trim()
  return typed === '' || typed.startsWith('{') ? typed : `{ ${typed} }`
}

const TOKEN = /\s*(?:("(?:\\.|[^"\\])*")|(=~|!~|!=|>=|<=|&&|[=<>{}])|([^\s(){}=!<>~&|"`]+))/y

interface Token {
  kind: 'text' | 'mark' | 'word'
  text: string
}

function tokens(source: string): Token[] | null {
  const list: Token[] = []
  const trimmed = source.trimEnd()
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < trimmed.length) {
    const match = TOKEN.exec(trimmed)
    if (!match) return null
    if (match[1] !== undefined) list.push({ kind: 'text', text: match[1] })
    else if (match[2] !== undefined) list.push({ kind: 'mark', text: match[2] })
    else list.push({ kind: 'word', text: match[3]! })
  }
  return list
}

// The conditions of a plain filter; null when it is anything more.
export function parseConditions(source: string): Condition[] | null {
  if (!source.trim()) return []
  const list = tokens(source)
  if (!list || list[0]?.text !== '{' || list.at(-1)?.text !== '}') return null
  const inner = list.slice(1, -1)
  const conditions: Condition[] = []
  for (let at = 0; at < inner.length;) {
    if (conditions.length > 0 && inner[at++]?.text !== '&&') return null
    let key = inner[at++]
    if (key?.kind !== 'word') return null
    if (key.text.endsWith('.') && inner[at]?.kind === 'text')
      key = { kind: 'word', text: key.text + inner[at++]!.text }
    const op = inner[at++]
    const value = inner[at++]
    if (!op || !(OPERATORS as readonly string[]).includes(op.text)) return null
    if (!value || value.kind === 'mark') return null
    conditions.push({ key: key.text, op: op.text, value: value.text })
  }
  return conditions
}

export function writeConditions(conditions: Condition[]): string {
  if (conditions.length === 0) return ''
  return `{ ${conditions.map((c) => `${c.key} ${c.op} ${c.value}`).join(' && ')} }`
}

// The name of an attribute in the language; odd names need quotes.
export function attributeKey(scope: 'span' | 'resource', key: string): string {
  return /^[\w./-]+$/.test(key) ? `${scope}.${key}` : `${scope}.${quote(key)}`
}

// And back: null for intrinsics.
export function splitKey(key: string): { scope: 'span' | 'resource'; name: string } | null {
  const match = /^(span|resource)\.(.+)$/.exec(key)
  if (!match) return null
  const name = match[2]!.startsWith('"') ? (JSON.parse(match[2]!) as string) : match[2]!
  return { scope: match[1] as 'span' | 'resource', name }
}

const BARE = /^(-?\d+(\.\d+)?(e[+-]?\d+)?|true|false|nil)$/i
const DURATION = /^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/

// What was typed as the language writes it. Quotes force a text.
export function toLiteral(key: string, typed: string, types: readonly string[] = []): string {
  const text = typed.trim()
  if (/^"(?:\\.|[^"\\])*"$/.test(text)) return text
  if (key === 'status' || key === 'kind') return text
  if (key === 'duration') return DURATION.test(text) || BARE.test(text) ? text : quote(text)
  const textOnly =
    key === 'name' || isRpcId(key) || (types.length > 0 && types.every((type) => type === 'string'))
  return !textOnly && (BARE.test(text) || DURATION.test(text)) ? text : quote(typed)
}

// A literal as a person would type it.
export function fromLiteral(literal: string): string {
  if (!literal.startsWith('"')) return literal
  try {
    const text = JSON.parse(literal) as string
    return BARE.test(text) || DURATION.test(text) || text === '' ? literal : text
  } catch {
    return literal
  }
}

// The literal of a value as the API gives it.
export function valueLiteral(value: string | number | boolean): string {
  return typeof value === 'string' ? quote(value) : String(value)
}

function sameSide(a: string, b: string): boolean {
  return a[0] === b[0] && '<>'.includes(a[0]!)
}

// The filter narrowed by conditions. A bound on the same key and side takes the place of the old.
export function narrow(source: string, added: Condition[]): string {
  const old = parseConditions(source)
  if (old) {
    const kept = old.filter(
      (c) => !added.some((a) => a.key === c.key && (a.op === c.op || sameSide(a.op, c.op))),
    )
    return writeConditions([...kept, ...added])
  }
  const inner = source.trim().replace(/^\{/, '').replace(/\}$/, '').trim()
  return `{ (${inner}) && ${added.map((c) => `${c.key} ${c.op} ${c.value}`).join(' && ')} }`
}
