// SPDX-License-Identifier: Apache-2.0
// Purpose: the mark of a service: a colour and a shape. Both follow from the service's name, so that
// two readers, and two servers, show a service alike. Where two names would look the same, the one
// that is met later takes the next free shape of its colour, or of the next colour when that has none.

export const COLOURS = 12
const SHAPES = ['square', 'round', 'ring', 'diamond'] as const
const PLACES = COLOURS * SHAPES.length

export interface Mark {
  colour: string // as CSS
  shape: (typeof SHAPES)[number]
}

// Any start would do; with this one no two services of the demo have the same colour.
const HASH_START = 217482

// FNV-1a over UTF-16, its bits mixed once more so that names that differ in their end part too.
function hash(name: string): number {
  let h = HASH_START
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

// A place is a colour and a shape; those of one colour stand together.
export function ownPlace(name: string): number {
  return hash(name) % PLACES
}

export function markAt(place: number): Mark {
  const colour = Math.floor(place / SHAPES.length)
  return { colour: `var(--series-${colour})`, shape: SHAPES[place % SHAPES.length]! }
}

export class MarkBook {
  private readonly places = new Map<string, number>()
  private readonly taken = new Set<number>()

  private add(name: string): number {
    const own = ownPlace(name)
    const first = own - (own % SHAPES.length)
    let place = own
    for (let step = 0; step < PLACES && this.taken.has(place); step++) {
      const colour = first + Math.floor(step / SHAPES.length) * SHAPES.length
      place = (colour + ((own + step) % SHAPES.length)) % PLACES
    }
    if (this.taken.has(place)) place = own // more services than marks
    this.taken.add(place)
    this.places.set(name, place)
    return place
  }

  // Names met together are taken in alphabetical order.
  learn(names: Iterable<string>): void {
    for (const name of [...names].sort()) if (!this.places.has(name)) this.add(name)
  }

  markOf(name: string): Mark {
    return markAt(this.places.get(name) ?? this.add(name))
  }
}

// How many before it, in alphabetical order, have the same colour: what tells services apart where
// only their colours are drawn.
export function repeats(names: readonly string[], colours: readonly string[]): number[] {
  const seen = new Map<string, number>()
  const result = new Array<number>(names.length).fill(0)
  const order = names.map((_, at) => at).sort((a, b) => (names[a]! < names[b]! ? -1 : 1))
  for (const at of order) {
    result[at] = seen.get(colours[at]!) ?? 0
    seen.set(colours[at]!, result[at]! + 1)
  }
  return result
}
