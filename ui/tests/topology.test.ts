// SPDX-License-Identifier: Apache-2.0
// Purpose: the topology: what is shown of it, and where.
import { describe, expect, it, vi } from 'vitest'
import type { TopologyEdge, TopologyNode } from '@/api/types'
import { nodeFilter, peerParts } from '@/filter/node'
import { fit, pan, reveal, toPlace, zoomAt } from '@/topology/camera'
import { around, askedBy, focusAt, isFocus, makeGraph, problems, secondsOf } from '@/topology/graph'
import { CARD_WIDTH, layOut, type LayoutInput } from '@/topology/layout'
import { spread } from '@/topology/place'

// Names are in the reader's language, which the browser tells.
vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: () => undefined }))
vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => undefined })
vi.stubGlobal('navigator', { language: 'en' })
const { kindText, nodeName } = await import('@/topology/names')
const { makeScene, markPlace } = await import('@/topology/scene')

const CALLS = {
  calls: 0,
  errors: 0,
  mean_ns: 0,
  p50_ns: 0,
  p90_ns: 0,
  p95_ns: 0,
  p99_ns: 0,
  p999_ns: 0,
}

function node(id: string, more: Partial<TopologyNode> = {}): TopologyNode {
  const [kind, namespace = '', service = '', name = ''] = id.split('/')
  return {
    id,
    kind: kind as TopologyNode['kind'],
    namespace,
    service,
    name,
    ...CALLS,
    state: 'ok',
    state_reasons: [],
    ...more,
  }
}

function edge(from: string, to: string, more: Partial<TopologyEdge> = {}): TopologyEdge {
  return { from, to, ...CALLS, calls: 10, cross_dc: false, cross_dc_calls: 0, ...more }
}

function graph(pairs: string[], nodes: TopologyNode[] = []) {
  const edges = pairs.map((pair) => edge(...(pair.split('>') as [string, string])))
  const ids = new Set(edges.flatMap(({ from, to }) => [from, to]))
  const known = new Map(nodes.map((made) => [made.id, made]))
  return makeGraph(
    [...ids].map((id) => known.get(id) ?? node(id)),
    edges,
    60,
  )
}

function input(count: number, pairs: [number, number][]): LayoutInput {
  return {
    count,
    cardHeight: CARD_HEIGHT,
    from: Int32Array.from(pairs, ([a]) => a),
    to: Int32Array.from(pairs, ([, b]) => b),
  }
}

// A graph of services as they are: some entries, layers of services, and stores behind them.
function many(count: number, edges: number): LayoutInput {
  let state = 7
  const next = () => (state = (state * 1103515245 + 12345) % 2 ** 31) / 2 ** 31
  const pairs: [number, number][] = []
  for (let to = 1; to < count; to++)
    pairs.push([Math.floor(next() * Math.min(to, count * 0.6)), to])
  while (pairs.length < edges) {
    const from = Math.floor(next() * count * 0.6)
    const to = Math.floor(next() * count)
    if (from !== to)
      pairs.push(next() < 0.97 ? [Math.min(from, to), Math.max(from, to)] : [from, to])
  }
  return input(count, pairs)
}

function overlaps({ x, y }: { x: Float32Array; y: Float32Array }): number {
  let found = 0
  for (let a = 0; a < x.length; a++)
    for (let b = 0; b < a; b++)
      if (Math.abs(x[a]! - x[b]!) < CARD_WIDTH - 1 && Math.abs(y[a]! - y[b]!) < CARD_HEIGHT - 1)
        found++
  return found
}

const CARD_HEIGHT = 46

