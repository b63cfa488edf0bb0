// SPDX-License-Identifier: Apache-2.0
// Purpose: free ports, and who holds a port that is not free.
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { connect, createServer } from 'node:net'

// Below the range from which the kernel takes the ports of outgoing connections, so that a port that
// is free now is not taken by one of those before the service listens.
const FIRST = 20000
const LAST = 32000
const TRIES_MAX = 1000

export function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () =>
      server.close(() => resolve(true)),
    )
  })
}

// Those of the list `kept` that are free come first, so that a database keeps its address from one
// start to the next.
export async function freePorts(count, kept = []) {
  const found = new Set()
  for (const port of kept.slice(0, count)) {
    if (port >= FIRST && port < LAST && (await isFree(port))) {
      found.add(port)
    }
  }
  for (let i = 0; i < TRIES_MAX && found.size < count; i++) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    if (!found.has(port) && (await isFree(port))) {
      found.add(port)
    }
  }
  if (found.size < count) {
    throw new Error(`no ${count} free ports between ${FIRST} and ${LAST}`)
  }
  return [...found]
}

export function canConnect(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function inodesListeningOn(port) {
  const wanted = new Set()
  const suffix = ':' + port.toString(16).toUpperCase().padStart(4, '0')
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    let text = ''
    try {
      text = readFileSync(table, 'utf8')
    } catch {
      continue // no IPv6 here
    }
    for (const line of text.split('\n').slice(1)) {
      const word = line.trim().split(/\s+/)
      if (word[1]?.endsWith(suffix) && word[3] === '0A') {
        wanted.add(`socket:[${word[9]}]`)
      }
    }
  }
  return wanted
}

function holds(pid, inodes) {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return inodes.has(readlinkSync(`/proc/${pid}/fd/${fd}`))
      } catch {
        return false
      }
    })
  } catch {
    return false // gone, or another user's
  }
}

// "nginx (process 123)", or what can be said without the right to look.
export function holderOf(port) {
  const inodes = inodesListeningOn(port)
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (holds(pid, inodes)) {
      return `${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()} (process ${pid})`
    }
  }
  return "another user's process"
}
