// SPDX-License-Identifier: Apache-2.0
// Purpose: how much a caller depends on what it calls.
import { describe, expect, it } from 'vitest'
import { strengthOf } from '@/topology/strength'

const edge = (errors: number, passed_on_errors: number, ofCaller?: number) => ({
  errors,
  passed_on_errors,
  client: ofCaller === undefined ? undefined : ({ errors: ofCaller } as never),
})

describe('strength of a dependency', () => {
  it('is strong where half of the failed calls or more are passed on', () => {
    expect(strengthOf(edge(10, 5))).toEqual({ strong: true, passedOn: 5, failed: 10 })
    expect(strengthOf(edge(10, 4))).toEqual({ strong: false, passedOn: 4, failed: 10 })
  })

  it('goes by what the caller measured', () => {
    expect(strengthOf(edge(2, 6, 8))).toEqual({ strong: true, passedOn: 6, failed: 8 })
  })

  it('is not known of few failures', () => {
    expect(strengthOf(edge(2, 2))).toBeNull()
    expect(strengthOf(edge(9, 0, 2))).toBeNull()
  })
})
