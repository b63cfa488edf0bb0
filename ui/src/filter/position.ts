// SPDX-License-Identifier: Apache-2.0
// Purpose: turns the server's byte position in a filter into the place in the text as shown.

export function charAtByte(text: string, byte: number): number {
  const bytes = new TextEncoder().encode(text).slice(0, byte)
  return new TextDecoder().decode(bytes).length
}

export interface Marked {
  before: string
  at: string // the character where reading stopped; a blank at the end
  after: string
}

export function markPosition(text: string, byte: number): Marked {
  const at = Math.min(charAtByte(text, byte), text.length)
  const end = at + ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1)
  return { before: text.slice(0, at), at: text.slice(at, end) || ' ', after: text.slice(end) }
}
