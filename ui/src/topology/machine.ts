// SPDX-License-Identifier: Apache-2.0
// Purpose: how the numbers of machines and processes are written, and which metric shows them over time.
import type { NodeMeasure } from '@/api/types'
import { formatBytes } from '@/format/format'
import { formatNumber } from '@/metrics/units'

export function formatMeasure(value: number, unit: string): string {
  if (unit === '1') return `${formatNumber(value * 100)}%`
  if (unit === 'By') return formatBytes(Math.round(value))
  return formatNumber(value)
}

// Time in garbage collection is the sum of a histogram, which is asked for by its own name.
export const metricOf = ({ metric }: NodeMeasure) => metric.replace(/_sum$/, '')
