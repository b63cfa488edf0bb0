// SPDX-License-Identifier: Apache-2.0
// Purpose: drives the UI in a real browser against a server that holds some traces.
//   node e2e/flows.mjs [--url http://127.0.0.1:7070] [--big TRACE_ID] [--late TRACE_ID] [--crowded TRACE_ID]
//     [--otlp http://127.0.0.1:4318] [--only TEXT]
// Without --url it starts the fixture over dist/. --big names a trace of 10,000 spans or more, --crowded
// one whose root has 1,240 events and 1,001 links. --otlp is where a server that has no rules takes spans: its alerts are
// tried too. --only runs the flows that have TEXT in their names.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { alertFlows } from './alerts.mjs'
import { counter, launch, openPage } from './browser.mjs'

const option = (name) => {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? undefined : process.argv[at + 1]
}

const children = []

function fixture(port, ...flags) {
  const script = fileURLToPath(new URL('../dev/fixture.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, '--port', String(port), ...flags])
  children.push(child)
  return new Promise((done, fail) => {
    child.stdout.once('data', () => done(`http://127.0.0.1:${port}`))
    child.once('exit', () => fail(new Error(`the fixture did not start on port ${port}`)))
  })
}

const PORT = 17070
const url = option('url') ?? (await fixture(PORT))
const big = option('big') ?? (option('url') ? undefined : '2'.repeat(32))
const crowded = option('crowded') ?? (option('url') ? undefined : '5'.repeat(32))
const cutShort = `/traces/${'6'.repeat(32)}` // of the fixture; elsewhere a trace that is not stored
const only = option('only') ?? ''
const late = option('late') // a trace of two calls, one of which outlives its caller
const browser = await launch()
const run = counter()
const rows = (page) => page.locator('[role=treegrid] [role=row][aria-level]')

// A flow on a page of its own; whatever the browser complained about fails it.
async function flow(name, body, options) {
  if (!name.includes(only)) return
  await run.check(name, async () => {
    const page = await openPage(browser, options)
    try {
      await body(page)
      assert.deepEqual(page.problems, [])
    } catch (error) {
      const text = await page.locator('body').innerText()
      error.stack += `\nthe page at ${page.url()}: ${text}`.slice(0, 2000)
      throw error
    } finally {
      await page.context().close()
    }
  })
}

async function firstTrace(page, query = '') {
  await page.goto(`${url}/traces${query}`)
  await page.locator('tbody tr').first().waitFor()
  await page.locator('tbody tr .root a').first().click()
  await rows(page).first().waitFor()
}

// A node of the topology of the last hour that is a service with callers, and one of its pages.
const ask = async (path, params) => {
  const now = Date.now()
  const query = new URLSearchParams({ from: now - 36e5, to: now, ...params })
  return (await fetch(`${url}/api/v1/${path}?${query}`)).json()
}
async function someService() {
  const { nodes, edges } = await ask('topology')
  const called = new Set(edges.filter(({ server }) => server).map(({ to }) => to))
  const found = nodes.filter(({ id, service }) => service && called.has(id))
  return found.sort((a, b) => b.calls - a.calls)[0]
}
// A range that stands still, and that the server cuts to nothing else.
function wholeMinutes() {
  const to = Math.ceil(Date.now() / 6e4) * 6e4
  return { from: to - 36e5, to }
}
const pageOf = ({ service, namespace }, section, query = {}) => {
  const params = new URLSearchParams({ ...(namespace && { ns: namespace }), ...query })
  return `/services/${encodeURIComponent(service)}/${section}?${params}`
}

await flow('services lead to what they do, and to its traces', async (page) => {
  await page.goto(`${url}/services`)
  const first = page.locator('tbody tr').first()
  await first.waitFor()
  const name = (await first.locator('a').first().innerText()).trim()
  await page.getByRole('button', { name: 'Errors', exact: true }).click()
  await page.waitForURL(/sort=-errors/)
  await page.getByRole('link', { name, exact: true }).first().click()
  await page.waitForURL(/\/services\//)
  await page.getByRole('link', { name: 'Endpoints' }).click()
  await page.waitForURL(/\/services\/[^/]+\/endpoints/)
  const tracesOf = async (link) => {
    await link.click()
    await page.waitForURL(/\/traces\?/)
    const q = new URL(page.url()).searchParams.get('q')
    assert.match(q, /^\{ resource\.service\.name = ".* && name = "/)
    await page.locator('tbody tr').first().waitFor()
  }
  await tracesOf(page.getByRole('link', { name: /^Traces of / }).first())
  // What is no endpoint is there too.
  for (const { id, namespace } of (await ask('services')).services) {
    const [{ operations }, { groups }] = await Promise.all([
      ask(`services/${encodeURIComponent(id)}/operations`),
      ask('red', { service: id, by: 'endpoint' }),
    ])
    const endpoints = new Set(groups.map((group) => group.name))
    if (operations.every((operation) => endpoints.has(operation.name))) continue
    await page.goto(url + pageOf({ service: id, namespace }, 'endpoints'))
    const others = page.locator('section', { hasText: 'Other operations' })
    await tracesOf(others.locator('tbody tr a').first())
    return
  }
  assert.fail('no service has other operations')
})

// Whatever page is read: the calls of one service in one range.
await flow('a service has the same calls in the list, on its page and on the map', async (page) => {
  const { from, to } = wholeMinutes()
  const range = { from: String(from + 20_000), to: String(to - 20_000) }
  const { nodes } = await ask('topology', { level: 'service', ...range })
  const busy = nodes
    .filter(({ kind, calls, errors }) => kind === 'service' && calls > 0 && errors > 0)
    .sort((a, b) => b.calls - a.calls)[0]
  const count = (value) => value.toLocaleString('en')
  await page.goto(`${url}/services?${new URLSearchParams(range)}`)
  const name = page.getByRole('link', { name: busy.service, exact: true }).first()
  await name.waitFor()
  const cells = await page.locator('tbody tr', { has: name }).locator('td').allInnerTexts()
  const columns = await page.locator('thead th').allInnerTexts()
  const at = (column) => cells[columns.findIndex((text) => text.trim() === column)].trim()
  assert.equal(at('Calls'), count(busy.calls))
  assert.equal(at('Errors'), count(busy.errors))
  await page.goto(url + pageOf({ ...busy, service: busy.service }, 'overview', range))
  await page
    .getByText(`${count(busy.calls)} calls`)
    .first()
    .waitFor()
})

await flow('slow traces come slowest first, and say what slow is', async (page) => {
  await page.goto(`${url}/services`)
  await page.locator('tbody tr a').first().click()
  const slow = page.getByRole('link', { name: /Slow traces ≥ [\d.]+ .*, the worst P99/ })
  await slow.click()
  await page.waitForURL((next) => next.searchParams.get('order') === 'slowest')
  await page.getByRole('button', { name: 'Slowest', pressed: true }).waitFor()
})

await flow('a range of which data fill a small tail can be fitted', async (page) => {
  const began = Date.now() - 17 * 6e4
  await page.route('**/api/v1/scatter**', async (route) => {
    const json = await (await route.fetch()).json()
    const column = Math.floor((began - json.from) / json.column_ms)
    const cells = column >= 0 && column < json.columns ? [[column, 0, 1, 0, '1'.repeat(32)]] : []
    await route.fulfill({ json: { ...json, cells } })
  })
  await page.goto(`${url}/traces?from=now-1w&to=now`)
  await page.getByRole('button', { name: /^Data begins .*: fit$/ }).click()
  await page.waitForURL((next) => next.searchParams.get('to') === 'now')
  await page.waitForURL((next) => /^\d+$/.test(next.searchParams.get('from') ?? ''))
  const from = Number(new URL(page.url()).searchParams.get('from'))
  assert.ok(from <= began && from > began - 1001, `${began - from} ms before the first span`)
  await page.unrouteAll({ behavior: 'ignoreErrors' })
})

await flow('a bad filter is shown at its place, and mends', async (page) => {
  await page.goto(`${url}/traces`)
  const box = page.getByLabel('Filter', { exact: true })
  await box.fill('{ duration > }')
  await page.getByRole('alert').waitFor()
  assert.equal(await page.locator('.problem mark').innerText(), '}')
  await box.fill('{ duration > 1ns }')
  await page.keyboard.press('Enter')
  await page.getByRole('alert').waitFor({ state: 'detached' })
  await page.locator('tbody tr').first().waitFor()
})

await flow('a filter without braces gets them, in sight', async (page) => {
  await page.goto(`${url}/traces`)
  const box = page.getByLabel('Filter', { exact: true })
  await box.fill('duration > 1us')
  const said = page.getByText('Filters are written in braces.')
  await said.waitFor()
  assert.match(await said.innerText(), /\{ duration > 1us \}/)
  await page.keyboard.press('Enter')
  await page.waitForURL((next) => next.searchParams.get('q') === '{ duration > 1us }')
  assert.equal(await box.inputValue(), '{ duration > 1us }')
  await said.waitFor({ state: 'detached' })
  await page.locator('tbody tr').first().waitFor()
  await box.fill('duration > ') // a mistake is shown in what would be searched
  await page.getByRole('alert').waitFor()
  assert.match(await page.locator('.problem pre').innerText(), /^\{ duration > *\}/)
  // A link that somebody wrote by hand, and the search of the top bar.
  await page.goto(`${url}/traces?q=duration+%3E+1us`)
  await said.waitFor()
  await page.locator('tbody tr').first().waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type('duration > 3us')
  await page.getByRole('option', { name: 'Search traces with { duration > 3us }' }).click()
  await page.waitForURL((next) => next.searchParams.get('q') === '{ duration > 3us }')
})

await flow('the server orders: the slowest of all, not of the newest', async (page) => {
  await page.goto(`${url}/traces?limit=20`)
  await page.locator('tbody tr').first().waitFor()
  await page.getByRole('button', { name: 'Slowest' }).click()
  await page.getByRole('columnheader', { name: 'Longest match' }).waitFor()
  await page.getByText('Only the 20 traces with the longest matching span').waitFor()
  const best = await page.request.get(`${url}/api/v1/traces?order=slowest&limit=1`)
  const slowest = (await best.json()).traces[0].trace_id
  await page.locator(`tbody tr:first-child .root a[href*="${slowest}"]`).waitFor()
  await page.getByRole('button', { name: 'Most errors' }).click()
  await page.waitForURL(/order=errors/)
  await page.getByRole('columnheader', { name: 'Matching errors' }).waitFor()
  await page.goto(`${url}/traces?order=nonsense`)
  await page.getByRole('button', { name: 'Newest', pressed: true }).waitFor()
})

await flow('a trace leads back to its list, filter, order and range', async (page) => {
  const q = '{ duration > 1us }'
  const from = `q=${encodeURIComponent(q)}&order=slowest&limit=20&from=now-2h&to=now`
  await firstTrace(page, `?${from}`)
  const shared = page.url()
  await page.goto(`${url}/no/such/page`)
  await page.goto(shared) // the way back does not hang on this browser's history
  await page.getByRole('link', { name: `Traces ${q}` }).click()
  await page.waitForURL(/\/traces\?/)
  const query = Object.fromEntries(new URL(page.url()).searchParams)
  assert.deepEqual(query, { q, order: 'slowest', limit: '20', from: 'now-2h', to: 'now' })
  await page.locator('tbody tr').first().waitFor()
})

await flow('the column of RpcIds is a choice that stays', async (page) => {
  await firstTrace(page)
  const column = page.getByRole('columnheader', { name: 'RpcId' })
  await column.waitFor()
  const grid = page.getByRole('treegrid')
  assert.equal(await grid.getAttribute('aria-colcount'), '4')
  await page.getByRole('button', { name: 'RpcId' }).click()
  await column.waitFor({ state: 'detached' })
  assert.equal(await rows(page).first().getByRole('gridcell').count(), 3)
  assert.equal(await grid.getAttribute('aria-colcount'), '3')
  await page.reload()
  await rows(page).first().waitFor()
  assert.equal(await column.count(), 0)
  await page.waitForLoadState('networkidle') // nothing moves any more
  const lane = await rows(page).first().locator('.lane').boundingBox()
  const ruler = await page.locator('.ruler').boundingBox()
  assert.ok(Math.abs(lane.x - ruler.x) < 2 && lane.width > 200)
})

await flow('the builder says when it does not offer all there is', async (page) => {
  const cut = (answer) => ({ ...answer, truncated: true })
  let approximate = false
  await page.route('**/api/v1/attributes**', async (route) => {
    const answer = await route.fetch()
    const json = { ...cut(await answer.json()), approximate }
    await route.fulfill({ json })
  })
  for (approximate of [false, true]) {
    await page.goto(`${url}/traces?build=1`)
    await page.getByText(/Only \d+ attributes are offered; there are more/).waitFor()
    await page.getByLabel('Value').focus()
    await page
      .getByText(
        approximate
          ? 'a frequent one may be missing'
          : 'most frequent values are offered; there are',
      )
      .waitFor()
  }
  await page.unrouteAll({ behavior: 'ignoreErrors' }) // of requests still on their way
})

await flow('the builder writes the filter', async (page) => {
  await page.goto(`${url}/traces`)
  await page.getByRole('button', { name: 'Build' }).click()
  await page.getByLabel('Field').selectOption({ label: 'Duration' })
  await page.getByLabel('Comparison').selectOption({ label: 'is at least' })
  await page.getByLabel('Value').fill('1us')
  await page.getByRole('button', { name: 'Apply and search' }).click()
  await page.waitForURL((next) => next.searchParams.get('q') === '{ duration >= 1us }')
})

await flow('the builder needs no knowledge of the language', async (page) => {
  await page.goto(`${url}/traces?build=1`)
  const written = page.locator('.builder code')
  await page.getByRole('button', { name: 'failing requests' }).click()
  assert.equal(await written.innerText(), '{ status = error && kind = server }')
  await page.getByRole('button', { name: 'Add condition' }).click()
  await page.getByLabel('Field').last().selectOption({ label: 'Span name' })
  await page.getByLabel('Comparison').last().selectOption({ label: 'contains' })
  await page.getByLabel('Value').last().fill('a.b')
  const said = '{ status = error && kind = server && name =~ ".*a\\\\.b.*" }'
  assert.equal(await written.innerText(), said)
  // What is written comes back as the same words.
  await page.getByRole('button', { name: 'Apply and search' }).click()
  await page.waitForURL((next) => next.searchParams.get('q') === said)
  await page.reload()
  assert.equal(await page.getByLabel('Value').last().inputValue(), 'a.b')
  assert.equal(await page.getByLabel('Comparison').last().inputValue(), 'contains')
})

await flow(
  'a bad filter is explained in the language of the reader',
  async (page) => {
    await page.goto(`${url}/traces?q=${encodeURIComponent('{ duration > }')}`)
    await page.getByText('此处应为时长，例如 100ms 或 1.5s。').waitFor()
    assert.equal(await page.locator('.problem').getByText('expected').count(), 0)
  },
  { locale: 'zh-CN' },
)

await flow('Back returns to the place in the list', async (page) => {
  await page.setViewportSize({ width: 1000, height: 420 })
  await page.goto(`${url}/traces`)
  const link = page.locator('tbody tr .root a').nth(30)
  await link.waitFor()
  await page.waitForLoadState('networkidle') // nothing moves any more
  await link.scrollIntoViewIfNeeded()
  const top = () => page.evaluate(() => document.getElementById('main').scrollTop)
  const left = await top()
  assert.ok(left > 200, `the list does not scroll: ${left}`)
  await link.evaluate((element) => element.click()) // without scrolling to it
  await rows(page).first().waitFor()
  await page.goBack()
  await page.waitForFunction((y) => document.getElementById('main').scrollTop === y, left)
  await page.goForward()
  await rows(page).first().waitFor()
  await page.getByRole('link', { name: 'Services' }).click()
  await page.getByRole('heading', { name: 'Services' }).waitFor()
  assert.equal(await top(), 0)
})

await flow('a service looks the same on every page, and like no other', async (page) => {
  await page.goto(`${url}/services`)
  await page.locator('tbody tr').first().waitFor()
  const looks = (reader = page) =>
    reader.evaluate(() =>
      Object.fromEntries(
        [...document.querySelectorAll('main .service, main [role=row] .tree')].map((place) => [
          (place.querySelector('.text b') ?? place.querySelector('.text')).textContent,
          [...place.querySelectorAll('i.mark')].slice(0, 1).map((mark) => {
            const style = getComputedStyle(mark)
            const ring = style.borderTopWidth !== '0px'
            const colour = ring ? style.borderTopColor : style.backgroundColor
            return [colour, ring, style.borderRadius, style.transform].join()
          })[0],
        ]),
      ),
    )
  const services = await looks()
  assert.equal(new Set(Object.values(services)).size, Object.keys(services).length)
  await page.goto(`${url}/traces`)
  const several = page.locator('tbody tr:has(.services .service + .service)').first()
  await several.locator('.root a').click()
  await rows(page).first().waitFor()
  const seen = Object.entries(await looks())
  assert.ok(seen.length > 1)
  for (const [name, look] of seen) assert.equal(look, services[name], name)
  // Another reader, who came by the trace, sees the same.
  const other = await openPage(browser)
  await other.goto(page.url())
  await rows(other).first().waitFor()
  assert.deepEqual(await looks(other), Object.fromEntries(seen))
  await other.context().close()
})

if (late)
  await flow('a trace explains its errors, and what the halves of a call leave', async (page) => {
    await page.goto(`${url}/traces/${late}`)
    await rows(page).first().waitFor()
    assert.match(await page.locator('.facts').innerText(), /2 failed spans in 1 row\b/)
    assert.equal((await page.locator('.errors .count').innerText()).trim(), '1')
    const notes = page.locator('.lane .note')
    assert.equal(
      await notes.nth(0).getAttribute('title'),
      'the server went on for 38.0 ms after the client had gone',
    )
    assert.equal(await notes.nth(1).getAttribute('title'), 'network and queueing 4.00 ms')
    assert.equal(await notes.count(), 2)
    // A note stands beside both bars, over neither.
    for (const lane of await page.locator('.lane:has(.note)').all()) {
      const note = await lane.locator('.note').boundingBox()
      for (const bar of await lane.locator('.bar').all()) {
        const box = await bar.boundingBox()
        assert.ok(note.x >= box.x + box.width - 1 || note.x + note.width <= box.x + 1)
      }
    }
    // No room beside a bar that fills the timeline: the note stands inside, off the server's bar.
    await page.goto(`${url}/traces/${late}?w=60000000-66000000`)
    const note = page.getByTitle('network and queueing 4.00 ms')
    await note.waitFor()
    const bars = page.locator('.lane').filter({ has: note }).locator('.bar')
    const parts = [note, bars.first(), bars.last()]
    const [box, outer, inner] = await Promise.all(parts.map((part) => part.boundingBox()))
    assert.ok(box.x + box.width < inner.x + 1 && box.x >= outer.x - 1)
  })

if (late)
  await flow('the first error is where the failure began', async (page) => {
    await page.goto(`${url}/traces/${late}`)
    await rows(page).first().waitFor()
    await page.keyboard.press('n')
    await page.getByRole('complementary').getByText('too late').waitFor()
    await page.locator('[role=row][aria-selected=true]', { hasText: 'caller → callee' }).waitFor()
  })

await flow('dragging zooms, Back undoes', async (page) => {
  await page.goto(`${url}/traces?from=now-1h&to=now`)
  const plot = page.locator('.plot')
  await plot.waitFor()
  await page.waitForLoadState('networkidle') // nothing moves any more
  const box = await plot.boundingBox()
  await page.mouse.move(box.x + box.width * 0.2, box.y + box.height * 0.3)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.9, box.y + box.height * 0.8, { steps: 5 })
  await page.mouse.up()
  await page.waitForURL(/from=\d+&to=\d+.*duration/)
  await page.goBack()
  await page.waitForURL(/from=now-1h&to=now$/)
})

await flow('the scatter has a table twin', async (page) => {
  await page.goto(`${url}/traces?scatter=table`)
  await page.getByRole('columnheader', { name: 'Duration from – to' }).waitFor()
})

await flow('a trace: selection, folding, window survive a shared link', async (page) => {
  await firstTrace(page)
  await rows(page).first().click()
  await page.getByRole('complementary', { name: 'Span details' }).waitFor()
  await page.getByRole('button', { name: 'Fold all' }).click()
  await page.waitForURL(/span=[0-9a-f]{16}.*fold=all/)
  const shown = await rows(page).count()
  const shared = page.url()
  await page.goto(`${url}/no/such/page`)
  await page.goto(shared)
  await rows(page).first().waitFor()
  assert.equal(await rows(page).count(), shown)
  assert.equal(await page.locator('[aria-selected=true][role=row]').count(), 1)
  await page.keyboard.press('Escape')
  await page.getByRole('complementary').waitFor({ state: 'detached' })
})

await flow('a trace can be taken away as OTLP/JSON', async (page) => {
  await firstTrace(page)
  const arriving = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Raw JSON' }).click()
  const file = await arriving
  assert.match(file.suggestedFilename(), /^trace-[0-9a-f]{32}\.json$/)
  const trace = JSON.parse(readFileSync(await file.path(), 'utf8'))
  assert.ok(Array.isArray(trace.resourceSpans))
})

// What a page says of what it does not show, by language.
const SAID = {
  en: {
    cutShort: /^Spans may be missing: other queries waited, .* ended early\./,
    damaged: 'Spans may be missing. Damaged parts of the store: 7, 9.',
    large: /^The trace is too large .* the earliest \d+ of 1,234,567 spans are shown\./,
    again: 'Try again',
    lists: ['Events 1,240', 'Links 1,001'],
    leftOut: [
      '240 more are not shown. The download “Raw JSON” of the trace has them all.',
      '1 more is not shown. The download “Raw JSON” of the trace has them all.',
    ],
    raw: 'Raw JSON',
  },
  'zh-CN': {
    cutShort: /^可能缺少 Span：有其他查询在排队，读取此调用链时提前结束。/,
    damaged: '可能缺少 Span：数据块 7, 9 已损坏。',
    large: /^该调用链过大.*1,234,567 个 Span 中最早的 \d+ 个。/,
    again: '重试',
    lists: ['事件 1,240', '链接 1,001'],
    leftOut: [
      '另有 240 个未显示，通过“原始 JSON”下载的调用链数据包含全部。',
      '另有 1 个未显示，通过“原始 JSON”下载的调用链数据包含全部。',
    ],
    raw: '原始 JSON',
  },
}

for (const [locale, said] of Object.entries(SAID)) {
  if (crowded)
    await flow(
      `a span says how many events and links it does not show (${locale})`,
      async (page) => {
        await page.goto(`${url}/traces/${crowded}`)
        await rows(page).first().click()
        const panel = page.getByRole('complementary')
        for (const at of [0, 1]) {
          const list = panel.locator('section', {
            has: page.getByRole('heading', { name: said.lists[at] }),
          })
          await list.getByText(said.leftOut[at], { exact: true }).waitFor()
          assert.equal(await list.locator('details, .item').count(), 1000)
        }
        await page.getByRole('button', { name: said.raw }).waitFor()
        if (!option('url')) return // the fixture has no raw JSON
        const raw = await (await page.request.get(`${url}/api/v1/traces/${crowded}/raw`)).json()
        const { events, links } = raw.resourceSpans[0].scopeSpans[0].spans[0]
        assert.deepEqual([events.length, links.length], [1240, 1001])
      },
      { locale },
    )
  if (option('url')) continue // nothing makes a sound server cut a trace short
  await flow(
    `a trace that may lack spans says why, once (${locale})`,
    async (page) => {
      const again = page.getByRole('button', { name: said.again })
      await page.goto(`${url}/traces/${'7'.repeat(32)}`)
      await page.getByText(said.damaged, { exact: true }).waitFor()
      assert.equal(await page.getByRole('main').locator('.notice, .badge.warn').count(), 1)
      assert.equal(await again.count(), 0)
      await page.goto(`${url}/traces/${'8'.repeat(32)}`)
      await page.getByText(said.large).waitFor()
      assert.equal(await page.getByRole('main').locator('.notice, .badge.warn').count(), 1)
      await page.goto(url + cutShort)
      const notice = page.getByText(said.cutShort)
      await notice.waitFor()
      const grid = page.getByRole('treegrid')
      assert.ok((await notice.boundingBox()).y < (await grid.boundingBox()).y)
      // Of as many spans, so that only the notice tells the two answers apart.
      await page.route('**/outline', async (route) => {
        const json = await (await route.fetch()).json()
        await route.fulfill({ json: { ...json, partial: false, partial_reason: undefined } })
      })
      await again.click()
      await notice.waitFor({ state: 'detached' })
      await rows(page).first().waitFor()
      await page.unrouteAll({ behavior: 'ignoreErrors' })
    },
    { locale },
  )
}

await flow('the wall shows each service with its state, and leads on', async (page) => {
  await page.goto(url)
  const service = await someService()
  const tile = page.locator('.tile', { hasText: service.service }).first()
  await tile.getByLabel(/^(OK|warning|error)$/).waitFor()
  assert.match(await tile.innerText(), /\/(s|min)/)
  // What the picker says is what is shown, there and behind its links.
  await page.getByRole('button', { name: 'Last 10 minutes' }).waitFor()
  await tile.click()
  await page.waitForURL(/\/services\/[^/]+\/overview\?.*from=now-10m/)
  await page.locator('.place canvas').first().waitFor()
})

const selected = (page) => page.getByRole('complementary', { name: 'Details' })

await flow('a service that has no calls any more says so on every page', async (page) => {
  const service = await someService()
  const range = wholeMinutes()
  const isShort = (query) => query.get('to') - query.get('from') < 5 * 6e4
  await page.route('**/api/v1/topology?**', async (route) => {
    const query = new URL(route.request().url()).searchParams
    const json = await (await route.fetch()).json()
    const others = json.nodes.filter(({ id }) => id !== service.id)
    const busy = json.nodes.filter(({ id }) => id === service.id).map((n) => ({ ...n, calls: 1e6 }))
    json.nodes = isShort(query) ? others : [...busy, ...others]
    await route.fulfill({ json })
  })
  await page.route('**/api/v1/red?**', async (route) => {
    const json = await (await route.fetch()).json()
    const points = []
    for (let ms = range.from; ms < range.to - 10 * 6e4; ms += json.step_ms)
      points.push({ ...json.points[0], time_unix_ms: ms, calls: 10 })
    await route.fulfill({ json: { ...json, points } })
  })
  const said = /No calls since \d\d:\d\d/
  const at = `from=${range.from}&to=${range.to}`
  await page.goto(`${url}/?${at}`)
  await page.locator('.tile.warn, .tile.error', { hasText: said }).first().waitFor()
  const ns = service.namespace ? `&ns=${encodeURIComponent(service.namespace)}` : ''
  await page.goto(`${url}/services/${encodeURIComponent(service.service)}/overview?${at}${ns}`)
  await page.locator('.page-head').getByText(said).waitFor()
  await page.goto(
    `${url}/topology?${at}&problems=1&view=nodes&node=${encodeURIComponent(service.id)}`,
  )
  await selected(page).getByText(said).waitFor()
  await page.locator('tbody tr', { hasText: service.service }).first().waitFor()
  await page.unrouteAll({ behavior: 'ignoreErrors' })
})

await flow(
  'durations have the units of the language',
  async (page) => {
    await page.goto(`${url}/services`)
    await page.locator('tbody tr').first().waitFor()
    const text = await page.locator('table').first().innerText()
    assert.match(text, /\d (微秒|毫秒|秒|分)/)
    assert.doesNotMatch(text, /\d (µs|ms|s|m)\b/)
  },
  { locale: 'zh-CN' },
)

const MAP = { name: 'Map of who calls whom' }

await flow('a link to the topology shows the same, and Back undoes', async (page) => {
  const service = await someService()
  await page.goto(`${url}/topology?from=now-1h&to=now`)
  await page.getByRole('application', MAP).waitFor()
  await page.getByRole('button', { name: 'Nodes', exact: true }).click()
  await page.getByRole('button', { name: service.service, exact: true }).click()
  await selected(page).getByRole('button', { name: 'Focus' }).click()
  await page.waitForURL((next) => next.searchParams.get('focus') === service.id)
  await page.getByRole('button', { name: '2', exact: true }).click()
  await page.waitForURL(/depth=2/)
  await page.getByRole('button', { name: 'Map', exact: true }).click()
  await page.getByRole('application', MAP).waitFor()
  const count = await page.locator('.page-head .end .muted').innerText()
  const shared = page.url()
  const other = await openPage(browser)
  await other.goto(shared)
  await other.getByRole('application', MAP).waitFor()
  await selected(other).getByRole('heading', { name: service.service }).waitFor()
  assert.equal(await other.locator('.page-head .end .muted').innerText(), count)
  assert.equal(
    await other.getByRole('button', { name: '2', exact: true, pressed: true }).count(),
    1,
  )
  await other.context().close()
  await page.goBack()
  await page.getByRole('columnheader', { name: 'Business line' }).waitFor()
  await page.goBack()
  await page.waitForURL((next) => !next.searchParams.has('depth'))
  await page.goBack()
  await page.waitForURL((next) => !next.searchParams.has('focus'))
})

await flow('focus and depth show callers and callees, and no more', async (page) => {
  const { nodes, edges } = await ask('topology')
  const { id } = await someService()
  const walk = (depth, near, far) => {
    let ring = new Set([id])
    const seen = new Set(ring)
    for (let step = 0; step < depth; step++) {
      ring = new Set(edges.filter((edge) => ring.has(edge[near])).map((edge) => edge[far]))
      for (const node of ring) seen.add(node)
    }
    return seen
  }
  for (const depth of [1, 2, 3]) {
    const expected = new Set([...walk(depth, 'from', 'to'), ...walk(depth, 'to', 'from')])
    const query = new URLSearchParams({ focus: id, depth, view: 'nodes' })
    await page.goto(`${url}/topology?${query}`)
    await page.locator('tbody tr').first().waitFor()
    const rows = await page.locator('table[aria-rowcount]').getAttribute('aria-rowcount')
    assert.equal(Number(rows) - 1, expected.size, `depth ${depth} of ${nodes.length} nodes`)
  }
  await page.goto(`${url}/topology?focus=service/no/such`)
  await page.getByText('Nothing of this name has calls').waitFor()
  await page.getByRole('button', { name: 'Show all' }).click()
  await page.getByRole('application', MAP).waitFor()
})

// Clients answer nothing: what they ask is shown of them.
const asked = (edges, id) =>
  edges
    .filter(({ from }) => from === id)
    .reduce(
      (sum, { calls, errors }) => ({ calls: sum.calls + calls, errors: sum.errors + errors }),
      { calls: 0, errors: 0 },
    )

await flow('the table twin of the topology holds the numbers of the API', async (page) => {
  const { from, to } = wholeMinutes()
  const { nodes, edges } = await ask('topology', { from, to })
  const n = new Intl.NumberFormat('en')
  for (const [view, list] of Object.entries({ nodes, edges })) {
    await page.goto(`${url}/topology?view=${view}&from=${from}&to=${to}`)
    await page.locator('tbody tr').first().waitFor()
    const head = await page.locator('thead th').allInnerTexts()
    const column = (name) => head.findIndex((text) => text.trim() === name)
    const shown = await page.locator('tbody tr:not(.filler)').all()
    const table = await Promise.all(shown.map((row) => row.locator('td').allInnerTexts()))
    const numbers = table.map((cells) =>
      [cells[column('Calls')], cells[column('Errors')]].map((text) => text.trim()).join(' '),
    )
    // Most calls first; only rows in sight are in the document.
    const sorted = list
      .map((row) => (row.kind === 'client' ? { ...row, ...asked(edges, row.id) } : row))
      .sort((a, b) => b.calls - a.calls)
      .slice(0, numbers.length)
    const expected = sorted.map(({ calls, errors }) => `${n.format(calls)} ${n.format(errors)}`)
    assert.deepEqual(numbers, expected, view)
    assert.ok(numbers.length >= Math.min(list.length, 20), `${numbers.length} rows`)
  }
  const total = await page.locator('table[aria-rowcount]').getAttribute('aria-rowcount')
  assert.equal(Number(total), edges.length + 1)
})

await flow('a host leads to what runs there, and a service to its processes', async (page) => {
  const { from, to } = wholeMinutes()
  const { nodes } = await ask('topology', { level: 'host', from, to })
  await page.goto(`${url}/topology?level=host&from=${from}&to=${to}`)
  const [host] = nodes.sort((a, b) => b.calls - a.calls)
  if (!host) return page.getByText('tells where it runs').waitFor() // no sender does
  const name = host.name || 'not told'
  await page.locator('.cards button').filter({ hasText: name }).first().click()
  const panel = selected(page)
  await panel.getByRole('heading', { name: 'Services here' }).waitFor()
  const [{ service }] = host.place.services
  await panel.getByRole('link', { name: service, exact: true }).click()
  await page.waitForURL((next) => next.searchParams.get('node')?.startsWith('service/'))
  await panel.getByRole('heading', { name: 'Processes and machines' }).waitFor()
})

await flow('an edge shows both sides, and the gap between them', async (page) => {
  const { from, to } = wholeMinutes()
  const { edges } = await ask('topology', { from, to })
  const edge = edges.find(({ client, server }) => client && server)
  const query = new URLSearchParams({ edge: `${edge.from}|${edge.to}`, from, to })
  await page.goto(`${url}/topology?${query}`)
  const panel = selected(page)
  await panel.getByRole('columnheader', { name: 'Gap' }).waitFor()
  const row = panel.getByRole('row', { name: /^Calls/ })
  const cells = await row.getByRole('cell').allInnerTexts()
  const n = new Intl.NumberFormat('en')
  assert.deepEqual(cells.slice(0, 2), [n.format(edge.client.calls), n.format(edge.server.calls)])
})

await flow('keyboard only: the topology', async (page) => {
  await page.goto(url)
  await page.locator('.tile').first().waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('m')
  await page.waitForURL(/\/topology/)
  const map = page.getByRole('application', MAP)
  await map.waitFor()
  await map.focus()
  await page.keyboard.press('ArrowRight') // the busiest first
  await page.waitForURL(/node=/)
  const first = new URL(page.url()).searchParams.get('node')
  await page.keyboard.press('ArrowLeft')
  await page.waitForURL((next) => next.searchParams.get('node') !== first)
  await page.keyboard.press('+')
  await page.keyboard.press('f')
  await page.keyboard.press('Enter')
  await page.waitForURL(/focus=/)
  await page.keyboard.press('Escape')
  await page.waitForURL((next) => !next.searchParams.has('node'))
  assert.equal(await selected(page).count(), 0)
  // In a table: j, Enter.
  await page.goto(`${url}/topology?view=edges`)
  await page.locator('tbody tr').first().waitFor()
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  await page.waitForURL(/edge=/)
})

await flow('what is well is not shown among problems', async (page) => {
  await page.route('**/api/v1/topology?**', async (route) => {
    const json = await (await route.fetch()).json()
    const well = { errors: 0, state: 'ok', state_reasons: [] }
    const nodes = json.nodes.map((node) => ({ ...node, ...well }))
    const edges = json.edges.map((edge) => ({ ...edge, errors: 0 }))
    if (route.request().url().includes('from=1700000000000'))
      Object.assign(
        nodes.find(({ kind }) => kind === 'service'),
        {
          state: 'warn',
          state_reasons: [{ measure: 'p99_ns', level: 'warn', value: 5e8, limit: 1e8 }],
        },
      )
    await route.fulfill({ json: { ...json, nodes, edges } })
  })
  await page.route('**/api/v1/red?**', async (route) => {
    const json = await (await route.fetch()).json()
    await route.fulfill({ json: { ...json, points: [] } }) // else what was sent long ago has stopped
  })
  await page.goto(`${url}/topology`)
  await page.getByRole('button', { name: 'Problems only' }).click()
  await page.waitForURL(/problems=1/)
  await page.getByText('Nothing is wrong in this time range.').waitFor()
  await page.goto(`${url}/topology?problems=1&view=nodes&from=1700000000000&to=now`)
  const rows = page.locator('tbody tr:not(.filler)')
  await rows.first().waitFor()
  assert.equal(await rows.count(), 1)
  await rows.getByText('warning').waitFor()
  await rows.getByRole('button').click()
  await selected(page)
    .getByText(/^P99 is 500 ms\. .* 100 ms would have been much\.$/)
    .waitFor()
  await page.unrouteAll({ behavior: 'ignoreErrors' })
})

await flow('a map of a thousand nodes is laid out beside the page', async (page) => {
  const made = (number) => ({
    id: `service/line/s${number}`,
    kind: 'service',
    namespace: 'line',
    service: `s${number}`,
    name: '',
    state: number % 50 ? 'ok' : 'error',
    state_reasons: [],
  })
  const calls = { errors: 0, mean_ns: 1e6, p50_ns: 1e6, p90_ns: 1e6, p95_ns: 1e6, p99_ns: 1e7, p999_ns: 1e7 } // prettier-ignore
  const cross = { cross_dc: false, cross_dc_calls: 0 }
  const nodes = Array.from({ length: 1000 }, (_, at) => ({
    ...made(at),
    ...calls,
    calls: 1000 - at,
  }))
  const seen = new Set()
  for (let at = 1; at < 1000; at++) seen.add(`${Math.floor(at / 4)} ${at}`)
  for (let at = 0; seen.size < 5000; at++)
    seen.add(`${(at * 7919) % 600} ${((at * 104729) % 999) + 1}`)
  const edges = [...seen].map((pair) => {
    const [from, to] = pair.split(' ').map((number) => made(Number(number)).id)
    return { from, to, ...calls, ...cross, calls: 10 }
  })
  const range = { from_unix_ms: 0, to_unix_ms: 36e5, partial: false }
  await page.route('**/api/v1/topology?**', (route) =>
    route.fulfill({ json: { ...range, nodes, edges } }),
  )
  await page.goto(`${url}/topology`)
  await page.getByText('1,000 nodes · 5,000 edges').waitFor()
  const map = page.getByRole('application', MAP)
  await map.waitFor()
  const ms = Number(await page.locator('[data-layout-ms]').getAttribute('data-layout-ms'))
  console.log(`      laid out in ${ms} ms`)
  assert.ok(ms > 0 && ms < Number(process.env.LAYOUT_MS ?? 300), `${ms} ms`)
  // It pans and zooms, and a card far away can be chosen from the table.
  const box = await map.boundingBox()
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2)
  await page.mouse.wheel(0, -900)
  await page.mouse.down()
  await page.mouse.move(box.x + 100, box.y + 100, { steps: 8 })
  await page.mouse.up()
  await page.getByRole('button', { name: 'Nodes', exact: true }).click()
  const rows = page.locator('tbody tr:not(.filler)')
  await rows.first().waitFor()
  assert.ok((await rows.count()) < 100, 'only rows in sight are in the document')
  await page.getByLabel('Find a node').fill('s999')
  await page.getByRole('button', { name: 's999', exact: true }).click()
  await page.waitForURL(/node=service(%2F|\/)line(%2F|\/)s999/)
  await page.unrouteAll({ behavior: 'ignoreErrors' })
})

await flow('a service is compared with an earlier time, and dragging zooms', async (page) => {
  const service = await someService()
  let shift = 0
  await page.route('**/api/v1/red?**', async (route) => {
    const query = new URL(route.request().url()).searchParams
    const earlier = Number(query.get('to')) < Date.now() - 36e5
    const answer = await route.fetch()
    const json = await answer.json()
    if (earlier) {
      shift = Date.now() - Number(query.get('to'))
      const half = Math.max(1, Math.round(json.total.calls / 2))
      json.total = { ...json.total, calls: half, errors: 0, p99_ns: 7e9 }
      json.points = [{ ...json.total, time_unix_ms: json.from_unix_ms }]
    }
    await route.fulfill({ json })
  })
  await page.goto(url + pageOf(service, 'overview', { from: 'now-15m', to: 'now' }))
  await page.locator('.place canvas').nth(2).waitFor()
  await page.getByLabel('Compare with').selectOption({ label: 'a day before' })
  await page.waitForURL(/compare=day/)
  await page.getByText('Dashed: a day before').waitFor()
  await page.locator('dl').getByText('was 7.00 s').waitFor()
  assert.ok(shift > 86e6 && shift < 87e6, `${shift} ms before`)
  const plot = page.locator('.place .u-over').first()
  const box = await plot.boundingBox()
  await page.mouse.move(box.x + box.width * 0.3, box.y + 40)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.7, box.y + 40, { steps: 5 })
  await page.mouse.up()
  await page.waitForURL(/from=\d+&to=\d+/)
  const query = new URL(page.url()).searchParams
  const length = Number(query.get('to')) - Number(query.get('from'))
  assert.ok(length > 3e5 && length < 45e4, `${length} ms`)
  assert.equal(query.get('compare'), 'day')
  await page.goBack()
  await page.waitForURL(/from=now-15m/)
  await page.getByRole('button', { name: 'Table' }).click()
  await page.getByRole('columnheader', { name: 'P999' }).waitFor()
  await page.unrouteAll({ behavior: 'ignoreErrors' })
})

await flow('endpoints and dependencies of a service hold the numbers of the API', async (page) => {
  const { from, to } = wholeMinutes()
  const service = await someService()
  const { service: name, namespace } = service
  const of = { service: name, ...(namespace && { namespace }), by: 'endpoint', from, to }
  const { groups } = await ask('red', of)
  const n = new Intl.NumberFormat('en')
  await page.goto(url + pageOf(service, 'endpoints', { from, to }))
  const table = page.getByRole('table', { name: /^Endpoints of/ })
  await table.waitFor()
  const calls = await table.locator('tbody tr td:nth-child(2)').allInnerTexts()
  assert.deepEqual(
    calls.map((text) => text.trim()),
    groups.map((group) => n.format(group.calls)),
  )
  await table.locator('tbody a').first().click()
  await page.waitForURL((next) => next.searchParams.get('endpoint') === groups[0].name)
  await page.getByText(`Endpoint ${groups[0].name}`).waitFor()
  const { edges } = await ask('topology', { from, to })
  await page.goto(url + pageOf(service, 'deps', { from, to }))
  const callers = page.getByRole('table', { name: 'Who calls it' })
  await callers.waitFor()
  const expected = edges.filter((edge) => edge.to === service.id).length
  assert.equal(await callers.locator('tbody tr').count(), expected)
  await page.getByRole('link', { name: 'On the map' }).click()
  await page.waitForURL((next) => next.searchParams.get('focus') === service.id)
  await selected(page).getByRole('link', { name: 'Service page' }).click()
  await page.waitForURL(/\/overview/)
  // The address of the traces of a service leads to them.
  await page.goto(`${url}/services/${encodeURIComponent(name)}/traces`)
  await page.waitForURL((next) => next.searchParams.get('q')?.includes(`service.name = "${name}"`))
})

if (!option('url')) {
  await flow(
    'dependencies say whose errors they are, and cut no way to a board',
    async (page) => {
      const long = 'postgresql/a-database-with-a-long-name@primary.orders.svc.cluster.local:5432'
      await page.route('**/api/v1/topology?*', async (route) => {
        const answer = await (await route.fetch()).json()
        for (const node of answer.nodes) if (node.kind === 'database') node.name = long
        await route.fulfill({ json: answer })
      })
      await page.goto(`${url}/services/orders/deps?ns=shop`)
      const callees = page.getByRole('table', { name: 'What it calls' })
      const row = (text) => callees.locator('tbody tr').filter({ hasText: text })
      const heading = callees.getByRole('button', { name: 'Errors', exact: true })
      assert.match(await heading.getAttribute('title'), /^As the callee answered; of one/)
      const errorsOf = (text) => row(text).locator('td').nth(3).getAttribute('title')
      assert.match(
        await errorsOf('payment'),
        /^The callee answered [\d,]+ of [\d,]+ calls with an error\.\nThe caller saw [\d,]+ of /,
      )
      assert.match(
        await errorsOf('postgresql'),
        /^The callee sent no spans of these calls\.\nThe caller saw [\d,]+ of /,
      )
      const cell = await row('postgresql').locator('td').first().boundingBox()
      const way = await row('postgresql')
        .getByRole('link', { name: /is sent/ })
        .boundingBox()
      assert.ok(way.x + way.width <= cell.x + cell.width, 'the way to the board is cut')
    },
    { viewport: { width: 1280, height: 800 } },
  )
}

// Entries of the range, and one whose tree has something to fold.
async function someEntry({ from, to }) {
  const { entries } = await ask('entries', { from, to })
  return { entries, entry: entries.find(({ paths }) => paths > 2) }
}
const treeOf = ({ service, name, namespace }, query = {}) => {
  const params = new URLSearchParams({ ...(namespace && { ns: namespace }), ...query })
  const enc = encodeURIComponent
  return `/capacity/${enc(service)}/${enc(name)}?${params}`
}

await flow(
  'a long name in the tree of an entry is cut, and nothing beside it',
  async (page) => {
    const long = '/a/path/of/an/endpoint/with/{many}/{parts}'.repeat(4)
    const range = wholeMinutes()
    const { entry } = await someEntry(range)
    await page.route('**/api/v1/entries?*', async (route) => {
      const answer = await (await route.fetch()).json()
      for (const node of answer.nodes ?? []) node.name += long
      await route.fulfill({ json: answer })
    })
    await page.goto(url + treeOf(entry, range))
    const tree = page.getByRole('treegrid')
    await tree.getByText(long).first().waitFor()
    const grid = await tree.boundingBox()
    for (const way of await tree.getByRole('row').getByRole('link').all()) {
      const box = await way.boundingBox()
      assert.ok(box.x + box.width <= grid.x + grid.width, 'a way out of the tree is cut')
    }
    await page.unrouteAll({ behavior: 'ignoreErrors' })
  },
  { viewport: { width: 1280, height: 800 } },
)

await flow(
  'an entry leads to its tree, and to what it needs at N times the calls',
  async (page) => {
    const range = wholeMinutes()
    const { entries, entry } = await someEntry(range)
    const n = new Intl.NumberFormat('en')
    await page.goto(`${url}/capacity?${new URLSearchParams(range)}`)
    const table = page.getByRole('table')
    await table.waitFor()
    const shown = await table.locator('tbody tr td:nth-child(3)').allInnerTexts()
    assert.deepEqual(
      shown,
      entries.map(({ calls }) => n.format(calls)), // most time first
    )
    await page.getByRole('button', { name: 'Calls', exact: true }).click()
    await page.waitForURL(/sort=-calls/)
    await page.getByLabel('Filter entries').fill(`${entry.service} ${entry.name}`)
    await page.waitForURL(/text=/)
    const link = page.getByRole('link', { name: `${entry.service} ${entry.name}`, exact: true })
    await link.first().click()
    await page.waitForURL(/\/capacity\/[^/]+\/[^/]+\?/)
    const tree = page.getByRole('treegrid', { name: `Call tree of ${entry.service} ${entry.name}` })
    await tree.waitFor()
    assert.equal(await tree.getAttribute('aria-rowcount'), String(entry.paths + 1))
    // Folded, chosen, and three times as often: a link that is shared shows the same.
    await tree.locator('[role=row][aria-expanded]').nth(0).click()
    await page.waitForURL(/at=/)
    await page.getByRole('button', { name: 'Fold all', exact: true }).click()
    await page.waitForURL(/fold=all/)
    const folded = await tree.getAttribute('aria-rowcount')
    const asked = page.waitForResponse(/\/entries\?.*times=3\b/)
    await page.getByRole('spinbutton').fill('3')
    await page.keyboard.press('Enter')
    const { needs } = await (await asked).json()
    await page.waitForURL(/times=3/)
    const services = page.getByRole('table', { name: /is called 3 times as often$/ })
    await services.waitFor()
    const cells = await services.locator('tbody tr').allInnerTexts()
    assert.equal(cells.length, needs.length)
    needs.forEach(({ service, instances_needed: needed }, at) => {
      assert.ok(cells[at].startsWith(service), cells[at])
      assert.match(cells[at], needed ? new RegExp(`\\b${n.format(needed)}\\b`) : /not known/)
    })
    const shared = page.url()
    const other = await openPage(browser, { locale: 'zh-CN' })
    await other.goto(shared)
    await other.getByRole('table', { name: /入口调用量为 3 倍/ }).waitFor()
    const grid = other.getByRole('treegrid')
    assert.equal(await grid.getAttribute('aria-rowcount'), folded)
    assert.equal(await grid.locator('[aria-selected=true]').count(), 1)
    assert.equal(await other.getByRole('slider').getAttribute('aria-valuetext'), '3 倍')
    assert.deepEqual(other.problems, [])
    await other.context().close()
    await page.getByRole('link', { name: 'Capacity' }).last().click()
    await table.waitFor()
  },
)

await flow('keyboard only: entries, their tree, times N', async (page) => {
  const { entry } = await someEntry(wholeMinutes())
  await page.goto(url)
  await page.locator('.tile').first().waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('c')
  await page.waitForURL(/\/capacity/)
  await page.locator('tbody tr').first().waitFor()
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/capacity\/[^/]+\/[^/]+/)
  await page.goto(url + treeOf(entry))
  const tree = page.getByRole('treegrid')
  await tree.waitFor()
  const count = async () => Number(await tree.getAttribute('aria-rowcount'))
  const all = await count()
  await page.keyboard.press('j')
  await tree.locator('[aria-selected=true][aria-level="1"]').waitFor()
  await page.keyboard.press('ArrowLeft')
  await tree.locator('[aria-selected=true][aria-expanded=false]').waitFor()
  assert.equal(await count(), 2)
  await page.keyboard.press(']')
  await tree.locator('[aria-selected=true][aria-expanded=true]').waitFor()
  assert.equal(await count(), all)
  await page.keyboard.press('ArrowRight')
  await tree.locator('[aria-selected=true][aria-level="2"]').waitFor()
  await page.keyboard.press('End')
  await page.waitForFunction(
    () =>
      document.querySelector('[role=treegrid] [aria-selected=true]')?.ariaRowIndex ===
      document.querySelector('[role=treegrid]').ariaRowCount,
  )
  const slider = page.getByRole('slider')
  await slider.focus()
  await page.keyboard.press('ArrowRight')
  await page.waitForURL(/times=3/)
  await page.keyboard.press('Home')
  await page.waitForURL(/times=1\b/)
  await tree.focus()
  await page.keyboard.press('Enter') // the chosen node, on the map
  await page.waitForURL((next) => next.pathname === '/topology' && next.searchParams.has('node'))
})

