// SPDX-License-Identifier: Apache-2.0
// Purpose: one book of marks for all pages, remembered by this browser, so that a service looks the
// same in the list, on its page, in a trace, and tomorrow.
import { MarkBook, type Mark } from '@/format/series'

const KEY = 'sonde.services'
const KEPT_MAX = 500

function remembered(): string[] {
  try {
    const names: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]')
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : []
  } catch {
    return [] // no storage, or not ours
  }
}

const book = new MarkBook(remembered())

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
  return book.markOf(name)
}
