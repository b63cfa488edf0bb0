// SPDX-License-Identifier: Apache-2.0
// Purpose: the flows of alerts: rules and channels are imported in the page, spans make one of them fire, the
// incident is seen to and ends, what is wrong is said at its place.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'

const ENDS_MS = 90e3 // a window of five seconds, ten more, and a quiet time for what flaps

// Spans that failed just now.
async function fail(otlp, service, count) {
  const now = BigInt(Date.now()) * 1000000n
  const spans = Array.from({ length: count }, () => ({
    traceId: randomBytes(16).toString('hex'),
    spanId: randomBytes(8).toString('hex'),
    name: 'GET /alarm',
    kind: 2,
    startTimeUnixNano: String(now - 5000000n),
    endTimeUnixNano: String(now),
    status: { code: 2 },
  }))
  const attributes = [
    { key: 'service.name', value: { stringValue: service } },
    { key: 'service.instance.id', value: { stringValue: 'bell-1' } },
  ]
  const body = { resourceSpans: [{ resource: { attributes }, scopeSpans: [{ spans }] }] }
  const answer = await fetch(`${otlp}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  assert.equal(answer.status, 200)
}

// A receiver of webhooks that takes all and says so.
async function receiver() {
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => response.end('well received'))
  })
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  return { url: `http://127.0.0.1:${server.address().port}/hook`, close: () => server.close() }
}

const rulesFor = (hook) => `rules:
  - name: the bell rings
    service: belfry
    level: error
    channels: [tower]
    remedy: Pull the other rope.
    strategies:
      - {measure: error_rate, every: 5s, operator: ">", threshold: 50%, at_least: 3, group_by: [instance]}
  - name: nobody minds
    service: belfry
    enabled: false
    strategies:
      - {measure: p99, every: 1m, operator: ">", threshold: 500ms}
channels:
  - {name: tower, type: webhook, url: "${hook}", secret: hunchback}
`

async function importText(page, text) {
  await page.getByRole('button', { name: 'Import', exact: true }).first().click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('textbox').fill(text)
  await dialog.getByRole('button', { name: 'Import' }).click()
  return dialog
}

async function rulesAreImported(page, url, hook) {
  await page.goto(`${url}/incidents`)
  await page.getByRole('heading', { name: 'Nothing fires.' }).waitFor()
  await page.getByRole('link', { name: 'Write the first rule' }).click()
  const dialog = await importText(page, 'rules:\n  - name: 错误 x\n    level: loud\n')
  await dialog.getByRole('button', { name: /^Go to line 3, column/ }).click()
  const chosen = await dialog.getByRole('textbox').evaluate((area) => {
    return area.value.slice(area.selectionStart).split('\n')[0]
  })
  assert.equal(chosen, 'loud')
  await dialog.getByRole('textbox').fill(rulesFor(hook))
  await dialog.getByRole('button', { name: 'Import' }).click()
  await page.getByText('Imported: rules 2, channels 1.').waitFor()
  const said = 'share of failed spans in 5 seconds > 50%, by instance, from 3 records on'
  await page.getByRole('row', { name: 'the bell rings' }).getByText(said).waitFor()
  await page.getByText('P99 of durations in 1 minute > 500ms').waitFor()
  await page.getByRole('button', { name: 'Test tower' }).click()
  await page.getByText('well received').waitFor()
  assert.equal(await page.getByText('hunchback').count(), 0)
  await page.getByRole('button', { name: 'Edit all' }).click()
  const area = page.getByRole('dialog').getByRole('textbox')
  assert.match(await area.inputValue(), /the bell rings[^]*tower/)
  assert.doesNotMatch(await area.inputValue(), /hunchback/)
}

async function incidentComesAndGoes(page, url, otlp) {
  await page.goto(`${url}/incidents`)
  await page.getByRole('heading', { name: 'Nothing fires.' }).waitFor()
  await page.getByLabel('Auto-refresh').selectOption('5000')
  await fail(otlp, 'belfry', 6)
  // By itself, and then on the wall too.
  await page.getByRole('link', { name: 'the bell rings' }).waitFor()
  await page.getByRole('link', { name: 'Overview' }).click()
  await page.getByRole('link', { name: '1 open incident' }).click()
  await page.getByRole('link', { name: 'the bell rings' }).click()
  await page.waitForURL(/\/incidents\/\d+/)
  const row = page.getByRole('row', { name: 'the bell rings' })
  assert.match(await row.innerText(), /100%\s+> 50%[^]*still firing/)
  assert.equal(await row.getByRole('link', { name: /^[0-9a-f]{8}…$/ }).count(), 3)
  await page.getByText('Pull the other rope.').waitFor()
  await page.getByRole('link', { name: 'belfry GET /alarm' }).waitFor()
  await page.getByRole('button', { name: 'Acknowledge' }).click()
  await page.getByText('acknowledged', { exact: true }).waitFor()
  assert.equal(await page.getByRole('button', { name: 'Acknowledge' }).count(), 0)
  await page.getByRole('textbox', { name: 'Comment' }).fill('the rope is <b>tangled</b>')
  await page.getByRole('button', { name: 'Add' }).click()
  await page.getByRole('listitem').getByText('the rope is <b>tangled</b>').waitFor()
  await page.locator('.badge', { hasText: 'over' }).waitFor({ timeout: ENDS_MS })
  assert.equal(await page.getByText('still firing').count(), 0)
  await page.goto(`${url}/incidents`)
  await page.getByRole('heading', { name: 'Nothing fires.' }).waitFor()
  await page.getByRole('button', { name: 'All' }).click()
  await page.getByRole('row', { name: 'the bell rings' }).getByText('over').waitFor()
}

async function silencesComeAndGo(page, url, otlp) {
  await fail(otlp, 'belfry', 6)
  await page.goto(`${url}/incidents`)
  await page.getByLabel('Auto-refresh').selectOption('5000')
  await page.getByRole('link', { name: 'the bell rings' }).click()
  await page.getByRole('button', { name: 'Silence', exact: true }).click()
  const panel = page.getByRole('dialog', { name: 'Silence' })
  assert.match(await panel.innerText(), /Rules\s+the bell rings\s+Services\s+belfry/)
  await panel.getByLabel('Until').fill('yesterday')
  await panel.getByRole('button', { name: 'Silence', exact: true }).click()
  await panel.getByRole('alert').waitFor()
  await panel.getByLabel('Reason').fill('the ringer is <b>ill</b>')
  await panel.getByRole('button', { name: 'For 8 hours' }).click()
  await panel.waitFor({ state: 'detached' })
  const fact = page.locator('dl > div', { hasText: 'Silenced by' })
  await fact.waitFor()
  assert.match(await fact.innerText(), /incident \d+\s+until 20[^]*the ringer is <b>ill<\/b>/)
  await page.goto(`${url}/incidents`)
  await page.getByRole('row', { name: 'the bell rings' }).getByText('silenced').waitFor()
  await page.goto(`${url}/alerts`)
  const row = page.getByRole('row', { name: 'the ringer is <b>ill</b>' })
  assert.match(await row.innerText(), /silent now[^]*the bell rings[^]*belfry[^]*until 20/)
  await row.getByRole('button', { name: /^End the silence incident/ }).click()
  const asks = page.getByRole('dialog', { name: /^End the silence incident/ })
  await asks.getByText('It ends now. What still fires is told at once.').waitFor()
  await asks.getByRole('button', { name: 'End the silence' }).click()
  await row.waitFor({ state: 'detached' })
  await page.getByText('Nothing is silenced.').waitFor()
}

// One that holds over part of an incident, one on some nights, one that is over; it ends in the incident's page.
async function silencesAreTold(page, url, otlp) {
  await page.goto(`${url}/alerts`)
  const at = (hours) => `${new Date(Date.now() + hours * 36e5).toISOString().slice(0, 19)}Z`
  await importText(
    page,
    `rules:
  - {name: the bell cracks, service: belfry, strategies: [{measure: count, every: 5s, threshold: 3}]}
silences:
  - {name: the choir sings, rules: [the bell rings], until: "${at(1)}"}
  - {name: nights, from: "${at(1)}", days: [sat, sun], between: "22:00-06:00", offset: "+08:00"}
  - {name: a mass, from: "${at(-3)}", until: "${at(-2)}", reason: Advent}
`,
  )
  await page.getByText('Also people 0, groups 0, silences 3.').waitFor()
  const card = page.locator('section', { has: page.getByRole('heading', { name: 'Silences' }) })
  const rows = (await card.getByRole('row').allInnerTexts()).slice(1)
  assert.match(rows[0], /^the choir sings\s+silent now\s+the bell rings\s+all\s+until 20/)
  assert.match(
    rows[1],
    /^nights\s+not now\s+all\s+all\s+from 20.* · Sat, Sun · 22:00–06:00 · UTC\+8/,
  )
  assert.match(rows[2], /^a mass\s+over\s+all\s+all\s+20.* – .*\d\s+Advent\s+Remove$/)
  await card.getByRole('button', { name: 'Remove a mass' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click()
  await card.getByRole('row', { name: 'a mass' }).waitFor({ state: 'detached' })
  await card.getByRole('button', { name: 'End the silence nights' }).click()
  await page.getByRole('dialog').getByText('and will not again.').waitFor()
  await page.getByRole('button', { name: 'Cancel' }).click()
  await fail(otlp, 'belfry', 6)
  await page.goto(`${url}/incidents`)
  await page.getByLabel('Auto-refresh').selectOption('5000')
  const partly = page.getByRole('row', { name: /the bell/ }).filter({ hasText: 'partly silenced' })
  await partly.getByRole('link', { name: /the bell/ }).click()
  await page.locator('dl > div', { hasText: 'Partly silenced by' }).getByText('choir').waitFor()
  await page.getByRole('button', { name: 'End the silence' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'End the silence' }).click()
  await page.getByText('Partly silenced by').waitFor({ state: 'detached' })
}

async function whoIsOnCall(page, url) {
  await page.goto(`${url}/alerts`)
  await page.getByText('There are no groups.').waitFor()
  const at = (hours) => `${new Date(Date.now() + hours * 36e5).toISOString().slice(0, 19)}Z`
  await importText(
    page,
    `people:
  - {name: Quasimodo, phone: "+33 1 42", mail: q@example.org}
  - {name: Frollo}
groups:
  - {name: ringers, rotation: [Frollo, Quasimodo], every: 24h, since: "${at(-36)}"}
  - {name: canons, members: [Frollo, Quasimodo]}
`,
  )
  const row = page.getByRole('row', { name: /^ringers/ })
  await row.waitFor()
  assert.match(
    await row.innerText(),
    /Quasimodo\s*\+33 1 42 · q@example.org\s+20\d\d-\d\d-\d\d \d\d:\d\d\s+Frollo\s+Frollo, Quasimodo/,
  )
  const canons = await page.getByRole('row', { name: /^canons/ }).innerText()
  assert.match(canons, /all members\s+–\s+–\s+Frollo, Quasimodo/)
}

async function rulesHaveVersions(page, url) {
  await page.goto(`${url}/alerts`)
  const row = page.getByRole('row', { name: 'nobody minds' })
  await row.getByRole('button', { name: 'Edit nobody minds' }).click()
  const area = page.getByRole('dialog').getByRole('textbox')
  await area.fill((await area.inputValue()).replace('500ms', '700ms'))
  await page.getByRole('dialog').getByRole('button', { name: 'Import' }).click()
  await row.getByText('> 700ms').waitFor()
  await row.getByRole('button', { name: 'Versions of nobody minds' }).click()
  const versions = page.getByRole('dialog').locator('summary')
  await versions.nth(1).waitFor()
  assert.equal(await versions.count(), 2)
  await page.keyboard.press('Escape')
  await row.getByRole('button', { name: 'Remove nobody minds' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
  assert.equal(await row.count(), 1)
  await row.getByRole('button', { name: 'Remove nobody minds' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click()
  await row.waitFor({ state: 'detached' })
  // A channel that a rule names stays, and the reason is said.
  await page.getByRole('button', { name: 'Remove tower' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click()
  await page.getByRole('dialog').getByRole('alert').waitFor()
}

// `otlp` is where the server takes spans by HTTP.
export async function alertFlows(flow, url, otlp) {
  await flow('a rule is imported, an incident shows, is acknowledged and ends', async (page) => {
    const hook = await receiver()
    try {
      await rulesAreImported(page, url, hook.url)
      await incidentComesAndGoes(page, url, otlp)
    } finally {
      hook.close()
    }
  })
  await flow('an incident is silenced, and told again', (page) =>
    silencesComeAndGo(page, url, otlp),
  )
  await flow('silences of a file are told with when they hold, and over what', (page) =>
    silencesAreTold(page, url, otlp),
  )
  await flow('groups show who is on call, until when and who is next', (page) =>
    whoIsOnCall(page, url),
  )
  await flow('a rule is changed, keeps its versions, and is removed', (page) =>
    rulesHaveVersions(page, url),
  )
  await flow('an unknown incident says so and offers a way on', async (page) => {
    await page.goto(`${url}/incidents/999999`)
    await page.getByRole('heading', { name: 'There is no incident 999999.' }).waitFor()
    await page.getByRole('link', { name: 'All incidents' }).click()
    await page.waitForURL(/\/incidents\?show=all/)
  })
}
