// SPDX-License-Identifier: Apache-2.0
// Purpose: calls to the server: parameters, streams cut anywhere, errors with what they carry.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

const storage = new Map<string, string>()
vi.stubGlobal('sessionStorage', {
  getItem: (key: string) => storage.get(key) ?? null,
  setItem: (key: string, value: string) => storage.set(key, value),
  removeItem: (key: string) => storage.delete(key),
})

const { ApiError, buildUrl, getJson, getLines, toApiError } = await import('@/api/client')
const { red, searchTraces } = await import('@/api/sonde')
const { signIn, signInNeeded } = await import('@/state/auth')

// The answer arrives in pieces of so many bytes.
function answer(text: string, init: ResponseInit = {}, pieceBytes = 1 << 20) {
  const all = new TextEncoder().encode(text)
  const bytes: Uint8Array[] = []
  for (let at = 0; at < all.length; at += pieceBytes) bytes.push(all.slice(at, at + pieceBytes))
  const body = new ReadableStream({
    start(controller) {
      for (const part of bytes) controller.enqueue(part)
      controller.close()
    },
  })
  const fetched = vi.fn(async () => new Response(body, init))
  vi.stubGlobal('fetch', fetched)
  return fetched
}

beforeEach(() => storage.clear())
afterEach(() => (signInNeeded.value = false))

describe('requests', () => {
  it('leaves out what is not set', () => {
    expect(buildUrl('/x', { a: 1, b: undefined, c: '' })).toBe('/x?a=1')
    expect(buildUrl('/x', { q: '{ a = "b" }' })).toBe('/x?q=%7B+a+%3D+%22b%22+%7D')
    expect(buildUrl('/x')).toBe('/x')
  })

  it('asks for the calls of one service over the range of who calls whom', async () => {
    const minute = 6e4
    const range = { from: 10 * minute + 1.5, to: 15 * minute + 2.5 }
    const fetched = answer('{}')
    await red({ service: 'a' }, range)
    const [[path]] = fetched.mock.calls as unknown as [[string]]
    const asked = new URL(path, 'http://h').searchParams
    expect([asked.get('from'), asked.get('to')]).toEqual([`${10 * minute}`, `${15 * minute + 1e4}`])
  })

  it('sends the token once there is one', async () => {
    const fetched = answer('{}')
    signIn('secret')
    await getJson('/x')
    const [, init] = fetched.mock.calls[0] as unknown as [string, { headers: object }]
    expect(init.headers).toMatchObject({ authorization: 'Bearer secret' })
  })
})

describe('errors', () => {
  it('carry position, expectation and request ID', async () => {
    answer('{"error":"unexpected","position":7,"expected":"a value"}', {
      status: 400,
      headers: { 'x-request-id': 'r-1' },
    })
    const error = await getJson('/x').catch((e) => e)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({
      status: 400,
      message: 'unexpected',
      position: 7,
      expected: 'a value',
      requestId: 'r-1',
    })
  })

  it('survive answers that are no JSON', async () => {
    answer('<html>', { status: 502, statusText: 'Bad Gateway' })
    await expect(getJson('/x')).rejects.toMatchObject({ status: 502, message: 'Bad Gateway' })
  })

  it('ask for the token at 401', async () => {
    answer('{"error":"no"}', { status: 401 })
    await expect(getJson('/x')).rejects.toMatchObject({ status: 401 })
    expect(signInNeeded.value).toBe(true)
  })

  it('have status 0 when nobody answered', () => {
    expect(toApiError(new TypeError('Failed to fetch')).status).toBe(0)
  })
})

describe('streams', () => {
  it('puts lines together wherever they were cut, also within a character', async () => {
    for (const pieceBytes of [1, 2, 3, 7, 100]) {
      answer('{"a":1}\n{"b":"会员"}\n\n{"c":3}', {}, pieceBytes)
      const lines: unknown[] = []
      await getLines('/x', {}, (line) => lines.push(line))
      expect(lines).toEqual([{ a: 1 }, { b: '会员' }, { c: 3 }])
    }
  })

  const hooks = () => ({ trace: vi.fn(), progress: vi.fn() })
  const params = { q: '{}', from: 0, to: 1, limit: 1, order: 'newest' as const }

  it('hands out traces and progress, and ends with the statistics', async () => {
    answer(
      '{"progress":{"scanned_spans":1,"total_spans":2}}\n{"trace":{"trace_id":"a"}}\n' +
        '{"stats":{"scanned_spans":2}}\n',
    )
    const h = hooks()
    expect(await searchTraces(params, h)).toEqual({ scanned_spans: 2 })
    expect(h.progress).toHaveBeenCalledWith(1, 2)
    expect(h.trace).toHaveBeenCalledWith({ trace_id: 'a' })
  })

  it('fails on an error line and on an answer that just ends', async () => {
    answer('{"error":"the disk went away","request_id":"r-9"}\n')
    await expect(searchTraces(params, hooks())).rejects.toMatchObject({ requestId: 'r-9' })
    answer('{"trace":{"trace_id":"a"}}\n')
    await expect(searchTraces(params, hooks())).rejects.toThrow('ended early')
  })
})
