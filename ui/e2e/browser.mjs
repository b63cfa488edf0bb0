// SPDX-License-Identifier: Apache-2.0
// Purpose: a headless browser whose pages report every script error and every refusal of the content
// security policy, and a runner that counts.
import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
]
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

export async function launch() {
  const executablePath = process.env.CHROMIUM ?? PLACES.find((path) => existsSync(path))
  if (!executablePath) throw new Error('no Chromium found: set CHROMIUM')
  return chromium.launch({ executablePath, args: FLAGS })
}

// What the browser says of every answer that is not a success; the flows expect some of those.
const EXPECTED = /^Failed to load resource/

export async function openPage(browser, { theme = 'dark', locale = 'en', ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 860 }, ...options })
  await context.addInitScript(
    ([t, l]) => {
      localStorage.setItem('sonde.theme', localStorage.getItem('sonde.theme') ?? t)
      localStorage.setItem('sonde.locale', localStorage.getItem('sonde.locale') ?? l)
    },
    [theme, locale],
  )
  const page = await context.newPage()
  page.problems = []
  page.on('pageerror', (error) => page.problems.push(`script error: ${error.message}`))
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !EXPECTED.test(message.text()))
      page.problems.push(`${message.type()}: ${message.text()}`)
  })
  return page
}

export function counter() {
  const result = { passed: 0, failed: 0 }
  result.check = async (name, flow) => {
    try {
      await flow()
      result.passed++
      console.log(`ok    ${name}`)
    } catch (error) {
      result.failed++
      console.log(
        `FAIL  ${name}\n      ${String(error.stack ?? error).replaceAll('\n', '\n      ')}`,
      )
    }
  }
  return result
}
