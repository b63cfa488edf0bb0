// SPDX-License-Identifier: Apache-2.0
// Purpose: attribute keys and values as text.
import type { AttributeValue } from '@/api/types'

const LINE_MAX = 120 // longer values are laid out over several lines

export function valueText(value: AttributeValue | undefined): string {
  if (typeof value === 'string') return value
  if (value === null || typeof value !== 'object') return String(value)
  const line = JSON.stringify(value)
  return line.length <= LINE_MAX ? line : JSON.stringify(value, null, 2)
}

// Where a long key may go on in the next line: after its dots and underscores.
export function keyParts(key: string): string[] {
  return key.split(/(?<=[._])/)
}