describe('the layout', () => {
  it('puts who calls left of who is called', () => {
    const chain = layOut(input(4, [[0, 1], [1, 2], [0, 2], [2, 3]])) // prettier-ignore
    expect([...chain.x]).toEqual([...chain.x].sort((a, b) => a - b))
    expect(new Set(chain.x).size).toBe(4)
  })

  it('takes circles and calls of a node to itself', () => {
    const ring = layOut(input(3, [[0, 1], [1, 2], [2, 0], [1, 1]])) // prettier-ignore
    expect(overlaps(ring)).toBe(0)
    expect(ring.x.every(Number.isFinite) && ring.y.every(Number.isFinite)).toBe(true)
  })

  it('keeps room above what calls itself, for that edge and what is written on it', () => {
    const rings = layOut(input(3, [[0, 1], [0, 2], [1, 1], [2, 2]])) // prettier-ignore
    const [upper, lower] = [...rings.y.slice(1)].sort((a, b) => a - b)
    expect(rings.y[0]).toBeGreaterThan(0)
    expect(upper).toBeGreaterThanOrEqual(36)
    expect(lower! - upper! - CARD_HEIGHT).toBeGreaterThanOrEqual(36)
    const alone = layOut(input(8, [[0, 0], [7, 7]])) // prettier-ignore
    expect(Math.min(...alone.y)).toBeGreaterThanOrEqual(36)
    expect(overlaps(alone)).toBe(0)
  })

  it('gives an edge over several layers a way around the cards between', () => {
    const { x, y, bends, firstBend } = layOut(input(3, [[0, 1], [1, 2], [0, 2]])) // prettier-ignore
    const way = bends.slice(firstBend[2], firstBend[3])
    expect(way.length).toBe(4)
    expect(way[0]).toBe(x[1])
    expect(Math.abs(way[1]! - (y[1]! + CARD_HEIGHT / 2))).toBeGreaterThan(CARD_HEIGHT / 2)
  })

  it('crosses no edges where none need to cross', () => {
    const { y } = layOut(input(6, [[0, 5], [1, 4], [2, 3]].map(([a, b]) => [a!, b!]))) // prettier-ignore
    for (const [a, b, c, d] of [
      [0, 5, 1, 4],
      [1, 4, 2, 3],
    ])
      // prettier-ignore
      expect(Math.sign(y[a!]! - y[c!]!)).toBe(Math.sign(y[b!]! - y[d!]!))
  })

  it('keeps parts that nothing joins apart, and lays out nothing', () => {
    const apart = layOut(input(7, [[0, 1], [2, 3]])) // prettier-ignore
    expect(overlaps(apart)).toBe(0)
    expect(layOut(input(0, [])).box).toEqual({ x: 0, y: 0, width: 0, height: 0 })
  })

  it('lays out a thousand nodes without overlaps, about as wide as a screen', () => {
    const made = layOut(many(1000, 5000))
    expect(overlaps(made)).toBe(0)
    const aspect = made.box.width / made.box.height
    expect(aspect).toBeGreaterThan(0.5)
    expect(aspect).toBeLessThan(6)
  })

  it('spreads what is too near, and leaves the rest', () => {
    expect(spread([0, 0, 100], [0, 10, 10])).toEqual([-5, 5, 100])
    expect(spread([5, 1], [0, 2])).toEqual([2, 4])
    expect(spread([], [])).toEqual([])
  })
})

describe('the camera', () => {
  const box = { x: 0, y: 0, width: 1000, height: 500 }

  it('fits a drawing, and blows up none that is small', () => {
    const camera = fit(box, 548, 548)
    expect(camera.scale).toBeCloseTo(0.5)
    expect(toPlace(camera, 274, 274)).toEqual({ x: 500, y: 250 })
    expect(fit({ ...box, width: 10, height: 10 }, 1000, 1000).scale).toBeLessThan(1.2)
  })

  it('keeps the place under the pointer while it zooms', () => {
    const camera = fit(box, 600, 400)
    const before = toPlace(camera, 100, 50)
    const after = toPlace(zoomAt(camera, 100, 50, 1.7), 100, 50)
    expect(after.x).toBeCloseTo(before.x)
    expect(after.y).toBeCloseTo(before.y)
    expect(zoomAt(camera, 0, 0, 1e9).scale).toBeLessThan(10)
  })

  it('moves as little as brings a card into sight', () => {
    const camera = { x: 0, y: 0, scale: 1 }
    expect(reveal(camera, { x: 100, y: 100, width: 50, height: 50 }, 400, 400)).toEqual(camera)
    expect(reveal(camera, { x: 500, y: 100, width: 50, height: 50 }, 400, 400).x).toBe(174)
    expect(pan(camera, 10, -10)).toEqual({ x: -10, y: 10, scale: 1 })
  })
})

describe('the focus', () => {
  const calls = graph(['client/>service/a/x', 'service/a/x>service/a/y', 'service/a/y>service/b/z', 'service/a/x>service/b/w', 'service/b/w>service/b/v']) // prettier-ignore

  it('shows callers and callees to a depth, not their other neighbours', () => {
    const ids = (focus: string, depth: number) =>
      around(calls, focus, depth).nodes.map(({ id }) => id)
    expect(ids('service/a/y', 1)).toEqual(['service/a/x', 'service/a/y', 'service/b/z'])
    expect(ids('service/a/y', 3)).toEqual(['client/', 'service/a/x', 'service/a/y', 'service/b/z'])
    expect(ids('service/none/none', 3)).toEqual([])
  })

  it('stands for what is inside of it, and goes along to other levels', () => {
    expect(isFocus('service/a/x/GET /', 'service/a/x')).toBe(true)
    expect(isFocus('service/a/xy', 'service/a/x')).toBe(false)
    expect(around(calls, 'service/b', 1).nodes.length).toBe(5)
    expect(focusAt('service/a/x/GET /b/c', 'service')).toBe('service/a/x')
    expect(focusAt('service/a/x', 'line')).toBe('line/a')
    expect(focusAt('service/a/x', 'endpoint')).toBe('service/a/x')
    expect(focusAt('line/a', 'service')).toBe('service/a')
    expect(focusAt('database//db', 'line')).toBe('database//db')
  })
})

