// SPDX-License-Identifier: Apache-2.0
// Purpose: fails when the built UI is larger than promised. Sizes are gzip; a route costs what its
// chunks add to the shell (everything index.html asks for at once, plus one language).
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const KB = 1024
const SHELL_MAX = 90 * KB
const ROUTE_MAX = 60 * KB
const TOTAL_MAX = 400 * KB

const dist = fileURLToPath(new URL('../dist/', import.meta.url))
const manifest = JSON.parse(readFileSync(new URL('../.manifest.json', import.meta.url), 'utf8'))
const size = (file) => gzipSync(readFileSync(join(dist, file)), { level: 9 }).length

// Files of a chunk and of all it imports at once.
function filesOf(key, found = new Set()) {
  const chunk = manifest[key]
  if (found.has(chunk.file)) return found
  found.add(chunk.file)
  for (const css of chunk.css ?? []) found.add(css)
  for (const other of chunk.imports ?? []) filesOf(other, found)
  return found
}

const sum = (files) => [...files].reduce((total, file) => total + size(file), 0)
const failures = []

function report(name, bytes, limit) {
  console.log(`${name.padEnd(34)} ${(bytes / KB).toFixed(1).padStart(7)} KB of ${limit / KB}`)
  if (bytes > limit) failures.push(name)
}

const shell = filesOf('index.html')
const chinese = filesOf('src/i18n/zh-CN.ts')
report('shell', sum(new Set([...shell, ...chinese])), SHELL_MAX)

// A page with the panels that it may load one at a time: the largest of them counts.
for (const key of Object.keys(manifest).filter((name) => name.startsWith('src/pages/'))) {
  const own = filesOf(key)
  const extra = (files) => sum([...files].filter((file) => !shell.has(file)))
  const panels = (manifest[key].dynamicImports ?? []).map((panel) =>
    extra([...filesOf(panel)].filter((file) => !own.has(file))),
  )
  report(key.slice(10), extra(own) + Math.max(0, ...panels), ROUTE_MAX)
}

const all = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(dist.length))
report('total', sum(all), TOTAL_MAX)

if (failures.length) {
  console.error(`over budget: ${failures.join(', ')}`)
  process.exit(1)
}
