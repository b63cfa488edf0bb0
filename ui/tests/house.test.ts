// SPDX-License-Identifier: Apache-2.0
// Purpose: the house rules of the UI that no linter knows.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../', import.meta.url))

function filesOf(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|vue|css|mjs)$/.test(name) && !name.endsWith('.gen.ts'))
    .map((name) => join(folder, name))
}

const sources = filesOf('src')
const text = (file: string) => readFileSync(join(root, file), 'utf8')

describe('every file', () => {
  it('begins with its licence and its purpose', () => {
    for (const file of [
      ...sources,
      ...filesOf('tests'),
      ...filesOf('tools'),
      ...filesOf('dev'),
      ...filesOf('e2e'),
    ]) {
      const [first, second] = text(file).split('\n')
      expect(first, file).toContain('SPDX-License-Identifier: Apache-2.0')
      expect(second, file).toContain('Purpose:')
    }
  })
})

describe('components', () => {
  const components = sources.filter((file) => file.endsWith('.vue'))

  it('take every colour from the tokens', () => {
    for (const file of components) {
      const style = text(file).split('<style')[1] ?? ''
      expect(style, file).not.toMatch(/#[0-9a-f]{3,8}\b|rgba?\(|hsla?\(/i)
    }
  })

  it('use only tokens that exist, in both themes', () => {
    const tokens = text('src/styles/tokens.css')
    const light = tokens.split("[data-theme='light'] {")[1]!
    const colours = new Set(
      tokens.match(/--(heat|series|bg|text|accent|line|error|warn|ok)[\w-]*(?=:)/g),
    )
    for (const name of colours) expect(light, name).toContain(`${name}:`)
    const own = new Set([
      '--c',
      '--tree',
      '--columns',
      '--row-min',
      '--guides',
      '--step',
      '--angle',
      '--pale',
    ])
    for (const file of components)
      for (const [, name] of text(file).matchAll(/var\((--[\w-]+)/g))
        if (!own.has(name!)) expect(tokens, `${name} in ${file}`).toContain(`${name}:`)
  })

  it('set no styles in the markup, which the content security policy refuses', () => {
    for (const file of components) expect(text(file), file).not.toMatch(/\sstyle="/)
  })
})
