// SPDX-License-Identifier: Apache-2.0
// Purpose: where the note of a joined call stands: beside its bars, else in the free part of the
// client's bar, else over the middle of the server's, both ends of which stay in sight. Stretches are shares of the lane in percent and may reach
// beyond it on either side.

export interface Stretch {
  start: number
  end: number
}

export interface NotePlace {
  style: { left: string } | { right: string }
  over: boolean // covers the server's bar, so that it needs a ground of its own
}

const WIDE_FROM = 0x2e80 // Chinese characters and the like
const WIDE_PX = 10
const NARROW_PX = 6.2
const PADDING_PX = 12
const OVER_MOST = 0.5 // of a bar that a note may cover

// About as wide as the text is drawn.
export function noteWidth(text: string): number {
  const chars = [...text].map((c) => (c.codePointAt(0)! >= WIDE_FROM ? WIDE_PX : NARROW_PX))
  return chars.reduce((sum, px) => sum + px, PADDING_PX)
}

// `needPx` of a lane of `lanePx`; null where the lane has no room, or shows nothing of the call.
export function placeNote(
  client: Stretch,
  server: Stretch,
  needPx: number,
  lanePx: number,
): NotePlace | null {
  const need = (needPx / lanePx) * 100
  const start = Math.min(client.start, server.start)
  const end = Math.max(client.end, server.end)
  if (need > 100 || end <= 0 || start >= 100) return null
  const after = (percent: number) => ({ style: { left: `${percent}%` }, over: false })
  const before = (percent: number) => ({ style: { right: `${100 - percent}%` }, over: false })
  if (end + need <= 100) return after(Math.max(0, end))
  if (start - need >= 0) return before(Math.min(100, start))
  const ends = [Math.max(0, client.start), Math.min(100, client.end)] as const
  const behind = { start: Math.max(ends[0], server.end), end: ends[1] }
  const ahead = { start: ends[0], end: Math.min(ends[1], server.start) }
  const width = (free: Stretch) => free.end - free.start
  if (width(behind) >= Math.max(need, width(ahead))) return after(behind.start)
  if (width(ahead) >= need) return before(ahead.end)
  const seen = { start: Math.max(0, start), end: Math.min(100, end) }
  if (need > width(seen) * OVER_MOST) return null
  return { style: { left: `${(seen.start + seen.end - need) / 2}%` }, over: true }
}
