// SPDX-License-Identifier: Apache-2.0
// Purpose: takes the pictures of the READMEs anew, of a demo shop that it starts and stops. Takes about
// four minutes, for the pictures show three minutes of traffic; needs what `make run` has built.
//   npm run pictures
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { launch, openPage } from '../e2e/browser.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const IMAGES = join(ROOT, 'docs/images')
const BYTES_MAX = 200e3
const WIDTH = 1280
const SERVICES = 7 // two of them of Java
const SHOWN = 'now-3m'
const READERS = [
  { suffix: 'en', locale: 'en', timezoneId: 'UTC' },
  { suffix: 'zh', locale: 'zh-CN', timezoneId: 'Asia/Shanghai' },
]
const PAYMENTS = '{ resource.service.name = "payment" && duration > 10ms }'
const FAILED = '{ resource.service.name = "payment" && status = error }'

// ---- The shop ----------------------------------------------------------------------------------

const dir = mkdtempSync(join(tmpdir(), 'sonde-pictures-'))
const demo = spawn(join(ROOT, 'demo/run'), ['--ports', 'auto', '--dir', dir], {
  stdio: ['ignore', 'pipe', 'inherit'],
  detached: true, // Ctrl-C here is told to it once, at the end
})
const ended = new Promise((done) => demo.once('exit', done))

// Where the server answers, once all of the shop is there.
async function started() {
  let url
  for await (const line of createInterface({ input: demo.stdout })) {
    const said = line.startsWith('{') ? JSON.parse(line) : {}
    if (said.name === 'sonde') url = said.http.replace(/\/$/, '')
    if (said.name === 'ready') break
  }
  demo.stdout.resume()
  if (!url) throw new Error('the demo did not start')
  return url
}

async function stop() {
  demo.kill('SIGINT')
  await ended
  rmSync(dir, { recursive: true, force: true })
}

function turn(name, state) {
  const env = { ...process.env, SONDE_DEMO_DIR: dir }
  const child = spawn(join(ROOT, 'demo/switch'), [name, state], { env, stdio: 'ignore' })
  return new Promise((done, fail) =>
    child.once('exit', (code) =>
      code === 0 ? done() : fail(new Error(`demo/switch ${name} ${state} failed`)),
    ),
  )
}

async function ask(url, path, params) {
  const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(params)}`)
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return response.json()
}

async function until(what, holds) {
  console.log(`waiting for ${what}`)
  while (!(await holds())) {
    if (demo.exitCode !== null) throw new Error('the demo has stopped')
    await sleep(1000)
  }
}

const olderThan = (url, seconds) => async () => {
  const now = Date.now()
  const { services } = await ask(url, 'services', { from: now - 36e5, to: now - seconds * 1000 })
  return services.length > 0
}

// A failed order of usual length: neither the first, which opens connections, nor an outlier.
async function failedOrder(url) {
  const { traces } = await ask(url, 'traces', { q: FAILED, limit: 30 })
  const whole = traces.filter((trace) => trace.complete && trace.root_name === 'POST /api/buy')
  whole.sort((a, b) => a.duration_ns - b.duration_ns)
  return whole[whole.length >> 1]?.trace_id
}

// ---- The pictures ------------------------------------------------------------------------------

// `last` is what the picture ends below; without it, it has the height of a screen's half.
async function take(page, name, last) {
  await page.waitForLoadState('networkidle')
  if (last) {
    const { y, height } = await page.locator(last).last().boundingBox()
    await page.setViewportSize({ width: WIDTH, height: Math.ceil(y + height) + 24 })
  }
  const path = join(IMAGES, `${name}.png`)
  await page.screenshot({ path, animations: 'disabled' })
  const { size } = statSync(path)
  console.log(`${name}.png: ${Math.round(size / 1000)} kB`)
  if (size > BYTES_MAX) throw new Error(`${name}.png is larger than ${BYTES_MAX / 1000} kB`)
}

async function pictures(url, browser, order, { suffix, ...reader }) {
  const viewport = { width: WIDTH, height: 640 }
  const page = await openPage(browser, { theme: 'light', viewport, ...reader })
  const query = new URLSearchParams({ q: PAYMENTS, from: SHOWN, to: 'now' })
  await page.goto(`${url}/traces?${query}`)
  await page.locator('tbody tr').first().waitFor()
  await take(page, `traces-${suffix}`)
  await page.goto(`${url}/traces/${order}`)
  await page.locator('[role=treegrid] [role=row][aria-level]').first().waitFor()
  await take(page, `trace-${suffix}`, '[role=treegrid] [role=row][aria-level]')
  const range = new URLSearchParams({ from: SHOWN, to: 'now' })
  await page.goto(`${url}/topology?${range}`)
  await page.getByRole('application').waitFor()
  await take(page, `topology-${suffix}`)
  await page.goto(`${url}/services/payment/overview?ns=shop&${range}`)
  await page.locator('.place canvas').nth(2).waitFor()
  await take(page, `service-${suffix}`, '.place')
  const entry = `storefront/${encodeURIComponent('POST /api/buy')}`
  await page.goto(`${url}/capacity/${entry}?ns=shop&times=3&${range}`)
  await page.getByRole('slider').waitFor()
  await take(page, `capacity-${suffix}`, '.card')
  if (page.problems.length) throw new Error(page.problems.join('\n'))
  await page.context().close()
}

async function main() {
  const url = await started()
  await until(`${SERVICES} services`, async () => {
    const now = Date.now()
    const { services } = await ask(url, 'services', { from: now - 36e5, to: now })
    return services.length === SERVICES
  })
  await until('undisturbed traffic', olderThan(url, 110))
  await turn('errors', 'on')
  await until('three minutes of traffic', olderThan(url, 181))
  let order
  await until('a failed order', async () => (order = await failedOrder(url)))
  const browser = await launch()
  for (const reader of READERS) await pictures(url, browser, order, reader)
  await browser.close()
}

process.once('SIGINT', () => void stop().then(() => process.exit(130)))
try {
  await main()
} catch (error) {
  console.error(`pictures: ${error.message}`)
  process.exitCode = 1
}
await stop()
