const MINUTE_MS = 60_000

/** A rate limit: a burst of `perMinute`, refilled evenly over a minute. */
export class TokenBucket {
  readonly #perMinute: number
  #tokens: number
  #filledAtMs: number

  constructor(perMinute: number, nowMs: number) {
    this.#perMinute = perMinute
    this.#tokens = perMinute
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
    this.#tokens = Math.min(this.#perMinute, this.#tokens + (elapsedMs * this.#perMinute) / MINUTE_MS)
    return this.#tokens < 1
  }
}
