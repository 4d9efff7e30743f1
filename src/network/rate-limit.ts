/** A token bucket: `perSecond` on average, `burst` at once. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  readonly #now: () => number
  #tokens: number
  #lastMs: number

  constructor(perSecond: number, burst: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#now = now
    this.#tokens = burst
    this.#lastMs = now()
  }

  /** False, and nothing taken, when fewer than `count` tokens are left. */
  take(count = 1): boolean {
    const nowMs = this.#now()
    const elapsedMs = Math.max(0, nowMs - this.#lastMs)
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs / 1000) * this.#perSecond)
    this.#lastMs = nowMs
    if (this.#tokens < count) return false
    this.#tokens -= count
    return true
  }
}
