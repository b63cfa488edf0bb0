// SPDX-License-Identifier: Apache-2.0
// Purpose: `demo/switch`: lists the scenarios, turns one on or off.
'use strict'
const switches = require('../services/switches')

const [name, state] = process.argv.slice(2)
if (name !== undefined && name !== 'list' && !['on', 'off'].includes(state)) {
  console.error('usage: demo/switch list | demo/switch NAME on|off')
  process.exit(2)
}
try {
  if (name !== undefined && name !== 'list') {
    switches.set(name, state === 'on')
  }
} catch (e) {
  console.error(`switch: ${e.message}`)
  process.exit(2)
}
for (const s of switches.list()) {
  console.log(`${s.on ? 'on ' : 'off'}  ${s.name.padEnd(16)} ${s.text}`)
}
