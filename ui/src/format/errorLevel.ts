// SPDX-License-Identifier: Apache-2.0
// Purpose: from which share of errors on a number is marked: a triangle, then a cross.

const WARN = 0.01
const ERROR = 0.05

export function errorLevel(errors: number, whole: number): 'warn' | 'error' | null {
  const share = whole > 0 ? errors / whole : 0
  return share >= ERROR ? 'error' : share >= WARN ? 'warn' : null
}
