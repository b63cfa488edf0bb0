// SPDX-License-Identifier: Apache-2.0
// Purpose: what there is to buy, in PostgreSQL. Exports by OTLP/gRPC with gzip. The switch
// dead-dependency makes it unreachable: for some seconds connections are refused, then for some
// seconds they are taken and never answered, and so on.
'use strict'
const net = require('node:net')
const express = require('express')
const { Pool } = require('pg')
const { HttpError, application, portOf, serve } = require('./common')
const switches = require('./switches')

const PHASE_MS = 5000
const pool = new Pool({ connectionString: process.env.SHOP_STOCK_DATABASE, max: 16 })
pool.on('error', (e) => console.error(e.message))

const app = application()

app.get('/products', async (req, res) => {
  const { rows } = await pool.query(
    `SELECT id, name, category, price_cents FROM products
     WHERE $1::text IS NULL OR category = $1 ORDER BY id`,
    [req.query.category ?? null],
  )
  res.json(rows)
})

app.get('/products/:id', async (req, res) => {
  if (!/^\d{1,9}$/.test(req.params.id)) {
    throw new HttpError(400, `'${req.params.id}' is no product number`)
  }
  const slow = switches.isOn('slow-sql')
  const { rows } = await pool.query(
    slow
      ? 'SELECT p.*, pg_sleep(0.8) FROM products p WHERE id = $1'
      : 'SELECT id, name, category, price_cents, quantity FROM products WHERE id = $1',
    [req.params.id],
  )
  if (rows.length === 0) {
    throw new HttpError(404, `there is no product ${req.params.id}`)
  }
  const { id, name, category, price_cents, quantity } = rows[0]
  res.json({ id, name, category, price_cents, quantity })
})

app.get('/search', async (req, res) => {
  const { rows } = await pool.query(
    'SELECT id, name, category, price_cents FROM products WHERE name ILIKE $1 ORDER BY id LIMIT 20',
    [`%${req.query.q}%`],
  )
  res.json(rows)
})

// Takes the goods of an order; what runs out is bought again.
app.post('/reserve', express.json(), async (req, res) => {
  const { rows } = await pool.query(
    `UPDATE products p SET quantity = CASE WHEN p.quantity > w.quantity
       THEN p.quantity - w.quantity ELSE 500 END
     FROM (SELECT product, sum(quantity)::int AS quantity
       FROM unnest($1::int[], $2::int[]) AS u (product, quantity) GROUP BY product
       ORDER BY product) w
     WHERE p.id = w.product RETURNING p.id AS product, w.quantity, p.price_cents`,
    [req.body.map((l) => l.product), req.body.map((l) => l.quantity ?? 1)],
  )
  if (rows.length < new Set(req.body.map((l) => l.product)).size) {
    throw new HttpError(404, 'the order names a product that does not exist')
  }
  res.json(rows)
})

const server = serve('stock', app, [() => pool.end()])

// ---- The switch dead-dependency ------------------------------------------------------------------

let silent = null // takes connections and never answers
let deadSince = 0

function refuse() {
  server.close()
  server.closeAllConnections()
}

function hang() {
  const held = new Set()
  silent = net.createServer((socket) => {
    held.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => held.delete(socket))
  })
  silent.held = held
  silent.on('error', (e) => console.error(e.message))
  silent.listen(portOf('stock'), '127.0.0.1')
}

function endHang(then) {
  const ended = silent
  silent = null
  ended.close(then)
  ended.held.forEach((socket) => socket.destroy())
}

function watchSwitch() {
  const dead = switches.isOn('dead-dependency')
  const now = Date.now()
  if (dead && deadSince === 0) {
    deadSince = now
    refuse()
  } else if (dead) {
    const wantHang = Math.floor((now - deadSince) / PHASE_MS) % 2 === 1
    if (wantHang && silent === null) {
      hang()
    } else if (!wantHang && silent !== null) {
      endHang()
    }
  } else if (deadSince !== 0) {
    deadSince = 0
    const back = () => server.listen(portOf('stock'), '127.0.0.1')
    if (silent !== null) {
      endHang(back)
    } else {
      back()
    }
  }
}
const watch = setInterval(watchSwitch, 200)
process.on('SIGTERM', () => {
  clearInterval(watch)
  if (silent !== null) {
    endHang()
  }
})
