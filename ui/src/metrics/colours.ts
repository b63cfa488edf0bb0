// SPDX-License-Identifier: Apache-2.0
// Purpose: the colours of the groups of a metric, by names of tokens: neighbours differ most.

export const COLOURS = [5, 0, 2, 7, 4, 10, 6, 9, 1, 8, 3, 11].map((number) => `series-${number}`)
