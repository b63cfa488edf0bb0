// SPDX-License-Identifier: Apache-2.0
// Purpose: takes orders: reserves the goods with stock, writes the order to PostgreSQL, has payment
// charge it, asks shipping when it arrives. Exports by OTLP/gRPC.
'use strict'
const express = require('express')
const { Pool } = require('pg')
const { HttpError, application, call, callOr, serve } = require('./common')
const switches = require('./switches')

const pool = new Pool({ connectionString: process.env.SHOP_ORDERS_DATABASE, max: 8 })
pool.on('error', (e) => console.error(e.message))

async function insert(customer, lines) {
  const { rows } = await pool.query(
    `WITH o AS (INSERT INTO orders (customer, total_cents) VALUES ($1, $2) RETURNING id),
     l AS (INSERT INTO order_lines (order_id, line, product, quantity, price_cents)
       SELECT o.id, u.line, u.product, u.quantity, u.price
       FROM o, unnest($3::int[], $4::int[], $5::int[]) WITH ORDINALITY
         AS u (product, quantity, price, line))
     SELECT id FROM o`,
    [
      customer,
      lines.reduce((sum, l) => sum + l.quantity * l.price_cents, 0),
      lines.map((l) => l.product),
      lines.map((l) => l.quantity),
      lines.map((l) => l.price_cents),
    ],
  )
  return rows[0].id
}

async function loadLines(id, count) {
  if (!switches.isOn('n-plus-one')) {
    const { rows } = await pool.query(
      'SELECT product, quantity, price_cents FROM order_lines WHERE order_id = $1 ORDER BY line',
      [id],
    )
    return rows
  }
  const lines = []
  for (let line = 1; line <= count; line++) {
    const { rows } = await pool.query(
      'SELECT product, quantity, price_cents FROM order_lines WHERE order_id = $1 AND line = $2',
      [id, line],
    )
    lines.push(...rows)
  }
  return lines
}

async function load(id) {
  const { rows } = await pool.query(
    `SELECT id, customer, state, total_cents,
       (SELECT count(*)::int FROM order_lines WHERE order_id = orders.id) AS line_count
     FROM orders WHERE id = $1`,
    [id],
  )
  if (rows.length === 0) {
    throw new HttpError(404, `there is no order ${id}`)
  }
  const { line_count: count, ...order } = rows[0]
  return { ...order, lines: await loadLines(id, count) }
}

const app = application()

app.post('/orders', express.json(), async (req, res) => {
  const { customer = 'guest', lines } = req.body
  const reserved = await call('stock', 'POST', '/reserve', { body: lines, timeoutMs: 4000 })
  const id = await insert(customer, reserved)
  try {
    const total = reserved.reduce((sum, l) => sum + l.quantity * l.price_cents, 0)
    await call('payment', 'POST', '/charges', { body: { order: id, customer, total_cents: total } })
  } catch (e) {
    await pool.query("UPDATE orders SET state = 'unpaid' WHERE id = $1", [id])
    throw e
  }
  await pool.query("UPDATE orders SET state = 'paid' WHERE id = $1", [id])
  const products = reserved.map((l) => l.product).join(',')
  const shipping = await callOr({}, 'shipping', 'GET', `/delivery?products=${products}`, {
    timeoutMs: 4000,
  })
  res.status(201).json({ ...(await load(id)), delivery_days: shipping.days })
})

app.get('/orders/:id', async (req, res) => {
  if (!/^\d{1,15}$/.test(req.params.id)) {
    throw new HttpError(400, `'${req.params.id}' is no order number`)
  }
  res.json(await load(req.params.id))
})

serve('orders', app, [() => pool.end()])
