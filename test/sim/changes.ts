import type { ConfigWish, ConsensusConfig, PublicKey } from '../../src/consensus/types.js'
import { applyWishes, isFulfilled } from '../../src/consensus/wishes.js'
import { expectedQuorum } from './profile.js'
import type { Random } from './random.js'

/** Wishes that may still lie in proposals on their way. */
const IN_FLIGHT = 3

/**
 * What the operators of a run wish to be changed, one thing after another. Only such changes as leave the Byzantine
 * validators too few for a fork, and the others enough for a quorum, in whichever order they come into force.
 */
export class Changes {
  readonly #random: Random
  readonly #byzantine: ReadonlySet<PublicKey>
  readonly #spares: PublicKey[]
  readonly #mustLive: boolean
  #recent: ConfigWish[] = []

  /** @param spares honest nodes outside the first UNL */
  constructor(random: Random, byzantine: ReadonlySet<PublicKey>, spares: PublicKey[], mustLive: boolean) {
    this.#random = random
    this.#byzantine = byzantine
    this.#spares = spares
    this.#mustLive = mustLive
  }

  /** The next wish, or null when the one drawn would not be safe. */
  draw(config: ConsensusConfig): ConfigWish | null {
    this.#recent = this.#recent.filter((wish) => !isFulfilled(wish, config)).slice(-IN_FLIGHT)
    const wish = this.#drawAny(config)
    if (wish === null || isFulfilled(wish, config)) return null
    const all = [...this.#recent, wish]
    for (let subset = 0; subset < 2 ** all.length; subset++) {
      const some = all.filter((_, index) => subset & (1 << index))
      if (!this.#isSafe(applyWishes(config, some))) return null
    }
    this.#recent.push(wish)
    return wish
  }

  #drawAny(config: ConsensusConfig): ConfigWish | null {
    const { unl } = config
    const kind = this.#random.pick(['add', 'add', 'remove', 'threshold', 'pace', 'bytes'])
    if (kind === 'threshold') {
      return { kind: 'set', name: 'threshold', value: this.#random.pick([67, 70, 75, 80, 90, 100]) }
    }
    if (kind === 'pace') return { kind: 'set', name: 'roundtimeMs', value: this.#random.pick([50, 200, 1000]) }
    if (kind === 'bytes') return { kind: 'set', name: 'ledgerInputBytes', value: this.#random.pick([20, 200, 10_000]) }
    if (kind === 'remove') return { kind: 'remove-validator', key: this.#random.pick([...unl]) }
    const outside = [...this.#spares, ...this.#byzantine].filter((key) => !unl.includes(key))
    return outside.length === 0 ? null : { kind: 'add-validator', key: this.#random.pick(outside) }
  }

  #isSafe({ unl, threshold }: ConsensusConfig): boolean {
    const n = unl.length
    const q = expectedQuorum(n, threshold)
    const byzantine = unl.filter((key) => this.#byzantine.has(key)).length
    return byzantine <= 2 * q - n - 1 && (!this.#mustLive || byzantine <= n - q)
  }
}
