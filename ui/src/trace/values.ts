// SPDX-License-Identifier: Apache-2.0
// Purpose: attribute values as text.
import type { AttributeValue } from '@/api/types'

export function valueText(value: AttributeValue | undefined): string {
  if (typeof value === 'string') return value
  if (value === null || typeof value !== 'object') return String(value)
  return JSON.stringify(value, null, 2)
}
