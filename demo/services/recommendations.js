// SPDX-License-Identifier: Apache-2.0
// Purpose: what others bought too: counts pairs in Redis and keeps answers there for some seconds.
// Exports by OTLP/HTTP with protobuf.
'use strict'
const express = require('express')
const Redis = require('ioredis')
const { trace } = require('@opentelemetry/api')
const { application, serve } = require('./common')
const switches = require('./switches')

const KEEP_S = 5
const SHOWN = 4
const PAIRS_MAX = 3 // of one order
const BURN_MS = 150
const tracer = trace.getTracer('shop.recommendations', '1.0.0')
const redis = new Redis(process.env.SHOP_REDIS)
redis.on('error', (e) => console.error(e.message))

// The switch hot-loop: an honest loop, so that a profile shows it too.
function burn(ms) {
  const end = performance.now() + ms
  let sum = 0
  while (performance.now() < end) {
    for (let i = 1; i < 1000; i++) {
      sum += Math.sqrt(i)
    }
  }
  return sum
}

function rank(pairs) {
  return tracer.startActiveSpan('rank products', (span) => {
    if (switches.isOn('hot-loop')) {
      burn(BURN_MS)
    }
    const ranked = []
    for (let i = 0; i < pairs.length; i += 2) {
      ranked.push({ product: Number(pairs[i]), score: Number(pairs[i + 1]) })
    }
    span.setAttribute('shop.candidates', ranked.length)
    span.end()
    return ranked.slice(0, SHOWN)
  })
}

const app = application()

app.get('/recommendations/:id', async (req, res) => {
  const { id } = req.params
  const kept = switches.isOn('hot-loop') ? null : await redis.get(`answer:${id}`)
  if (kept !== null) {
    res.json(JSON.parse(kept))
    return
  }
  const answer = rank(await redis.zrevrange(`pairs:${id}`, 0, 20, 'WITHSCORES'))
  await redis.set(`answer:${id}`, JSON.stringify(answer), 'EX', KEEP_S)
  res.json(answer)
})

app.post('/bought', express.json(), async (req, res) => {
  const pipeline = redis.pipeline()
  const pairs = req.body.flatMap((a, i) => req.body.slice(i + 1).map((b) => [a, b]))
  for (const [a, b] of pairs.slice(0, PAIRS_MAX)) {
    pipeline.zincrby(`pairs:${a}`, 1, b)
  }
  await pipeline.exec()
  res.json({ pairs: pipeline.length })
})

serve('recommendations', app, [() => redis.quit()])
