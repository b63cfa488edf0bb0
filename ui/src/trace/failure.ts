// SPDX-License-Identifier: Apache-2.0
// Purpose: what is known of why a span failed, the most telling first: its own message, its exception,
// the status that the other side answered with, a type of error.
import type { AttributeValue, Span } from '@/api/types'

type Failed = Pick<Span, 'status_message' | 'attributes' | 'events'>

const HTTP_FAILED = 400

function text(value: AttributeValue | undefined): string {
  return value === undefined || value === null || typeof value === 'object' ? '' : String(value)
}

function exceptionText(span: Failed): string {
  const found = span.events.findLast((event) => event.name === 'exception')
  if (!found) return ''
  const { 'exception.type': type, 'exception.message': message } = found.attributes
  return [text(type), text(message)].filter(Boolean).join(': ')
}

// Empty when nothing is known.
export function failureText(span: Failed): string {
  const { attributes } = span
  const said = span.status_message || exceptionText(span)
  if (said) return said
  const http = text(attributes['http.response.status_code'] ?? attributes['http.status_code'])
  const grpc = text(attributes['rpc.response.status_code'] ?? attributes['rpc.grpc.status_code'])
  const database = text(attributes['db.response.status_code'])
  const type = text(attributes['error.type'])
  const codes = [
    Number(http) >= HTTP_FAILED ? `HTTP ${http}` : '',
    grpc && grpc !== '0' ? `gRPC ${grpc}` : '',
    database ? `DB ${database}` : '',
  ].filter(Boolean)
  if (type && type !== '_OTHER' && type !== http) codes.push(type)
  return codes.join(', ')
}
