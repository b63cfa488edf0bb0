// SPDX-License-Identifier: Apache-2.0
// Purpose: the mark of a service: a colour and a shape. Marks are given in the order in which
// services become known, the colours that differ most first, so that a few services never look
// alike; when the colours are used up they come again with another shape.

export const COLOURS = 8
const SHAPES = ['square', 'round', 'ring'] as const

export interface Mark {
  colour: string // as CSS
  shape: (typeof SHAPES)[number]
}

export function markAt(place: number): Mark {
  const shape = SHAPES[Math.floor(place / COLOURS) % SHAPES.length]!
  return { colour: `var(--series-${place % COLOURS})`, shape }
}

export class MarkBook {
  private readonly places = new Map<string, number>()

  constructor(names: readonly string[] = []) {
    for (const name of names) this.add(name)
  }

  private add(name: string): void {
    if (!this.places.has(name)) this.places.set(name, this.places.size)
  }

  // Names met together are taken in alphabetical order. True when one of them is new.
  learn(names: Iterable<string>): boolean {
    const before = this.places.size
    for (const name of [...names].sort()) this.add(name)
    return this.places.size > before
  }

  markOf(name: string): Mark {
    this.add(name)
    return markAt(this.places.get(name)!)
  }

  // The first `most` names, in order.
  names(most: number): string[] {
    return [...this.places.keys()].slice(0, most)
  }
}
