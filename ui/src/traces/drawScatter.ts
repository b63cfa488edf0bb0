// SPDX-License-Identifier: Apache-2.0
// Purpose: paints the cells of the scatter. Cells with errors are red and crossed out, so that they
// show without colour too.
import type { Scatter } from '@/api/types'
import { heat } from './scatterScale'

const HEATS = 5

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
    context.fillStyle = errors > 0 ? error : heats[level]!
    context.fillRect(x, y, w, h)
    if (errors > 0) {
      context.beginPath()
      context.moveTo(x, y + h)
      context.lineTo(x + w, y)
      context.stroke()
    }
  }
}
