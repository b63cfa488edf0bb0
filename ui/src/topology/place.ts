// SPDX-License-Identifier: Apache-2.0
// Purpose: where items stand within their layers: as near to the mean of their neighbours as their order
// and the room they need allow, by the least sum of squares (pool adjacent violators).
import { incidence } from './layers'
import type { Ordered } from './order'

const SWEEPS = 8

// Positions that keep order and distance and are nearest to what is wanted. `room[i]` is the distance
// between i and the one before it.
export function spread(wanted: number[], room: number[]): number[] {
  let offset = 0
  const offsets = wanted.map((_, at) => (offset += at === 0 ? 0 : room[at]!))
  const blocks: { sum: number; count: number }[] = []
  wanted.forEach((want, at) => {
    let block = { sum: want - offsets[at]!, count: 1 }
    for (
      let last = blocks.at(-1);
      last && last.sum / last.count > block.sum / block.count;
      last = blocks.at(-1)
    ) {
      block = { sum: last.sum + block.sum, count: last.count + block.count }
      blocks.pop()
    }
    blocks.push(block)
  })
  const result: number[] = []
  for (const { sum, count } of blocks)
    for (let i = 0; i < count; i++) result.push(sum / count + offsets[result.length]!)
  return result
}

// The top of every item. A layer of several columns is filled row by row.
export function place(
  graph: Ordered,
  columns: number[],
  height: (item: number) => number,
  gap: number,
): Float32Array {
  const out = incidence(graph.count, graph.from)
  const into = incidence(graph.count, graph.to)
  const middle = new Float32Array(graph.count)
  const rows = graph.layers.map((list, layer) => {
    const made: number[][] = []
    list.forEach((item, at) => (made[Math.floor(at / columns[layer]!)] ??= []).push(item))
    return made
  })
  const tall = (row: number[]) => row.reduce((most, item) => Math.max(most, height(item)), 0)
  const rooms = rows.map((list) =>
    list.map((row, at) => (at === 0 ? 0 : (tall(list[at - 1]!) + tall(row)) / 2 + gap)),
  )
  const most = Math.max(...rooms.map((room) => room.reduce((a, b) => a + b, 0)))
  rows.forEach((list, layer) => {
    const whole = rooms[layer]!.reduce((a, b) => a + b, 0)
    let at = (most - whole) / 2
    list.forEach((row, i) => {
      at += rooms[layer]![i]!
      for (const item of row) middle[item] = at
    })
  })
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const down = sweep % 2 === 0
    const sides = sweep < SWEEPS - 2 ? [down] : [true, false] // at last both sides pull
    const sequence = down ? rows.keys() : [...rows.keys()].reverse()
    for (const layer of sequence) {
      const list = rows[layer]!
      const wanted = list.map((row) => {
        let sum = 0
        let count = 0
        for (const item of row)
          for (const before of sides) {
            const edges = before ? into : out
            const others = before ? graph.from : graph.to
            for (let i = edges.first[item]!; i < edges.first[item + 1]!; i++, count++)
              sum += middle[others[edges.list[i]!]!]!
          }
        return count > 0 ? sum / count : middle[row[0]!]!
      })
      spread(wanted, rooms[layer]!).forEach((at, i) => {
        for (const item of list[i]!) middle[item] = at
      })
    }
  }
  return middle.map((at, item) => at - height(item) / 2)
}
