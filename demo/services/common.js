// SPDX-License-Identifier: Apache-2.0
// Purpose: what the shop's services share: an application that answers errors, calls of one another,
// start and stop. Nothing here knows of tracing; the SDK is loaded beside it (--require).
'use strict'
const express = require('express')

const STOP_MS = 4000

class HttpError extends Error {
  constructor(status, message, options) {
    super(message, options)
    this.name = 'HttpError'
    this.status = status
  }
}

// Where a service listens: the supervisor puts every port into the environment.
function portOf(service) {
  return Number(process.env[`SHOP_${service.toUpperCase()}_PORT`])
}

// Calls another service and gives its JSON answer; an error answer becomes an HttpError.
async function call(service, method, path, { body, timeoutMs = 1500 } = {}) {
  let answer
  try {
    answer = await fetch(`http://127.0.0.1:${portOf(service)}${path}`, {
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    })
  } catch (e) {
    const timeout = e.name === 'TimeoutError'
    throw new HttpError(
      timeout ? 504 : 503,
      `${service} ${timeout ? 'timed out' : 'is not there'}`,
      {
        cause: e,
      },
    )
  }
  const result = await answer.json()
  if (!answer.ok) {
    throw new HttpError(answer.status >= 500 ? 502 : answer.status, result.error)
  }
  return result
}

// The same of a service that the shop sells without: `otherwise` when it fails, or when it does not
// run here, as the Java services where there is no JDK.
async function callOr(otherwise, service, ...rest) {
  if (Number.isNaN(portOf(service))) {
    return otherwise
  }
  return call(service, ...rest).catch(() => otherwise)
}

function application() {
  const app = express()
  app.disable('x-powered-by')
  return app
}

// Serves `app` until SIGTERM; `parts` are closed after the last request.
function serve(service, app, parts = []) {
  app.use((req, res) => res.status(404).json({ error: `${req.path} is not here` }))
  // eslint-disable-next-line no-unused-vars -- Express knows error handlers by their four arguments
  app.use((error, req, res, next) => {
    const status = error.status ?? 500
    if (status >= 500) {
      console.error(`${req.method} ${req.path}: ${error.message}`)
    }
    res.status(status).json({ error: error.message })
  })
  const server = app.listen(portOf(service), '127.0.0.1', (error) => {
    if (error) {
      throw error
    }
    console.log('ready')
  })
  process.on('SIGTERM', () => {
    server.close(async () => {
      for (const close of parts) {
        await close()
      }
    })
    server.closeIdleConnections()
    setTimeout(() => process.exit(0), STOP_MS).unref() // with no server left, the SDK tries for long
  })
  return server
}

module.exports = { HttpError, application, call, callOr, portOf, serve }
