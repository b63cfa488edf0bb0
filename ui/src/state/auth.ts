// SPDX-License-Identifier: Apache-2.0
// Purpose: the query token. Kept for the browser tab only; asked for when the server says 401.
import { ref } from 'vue'

const KEY = 'sonde.token'

export const signInNeeded = ref(false)
// Grows with every sign-in, so that what failed for lack of a token loads again.
export const signInCount = ref(0)

export function token(): string | null {
  return sessionStorage.getItem(KEY)
}

export function signIn(value: string): void {
  sessionStorage.setItem(KEY, value)
  signInNeeded.value = false
  signInCount.value++
}

export function signOut(): void {
  sessionStorage.removeItem(KEY)
  signInNeeded.value = true
}
