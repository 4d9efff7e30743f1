import { setImmediate } from 'node:timers/promises'

/** Longest stretch of synchronous work, ms; long enough to be cheap, short enough for the node's other work. */
const SLICE_MS = 5
/** Small steps between two looks at the clock. */
const STEPS = 32

/** Lets long synchronous work give way to the rest of the process every few milliseconds. */
export class Pacer {
  #steps = 0
  #sliceEnd = performance.now() + SLICE_MS

  /** True when it is time to await `pause()`. Call it once per small step. */
  due(weight = 1): boolean {
    this.#steps += weight
    if (this.#steps < STEPS) return false
    this.#steps = 0
    return performance.now() >= this.#sliceEnd
  }

  async pause(): Promise<void> {
    await setImmediate()
    this.#sliceEnd = performance.now() + SLICE_MS
  }
}
