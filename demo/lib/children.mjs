// SPDX-License-Identifier: Apache-2.0
// Purpose: the processes that the demo starts: each in a session of its own (Ctrl-C reaches only the
// supervisor, which stops them in order), told to end by the kernel should the supervisor be killed,
// its output in a log file.
import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'

const LINES_KEPT = 12

export class Children {
  constructor(folder) {
    this.folder = folder
    this.list = []
    this.stopping = false
    this.onDeath = () => undefined
  }

  // Starts a program. `options.signal` is what ends it in order, `options.user` whom to become.
  start(name, command, { env = {}, signal = 'SIGTERM', user, cwd, stage = 0 } = {}) {
    if (this.stopping) {
      throw new Error(`${name} is not started: everything is being stopped`)
    }
    const drop = user ? [`--reuid=${user}`, `--regid=${user}`, '--init-groups'] : []
    const child = spawn('setpriv', [...drop, '--pdeathsig', signal.slice(3), '--', ...command], {
      // Debian keeps nginx where an ordinary user's PATH does not lead.
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, ...env },
      cwd,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const entry = { name, child, signal, stage, lines: [], waiting: [], ended: false }
    this.list.push(entry)
    this.#watch(entry)
    return entry
  }

  #watch(entry) {
    const log = createWriteStream(join(this.folder, `${entry.name}.log`))
    for (const stream of [entry.child.stdout, entry.child.stderr]) {
      let rest = ''
      stream.setEncoding('utf8')
      stream.on('data', (text) => {
        log.write(text)
        const parts = (rest + text).split('\n')
        rest = parts.pop()
        parts.forEach((line) => this.#take(entry, line))
      })
    }
    entry.child.on('error', (e) => entry.lines.push(e.message))
    entry.child.on('close', (code, signal) => {
      entry.ended = true
      log.end()
      const how = signal ? `by ${signal}` : `with code ${code}`
      entry.waiting.splice(0).forEach((w) => w.reject(new Error(this.obituary(entry, how))))
      if (!this.stopping) {
        this.onDeath(this.obituary(entry, how))
      }
    })
  }

  #take(entry, line) {
    entry.lines.push(line)
    entry.lines.splice(0, entry.lines.length - LINES_KEPT)
    entry.waiting = entry.waiting.filter((w) => {
      const match = w.pattern.exec(line)
      if (match) {
        w.resolve(match)
      }
      return !match
    })
  }

  obituary(entry, how) {
    return `${entry.name} ended ${how}; the end of ${join(this.folder, entry.name)}.log:\n${entry.lines.map((l) => `  ${l}`).join('\n')}`
  }

  // Waits for a line of output.
  line(entry, pattern) {
    return new Promise((resolve, reject) => entry.waiting.push({ pattern, resolve, reject }))
  }

  #kill(entry, signal) {
    try {
      process.kill(-entry.child.pid, signal)
    } catch {
      // It ended by itself.
    }
  }

  // Ends one, in order if it can, otherwise after `grace_ms` by force.
  async #stopOne(entry, graceMs) {
    if (entry.ended || entry.child.pid === undefined) {
      return
    }
    const timer = setTimeout(() => this.#kill(entry, 'SIGKILL'), graceMs)
    const closed = once(entry.child, 'close')
    try {
      entry.child.kill(entry.signal)
      await closed
    } finally {
      clearTimeout(timer)
    }
  }

  // The highest stage first; all of one stage at once.
  async stop(graceMs = 5000) {
    this.stopping = true
    const stages = [...new Set(this.list.map((e) => e.stage))].sort((a, b) => b - a)
    for (const stage of stages) {
      const group = this.list.filter((e) => e.stage === stage)
      await Promise.all(group.map((e) => this.#stopOne(e, graceMs)))
    }
  }

  killAll() {
    this.list.filter((e) => !e.ended).forEach((e) => this.#kill(e, 'SIGKILL'))
  }
}
