// SPDX-License-Identifier: Apache-2.0
// Purpose: the demo shop's page.
const $ = (id) => document.getElementById(id)
const price = (cents) => (cents / 100).toFixed(2)
const cart = new Map() // product number -> { name, price_cents, quantity }
let names = new Map()

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

async function ask(path, options) {
  const answer = await fetch(path, options)
  const result = await answer.json()
  if (!answer.ok) {
    throw new Error(result.error)
  }
  return result
}

function say(text, failed = false) {
  $('result').textContent = text
  $('result').className = failed ? 'failed' : ''
}

const guard = (action) => (event) => {
  event?.preventDefault?.()
  action(event).catch((e) => say(e.message, true))
}

function showProducts(products) {
  products.forEach((p) => names.set(p.id, p.name))
  $('products').replaceChildren(
    ...products.map((p) =>
      element(
        'li',
        {},
        element('button', {
          className: 'plain',
          textContent: p.name,
          onclick: guard(() => open(p.id)),
        }),
        element('span', { className: 'price', textContent: price(p.price_cents) }),
        element('button', { textContent: 'Add', onclick: () => add(p) }),
      ),
    ),
  )
}

const starred = (n) => '★'.repeat(Math.round(n)) + '☆'.repeat(5 - Math.round(n))

// What customers think, and five stars to say so too.
function reviewParts(id, { stars, count, newest, delivery_days: days }) {
  const rate = (n) =>
    element('button', {
      className: 'plain star',
      textContent: n <= Math.round(stars) ? '★' : '☆',
      title: `Give ${n} of 5`,
      onclick: guard(async () => {
        await ask(`api/products/${id}/stars/${n}`, { method: 'POST' })
        await open(id)
      }),
    })
  return [
    element('p', { textContent: days ? `Arrives in ${days} days` : '' }),
    element('p', {}, ...[1, 2, 3, 4, 5].map(rate), ` ${stars.toFixed(1)} · ${count} ratings`),
    element(
      'ul',
      { className: 'reviews' },
      ...newest.map((r) =>
        element('li', {}, element('small', { textContent: `${starred(r.stars)} ${r.text}` })),
      ),
    ),
  ]
}

async function open(id) {
  const p = await ask(`api/products/${id}`)
  const also = p.also.map((a) => names.get(a.product) ?? `product ${a.product}`).join(', ')
  $('product').hidden = false
  $('product').replaceChildren(
    element('h2', { textContent: p.name }),
    element('p', { textContent: `${price(p.price_cents)} · ${p.quantity} in stock` }),
    element('p', { textContent: also ? `Others bought too: ${also}` : '' }),
    ...(p.reviews ? reviewParts(id, p.reviews) : []),
  )
}

function add(p) {
  const line = cart.get(p.id) ?? { name: p.name, price_cents: p.price_cents, quantity: 0 }
  cart.set(p.id, { ...line, quantity: line.quantity + 1 })
  showCart()
}

function showCart() {
  $('cart').replaceChildren(
    ...[...cart.values()].map((l) =>
      element(
        'li',
        {},
        element('span', { textContent: `${l.quantity} × ${l.name}` }),
        element('span', { className: 'price', textContent: price(l.quantity * l.price_cents) }),
      ),
    ),
  )
  $('buy').disabled = cart.size === 0
}

async function buy() {
  const lines = [...cart].map(([product, l]) => ({ product, quantity: l.quantity }))
  say('…')
  const order = await ask('api/buy', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ customer: 'you', lines }),
  })
  const arrives = order.delivery_days ? `, arrives in ${order.delivery_days} days` : ''
  say(`Order ${order.id}: ${order.state}, ${price(order.total_cents)}${arrives}`)
  cart.clear()
  showCart()
}

function showSwitches(switches) {
  $('switches').replaceChildren(
    ...switches.map((s) => {
      const box = element('input', { type: 'checkbox', checked: s.on })
      box.onchange = guard(async () =>
        showSwitches(await ask(`switch/${s.name}?on=${box.checked}`, { method: 'POST' })),
      )
      return element(
        'li',
        {},
        element('label', {}, box, ` ${s.name}`, element('small', { textContent: s.text })),
      )
    }),
  )
}

async function start() {
  const about = await ask('api/about')
  $('sonde').href = about.sonde
  showSwitches(about.switches)
  showProducts(await ask('api/products'))
}

$('buy').onclick = guard(buy)
$('search').onsubmit = guard(async () =>
  showProducts(await ask(`api/search?q=${encodeURIComponent(new FormData($('search')).get('q'))}`)),
)
guard(start)()
