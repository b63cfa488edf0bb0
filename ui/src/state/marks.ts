// SPDX-License-Identifier: Apache-2.0
// Purpose: one book of marks for all pages, remembered by this browser, so that a service looks the
// same in the list, on its page, in a trace, and tomorrow.
import * as api from '@/api/sonde'
import { MarkBook, type Mark } from '@/format/series'

const KEY = 'sonde.services'
const KEPT_MAX = 500
const FIRST_RANGE_MS = 36e5
const FIRST_WAIT_MS = 250

function remembered(): string[] {
  try {
    const names: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]')
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : []
  } catch {
    return [] // no storage, or not ours
  }
}

const known = remembered()
const book = new MarkBook(known)

// Called with the services of an answer before they are shown.
export function learnServices(names: Iterable<string>): void {
  if (!book.learn(names)) return
  try {
    localStorage.setItem(KEY, JSON.stringify(book.names(KEPT_MAX)))
  } catch {
    // Without storage the marks last as long as the page.
  }
}

export function markOf(name: string): Mark {
  learnServices([name])
  return book.markOf(name)
}

// A browser that knows no service yet begins with those of the last hour, so that readers who come by
// different pages see the same marks. Does not wait long: marks are a help, not a need.
export async function startMarks(): Promise<void> {
  if (known.length > 0) return
  const to = Date.now()
  const first = api
    .services({ from: to - FIRST_RANGE_MS, to })
    .then((answer) => learnServices(answer.services.map((service) => service.name)))
    .catch(() => undefined)
  await Promise.race([first, new Promise((done) => setTimeout(done, FIRST_WAIT_MS))])
}