describe('problems only', () => {
  it('are what the server calls so, and calls that fail with both ends', () => {
    const made = makeGraph(
      [node('service/a/x', { state: 'warn' }), node('service/a/y'), node('service/a/z'), node('service/a/w')], // prettier-ignore
      [edge('service/a/x', 'service/a/y'), edge('service/a/y', 'service/a/z', { errors: 3 })],
      60,
    )
    const found = problems(made)
    expect(found.nodes.map(({ id }) => id)).toEqual(['service/a/x', 'service/a/y', 'service/a/z'])
    expect(found.edges.length).toBe(2)
  })
})

describe('names and numbers', () => {
  it('takes the names of peers apart', () => {
    const parts = { system: 'postgresql', inner: 'shop', host: 'db1' }
    expect(peerParts('postgresql/shop@db1:5432')).toEqual(parts)
    expect(peerParts('kafka/orders')).toEqual({ system: 'kafka', inner: 'orders', host: '' })
    expect(peerParts('mysql')).toEqual({ system: 'mysql', inner: '', host: '' })
  })

  it('asks for the spans of a node', () => {
    const service = node('service/shop/cart/GET "x"')
    expect(nodeFilter(service, true)).toBe(
      '{ resource.service.name = "cart" && resource.service.namespace = "shop" && name = "GET \\"x\\"" && status = error }',
    )
    const cache = node('cache///', { name: 'redis@c1:6379' })
    expect(nodeFilter(cache)).toBe(
      '{ (span.db.system.name = "redis" || span.db.system = "redis") && (span.server.address = "c1" || span.net.peer.name = "c1") }',
    )
    expect(nodeFilter(node('client/'))).toBeNull()
    expect(nodeFilter(node('external///', { name: '(unknown)' }))).toBeNull()
  })

  it('counts only the seconds that are over', () => {
    const range = { from_unix_ms: 60_000, to_unix_ms: 120_000 }
    expect(secondsOf(range, 1e9)).toBe(60)
    expect(secondsOf(range, 90_000)).toBe(30)
    expect(secondsOf(range, 0)).toBe(1)
  })
})

describe('the map', () => {
  it('keeps apart what stands on two edges that go there and back', () => {
    const made = graph(['dc/east>dc/west', 'dc/west>dc/east', 'dc/west>dc/south'])
    const { from, to } = made
    const cardHeight = CARD_HEIGHT
    const scene = makeScene(made, layOut({ count: 3, cardHeight, from, to }))
    const [there, back] = [markPlace(scene, 0, 13), markPlace(scene, 1, 13)]
    expect(Math.hypot(there.x - back.x, there.y - back.y)).toBeGreaterThanOrEqual(19 - 1e-6)
  })

  it('counts of clients what they ask', () => {
    const made = graph(['client/>service/a/x', 'client/>service/a/y', 'service/a/x>service/a/y'])
    made.edges[0]!.errors = 2
    const at = made.nodes.findIndex(({ kind }) => kind === 'client')
    expect(askedBy(made, at)).toEqual({ calls: 20, errors: 2 })
  })

  it('says of a callee that nobody told that it is not known', () => {
    expect(nodeName(node('external///(unknown)'))).toBe('(callee not told)')
    expect(nodeName(node('external///api.bank'))).toBe('api.bank')
  })

  it('calls no service what only an address is known of', () => {
    const kinds = (...names: string[]) => names.map((name) => kindText(node(`external///${name}`)))
    const peers = ['10.0.0.7:5432', '10.0.0.7', '[fd00::7]:80', 'fe80::1%eth0', '::1', '(unknown)']
    expect(new Set(kinds(...peers))).toEqual(new Set(['unknown peer']))
    const named = ['api.bank', 'api.bank:443', 'cafe:80', '1.2.3', 'post office']
    expect(new Set(kinds(...named))).toEqual(new Set(['external service']))
    expect(kindText(node('service//orders/GET'))).toBe('endpoint')
  })
})
