// SPDX-License-Identifier: Apache-2.0
// Purpose: the filter for the spans of one service.
import { attributeKey, quote, writeConditions, type Condition } from './language'

export function serviceFilter(name: string, namespace: string, ...more: Condition[]): string {
  const resource = (key: string, value: string): Condition => ({
    key: attributeKey('resource', key),
    op: '=',
    value: quote(value),
  })
  const conditions = [resource('service.name', name)]
  if (namespace) conditions.push(resource('service.namespace', namespace))
  return writeConditions([...conditions, ...more])
}
