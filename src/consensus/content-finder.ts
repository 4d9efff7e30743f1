import type { ConsensusEffect } from './events.js'
import type { Content, ProposalBook } from './proposal-book.js'
import type { Timers } from './timers.js'
import type { Hash, PublicKey } from './types.js'

/** Who said of which proposals a ledger is made; a false word leads to another hash and to nothing else. */
interface Hints {
  proposals: Map<PublicKey, Hash[]>
  /** In which it was last said. */
  attempt: number
}

export interface ContentFinderOptions {
  seq: number
  /** How many there are: a ledger has no more proposals. */
  validators: number
  proposals: ProposalBook
  timers: Timers
  resendMs: number
  emit: (effect: ConsensusEffect) => void
}

/** Where a ledger's proposals are to be had is forgotten this many attempts after it was last said. */
const ATTEMPTS_KEPT = 32

/** Finds the content of ledgers that others of one seq vote on, and asks for what is missing of it. */
export class ContentFinder {
  readonly #seq: number
  readonly #validators: number
  readonly #proposals: ProposalBook
  readonly #timers: Timers
  readonly #resendMs: number
  readonly #emit: (effect: ConsensusEffect) => void
  readonly #hints = new Map<Hash, Hints>()
  /** Asked for since the last `askAgain`, by ledger and validator. */
  readonly #asked = new Set<string>()

  constructor({ seq, validators, proposals, timers, resendMs, emit }: ContentFinderOptions) {
    this.#seq = seq
    this.#validators = validators
    this.#proposals = proposals
    this.#timers = timers
    this.#resendMs = resendMs
    this.#emit = emit
  }

  noteHint(hash: Hash, from: PublicKey, proposals: Hash[], attempt: number): void {
    if (proposals.length === 0 || proposals.length > this.#validators) return
    let hints = this.#hints.get(hash)
    if (hints === undefined) {
      hints = { proposals: new Map(), attempt }
      this.#hints.set(hash, hints)
    }
    hints.proposals.set(from, proposals)
    hints.attempt = attempt
  }

  find(hash: Hash): Content | undefined {
    const known = this.#proposals.content(hash)
    if (known !== undefined) return known
    for (const [validator, proposals] of this.#hints.get(hash)?.proposals ?? []) {
      const built = this.#proposals.buildFrom(proposals)
      if (built === 'invalid') continue
      if ('missing' in built) {
        this.#ask(hash, proposals, built.missing, validator)
        continue
      }
      if (built.ledger.hash === hash) return built
    }
    return undefined
  }

  askAgain(): void {
    this.#asked.clear()
  }

  forget(currentAttempt: number): void {
    for (const [hash, { attempt }] of this.#hints) {
      if (attempt < currentAttempt - ATTEMPTS_KEPT) this.#hints.delete(hash)
    }
  }

  #ask(ledger: Hash, proposals: Hash[], missing: Hash[], from: PublicKey): void {
    const key = `${ledger} ${from}`
    if (this.#asked.has(key)) return
    this.#asked.add(key)
    this.#proposals.want(proposals)
    const others = [...(this.#hints.get(ledger)?.proposals.keys() ?? [])].filter((validator) => validator !== from)
    this.#emit({ type: 'fetch', seq: this.#seq, proposals: missing, from: [from, ...others] })
    // What is asked for may be lost too: the next resend asks again.
    this.#timers.set('resend', this.#resendMs)
  }
}
