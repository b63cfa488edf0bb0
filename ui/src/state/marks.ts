// SPDX-License-Identifier: Apache-2.0
// Purpose: one book of marks for all pages, so that a service looks the same in the list, on its page
// and in a trace.
import * as api from '@/api/sonde'
import { MarkBook, type Mark } from '@/format/series'

const FIRST_RANGE_MS = 36e5
const FIRST_WAIT_MS = 250

const book = new MarkBook()

// Called with the services of an answer before they are shown.
export function learnServices(names: Iterable<string>): void {
  book.learn(names)
}

export function markOf(name: string): Mark {
  return book.markOf(name)
}

// Begins with the services of the last hour, so that readers who come by different pages see names
// that share a mark resolved alike. Does not wait long: marks are a help, not a need.
export async function startMarks(): Promise<void> {
  const to = Date.now()
  const first = api
    .services({ from: to - FIRST_RANGE_MS, to })
    .then((answer) => learnServices(answer.services.map((service) => service.name)))
    .catch(() => undefined)
  await Promise.race([first, new Promise((done) => setTimeout(done, FIRST_WAIT_MS))])
}
