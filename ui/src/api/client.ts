// SPDX-License-Identifier: Apache-2.0
// Purpose: one way to call the server: JSON answers, streamed lines, and errors that carry what the
// user needs (status, request ID, position in a filter).
import { signInNeeded, token } from '@/state/auth'

export type Params = Record<string, string | number | undefined>

export interface ErrorBody {
  error?: string
  request_id?: string
  position?: number
  expected?: string
  code?: string
  parameter?: string
}

export class ApiError extends Error {
  readonly requestId?: string
  readonly position?: number
  readonly expected?: string
  readonly code?: string // of what a filter lacks

  // Status 0: the server could not be reached.
  constructor(
    readonly status: number,
    body: ErrorBody,
    requestId?: string | null,
  ) {
    super(body.error ?? '')
    this.requestId = body.request_id ?? requestId ?? undefined
    this.position = body.position
    this.expected = body.expected
    this.code = body.code
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}

export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  return new ApiError(0, { error: error instanceof Error ? error.message : String(error) })
}

export function buildUrl(path: string, params: Params = {}): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(params))
    if (value !== undefined && value !== '') query.set(name, String(value))
  const text = query.toString()
  return text ? `${path}?${text}` : path
}

async function failure(response: Response): Promise<ApiError> {
  if (response.status === 401) signInNeeded.value = true
  let body: ErrorBody = {}
  try {
    body = (await response.json()) as ErrorBody
  } catch {
    body = { error: response.statusText }
  }
  return new ApiError(response.status, body, response.headers.get('x-request-id'))
}

async function request(
  url: string,
  accept: string,
  init: { signal?: AbortSignal; method?: string; type?: string; body?: string } = {},
): Promise<Response> {
  const { signal, method, type, body } = init
  const headers: Record<string, string> = { accept }
  const bearer = token()
  if (bearer) headers.authorization = `Bearer ${bearer}`
  if (type) headers['content-type'] = type
  const response = await fetch(url, { headers, signal, method, body, credentials: 'same-origin' })
  if (!response.ok) throw await failure(response)
  return response
}

export async function getJson<T>(path: string, params?: Params, signal?: AbortSignal): Promise<T> {
  const response = await request(buildUrl(path, params), 'application/json', { signal })
  return (await response.json()) as T
}

export async function getBlob(path: string, signal?: AbortSignal): Promise<Blob> {
  return (await request(path, 'application/json', { signal })).blob()
}

export async function getText(path: string, accept: string, signal?: AbortSignal): Promise<string> {
  return (await request(path, accept, { signal })).text()
}

// What changes something, with a body of the type.
export async function postText<T>(path: string, type: string, body: string): Promise<T> {
  const response = await request(path, 'application/json', { method: 'POST', type, body })
  return (await response.json()) as T
}

export const postJson = <T>(path: string, body: unknown) =>
  postText<T>(path, 'application/json', JSON.stringify(body))

export async function remove(path: string): Promise<void> {
  await request(path, 'application/json', { method: 'DELETE' })
}

// Calls `line` with every line of a streamed answer, as it arrives.
export async function getLines(
  path: string,
  params: Params,
  line: (value: unknown) => void,
  signal?: AbortSignal,
): Promise<void> {
  const response = await request(buildUrl(path, params), 'application/x-ndjson', { signal })
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    rest += value ?? ''
    const lines = rest.split('\n')
    rest = done ? '' : lines.pop()!
    for (const text of lines) if (text.trim()) line(JSON.parse(text))
    if (done) return
  }
}
