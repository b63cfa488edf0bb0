// SPDX-License-Identifier: Apache-2.0
// Purpose: a message with its parameters filled in.
import { formatCount } from '@/format/format'

// One sentence, or one for a single thing and one for any other number (`count` decides).
export type Message = string | { one: string; other: string }

export function render(
  message: Message,
  params: Record<string, string | number>,
  language: string,
): string {
  let text: string
  if (typeof message === 'string') text = message
  else {
    const rule = new Intl.PluralRules(language).select(Number(params.count ?? 0))
    text = rule === 'one' ? message.one : message.other
  }
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = params[name]
    if (value === undefined) return whole
    return typeof value === 'number' ? formatCount(value, language) : value
  })
}