await flow(
  'a tree changes its language without a reload, and keeps what is chosen',
  async (page) => {
    const { entry } = await someEntry(wholeMinutes())
    await page.goto(url + treeOf(entry, { times: 5 }))
    await page.getByRole('table', { name: /is called 5 times as often$/ }).waitFor()
    await page.evaluate(() => (window.here = true))
    await page.getByRole('button', { name: '中文' }).click()
    await page.getByRole('columnheader', { name: '自身耗时' }).waitFor()
    await page.getByRole('table', { name: /入口调用量为 5 倍/ }).waitFor()
    await page.getByRole('navigation').getByRole('link', { name: '容量' }).click()
    await page.getByRole('columnheader', { name: '耗时占比' }).waitFor()
    assert.ok(await page.evaluate(() => window.here))
  },
)

await flow('an entry that nothing calls says so', async (page) => {
  await page.goto(`${url}/capacity/no-such/${encodeURIComponent('GET /a/b%')}`)
  await page.getByText('Nothing calls this entry in this time range.').waitFor()
  await page.getByRole('heading', { name: 'no-such GET /a/b%' }).waitFor()
  for (const bad of ['0', 'x', '1001']) {
    const { entry } = await someEntry(wholeMinutes())
    await page.goto(url + treeOf(entry, { times: bad }))
    await page.getByRole('table', { name: /is called 2 times as often$/ }).waitFor()
  }
})

