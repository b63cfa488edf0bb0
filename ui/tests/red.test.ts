// SPDX-License-Identifier: Apache-2.0
// Purpose: calls over time as charts take them, the changes of numbers, and the wall of services.
import { describe, expect, it, vi } from 'vitest'
import * as api from '@/api/sonde'
import type { Red, Service, Topology, TopologyNode } from '@/api/types'
import { errorLevel, tooFewErrors } from '@/format/errorLevel'
import { formatRate } from '@/format/format'
import { findStopped, quietServices, stoppedSince, withStopped } from '@/overview/stopped'
import { countStates, stateOf, wallOf } from '@/overview/wall'
import { joinServices, rowOf } from '@/red/services'
import { changeText, columnsOf, stepsOf } from '@/red/series'

const NONE = {
  calls: 0,
  errors: 0,
  mean_ns: 0,
  p50_ns: 0,
  p90_ns: 0,
  p95_ns: 0,
  p99_ns: 0,
  p999_ns: 0,
}

function red(begin: number, points: [step: number, calls: number, errors: number][]): Red {
  return {
    from_unix_ms: begin,
    to_unix_ms: begin + 40_000,
    step_ms: 10_000,
    counted_before_sampling: false,
    partial: false,
    total: NONE,
    points: points.map(([step, calls, errors]) => ({
      ...NONE,
      time_unix_ms: begin + step * 10_000,
      calls,
      errors,
      p50_ns: 5,
    })),
  }
}

describe('calls over time', () => {
  it('has a rate of nought and no durations in a step without calls', () => {
    const answer = red(100_000, [[0, 20, 5], [2, 10, 0]]) // prettier-ignore
    const times = stepsOf(answer, 1e9)
    expect(times).toEqual([100_000, 110_000, 120_000, 130_000])
    const { rate, share, durations } = columnsOf(answer, times)
    expect(rate).toEqual([2, 0, 1, 0])
    expect(share).toEqual([0.25, null, 0, null])
    expect(durations.p50_ns).toEqual([5, null, 5, null])
  })

  it('leaves out the step that is not over', () => {
    expect(stepsOf(red(100_000, []), 125_000)).toEqual([100_000, 110_000])
  })

  it('lays what was before over it, also where the steps do not meet', () => {
    const times = stepsOf(red(3_600_000, []), 1e9)
    expect(columnsOf(red(0, [[1, 30, 0]]), times, 3_600_000).rate).toEqual([0, 3, 0, 0])
    expect(columnsOf(red(4_000, [[1, 30, 0]]), times, 3_600_000).rate).toEqual([0, 3, 0, 0])
  })

  it('says how much a number has changed', () => {
    expect(changeText(112, 100)).toBe('+12%')
    expect(changeText(96.5, 100)).toBe('-3.5%')
    expect(changeText(340, 100)).toBe('×3.4')
    expect(changeText(1, 0)).toBeNull()
    expect(changeText(100, 100)).toBeNull()
  })

  it('writes what is seldom by the minute', () => {
    expect(formatRate(60, 60)).toBe('1.00/s')
    expect(formatRate(1240 * 60, 60)).toBe('1,240/s')
    expect(formatRate(3, 60)).toBe('3.00/min')
    expect(formatRate(0, 60)).toBe('0/s')
    expect(formatRate(1, 1e9)).toBe('<0.01/min')
  })

  it('does not judge by fewer than three failures', () => {
    expect([errorLevel(1, 1), errorLevel(2, 2), errorLevel(3, 3)]).toEqual([null, null, 'error'])
    expect([tooFewErrors(1, 1), tooFewErrors(2, 40), tooFewErrors(2, 41)]).toEqual([
      true,
      true,
      false,
    ])
    expect([tooFewErrors(0, 0), tooFewErrors(3, 3)]).toEqual([false, false])
  })

  it('marks shares of errors from 1% and 5% on', () => {
    expect([errorLevel(0, 0), errorLevel(9, 1000)]).toEqual([null, null])
    expect([errorLevel(3, 300), errorLevel(5, 100)]).toEqual(['warn', 'error'])
  })
})

