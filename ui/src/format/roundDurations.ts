// SPDX-License-Identifier: Apache-2.0
// Purpose: the ticks of a logarithmic scale of durations.

const S = 1e9
// Round durations: powers of ten, and from ten seconds on what clocks count in.
const COARSE = [
  ...Array.from({ length: 11 }, (_, power) => 10 ** power),
  ...[60, 600, 3600, 36e3, 864e2, 864e3].map((seconds) => seconds * S),
]
const FINE = [
  ...Array.from({ length: 10 }, (_, power) => [1, 2, 5].map((n) => n * 10 ** power)).flat(),
  ...[10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18e3, 36e3, 864e2].map((s) => s * S),
]
const FINER = Array.from({ length: 14 }, (_, power) =>
  [1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9].map((n) => n * 10 ** power),
).flat()
const TICKS_MAX = 8
const TICKS_MIN = 3

// Round durations between two others, as shares of a logarithmic scale; its ends and its middle where there are too few.
export function roundDurations(low: number, high: number): { ns: number; share: number }[] {
  const span = Math.log(high / low)
  if (!(span > 0)) return [{ ns: low, share: 0 }]
  const within = (durations: number[]) => durations.filter((ns) => ns >= low && ns <= high)
  let list = within(FINE)
  if (list.length > TICKS_MAX) list = within(COARSE)
  while (list.length > TICKS_MAX) list = list.filter((_, at) => at % 2 === 0)
  if (list.length < TICKS_MIN) list = within(FINER)
  while (list.length > TICKS_MAX) list = list.filter((_, at) => at % 2 === 0)
  if (list.length < TICKS_MIN) list = [low, Math.sqrt(low * high), high]
  return list.map((ns) => ({ ns, share: Math.log(ns / low) / span }))
}
