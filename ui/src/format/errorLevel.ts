// SPDX-License-Identifier: Apache-2.0
// Purpose: from which share of errors on a number is marked: a triangle, then a cross. Few failed calls say
// little, however large their share: the server judges by the same limits (src/query/health.h).

const WARN = 0.01
const ERROR = 0.05
const ERRORS_MIN = 3

export function errorLevel(errors: number, whole: number): 'warn' | 'error' | null {
  const share = whole > 0 && errors >= ERRORS_MIN ? errors / whole : 0
  return share >= ERROR ? 'error' : share >= WARN ? 'warn' : null
}

// Their share would be an error, were they more.
export const tooFewErrors = (errors: number, whole: number): boolean =>
  errors > 0 && errors < ERRORS_MIN && errors >= ERROR * whole
