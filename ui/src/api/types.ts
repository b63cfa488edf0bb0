// SPDX-License-Identifier: Apache-2.0
// Purpose: short names for the schemas of the OpenAPI document.
import type { components } from './schema.gen'

type Schemas = components['schemas']

export type TraceSummary = Schemas['TraceSummary']
export type TraceList = Schemas['TraceList']
export type Stats = Schemas['Stats']
export type Span = Schemas['Span']
export type SpanMatches = Schemas['SpanMatches']
export type SpanEvent = Schemas['SpanEvent']
export type AttributeValue = Schemas['AttributeValue']
export type Attributes = Schemas['Attributes']
export type Outline = Schemas['Outline']
export type Service = Schemas['Service']
export type ServiceList = Schemas['ServiceList']
export type Operation = Schemas['Operation']
export type OperationList = Schemas['OperationList']
export type AttributeKey = Schemas['AttributeKey']
export type AttributeKeyList = Schemas['AttributeKeyList']
export type AttributeValueList = Schemas['AttributeValueList']
export type Scatter = Schemas['Scatter']
export type TraceIdParts = Schemas['TraceIdParts']
export type FilterOk = Schemas['FilterOk']
export type Calls = Schemas['Calls']
export type Red = Schemas['Red']
export type RedPoint = Schemas['RedPoint']
export type RedGroup = Schemas['RedGroup']
export type Topology = Schemas['Topology']
export type TopologyEdge = Schemas['TopologyEdge'] & { cross_dc_calls?: number }
export type NodeState = 'unknown' | 'ok' | 'warn' | 'error'
export interface StateReason {
  measure: 'error_share' | 'p99_ns' | 'calls'
  level: 'warn' | 'error'
  value: number
  limit: number
}
export type TopologyNode = Schemas['TopologyNode'] & {
  state?: NodeState
  state_reasons?: StateReason[]
}
export type Status = Schemas['Status']
export type Ledger = Schemas['Ledger']
export type LedgerRow = Schemas['LedgerRow']
export type LedgerAgent = Schemas['LedgerAgent']
export type Store = Schemas['Store']
export type Config = Schemas['Config']
export type DeadLetter = Schemas['DeadLetter']
export type DeadLetterList = Schemas['DeadLetterList']