describe('the wall', () => {
  const service = (namespace: string, name: string): Service => ({
    id: name,
    name,
    namespace,
    spans: 1,
    errors: 0,
    p50_ns: 1,
    p99_ns: 1,
    last_seen_unix_ms: 7,
  })
  const node = (namespace: string, name: string, more: Partial<TopologyNode>): TopologyNode => ({
    ...NONE,
    id: `service/${namespace}/${name}`,
    kind: 'service',
    namespace,
    service: name,
    name: '',
    state: 'ok',
    state_reasons: [],
    calls: 1,
    ...more,
  })
  const topology = (...nodes: TopologyNode[]): Topology => ({
    from_unix_ms: 0,
    to_unix_ms: 1,
    partial: false,
    nodes,
    edges: [],
  })

  it('shows what is worst first, and services without calls as such', () => {
    const lines = wallOf(
      [service('a', 'x'), service('b', 'y'), service('b', 'silent')],
      topology(node('a', 'x', {}), node('b', 'y', { state: 'error' }), node('b', 'new', {})),
      topology(node('b', '', { id: 'line/b', kind: 'line', state: 'warn' })),
    )
    expect(lines.map(({ name, node: line }) => [name, line?.state])).toEqual([
      ['b', 'warn'],
      ['a', undefined],
    ])
    expect(lines[0]!.tiles.map(({ name, seenMs }) => [name, seenMs])).toEqual([
      ['y', 7],
      ['silent', 7],
      ['new', null],
    ])
    expect(countStates(lines)).toEqual({ error: 1, warn: 0, ok: 2, unknown: 1 })
  })

  it('counts of a service the calls that it answered, not its spans', () => {
    const sent = { ...service('a', 'x'), spans: 900, errors: 70, p99_ns: 9 }
    const [row, quiet] = joinServices(
      [sent, { ...sent, name: 'y' }],
      topology(node('a', 'x', { calls: 100, errors: 40, p99_ns: 5 })),
    ).map(rowOf)
    expect(row).toMatchObject({ spans: 900, seenMs: 7, calls: 100, errors: 40, p99_ns: 5 })
    expect(row).toMatchObject({ name: 'x', namespace: 'a', id: 'x' })
    expect(quiet).toMatchObject({ spans: 900, calls: 0, errors: 0, p99_ns: 0 })
  })

  it('puts a service whose calls ended among those that are not well, since when', () => {
    const services = [service('a', 'x'), service('a', 'z')]
    const byService = topology(node('a', 'x', { calls: 9 }), node('a', 'z', {}))
    const [line] = wallOf(services, byService, topology(), new Map([['service/a/z', 77]]))
    expect(line!.tiles.map((tile) => [tile.name, stateOf(tile), tile.stoppedMs])).toEqual([
      ['z', 'warn', 77],
      ['x', 'ok', null],
    ])
  })

  it('takes a service that only called others for one without calls', () => {
    const lines = wallOf([], topology(node('a', 'x', { calls: 0 })), topology())
    expect(lines[0]!.tiles[0]!.node).toBeNull()
  })
})

describe('a service that has stopped', () => {
  const minute = 60_000
  const node = (service: string, calls: number) =>
    ({ id: `service//${service}`, kind: 'service', service, calls }) as TopologyNode
  const answer = (fromMs: number, toMs: number, ...nodes: TopologyNode[]) =>
    ({ from_unix_ms: fromMs, to_unix_ms: toMs, nodes }) as unknown as Topology
  const points = (...steps: number[]) => ({
    ...red(
      0,
      steps.map((step) => [step, 3, 0]),
    ),
    to_unix_ms: 10 * minute,
  })

  it('has no call where some would have come, as far as seldom calls can tell', () => {
    const whole = answer(0, 10 * minute, node('gone', 80), node('here', 90), node('seldom', 8))
    const recent = answer(8 * minute, 10 * minute, node('here', 1))
    const names = (toMs: number) => quietServices(whole, recent, toMs).map(({ service }) => service)
    expect(names(10 * minute)).toEqual(['gone'])
    expect(quietServices(recent, recent, 10 * minute)).toEqual([])
  })

  it('is told since its last call, unless such pauses are usual', () => {
    expect(stoppedSince(points(0, 1, 3, 4), 10 * minute)).toBe(50_000)
    expect(stoppedSince(points(0, 20, 40), 10 * minute)).toBeNull() // calls come in bursts
    expect(stoppedSince(points(), 10 * minute)).toBeNull()
  })

  it('is not well on every page that looks for it', async () => {
    const [gone, burst, failing] = ['gone', 'burst', 'failing'].map((name) => node(name, 80))
    const whole = answer(0, 10 * minute, gone!, burst!, { ...failing!, state: 'error' })
    const recent = answer(8 * minute, 10 * minute)
    vi.spyOn(api, 'red').mockImplementation(({ service }) =>
      Promise.resolve(service === 'burst' ? points(0, 20, 40) : points(0, 1, 3, 4)),
    )
    const range = { from: 0, to: 10 * minute }
    const stopped = await findStopped(whole, recent, range, new AbortController().signal)
    expect([...stopped]).toEqual([
      ['service//gone', 50_000],
      ['service//failing', 50_000],
    ])
    const { nodes } = withStopped(whole, stopped)
    expect(nodes.map(({ state, stoppedMs }) => [state, stoppedMs])).toEqual([
      ['warn', 50_000],
      [undefined, undefined],
      ['error', 50_000],
    ])
  })
})
