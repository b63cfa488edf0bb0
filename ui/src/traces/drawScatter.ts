// SPDX-License-Identifier: Apache-2.0
// Purpose: paints the cells of the scatter. The share of errors is a red stripe from the left, a gap
// between it and the rest; where all failed the cell is crossed out: both show without colour too.
import type { Scatter } from '@/api/types'
import { errorWidth, heat } from './scatterScale'

const HEATS = 5
const STRIPE_PX = 1

export function drawScatter(canvas: HTMLCanvasElement, scatter: Scatter): void {
  const ratio = devicePixelRatio || 1
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio))
  const height = Math.max(1, Math.round(canvas.clientHeight * ratio))
  canvas.width = width
  canvas.height = height
  const context = canvas.getContext('2d')!
  const style = getComputedStyle(canvas)
  const heats = Array.from({ length: HEATS }, (_, i) => style.getPropertyValue(`--heat-${i + 1}`))
  const error = style.getPropertyValue('--error')
  const background = style.getPropertyValue('--bg')
  const wide = width / scatter.columns
  const tall = height / scatter.rows
  const most = scatter.cells.reduce((max, cell) => Math.max(max, cell[2]), 1)
  context.strokeStyle = background
  context.lineWidth = ratio
  for (const [column, row, spans, errors] of scatter.cells) {
    const x = Math.round(column * wide)
    const y = Math.round(height - (row + 1) * tall)
    const w = Math.max(ratio, Math.round((column + 1) * wide) - x - ratio)
    const h = Math.max(ratio, Math.round(height - row * tall) - y - ratio)
    const level = Math.min(HEATS - 1, Math.floor(heat(spans, most) * HEATS))
    context.fillStyle = heats[level]!
    context.fillRect(x, y, w, h)
    if (errors === 0) continue
    const failed = errorWidth(w, spans, errors, STRIPE_PX * ratio)
    context.fillStyle = error
    context.fillRect(x, y, failed, h)
    if (failed < w) {
      context.fillStyle = background
      context.fillRect(x + failed, y, ratio, h)
      continue
    }
    context.beginPath()
    context.moveTo(x, y + h)
    context.lineTo(x + w, y)
    context.stroke()
  }
}
