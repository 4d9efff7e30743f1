const MINUTE_MS = 60_000

/** A rate limit: `perMinute` on average, refilled evenly, and a burst. */
export class TokenBucket {
  readonly #perMinute: number
  readonly #burst: number
  #tokens: number
  #filledAtMs: number

  /** @param burst how many at once; as many as in a minute unless given */
  constructor(perMinute: number, nowMs: number, burst = perMinute) {
    this.#perMinute = perMinute
    this.#burst = burst
    this.#tokens = burst
    this.#filledAtMs = nowMs
  }

  /** True when one more is allowed at `nowMs`; a clock that went back refills nothing. */
  take(nowMs: number): boolean {
    if (this.isEmpty(nowMs)) return false
    this.#tokens -= 1
    return true
  }

  /** True when no more is allowed at `nowMs`. */
  isEmpty(nowMs: number): boolean {
    const elapsedMs = Math.max(0, nowMs - this.#filledAtMs)
    this.#filledAtMs = nowMs
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs * this.#perMinute) / MINUTE_MS)
    return this.#tokens < 1
  }
}
