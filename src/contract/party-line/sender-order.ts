/** What waits of one sender for a gap to be filled. */
const HELD_MAX = 1024

export interface OrderLimits {
  /** Messages of one sender in one ledger. */
  messages: number
  /** Bytes of one sender in one ledger. */
  bytes: number
}

/** Puts one sender's messages of one ledger in order; gossip brings them in any. Bounded; duplicates are dropped. */
export class SenderOrder {
  readonly #limits: OrderLimits
  readonly #held = new Map<number, Uint8Array>()
  #next = 0
  #bytes = 0
  #endAt: number | null = null

  constructor(limits: OrderLimits) {
    this.#limits = limits
  }

  /** Bytes taken in so far. */
  get bytes(): number {
    return this.#bytes
  }

  /** True when the sender said that it is done and all its messages were passed on. */
  get hasEnded(): boolean {
    return this.#endAt !== null && this.#next >= this.#endAt
  }

  /** True when something is missing: messages wait behind a gap, or the end does. */
  get hasGap(): boolean {
    return this.#held.size > 0 || (this.#endAt !== null && this.#next < this.#endAt)
  }

  /** True when it was taken in: not when it is a duplicate or over a limit. */
  add(ordinal: number, data: Uint8Array): boolean {
    if (!Number.isSafeInteger(ordinal) || ordinal < this.#next || ordinal >= this.#limits.messages) return false
    if (this.#held.has(ordinal) || this.#held.size >= HELD_MAX) return false
    if (this.#endAt !== null && ordinal >= this.#endAt) return false
    if (this.#bytes + data.length > this.#limits.bytes) return false
    this.#bytes += data.length
    this.#held.set(ordinal, data)
    return true
  }

  /** The first word counts: a sender cannot take its end back. */
  end(count: number): void {
    if (this.#endAt === null && Number.isSafeInteger(count) && count >= 0) this.#endAt = count
  }

  /** The messages that are next in order. */
  take(): Uint8Array[] {
    const ready: Uint8Array[] = []
    for (let data = this.#held.get(this.#next); data !== undefined; data = this.#held.get(this.#next)) {
      this.#held.delete(this.#next++)
      ready.push(data)
    }
    return ready
  }

  /** Gives up what is missing: all that waits, in order. */
  skipGaps(): Uint8Array[] {
    const ordinals = [...this.#held.keys()].sort((a, b) => a - b)
    const ready = ordinals.map((ordinal) => this.#held.get(ordinal) as Uint8Array)
    this.#held.clear()
    this.#next = Math.max(this.#next, (ordinals.at(-1) ?? -1) + 1, this.#endAt ?? 0)
    return ready
  }
}
