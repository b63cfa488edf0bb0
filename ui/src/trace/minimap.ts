// SPDX-License-Identifier: Apache-2.0
// Purpose: draws the overview of a trace. Many rows share one line of pixels; failed spans are drawn
// last, so that none hides under others.
import { ERROR, type TraceModel } from './model'

function colours(element: Element, model: TraceModel): { series: string[]; error: string } {
  const style = getComputedStyle(element)
  return {
    series: model.colours.map((name) => style.getPropertyValue(name.slice(4, -1))),
    error: style.getPropertyValue('--error'),
  }
}

export function drawMinimap(canvas: HTMLCanvasElement, model: TraceModel, rows: Int32Array): void {
  const ratio = devicePixelRatio || 1
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio))
  const height = Math.max(1, Math.round(canvas.clientHeight * ratio))
  canvas.width = width
  canvas.height = height
  const context = canvas.getContext('2d')!
  const { outline } = model
  const { series, error } = colours(canvas, model)
  const { start_ns: start, duration_ns: duration, service, status } = outline.spans
  const perNs = width / Math.max(1, outline.duration_ns)
  const line = height / Math.max(1, rows.length)
  const thick = Math.min(6 * ratio, Math.max(ratio, line - ratio))

  const bar = (at: number, row: number) =>
    context.fillRect(
      start[row]! * perNs,
      Math.floor(at * line),
      Math.max(ratio, duration[row]! * perNs),
      thick,
    )
  rows.forEach((row, at) => {
    context.fillStyle = series[service[row]!]!
    bar(at, row)
  })
  context.fillStyle = error
  rows.forEach((row, at) => {
    const half = model.half[row]!
    if (status[row] === ERROR || (half >= 0 && status[half] === ERROR)) bar(at, row)
  })
}