await flow('an instance that nobody tells leaves the need unknown', async (page) => {
  await page.route('**/api/v1/entries?**', async (route) => {
    const json = await (await route.fetch()).json()
    const none = { busiest_instance_per_s: 0, instances: 0, instances_needed: 0 }
    if (json.needs) json.needs = json.needs.map((need) => ({ ...need, ...none }))
    await route.fulfill({ json })
  })
  const { entry } = await someEntry(wholeMinutes())
  await page.goto(url + treeOf(entry))
  const unknown = page.getByRole('cell', { name: 'not known' })
  await unknown.first().waitFor()
  assert.match(await unknown.first().getAttribute('title'), /service\.instance\.id/)
  await page.unrouteAll({ behavior: 'ignoreErrors' })
})

await flow('findings say what is wrong, and lead to the proof', async (page) => {
  const range = wholeMinutes()
  const { findings } = await ask('findings', range)
  const found = findings.find(({ kind }) => kind === 'n_plus_one')
  await page.goto(`${url}/?${new URLSearchParams(range)}`)
  const count = findings.length === 1 ? '1 finding' : `${findings.length} findings`
  await page.getByRole('link', { name: count }).click()
  await page.waitForURL(/\/findings\?/)
  await page.getByLabel('Kind').selectOption({ label: 'N+1 statements' })
  await page.waitForURL(/kind=n_plus_one/)
  const card = page.getByRole('article').first()
  await card.getByText(found.statement, { exact: true }).waitFor()
  const value = new Intl.NumberFormat('en').format(Number(found.value.toFixed(1)))
  await card.getByText(`asks ${found.node.name} ${value} times`).waitFor()
  const findingsPage = page.url()
  // The tree, with the node marked in it.
  await card.getByRole('link', { name: 'In the call tree' }).click()
  await page.getByRole('treegrid').waitFor()
  await page.getByText(/postgresql\S*: \d+ places? of this tree/).waitFor()
  await page.locator('[role=row].marked').first().waitFor()
  // The node in the topology, which says what loads it.
  await page.goto(findingsPage)
  await card.getByRole('link', { name: 'On the map' }).click()
  const panel = selected(page)
  await panel.getByRole('heading', { name: 'Entries that load it' }).waitFor()
  const entry = `${found.entry.service} ${found.entry.name}`
  await panel.getByRole('link', { name: entry }).click()
  await page.waitForURL((next) => next.searchParams.get('node') === found.node.id)
  await page.getByRole('treegrid').waitFor()
  // A trace that shows it.
  await page.goto(findingsPage)
  await card.locator(`a[href*="${found.trace_ids[0]}"]`).click()
  await rows(page).first().waitFor()
  // On the page of the service that asks.
  const { service, namespace } = found.caller
  await page.goto(url + pageOf({ service, namespace }, 'findings', range))
  await page.getByRole('article').filter({ hasText: found.statement }).first().waitFor()
  await page.getByRole('button', { name: '中文' }).click()
  await page
    .getByText(/每被调用一次，就以同一语句反复访问/)
    .first()
    .waitFor()
})

