// SPDX-License-Identifier: Apache-2.0
// Purpose: the geometry of the scatter: cells of time and duration, the latter logarithmic.
import type { Scatter } from '@/api/types'
import { roundDurations } from '@/format/roundDurations'
import type { Bounds } from '@/time/range'

export interface Area {
  fromMs: number
  toMs: number
  minNs: number
  maxNs: number
}

export function durationAt(scatter: Scatter, row: number): number {
  const { duration_min_ns: low, duration_max_ns: high, rows } = scatter
  return low * (high / low) ** (row / rows)
}

export function timeAt(scatter: Scatter, column: number): number {
  return scatter.from + column * scatter.column_ms
}

// The stretch of time and duration between two corners given as shares of the plot, y downwards.
export function areaOf(scatter: Scatter, x0: number, y0: number, x1: number, y1: number): Area {
  const row = (y: number) => (1 - y) * scatter.rows
  return {
    fromMs: scatter.from + Math.min(x0, x1) * (scatter.to - scatter.from),
    toMs: scatter.from + Math.max(x0, x1) * (scatter.to - scatter.from),
    minNs: durationAt(scatter, row(Math.max(y0, y1))),
    maxNs: durationAt(scatter, row(Math.min(y0, y1))),
  }
}

export type Cell = Scatter['cells'][number]

// The cell under or next to a point (shares of the plot, y downwards).
export function nearestCell(scatter: Scatter, x: number, y: number, reach = 2): Cell | null {
  const column = x * scatter.columns
  const row = (1 - y) * scatter.rows
  let best: Cell | null = null
  let least = reach
  for (const cell of scatter.cells) {
    const distance = Math.hypot(cell[0] + 0.5 - column, cell[1] + 0.5 - row)
    if (distance < least) {
      least = distance
      best = cell
    }
  }
  return best
}

const LEAST_RATIO = 4 // between the ends of the scale
const PAD_ROWS_MAX = 60

// The same cells on a scale that is long enough to be read: durations that hardly differ (a single
// trace, for one) stand in the middle instead of filling it.
export function widened(scatter: Scatter): Scatter {
  const { duration_min_ns: low, duration_max_ns: high, rows } = scatter
  const step = (high / low) ** (1 / rows)
  if (!(low > 0) || !(step > 1) || high / low >= LEAST_RATIO) return scatter
  const missing = Math.log(LEAST_RATIO / (high / low)) / Math.log(step)
  const pad = Math.min(PAD_ROWS_MAX, Math.ceil(missing / 2))
  return {
    ...scatter,
    rows: rows + 2 * pad,
    duration_min_ns: low / step ** pad,
    duration_max_ns: high * step ** pad,
    cells: scatter.cells.map(([column, row, ...rest]) => [column, row + pad, ...rest]),
  }
}

// Round durations on the scale of the chart.
export const durationTicks = ({ duration_min_ns, duration_max_ns }: Scatter) =>
  roundDurations(duration_min_ns, duration_max_ns)

const LEAD_LEAST = 1 / 4 // of the range, empty: less is not worth a click
const EXACT_MS = 1000
const LOOKS_MAX = 4 // each takes a column apart into as many: a year comes down to a second

function firstFilled(scatter: Scatter): Bounds {
  const first = scatter.cells.reduce((least, cell) => Math.min(least, cell[0]), scatter.columns)
  return {
    from: Math.floor(timeAt(scatter, first)),
    to: Math.ceil(timeAt(scatter, first + 1)),
  }
}

// The moment at which data begin, to the second, where the range before it is empty for long. A
// column may stand for hours, so the first that holds any is looked into with `look`. Null where
// nothing is gained, or where the answer was cut short and the beginning is not known.
export async function beginningOf(
  scatter: Scatter,
  look: (bounds: Bounds) => Promise<Scatter>,
): Promise<number | null> {
  if (scatter.cells.length === 0 || scatter.stats.partial) return null
  let found = firstFilled(scatter)
  if (found.from - scatter.from < (scatter.to - scatter.from) * LEAD_LEAST) return null
  for (let looks = 0; found.to - found.from > EXACT_MS && looks < LOOKS_MAX; looks++) {
    const inside = await look(found)
    if (inside.cells.length === 0 || inside.stats.partial) break
    found = firstFilled(inside)
  }
  return found.from
}

// How much of a cell's width its errors take: their share, but never so little that they are lost
// from sight, nor all of it while there is one span without. `least` is the narrowest stripe.
export function errorWidth(width: number, spans: number, errors: number, least: number): number {
  if (errors === 0) return 0
  if (errors >= spans) return width
  const share = (width * errors) / spans
  return Math.round(Math.min(width - least, Math.max(Math.min(least, width / 2), share)))
}

// 0 for the emptiest cell, 1 for the fullest, by the logarithm.
export function heat(spans: number, most: number): number {
  return most <= 1 ? 0.5 : Math.log(spans) / Math.log(most)
}
