// SPDX-License-Identifier: Apache-2.0
// Purpose: which part of the drawing is on the screen: pan, zoom, and back from pixels to places.

export interface Camera {
  x: number // the place at the left upper corner
  y: number
  scale: number // pixels for one unit of the drawing
}

export interface Box {
  x: number
  y: number
  width: number
  height: number
}

export const SCALE_MIN = 0.02
export const SCALE_MAX = 2.5
const FIT_MAX = 1.15 // a few nodes are not blown up
const MARGIN_PX = 24

const bounded = (scale: number) => Math.min(SCALE_MAX, Math.max(SCALE_MIN, scale))

// All of the box, in the middle.
export function fit(box: Box, width: number, height: number): Camera {
  const room = (size: number) => Math.max(1, size - 2 * MARGIN_PX)
  const wide = room(width) / Math.max(1, box.width)
  const tall = room(height) / Math.max(1, box.height)
  const scale = bounded(Math.min(FIT_MAX, wide, tall))
  return {
    x: box.x + box.width / 2 - width / 2 / scale,
    y: box.y + box.height / 2 - height / 2 / scale,
    scale,
  }
}

export function toPlace(camera: Camera, px: number, py: number): { x: number; y: number } {
  return { x: camera.x + px / camera.scale, y: camera.y + py / camera.scale }
}

export function pan(camera: Camera, dx: number, dy: number): Camera {
  return { ...camera, x: camera.x - dx / camera.scale, y: camera.y - dy / camera.scale }
}

// The place under the pixel stays under it.
export function zoomAt(camera: Camera, px: number, py: number, factor: number): Camera {
  const { x, y } = toPlace(camera, px, py)
  const scale = bounded(camera.scale * factor)
  return { x: x - px / scale, y: y - py / scale, scale }
}

// The least move that brings the box onto the screen.
export function reveal(camera: Camera, box: Box, width: number, height: number): Camera {
  const margin = MARGIN_PX / camera.scale
  const move = (at: number, size: number, from: number, room: number) => {
    if (at - margin < from) return at - margin
    return Math.max(from, at + size + margin - room)
  }
  return {
    ...camera,
    x: move(box.x, box.width, camera.x, width / camera.scale),
    y: move(box.y, box.height, camera.y, height / camera.scale),
  }
}