await flow('nothing found is said, and so is an answer that is not whole', async (page) => {
  let partial = false
  await page.route('**/api/v1/findings?**', async (route) => {
    const json = await (await route.fetch()).json()
    await route.fulfill({ json: { ...json, findings: [], partial } })
  })
  await page.goto(`${url}/findings`)
  await page.getByText('Nothing stands out in how calls were made in this time range.').waitFor()
  partial = true
  await page.keyboard.press('r')
  await page.getByText(/^Incomplete: .* before all examples were found\.$/).waitFor()
  await page.unrouteAll({ behavior: 'ignoreErrors' })
})

// A metric that a service sends with a label, in a range that stands still.
const MEMORY = 'jvm.memory.used'
async function someRuntime(range) {
  const { groups } = await ask('metrics/query', { name: MEMORY, by: 'service', ...range })
  return groups.at(-1).value
}

await flow('a metric is split by a label, and narrowed to one value of it', async (page) => {
  const range = wholeMinutes()
  const service = await someRuntime(range)
  const { metrics } = await ask('metrics', range)
  await page.goto(`${url}/metric?${new URLSearchParams(range)}`)
  const names = page.locator('tbody tr td:first-child a')
  await names.first().waitFor()
  assert.deepEqual(
    await names.allInnerTexts(),
    metrics.map(({ name }) => name),
  )
  await page.getByLabel('Filter metrics').fill(MEMORY)
  await page.waitForURL(/text=/)
  await page.getByRole('link', { name: MEMORY, exact: true }).click()
  await page.waitForURL((next) => next.pathname === `/metric/${MEMORY}`)
  await page.locator('.place canvas').waitFor()
  await page.getByLabel('Split by').fill('jvm.memory.pool.name')
  await page.keyboard.press('Enter')
  await page.waitForURL(/by=jvm.memory.pool.name/)
  const groups = page.getByRole('table', { name: 'The metric by jvm.memory.pool.name' })
  const first = groups.locator('tbody button').first()
  const pool = await first.innerText()
  const asked = { name: MEMORY, by: 'jvm.memory.pool.name', ...range }
  const answer = await ask('metrics/query', asked)
  assert.equal(await groups.locator('tbody tr').count(), answer.groups.length)
  // A link that is shared shows the same numbers, as a table.
  await page.getByRole('button', { name: 'Table', exact: true }).click()
  await page.waitForURL(/view=table/)
  const points = page.getByRole('table', { name: `${MEMORY} by step` })
  const shown = await points.innerText()
  assert.ok(shown.includes(pool))
  const other = await openPage(browser)
  await other.goto(page.url())
  const same = other.getByRole('table', { name: `${MEMORY} by step` })
  await same.waitFor()
  assert.equal(await same.innerText(), shown)
  await other.context().close()
  await first.click()
  await page.waitForURL((next) => next.searchParams.get('label.jvm.memory.pool.name') === pool)
  await page.getByRole('button', { name: 'Any jvm.memory.pool.name' }).click()
  await page.waitForURL((next) => !next.searchParams.has('label.jvm.memory.pool.name'))
  await page.goBack()
  await page.waitForURL((next) => next.searchParams.has('label.jvm.memory.pool.name'))
  // Of one service; nothing there says so, and leads back.
  const names0 = await page.getByLabel('Service').locator('option').allInnerTexts()
  assert.ok(names0.some((text) => text.endsWith(service)))
  await page.goto(`${url}/metric/no.such?service=${service}`)
  await page.getByText('This metric has no values in this time range.').waitFor()
  await page.getByRole('button', { name: 'Show all' }).click()
  await page.waitForURL((next) => !next.searchParams.has('service'))
  await page.getByRole('button', { name: '中文' }).click()
  await page.getByText('该时间段内此指标没有值。').waitFor()
})

