// SPDX-License-Identifier: Apache-2.0
// Purpose: keyboard shortcuts. Pages register the keys they answer; typing in a field is never
// taken for a shortcut.
import { onBeforeUnmount, onMounted } from 'vue'

export type KeyMap = Record<string, (event: KeyboardEvent) => void>

const stack: KeyMap[] = []
let prefix = ''
let prefixTimer: ReturnType<typeof setTimeout> | undefined

const PREFIX_MS = 1200

function isTyping(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null
  return !!element?.closest?.('input, textarea, select, [contenteditable="true"]')
}

function find(key: string): ((event: KeyboardEvent) => void) | undefined {
  for (let i = stack.length - 1; i >= 0; i--) if (stack[i]![key]) return stack[i]![key]
  return undefined
}

function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
  if (document.querySelector('dialog[open]')) return
  if (isTyping(event.target) && event.key !== 'Escape') return
  const key = prefix + event.key
  clearTimeout(prefixTimer)
  prefix = ''
  const action = find(key)
  if (action) {
    event.preventDefault()
    action(event)
  } else if (event.key === 'g') {
    prefix = 'g '
    prefixTimer = setTimeout(() => (prefix = ''), PREFIX_MS)
  }
}

window.addEventListener('keydown', onKey)

export function useKeys(keys: KeyMap): void {
  onMounted(() => stack.push(keys))
  onBeforeUnmount(() => {
    const at = stack.indexOf(keys)
    if (at >= 0) stack.splice(at, 1)
  })
}
