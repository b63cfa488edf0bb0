// SPDX-License-Identifier: Apache-2.0
// Purpose: a dense map is moved and scaled as a picture of itself, and painted anew once it rests:
// painting thousands of edges takes longer than a frame.
import type { Camera } from './camera'

const REST_MS = 120

export class Motion {
  private picture: HTMLCanvasElement | null = null
  private taken: Camera | null = null
  private drawn: Camera | null = null
  private timer: ReturnType<typeof setTimeout> | undefined

  // `rest` is called when the map has stood still.
  constructor(private readonly rest: () => void) {}

  // The canvas now shows the map as the camera sees it.
  painted(camera: Camera): void {
    this.drawn = camera
    this.picture = null
  }

  // Shows the last painting as the camera would see it. False where there is none, or not of this size.
  show(canvas: HTMLCanvasElement, camera: Camera): boolean {
    const ratio = devicePixelRatio || 1
    const context = canvas.getContext('2d')!
    if (!this.drawn || canvas.width !== Math.round(canvas.clientWidth * ratio)) return false
    if (!this.picture) {
      this.picture = document.createElement('canvas')
      this.picture.width = canvas.width
      this.picture.height = canvas.height
      this.picture.getContext('2d')!.drawImage(canvas, 0, 0)
      this.taken = this.drawn
    }
    const taken = this.taken!
    const factor = camera.scale / taken.scale
    const pixels = camera.scale * ratio
    context.setTransform(1, 0, 0, 1, 0, 0)
    context.clearRect(0, 0, canvas.width, canvas.height)
    context.drawImage(
      this.picture,
      (taken.x - camera.x) * pixels,
      (taken.y - camera.y) * pixels,
      canvas.width * factor,
      canvas.height * factor,
    )
    clearTimeout(this.timer)
    this.timer = setTimeout(this.rest, REST_MS)
    return true
  }

  stop(): void {
    clearTimeout(this.timer)
  }
}