await flow('a histogram shows its quantiles, and any number of it', async (page) => {
  await page.goto(
    `${url}/metric/http.server.request.duration?${new URLSearchParams(wholeMinutes())}`,
  )
  await page.locator('.legend', { hasText: 'P99' }).waitFor()
  await page.getByRole('combobox', { name: /^Number/ }).selectOption({ label: 'Per second' })
  await page.waitForURL(/m=rate/)
  await page.getByRole('heading', { name: 'Per second' }).waitFor()
  await page.goBack()
  await page.getByRole('heading', { name: 'Quantiles' }).waitFor()
  const asked = { name: 'http.server.request.duration', ...wholeMinutes() }
  const { exemplars } = await ask('metrics/exemplars', asked)
  const links = page.getByRole('table', { name: 'Traces behind these numbers' }).getByRole('link')
  assert.equal(await links.count(), exemplars.length)
  const most = exemplars.toSorted((a, b) => b.value - a.value)[0]
  assert.equal(await links.first().getAttribute('title'), most.trace_id)
  await links.first().click()
  await page.waitForURL((next) => next.pathname === `/traces/${most.trace_id}`)
})

await flow('the runtime of a service is shown by what it sends', async (page) => {
  const range = wholeMinutes()
  const service = await someRuntime(range)
  await page.goto(url + pageOf({ service }, 'runtime', range))
  const heap = page.locator('section', { hasText: 'by jvm.memory.pool.name' }).first()
  await heap.locator('canvas').waitFor()
  const { groups } = await ask('metrics/query', {
    name: MEMORY,
    service,
    by: 'jvm.memory.pool.name',
    'label.jvm.memory.type': 'heap',
    ...range,
  })
  for (const { value } of groups) await heap.getByText(value, { exact: true }).waitFor()
  await page.getByRole('link', { name: 'All metrics of this service' }).click()
  await page.waitForURL((next) => next.searchParams.get('service') === service)
  // One that sends nothing of the kind.
  const silent = (await ask('services', range)).services.find(({ name }) => name !== service)
  await page.route('**/api/v1/metrics?**', (route) =>
    route.fulfill({ json: { more: false, metrics: [] } }),
  )
  await page.goto(url + pageOf({ service: silent.name }, 'runtime', range))
  await page.getByText('This service sent no metrics of its runtime').waitFor()
  await page.unrouteAll({ behavior: 'ignoreErrors' })
})

