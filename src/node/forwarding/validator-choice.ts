import type { PublicKey } from '../../consensus/types.js'

/** A validator that did not answer comes last for so long. */
const SHUNNED_MS = 10_000
/** One that took the last batch stays the first for so long, unless it no longer answers. */
const FAVOURITE_MS = 60_000

/** Orders validators: one after another batch goes to the same one, and those that do not answer come last. */
export class ValidatorChoice {
  readonly #validators: () => PublicKey[]
  readonly #now: () => number
  readonly #silent = new Map<PublicKey, number>()
  #favourite: { key: PublicKey; untilMs: number } | null = null

  /** @param validators best first */
  constructor(validators: () => PublicKey[], now: () => number = () => performance.now()) {
    this.#validators = validators
    this.#now = now
  }

  ordered(): PublicKey[] {
    const nowMs = this.#now()
    for (const [key, untilMs] of this.#silent) if (untilMs <= nowMs) this.#silent.delete(key)
    const favourite = this.#favourite !== null && this.#favourite.untilMs > nowMs ? this.#favourite.key : null
    const rank = (key: PublicKey): number => (this.#silent.has(key) ? 2 : key === favourite ? 0 : 1)
    return [...this.#validators()].sort((a, b) => rank(a) - rank(b))
  }

  /** @returns true when it is another one than before that comes first now */
  noteTaken(key: PublicKey): boolean {
    this.#silent.delete(key)
    const nowMs = this.#now()
    const last = this.#favourite
    if (last !== null && last.untilMs > nowMs) return false
    this.#favourite = { key, untilMs: nowMs + FAVOURITE_MS }
    return last?.key !== key
  }

  noteSilent(key: PublicKey): void {
    this.#silent.set(key, this.#now() + SHUNNED_MS)
    if (this.#favourite?.key === key) this.#favourite = null
  }
}
