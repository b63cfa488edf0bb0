// SPDX-License-Identifier: Apache-2.0
// Purpose: the business line that a page is narrowed to, as its URL has it.

export const ALL_LINES = '*' // the empty one is that of services without a line

export const isOfLine = (line: string, namespace: string) =>
  line === ALL_LINES || namespace === line