// A board of stores over a range that stands still, and what the server says of it.
const boardFlow = option('url') ? flow : async () => {} // the fixture has no stores
const SHOP = 'database//postgresql/shop'
const boardOf = (board, query) => `/stores/${board}?${new URLSearchParams(query)}`
const askStatements = async (query) => (await ask('stores/statements', query)).statements
const texts = (page) => page.locator('td.statement .mono').allInnerTexts()

await boardFlow(
  'a board holds the statements of the API, and the server orders them',
  async (page) => {
    const range = wholeMinutes()
    await page.goto(url + boardOf('db', range))
    const table = page.getByRole('table', { name: /^Statements with their calls/ })
    await table.waitFor()
    const byTotal = await askStatements({ ...range, kind: 'db' })
    assert.deepEqual(
      await texts(page),
      byTotal.map(({ statement }) => statement),
    )
    const { stores } = await ask('stores', { ...range, kind: 'db' })
    const nodes = page.getByRole('table', { name: /^Stores with the calls/ })
    assert.equal(await nodes.locator('tbody tr').count(), stores.length)
    for (const [column, by] of [
      ['Calls', 'calls'],
      ['P99', 'p99'],
      ['Errors', 'errors'],
      ['Mean', 'mean'],
    ]) {
      await table.getByRole('button', { name: column, exact: true }).click()
      await page.waitForURL((next) => next.searchParams.get('by') === by)
      await table.waitFor()
      const ordered = await askStatements({ ...range, kind: 'db', by })
      assert.deepEqual(
        await texts(page),
        ordered.map(({ statement }) => statement),
        by,
      )
      const sorted = table.locator('[aria-sort=descending]')
      assert.equal((await sorted.innerText()).trim(), column)
    }
    for (const [name, board, kind] of [
      ['Caches', 'redis', 'cache'],
      ['RPC', 'rpc', 'rpc'],
      ['Queues', 'mq', 'mq'],
    ]) {
      await page.getByRole('link', { name, exact: true }).click()
      await page.waitForURL((next) => next.pathname === `/stores/${board}`)
      const asked = await askStatements({ ...range, kind, by: 'mean' })
      await page.locator('td.statement', { hasText: asked[0].statement }).first().waitFor()
      assert.equal(await page.locator('td.statement').count(), asked.length)
    }
  },
)

