// SPDX-License-Identifier: Apache-2.0
// Purpose: the filter for the calls that a fingerprint stands for. What a span says of its call is told by
// one of several attributes, or by its name alone (model/statement.h): the filter asks for any of them.
import type { StoreCaller, StoreStatement } from '@/api/types'
import { quote } from '@/filter/language'
import { peerConditions } from '@/filter/node'

const CUT = '…' // ends a fingerprint that was longer
const OTHER = '(other)' // statements beyond what the server keeps apart
// Of one pattern: with more, a text that does not match takes the engine too many steps.
const WILDCARDS_MAX = 6

const escaped = (text: string) =>
  text.replace(/[\\^$.*+?()[\]{}|#-]/g, '\\$&').replace(/\s+/g, '\\s+')

// A regular expression for the texts of a fingerprint. Each "?" stands for any values, however many.
export function patternOf(fingerprint: string): string {
  const cut = fingerprint.endsWith(CUT)
  const pieces = (cut ? fingerprint.slice(0, -CUT.length).trimEnd() : fingerprint).split('?')
  const more = pieces.length - 1 > WILDCARDS_MAX
  const kept = more ? pieces.slice(0, WILDCARDS_MAX) : pieces
  const end = more || cut ? '.*' : '[\\s;]*'
  return `(?is)\\s*${kept.map(escaped).join('.*')}${end}`
}

const is = (key: string, value: string) => `span.${key} = ${quote(value)}`
const any = (parts: string[]) => (parts.length === 1 ? parts[0]! : `(${parts.join(' || ')})`)
// "a b" as its first word and what is behind it.
function halves(text: string, at: number): [string, string] | null {
  return at > 0 && at < text.length - 1 ? [text.slice(0, at), text.slice(at + 1)] : null
}

// A name of a destination has no values but what no people made.
const like = (key: string, text: string) =>
  text.includes('?') ? `span.${key} =~ ${quote(patternOf(text))}` : is(key, text)

function sayings({ statement: text, board }: StoreStatement): string[] {
  const named = text.includes('?') ? [] : [`name = ${quote(text)}`]
  if (board === 'rpc') {
    const call = halves(text, text.lastIndexOf('/'))
    const both = call && `(${is('rpc.service', call[0])} && ${is('rpc.method', call[1])})`
    return [...(both ? [both] : []), is('rpc.method', text), ...named]
  }
  const words = halves(text, text.indexOf(' '))
  if (board === 'mq') {
    const operations = ['name', 'type'].map((key) => `messaging.operation.${key}`)
    const said =
      words && any([...operations, 'messaging.operation'].map((key) => is(key, words[0])))
    const where =
      words &&
      any(['name', 'template'].map((key) => like(`messaging.destination.${key}`, words[1])))
    return [...(said ? [`(${said} && ${where})`] : []), ...named]
  }
  const pattern = quote(patternOf(text))
  const texts = ['db.query.text', 'db.statement'].map((key) => `span.${key} =~ ${pattern}`)
  if (named.length === 0) return texts
  const operation = (name: string) =>
    any(['db.operation.name', 'db.operation'].map((key) => is(key, name)))
  const collections = ['db.collection.name', 'db.sql.table', 'db.mongodb.collection']
  const parts = words
    ? `(${operation(words[0])} && ${any(collections.map((key) => is(key, words[1])))})`
    : operation(text)
  return [...texts, is('db.query.summary', text), parts, ...named]
}

// Of one of those who send it, or of all; null where no filter tells the calls apart.
export function statementFilter(statement: StoreStatement, caller?: StoreCaller): string | null {
  if (statement.statement === OTHER || statement.statement === '') return null
  const where = peerConditions(statement.node) ?? []
  const who = caller ? [`resource.service.name = ${quote(caller.service)}`] : []
  if (caller?.namespace) who.push(`resource.service.namespace = ${quote(caller.namespace)}`)
  // Of RPC both sides say what is called: those who call are asked for.
  const side = statement.board === 'rpc' ? ['kind = client'] : []
  return `{ ${[...who, ...side, ...where, any(sayings(statement))].join(' && ')} }`
}
