// SPDX-License-Identifier: Apache-2.0
// Purpose: after an upgrade of the server the chunks of the old UI are gone: load the new one, once.

const KEY = 'sonde.reloaded'
const AGAIN_MS = 60_000

export function reloadOnNewVersion(): void {
  window.addEventListener('vite:preloadError', (event) => {
    const last = Number(sessionStorage.getItem(KEY) ?? 0)
    if (Date.now() - last < AGAIN_MS) return // reloading did not help: let the error be seen
    event.preventDefault()
    sessionStorage.setItem(KEY, String(Date.now()))
    location.reload()
  })
}