await boardFlow(
  'a board is narrowed to a store and a caller, and a link shows the same',
  async (page) => {
    const range = wholeMinutes()
    await page.goto(url + boardOf('db', range))
    await page.getByLabel('Store', { exact: true }).selectOption(SHOP)
    await page.waitForURL((next) => next.searchParams.get('node') === SHOP)
    await page.getByLabel('Service', { exact: true }).selectOption('till')
    await page.waitForURL((next) => next.searchParams.get('service') === 'till')
    await page.getByLabel('Business line').selectOption('bank')
    await page.waitForURL((next) => next.searchParams.get('line') === 'bank')
    const asked = { ...range, kind: 'db', node: SHOP, service: 'till', namespace: 'bank' }
    const expected = (await askStatements(asked)).map(({ statement }) => statement)
    assert.equal(expected.length, 2)
    await page.locator('td.statement').nth(1).waitFor()
    assert.deepEqual(await texts(page), expected)
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    await page.waitForURL((next) => next.searchParams.has('open'))
    const callers = page.locator('.unfolded table')
    assert.match(await callers.locator('tbody').innerText(), /till/)
    const other = await openPage(browser, { locale: 'zh-CN' })
    await other.goto(page.url())
    await other.locator('.unfolded code', { hasText: expected[0] }).waitFor()
    assert.deepEqual(await texts(other), expected)
    await other.getByRole('columnheader', { name: '总耗时' }).first().waitFor()
    assert.deepEqual(other.problems, [])
    await other.context().close()
    // The calls that are meant are found.
    await page.locator('.unfolded').getByRole('link', { name: 'Traces', exact: true }).click()
    await page.waitForURL(/\/traces\?/)
    await page.locator('tbody tr').first().waitFor()
    assert.equal(await page.getByRole('alert').count(), 0)
    await page.goBack()
    await page.getByRole('button', { name: 'Show all', exact: true }).click()
    await page.waitForURL((next) => !next.searchParams.has('service'))
  },
)

const NARROW = { viewport: { width: 1280, height: 800 } }
const LONG = 'a-name-of-a-service-that-is-longer-than-its-column-of-the-table'

await boardFlow(
  'a long name widens no table of statements beyond a small screen',
  async (page) => {
    await page.route('**/api/v1/stores/statements?*', async (route) => {
      const answer = await (await route.fetch()).json()
      for (const { callers } of answer.statements) for (const one of callers) one.service = LONG
      await route.fulfill({ json: answer })
    })
    await page.goto(url + boardOf('db', wholeMinutes()))
    const table = page.getByRole('table', { name: /^Statements with their calls/ })
    await table.locator('.callers a').first().waitFor()
    const box = await table.boundingBox()
    assert.ok(box.x + box.width <= 1280, `the table ends at ${box.x + box.width}`)
    await page.unrouteAll({ behavior: 'ignoreErrors' })
  },
  NARROW,
)

await boardFlow(
  'statements are compared with an earlier time, what is new and gone marked',
  async (page) => {
    const range = wholeMinutes()
    await page.goto(url + boardOf('db', { ...range, node: SHOP }))
    await page.locator('td.statement').first().waitFor()
    assert.equal(await page.locator('.change').count(), 0)
    await page.evaluate(() => (window.here = true))
    await page.getByLabel('Compare with').selectOption('hour')
    await page.waitForURL((next) => next.searchParams.get('compare') === 'hour')
    const gone = page.getByRole('table', { name: 'No longer sent' })
    await gone.getByText('SELECT old FROM items WHERE a = ?').waitFor()
    const now = await askStatements({ ...range, kind: 'db', node: SHOP, compare: '1h' })
    for (const { statement, before, calls } of now) {
      const row = page.locator('tr', { has: page.locator('td.statement', { hasText: statement }) })
      assert.equal(await row.getByText('new', { exact: true }).count(), before.calls ? 0 : 1)
      if (before.calls && calls >= 2 * before.calls) await row.locator('.change').first().waitFor()
    }
    await page.getByRole('button', { name: '中文' }).click()
    await page.getByRole('table', { name: '不再出现' }).waitFor()
    assert.ok(await page.evaluate(() => window.here))
  },
)

await boardFlow(
  'stores of the topology and of a service lead to what they are sent',
  async (page) => {
    const range = wholeMinutes()
    await page.goto(`${url}/topology?${new URLSearchParams({ ...range, node: SHOP })}`)
    await page.getByRole('link', { name: 'What it is sent' }).click()
    await page.waitForURL((next) => next.pathname === '/stores/db')
    assert.equal(new URL(page.url()).searchParams.get('node'), SHOP)
    await page.locator('td.statement').first().waitFor()
    await page.goto(url + pageOf({ service: 'till', namespace: 'bank' }, 'deps', range))
    await page.getByRole('link', { name: 'What postgresql/shop is sent' }).click()
    await page.waitForURL((next) => next.searchParams.get('service') === 'till')
    await page.locator('td.statement').first().waitFor()
  },
)

await flow('keyboard only: search, list, trace, rows', async (page) => {
  await page.goto(url)
  await page.locator('.tile').first().waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('t')
  await page.waitForURL(/\/traces/)
  await page.locator('tbody tr').first().waitFor()
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/traces\/[0-9a-f]{32}/)
  await rows(page).first().waitFor()
  await page.keyboard.press('j')
  const active = page.locator('[role=treegrid]')
  const first = await active.getAttribute('aria-activedescendant')
  assert.ok(first)
  await page.keyboard.press('ArrowLeft')
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('/')
  await page.keyboard.type('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01')
  await page.getByRole('option', { name: /Open trace 4bf92f/ }).waitFor()
})

await flow('language, theme and density change without a reload', async (page) => {
  await page.goto(`${url}/services`)
  await page.getByRole('heading', { name: 'Services' }).waitFor()
  await page.evaluate(() => (window.here = true))
  await page.getByRole('button', { name: '中文' }).click()
  await page.getByRole('heading', { name: '服务' }).waitFor()
  await page.getByRole('button', { name: '设置' }).click()
  await page.getByRole('button', { name: '浅色' }).click()
  await page.getByRole('button', { name: '宽松' }).click()
  const state = await page.evaluate(() => ({
    here: window.here,
    lang: document.documentElement.lang,
    ...document.documentElement.dataset,
  }))
  assert.deepEqual(state, { here: true, lang: 'zh-CN', theme: 'light', density: 'comfortable' })
})

await flow(
  'the map changes its language without a reload, and keeps what is chosen',
  async (page) => {
    const service = await someService()
    await page.goto(`${url}/topology?${new URLSearchParams({ node: service.id })}`)
    await page.getByRole('application', MAP).waitFor()
    await page.evaluate(() => (window.here = true))
    await page.getByRole('button', { name: '中文' }).click()
    await page.getByRole('application', { name: '服务调用拓扑图' }).waitFor()
    await page.getByRole('complementary', { name: '详情' }).getByText('调用数').waitFor()
    assert.equal(new URL(page.url()).searchParams.get('node'), service.id)
    assert.ok(await page.evaluate(() => window.here))
  },
)

await flow(
  'times follow the chosen zone, whatever the zone of the browser',
  async (page) => {
    await page.goto(`${url}/traces?from=${Date.now() - 36e5}&to=${Date.now()}`)
    const cell = page.locator('tbody tr td').first()
    await cell.waitFor()
    const local = await cell.innerText()
    await page.getByLabel('Time zone').selectOption('utc')
    const utc = await cell.innerText()
    const hours =
      (Date.parse(`${utc.replace(' ', 'T')}Z`) - Date.parse(`${local.replace(' ', 'T')}Z`)) / 36e5
    assert.equal(hours, 5.5 * -1)
  },
  { timezoneId: 'Asia/Kolkata' },
)

await flow('an unknown trace says so and offers a way on', async (page) => {
  await page.goto(`${url}/traces/${'9'.repeat(32)}`)
  await page.getByText('This trace is not stored.').waitFor()
  await page.getByRole('button', { name: 'Try again' }).waitFor()
  await page.goto(`${url}/no/such/page`)
  await page.getByText('Page not found.').waitFor()
})

await flow('the server goes away and comes back', async (page) => {
  let away = false // a route set on a page that is loaded may miss its next request
  await page.route('**/api/v1/**', (route) => (away ? route.abort() : route.continue()))
  await page.goto(`${url}/services`)
  await page.locator('tbody tr').first().waitFor()
  away = true
  await page.keyboard.press('r')
  await page.getByText('The server cannot be reached.').waitFor()
  away = false
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.getByText('The server cannot be reached.').waitFor({ state: 'detached' })
  await page.unrouteAll({ behavior: 'ignoreErrors' })
})

if (late)
  await flow('signals that are not stored alarm nobody', async (page) => {
    await page.goto(`${url}/admin`)
    await page.getByText('This version stores traces and metrics only.').waitFor()
    const row = page.getByRole('row', { name: /\) logs / })
    assert.match(await row.innerText(), /not stored by this version 1/)
    assert.equal(await row.locator('.is-warn').count(), 0)
  })

await flow('rows of the ledger that no service owns are explained', async (page) => {
  const none = { stored: 0, pending: 0, sampled: 0, expired: 0, dropped: {}, balanced: true }
  const lost = { ...none, service: '', received: 3, dropped: { malformed: 3 } }
  const unnamed = { ...none, service: 'unknown_service:node', received: 2, stored: 2 }
  const rows = [lost, unnamed].map((row) => ({ signal: 'traces', ...row }))
  await page.route('**/api/v1/ledger', (route) => route.fulfill({ json: { rows, agents: [] } }))
  await page.goto(`${url}/admin`)
  await page.getByRole('row', { name: /^\(lost before decoding\) traces 3 0 / }).waitFor()
  await page.getByText(/^\(lost before decoding\): requests refused before/).waitFor()
  await page.getByRole('row', { name: /^unknown_service:node traces 2 2 / }).waitFor()
  await page.getByText(/^unknown_service: spans whose sender gives no service\.name/).waitFor()
  await page.unrouteAll({ behavior: 'ignoreErrors' })
})

await flow('an agent that reports no more is told from one that does', async (page) => {
  const agent = { service: 's', sdk: 'sonde', started: 1, not_sampled: 0, live: 0, exported: 1 }
  await page.route('**/api/v1/ledger', async (route) => {
    const answer = await (await route.fetch()).json()
    const agents = [5e3, 864e3].map((ago, at) => ({
      ...agent,
      instance: `i${at}`,
      dropped: {},
      heard_unix_ms: Date.now() - ago,
    }))
    await route.fulfill({ json: { ...answer, agents } })
  })
  await page.goto(`${url}/admin`)
  await page.getByRole('row', { name: /s i0 .* reporting/ }).waitFor()
  await page.getByRole('row', { name: /s i1 .* silent since \d\d:\d\d/ }).waitFor()
  await page.unrouteAll({ behavior: 'ignoreErrors' })
})

