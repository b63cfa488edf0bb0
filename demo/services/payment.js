// SPDX-License-Identifier: Apache-2.0
// Purpose: charges orders and settles the charges in batches, each batch a trace of its own that links
// the charges. Exports traces, metrics and logs by OTLP/HTTP with protobuf and gzip.
'use strict'
const { setTimeout: sleep } = require('node:timers/promises')
const express = require('express')
const { SpanKind, SpanStatusCode, trace } = require('@opentelemetry/api')
const { logs, SeverityNumber } = require('@opentelemetry/api-logs')
const { HttpError, application, serve } = require('./common')
const switches = require('./switches')

const SETTLE_EVERY_MS = 5000
const BATCH_MAX = 50
const tracer = trace.getTracer('shop.payment', '1.0.0')
const logger = logs.getLogger('shop.payment', '1.0.0')
const waiting = [] // span contexts of charges that are not settled

class CardDeclined extends Error {
  constructor(order) {
    super(`the bank declined the charge of order ${order}: insufficient funds`)
    this.name = 'CardDeclined'
    this.code = 'card_declined'
  }
}

async function askBank(order) {
  await sleep(5 + Math.random() * 25)
  if (switches.isOn('errors') && Math.random() < 0.5) {
    throw new CardDeclined(order)
  }
}

function charge({ order, total_cents: total }) {
  return tracer.startActiveSpan('charge card', async (span) => {
    span.setAttributes({
      'shop.order.id': String(order),
      'shop.total': total / 100,
      'shop.total_cents': total,
      'shop.first_attempt': true,
      'shop.card.checks': ['expiry', 'limit', 'fraud'],
    })
    try {
      span.addEvent('bank asked', { 'shop.bank': 'First Demo Bank' })
      await askBank(order)
      waiting.push(span.spanContext())
    } catch (e) {
      span.recordException(e)
      span.setStatus({ code: SpanStatusCode.ERROR, message: e.message })
      throw new HttpError(502, e.message, { cause: e })
    } finally {
      span.end()
    }
  })
}

const app = application()

app.post('/charges', express.json(), async (req, res) => {
  await charge(req.body)
  logger.emit({ severityNumber: SeverityNumber.INFO, body: `order ${req.body.order} was charged` })
  res.status(201).json({ charged: true })
})

const settle = setInterval(() => {
  const batch = waiting.splice(0, BATCH_MAX)
  if (batch.length === 0) {
    return
  }
  const span = tracer.startSpan('settle charges', {
    kind: SpanKind.PRODUCER,
    links: batch.map((context, i) => ({ context, attributes: { 'shop.batch.position': i } })),
    attributes: { 'shop.batch.size': batch.length },
  })
  setTimeout(() => span.end(), 20)
}, SETTLE_EVERY_MS)

serve('payment', app, [() => clearInterval(settle)])
