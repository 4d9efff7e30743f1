import type { PublicKey } from '../consensus/types.js'
import { TokenBucket } from './rate-limit.js'

/** A rate limit for each peer, remembered beyond its connection so that a reconnect does not fill it. */
export class PeerRates {
  readonly #rate: { perSecond: number; burst: number }
  readonly #maxPeers: number
  readonly #now: (() => number) | undefined
  /** Those that asked last come last. */
  readonly #buckets = new Map<PublicKey, TokenBucket>()

  /** @param maxPeers whose rates are remembered: one more pushes out the one that has not asked for longest */
  constructor(rate: { perSecond: number; burst: number }, maxPeers: number, now?: () => number) {
    this.#rate = rate
    this.#maxPeers = maxPeers
    this.#now = now
  }

  /** Peers that are remembered. */
  get size(): number {
    return this.#buckets.size
  }

  /** Counts one; false when it is one too many. */
  take(peer: PublicKey): boolean {
    const { perSecond, burst } = this.#rate
    const bucket = this.#buckets.get(peer) ?? new TokenBucket(perSecond, burst, this.#now)
    this.#buckets.delete(peer)
    this.#buckets.set(peer, bucket)
    if (this.#buckets.size > this.#maxPeers) this.#buckets.delete(this.#buckets.keys().next().value as PublicKey)
    return bucket.take()
  }
}
