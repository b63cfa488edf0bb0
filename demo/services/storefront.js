// SPDX-License-Identifier: Apache-2.0
// Purpose: the shop's front: the page, and the calls behind it. Speaks to stock, recommendations,
// reviews and orders. Exports by OTLP/HTTP with JSON.
'use strict'
const path = require('node:path')
const express = require('express')
const { HttpError, application, call, callOr, serve } = require('./common')
const switches = require('./switches')

const app = application()

app.get('/api/products', async (req, res) => {
  const category = req.query.category ? `?category=${encodeURIComponent(req.query.category)}` : ''
  res.json(await call('stock', 'GET', `/products${category}`))
})

app.get('/api/products/:id', async (req, res) => {
  const id = encodeURIComponent(req.params.id)
  const [product, also, reviews] = await Promise.all([
    call('stock', 'GET', `/products/${id}`),
    callOr([], 'recommendations', 'GET', `/recommendations/${id}`),
    callOr(null, 'reviews', 'GET', `/reviews?product=${id}`, { timeoutMs: 3000 }),
  ])
  res.json({ ...product, also, reviews })
})

app.post('/api/products/:id/stars/:stars', async (req, res) => {
  const { id, stars } = req.params
  const query = `product=${encodeURIComponent(id)}&stars=${encodeURIComponent(stars)}`
  res.status(201).json(await call('reviews', 'POST', `/reviews?${query}`))
})

app.get('/api/search', async (req, res) => {
  res.json(await call('stock', 'GET', `/search?q=${encodeURIComponent(req.query.q ?? '')}`))
})

app.post('/api/buy', express.json(), async (req, res) => {
  if (!Array.isArray(req.body?.lines) || req.body.lines.length === 0) {
    throw new HttpError(400, 'an order needs lines')
  }
  const order = await call('orders', 'POST', '/orders', { body: req.body, timeoutMs: 8000 })
  await callOr(undefined, 'recommendations', 'POST', '/bought', {
    body: req.body.lines.map((l) => l.product),
  })
  res.status(201).json(order)
})

app.get('/api/orders/:id', async (req, res) => {
  res.json(await call('orders', 'GET', `/orders/${encodeURIComponent(req.params.id)}`))
})

app.get('/api/about', (req, res) => {
  res.json({ sonde: process.env.SHOP_SONDE_URL, switches: switches.list() })
})

// Turns a switch: ?on=true or ?on=false; without it, the other way round.
app.post('/switch/:name', (req, res) => {
  const { name } = req.params
  try {
    switches.set(name, req.query.on === undefined ? !switches.isOn(name) : req.query.on === 'true')
  } catch (e) {
    throw new HttpError(404, e.message)
  }
  res.json(switches.list())
})

app.use(express.static(path.join(__dirname, '../web')))
serve('storefront', app)
