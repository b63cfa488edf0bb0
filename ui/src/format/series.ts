// SPDX-License-Identifier: Apache-2.0
// Purpose: the colour of a service: always the same for the same name, on every page.

const COLOURS = 12

export function seriesOf(name: string): number {
  let hash = 2166136261
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619)
  return ((hash >>> 0) % 9973) % COLOURS
}

export function seriesVar(name: string): string {
  return `var(--series-${seriesOf(name)})`
}

// Colours for names shown together: their own where free, else the next, so that no two are alike
// while there are enough.
export function assignSeries(names: readonly string[]): string[] {
  const taken = new Set<number>()
  const chosen = new Map<string, number>()
  for (const name of [...names].sort()) {
    let series = seriesOf(name)
    if (taken.size < COLOURS) while (taken.has(series)) series = (series + 1) % COLOURS
    taken.add(series)
    chosen.set(name, series)
  }
  return names.map((name) => `var(--series-${chosen.get(name)})`)
}
