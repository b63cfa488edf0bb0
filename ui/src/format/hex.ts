// SPDX-License-Identifier: Apache-2.0
// Purpose: bytes as a hex dump.

const WIDTH = 16
const LINES_AROUND = 8

export interface HexLine {
  at: number
  text: string
  hit: boolean // holds the byte in question
}

export function base64Bytes(text: string): Uint8Array<ArrayBuffer> {
  const raw = atob(text)
  const bytes = new Uint8Array(raw.length)
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i)
  return bytes
}

// The lines around one byte, that one marked.
export function hexDump(bytes: Uint8Array, around: number): HexLine[] {
  const middle = Math.floor(Math.min(around, Math.max(0, bytes.length - 1)) / WIDTH)
  const last = Math.ceil(bytes.length / WIDTH)
  const lines: HexLine[] = []
  for (
    let line = Math.max(0, middle - LINES_AROUND);
    line < Math.min(last, middle + LINES_AROUND + 1);
    line++
  ) {
    const part = [...bytes.subarray(line * WIDTH, (line + 1) * WIDTH)]
    const hex = part.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const text = part.map((b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : '.')).join('')
    const at = (line * WIDTH).toString(16).padStart(6, '0')
    lines.push({ at: line, text: `${at}  ${hex.padEnd(47)}  ${text}`, hit: line === middle })
  }
  return lines
}