await flow('every section of the admin page', async (page) => {
  for (const section of ['ledger', 'store', 'server', 'targets', 'config', 'letters']) {
    await page.goto(`${url}/admin/${section}`)
    await page.locator('table, .cards, .empty, .none').first().waitFor()
    assert.equal(await page.getByText('Page not found.').count(), 0, section)
    assert.equal(await page.getByRole('alert').count(), 0, section)
  }
})

// A server that has spans of one more service, a rule and an incident from here on.
const otlp = option('otlp')
if (otlp) await alertFlows(flow, url, otlp)
const alerts = otlp
  ? ['/incidents?show=all', '/incidents/1', '/alerts', '/alerts?rule=the+bell+rings']
  : []

await flow('no page is wider than its screen, however narrow', async (page) => {
  await firstTrace(page)
  const trace = `/traces/${/[0-9a-f]{32}/.exec(page.url())[0]}`
  await rows(page).first().click()
  await page.waitForURL(/span=/)
  const span = page.url().slice(url.length)
  const sections = ['ledger', 'store', 'server', 'config', 'letters'].map(
    (name) => `/admin/${name}`,
  )
  const service = await someService()
  const { entry } = await someEntry(wholeMinutes())
  const runtime = await someRuntime(wholeMinutes())
  for (const path of [
    '/',
    '/services',
    '/topology',
    '/topology?view=nodes',
    '/topology?view=edges',
    '/topology?level=dc',
    '/topology?level=host',
    '/topology?level=host&view=nodes',
    `/topology?${new URLSearchParams({ node: service.id, focus: service.id })}`,
    ...['overview', 'endpoints', 'instances', 'deps', 'runtime', 'findings'].map((name) =>
      pageOf(service, name),
    ),
    '/capacity',
    treeOf(entry),
    ...alerts,
    '/findings',
    '/stores/db?compare=hour',
    '/stores/redis',
    '/stores/rpc',
    '/stores/mq',
    '/metric',
    `/metric/${MEMORY}?by=jvm.memory.pool.name`,
    `/metric/${MEMORY}?by=service&view=table`,
    '/metric/http.server.request.duration',
    pageOf({ service: runtime }, 'runtime'),
    pageOf(service, 'overview', { compare: 'day', view: 'table' }),
    '/traces?build=1',
    '/traces?scatter=table',
    '/traces?from=1700000000000&to=1800000000000',
    trace,
    span,
    cutShort,
    `/traces/${'9'.repeat(32)}`,
    '/no/such/page',
    ...sections,
  ]) {
    await page.goto(url + path)
    await page.waitForLoadState('networkidle')
    for (const width of [360, 600]) {
      await page.setViewportSize({ width, height: 800 })
      const most = await page.evaluate(() => {
        const main = document.getElementById('main')
        return {
          page: document.scrollingElement.scrollWidth - innerWidth,
          main: main.scrollWidth - main.clientWidth,
        }
      })
      assert.deepEqual(most, { page: 0, main: 0 }, `${path} at ${width}`)
    }
  }
  // The panel of a span covers the page, its table keeps the first column in sight.
  await page.setViewportSize({ width: 390, height: 844 })
  await page.goto(url + span)
  const panel = page.getByRole('complementary', { name: 'Span details' })
  await panel.waitFor()
  assert.equal((await panel.boundingBox()).width, 390)
  await panel.getByRole('button', { name: 'Close' }).click()
  await rows(page).first().click()
  await page.getByRole('button', { name: 'Settings' }).waitFor()
  await page.goto(`${url}/services`)
  const name = page.locator('tbody tr td').first()
  await name.waitFor()
  const before = await name.boundingBox()
  await page.locator('.table-scroll').evaluate((place) => place.scrollTo(500, 0))
  assert.deepEqual(await name.boundingBox(), before)
  // What the top bar has no room for is in the settings.
  await page.getByRole('button', { name: 'Settings' }).click()
  await page.getByLabel('Time zone').waitFor()
  await page.getByRole('button', { name: '中文' }).click()
  await page.getByRole('heading', { name: '服务', exact: true }).waitFor()
})

if (big)
  await flow('a trace of 10,000 spans is usable in a second', async (page) => {
    await page.goto(`${url}/traces`) // the shell is there already, as for a reader
    await page.locator('tbody tr').first().waitFor()
    await page.request.get(`${url}/api/v1/traces/${big}/outline`) // the fixture makes it up once
    await page.goto(`${url}/traces/${big}`)
    await rows(page).first().waitFor()
    const ms = await page.evaluate(() => performance.now())
    console.log(`      rows after ${Math.round(ms)} ms`)
    assert.ok(ms < Number(process.env.BIG_TRACE_MS ?? 1000), `${ms} ms`)
    assert.ok((await page.locator('[role=row]').count()) < 150, 'only rows on the screen')
    await page.locator('[role=treegrid]').focus()
    await page.keyboard.press('End')
    await page.locator('[role=row][aria-selected=true]').waitFor()
  })

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

for (const theme of ['dark', 'light'])
  await flow(
    `no accessibility violations (${theme})`,
    async (page) => {
      await firstTrace(page)
      await rows(page).first().click()
      const trace = page.url()
      const bad = encodeURIComponent('{ x')
      const service = await someService()
      const { entry } = await someEntry(wholeMinutes())
      const runtime = await someRuntime(wholeMinutes())
      for (const path of [
        '/',
        '/services',
        '/topology',
        '/topology?view=nodes',
        '/topology?level=host',
        `/topology?${new URLSearchParams({ node: service.id })}`,
        ...['overview', 'endpoints', 'instances', 'deps', 'runtime', 'findings'].map((name) =>
          pageOf(service, name),
        ),
        '/capacity',
        treeOf(entry),
        ...alerts,
        '/findings',
        '/stores/db?compare=hour',
        '/stores/rpc',
        '/metric',
        `/metric/${MEMORY}?by=jvm.memory.pool.name`,
        `/metric/${MEMORY}?by=service&view=table`,
        '/metric/http.server.request.duration',
        pageOf({ service: runtime }, 'runtime'),
        pageOf(service, 'overview', { compare: 'day', view: 'table' }),
        '/traces?build=1',
        `/traces?q=${bad}`,
        '/traces?scatter=table',
        trace,
        cutShort,
        '/admin',
        '/admin/store',
        '/admin/server',
        '/admin/targets',
        '/admin/config',
        '/admin/letters',
        '/no/such',
      ]) {
        await page.goto(path.startsWith('/') ? url + path : path)
        await page.waitForLoadState('networkidle')
        await page.evaluate(AXE)
        const found = await page.evaluate(async () => {
          const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
          const { violations } = await window.axe.run(document, { runOnly: tags })
          return violations.flatMap((v) => v.nodes.map((n) => `${v.id} ${n.target.join(' ')}`))
        })
        assert.deepEqual(found, [], path)
      }
    },
    { theme, bypassCSP: true },
  )

if (!option('url')) {
  await flow('an empty install says where to send data', async (page) => {
    const empty = await fixture(PORT + 1, '--empty')
    await page.goto(empty)
    await page.getByText('OTLP/gRPC 127.0.0.1:4317').waitFor()
    await page.getByText('OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318').waitFor()
    // A receiver that is off is named nowhere.
    let addresses = { http: '127.0.0.1:7070', otlp_grpc: '0.0.0.0:4317' }
    await page.route('**/api/status', async (route) => {
      const answer = await (await route.fetch()).json()
      await route.fulfill({ json: { ...answer, addresses } })
    })
    await page.goto(empty)
    await page.getByText('OTEL_EXPORTER_OTLP_PROTOCOL=grpc').waitFor()
    assert.equal(await page.getByText(/4318|curl/).count(), 0)
    assert.equal(await page.getByText('0.0.0.0').count(), 0)
    addresses = { http: '127.0.0.1:7070' }
    await page.goto(empty)
    await page.getByText('No receiver is on').waitFor()
    assert.equal(await page.getByText(/431[78]/).count(), 0)
    await page.unrouteAll({ behavior: 'ignoreErrors' })
    await page.goto(`${empty}/traces`)
    await page.getByText('No traces in this time range.').waitFor()
  })
  await flow('a server that got metrics alone says whose, and leads there', async (page) => {
    const measured = await fixture(PORT + 4, '--no-spans')
    await page.goto(measured)
    await page.getByText('No service sent spans in this time range.').waitFor()
    const senders = page.locator('.senders')
    await senders.getByText(/Metrics came, of \d+ services:/).waitFor()
    await page.getByText('OTLP/gRPC 127.0.0.1:4317').waitFor()
    const name = await senders.locator('li .text').first().innerText()
    await senders.getByRole('link', { name: `Metrics of ${name}` }).click()
    await page.waitForURL((at) => at.searchParams.get('service') === name)
    await page.locator('tbody tr').first().waitFor()
    await page.goBack()
    await senders.getByRole('link', { name, exact: true }).click()
    await page.waitForURL(`**/services/${encodeURIComponent(name)}/runtime*`)
    await page.getByText('Heap', { exact: true }).first().waitFor()
  })
  await flow('a server with a token asks for it, once', async (page) => {
    const locked = await fixture(PORT + 2, '--token', 'right')
    await page.goto(locked)
    await page.getByLabel('Token').fill('wrong')
    await page.keyboard.press('Enter')
    await page.getByText('The server refused this token.').waitFor()
    await page.getByText('Sign in with the query token').waitFor()
    assert.equal(await page.getByText('a query token is needed').count(), 0)
    await page.getByLabel('Token').fill('right')
    await page.keyboard.press('Enter')
    await page.locator('.tile').first().waitFor()
    assert.equal(await page.getByRole('dialog').count(), 0)
    await page.reload()
    await page.locator('.tile').first().waitFor()
  })
  await flow('a slow search shows progress and can be cancelled', async (page) => {
    const slow = await fixture(PORT + 3, '--slow', '8000')
    await page.goto(`${slow}/traces`)
    await page
      .getByText(/of [\d,]+ spans scanned/)
      .first()
      .waitFor()
    await page.getByRole('button', { name: 'Cancel' }).last().click()
    await page.getByText('Cancelled. What was found so far is shown.').waitFor()
  })
}

await browser.close()
for (const child of children) child.kill()
console.log(`${run.passed} passed, ${run.failed} failed`)
process.exit(run.failed ? 1 : 0)
