import type { PublicKey } from '../consensus/types.js'
import { TokenBucket } from './token-bucket.js'

/** A bucket is full again a minute after its last use: those that are dropped before are of more users than a node serves. */
const USERS_MAX = 65_536

/** Inputs of each user a minute over all connections, so that connecting anew gives no new allowance. */
export class UserRates {
  readonly #perMinute: number
  readonly #now: () => number
  /** Last used last. */
  readonly #buckets = new Map<PublicKey, TokenBucket>()

  constructor(perMinute: number, now: () => number) {
    this.#perMinute = perMinute
    this.#now = now
  }

  /** True when the next input would be one too many. */
  isSpent(user: PublicKey): boolean {
    return this.#buckets.get(user)?.isEmpty(this.#now()) ?? false
  }

  /** Counts one input; false when it is one too many. */
  admit(user: PublicKey): boolean {
    const bucket = this.#buckets.get(user) ?? new TokenBucket(this.#perMinute, this.#now())
    this.#buckets.delete(user)
    if (this.#buckets.size >= USERS_MAX) this.#buckets.delete(this.#buckets.keys().next().value as PublicKey)
    this.#buckets.set(user, bucket)
    return bucket.take(this.#now())
  }
}
