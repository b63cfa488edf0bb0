// SPDX-License-Identifier: Apache-2.0
// Purpose: the colours of services can be told apart: from each other, from the colours of state, from
// the background, in both themes, and by readers who see few colours.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { COLOURS } from '@/format/series'

const [dark, light] = readFileSync(
  fileURLToPath(new URL('../src/styles/tokens.css', import.meta.url)),
  'utf8',
).split("[data-theme='light'] {")

type Triple = [number, number, number]

function linear(css: string, name: string): Triple {
  const hex = new RegExp(`--${name}: #(\\w{6});`).exec(css)![1]!
  return [0, 2, 4].map((at) => {
    const c = parseInt(hex.slice(at, at + 2), 16) / 255
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
  }) as Triple
}

const times = (m: number[], [x, y, z]: Triple) =>
  [0, 3, 6].map((at) => m[at]! * x + m[at + 1]! * y + m[at + 2]! * z) as Triple

// What is left of a colour without one kind of cone (Machado, Oliveira and Fernandes, 2009).
const SIGHTS: Record<string, number[]> = {
  full: [1, 0, 0, 0, 1, 0, 0, 0, 1],
  'no red': [0.1523, 1.0526, -0.2049, 0.1145, 0.7863, 0.0992, -0.0039, -0.0481, 1.052],
  'no green': [0.3673, 0.8606, -0.228, 0.2801, 0.6725, 0.0474, -0.0118, 0.0429, 0.9689],
}

function oklab(rgb: Triple): Triple {
  const cut = rgb.map((c) => Math.min(1, Math.max(0, c))) as Triple
  const lms = times(
    [0.4122, 0.5363, 0.0514, 0.2119, 0.6807, 0.1074, 0.0883, 0.2817, 0.63],
    cut,
  ).map(Math.cbrt) as Triple
  return times([0.2105, 0.7936, -0.0041, 1.978, -2.4286, 0.4506, 0.0259, 0.7828, -0.8087], lms)
}

const apart = (a: Triple, b: Triple, sight: number[]) => {
  const [x, y] = [oklab(times(sight, a)), oklab(times(sight, b))]
  return Math.hypot(x[0] - y[0], x[1] - y[1], x[2] - y[2])
}
const luminance = ([r, g, b]: Triple) => 0.2126 * r + 0.7152 * g + 0.0722 * b
const contrast = (a: Triple, b: Triple) => {
  const [x, y] = [luminance(a), luminance(b)]
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05)
}

describe.each([
  ['dark', dark!],
  ['light', light!],
])('the %s theme', (_, css) => {
  const series = Array.from({ length: COLOURS }, (_, i) => linear(css, `series-${i}`))

  it.each(Object.entries(SIGHTS))('tells services apart (%s)', (name, sight) => {
    const least = name === 'full' ? 0.09 : 0.055
    series.forEach((a, i) =>
      series
        .slice(0, i)
        .forEach((b, j) => expect(apart(a, b, sight), `${i} and ${j}`).toBeGreaterThan(least)),
    )
  })

  it('keeps them away from the colours of state and from the background', () => {
    for (const [i, colour] of series.entries()) {
      expect(contrast(colour, linear(css, 'bg')), `${i}`).toBeGreaterThan(3)
      for (const state of ['error', 'warn'])
        expect(
          apart(colour, linear(css, state), SIGHTS.full!),
          `${i} and ${state}`,
        ).toBeGreaterThan(0.12)
    }
  })
})
