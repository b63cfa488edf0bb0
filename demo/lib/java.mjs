// SPDX-License-Identifier: Apache-2.0
// Purpose: the shop's Java services: what they need of the machine, compiling them once, the command
// that runs one with the JVM agent.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..')
const SOURCES = join(ROOT, 'demo/services/java')
const AGENT = join(ROOT, 'build/libsonde-jvm.so')
const JARS = ['tomcat10-embed-core', 'tomcat10-annotations-api', 'postgresql'].map(
  (name) => `/usr/share/java/${name}.jar`,
)
// A demo's JVM starts soon and stays small.
const SMALL = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xmx48m', '-Xss512k']

function jdkHome() {
  try {
    return execFileSync(join(ROOT, 'tools/jdk-home'), { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
}

// Compiles into a folder named by what is compiled; two that do it at once do no harm.
function compile(home) {
  const sources = readdirSync(SOURCES).map((name) => join(SOURCES, name))
  const hash = createHash('sha256').update(home)
  sources.forEach((file) => hash.update(readFileSync(file)))
  const above = join(ROOT, 'build/demo/java')
  const folder = join(above, hash.digest('hex').slice(0, 12))
  if (existsSync(folder)) {
    return folder
  }
  mkdirSync(above, { recursive: true })
  const made = mkdtempSync(join(above, 'new-'))
  const javac = ['--release', '11', '-nowarn', '-d', made, '-cp', JARS.join(':'), ...sources]
  execFileSync(join(home, 'bin/javac'), javac, { stdio: ['ignore', 'ignore', 'pipe'] })
  try {
    renameSync(made, folder)
  } catch (e) {
    rmSync(made, { recursive: true })
    if (!existsSync(folder)) {
      throw e
    }
  }
  return folder
}

// What running them takes, as { home, classes }, or { missing }: why they cannot run here.
export function prepare() {
  const home = jdkHome()
  if (!home) {
    return { missing: 'no JDK is found (openjdk-17-jdk-headless has one)' }
  }
  if (!existsSync(AGENT)) {
    return { missing: 'build/libsonde-jvm.so is not built: run make' }
  }
  const jar = JARS.find((path) => !existsSync(path))
  return jar
    ? { missing: `${jar} is not installed: run tools/deps java` }
    : { home, classes: compile(home) }
}

export function command({ home, classes }, main, ...words) {
  const path = [classes, ...JARS].join(':')
  return [join(home, 'bin/java'), `-agentpath:${AGENT}`, ...SMALL, '-cp', path, main, ...words]
}
