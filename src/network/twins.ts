/**
 * Nodes that use one key at once: each start of a node has a random instance, and one that comes back after another one
 * was met runs beside it. A restart never looks like that.
 */
import type { PublicKey } from '../consensus/types.js'

/** Instances of one key that are remembered. */
const INSTANCES_MAX = 4
/** What came late of a node that has ended may look like one return. */
const RETURNS = 2
/** Without a further return for this long, one of the two is taken to have stopped. */
const FORGET_MS = 600_000

interface Met {
  /** The last met last. */
  instances: string[]
  returns: number
  lastMs: number
}

export class Twins {
  readonly #max: number
  readonly #now: () => number
  readonly #met = new Map<PublicKey, Met>()

  /** @param max keys remembered */
  constructor(max: number, now: () => number = () => performance.now()) {
    this.#max = max
    this.#now = now
  }

  /** A hello of this key is accepted. True when it is now that the key turns out to be used twice. */
  meet(key: PublicKey, instance: string): boolean {
    const wasKnown = this.isTwin(key)
    const met = this.#met.get(key) ?? { instances: [], returns: 0, lastMs: 0 }
    if (!wasKnown && met.returns >= RETURNS) met.returns = 0
    const isReturn = met.instances.includes(instance) && met.instances.at(-1) !== instance
    met.instances = [...met.instances.filter((each) => each !== instance), instance].slice(-INSTANCES_MAX)
    if (isReturn) {
      met.returns += 1
      met.lastMs = this.#now()
    }
    this.#met.delete(key)
    this.#met.set(key, met)
    if (this.#met.size > this.#max) this.#met.delete(this.#met.keys().next().value as PublicKey)
    return !wasKnown && this.isTwin(key)
  }

  /** Another instance of a key that is used twice was refused: it is still so. */
  refuse(key: PublicKey): void {
    const met = this.#met.get(key)
    if (met !== undefined) met.lastMs = this.#now()
  }

  isTwin(key: PublicKey): boolean {
    const met = this.#met.get(key)
    return met !== undefined && met.returns >= RETURNS && this.#now() - met.lastMs < FORGET_MS
  }

  list(): PublicKey[] {
    return [...this.#met.keys()].filter((key) => this.isTwin(key))
  }
}
