// SPDX-License-Identifier: Apache-2.0
// Purpose: the scenario switches. A switch that is on is a file of its name in a folder that every
// service and the command see, so that looking costs one stat and changing needs no message.
'use strict'
const fs = require('node:fs')
const path = require('node:path')

const SWITCHES = {
  'slow-sql': 'stock reads a product with a statement that sleeps 0.8 s in the database',
  errors: 'payment fails for about half of the orders, with a recorded exception',
  'n-plus-one': 'orders loads each line of an order, reviews each review, with a statement of its own',
  'hot-loop': 'recommendations and shipping burn 150 ms of CPU for each answer',
  'dead-dependency': 'stock cannot be reached: connections refused, then time-outs',
}

function folder() {
  return path.join(process.env.SONDE_DEMO_DIR, 'switches')
}

function check(name) {
  if (!Object.hasOwn(SWITCHES, name)) {
    throw new RangeError(`there is no switch '${name}': ${Object.keys(SWITCHES).join(', ')}`)
  }
}

function isOn(name) {
  check(name)
  return fs.existsSync(path.join(folder(), name))
}

function set(name, on) {
  check(name)
  fs.mkdirSync(folder(), { recursive: true })
  const file = path.join(folder(), name)
  if (on) {
    fs.writeFileSync(file, '')
  } else {
    fs.rmSync(file, { force: true })
  }
}

function list() {
  return Object.entries(SWITCHES).map(([name, text]) => ({ name, text, on: isOn(name) }))
}

module.exports = { isOn, set, list }
