// SPDX-License-Identifier: Apache-2.0
// Purpose: the shop's customers: steady traffic with a realistic mix, from a seeded random source.
// Usage: node load.mjs URL REQUESTS_PER_SECOND
const [base, perSecond] = [process.argv[2], Number(process.argv[3] ?? 7)]
const PRODUCTS = 16
const OPEN_MAX = 40 // customers who wait; beyond it, new ones stay away
const WORDS = ['tea', 'pot', 'cake', 'tray', 'mochi', '茶', 'samovar']

let state = 20251101
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}
const below = (n) => Math.floor(random() * n)
const product = () => 1 + Math.floor(PRODUCTS * random() ** 2) // some are more popular

function cart() {
  return Array.from({ length: 3 + below(8) }, () => ({
    product: product(),
    quantity: 1 + below(3),
  }))
}

let lastOrder = 1
const get = (path) => fetch(base + path, { signal: AbortSignal.timeout(10000) })
const post = (path) => fetch(base + path, { method: 'POST', signal: AbortSignal.timeout(10000) })

async function rate() {
  const path = `/api/products/${product()}`
  const answer = await get(path)
  const { reviews } = await answer.json()
  return reviews ? await post(`${path}/stars/${1 + below(5)}`) : answer // no JDK, no reviews
}

async function buy() {
  const answer = await fetch(`${base}/api/buy`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ customer: `customer-${below(500)}`, lines: cart() }),
    signal: AbortSignal.timeout(10000),
  })
  const order = await answer.json()
  lastOrder = order.id ?? lastOrder
  return answer
}

const ACTIONS = [
  [20, () => get('/api/products')],
  [10, () => get(`/api/products?category=${['tea', 'ware', 'sweets', 'books'][below(4)]}`)],
  [30, () => get(`/api/products/${product()}`)],
  [12, () => get(`/api/search?q=${encodeURIComponent(WORDS[below(WORDS.length)])}`)],
  [18, buy],
  [6, () => get(`/api/orders/${lastOrder}`)],
  [4, rate],
  [2, () => get(`/api/products/${900 + below(99)}`)],
  [2, () => get('/')],
]
const TOTAL = ACTIONS.reduce((sum, [weight]) => sum + weight, 0)

function pick() {
  let at = random() * TOTAL
  return ACTIONS.find(([weight]) => (at -= weight) < 0)[1]
}

let open = 0
async function visit() {
  if (open >= OPEN_MAX) {
    return
  }
  open++
  try {
    const answer = await pick()()
    if (!answer.bodyUsed) {
      await answer.arrayBuffer()
    }
  } catch {
    // The shop's errors are what the traces are for.
  } finally {
    open--
  }
}

function next() {
  void visit()
  setTimeout(next, (-Math.log(1 - random()) / perSecond) * 1000) // arrivals know nothing of one another
}
next()
console.log('ready')
