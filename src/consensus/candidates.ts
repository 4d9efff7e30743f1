import type { Candidate, PublicKey, VoteSet } from './types.js'

/** Candidates for attempts further ahead than this are not kept. */
const ATTEMPTS_AHEAD = 4

/** What the coordinators of one seq's attempts put to the vote: one candidate of each. */
export class CandidateBook {
  readonly #seq: number
  readonly #unl: readonly PublicKey[]
  readonly #members: ReadonlySet<PublicKey>
  readonly #quorum: number
  readonly #byAttempt = new Map<number, Candidate>()

  /** @param unl sorted */
  constructor(seq: number, unl: readonly PublicKey[], quorum: number) {
    this.#seq = seq
    this.#unl = unl
    this.#members = new Set(unl)
    this.#quorum = quorum
  }

  coordinator(attempt: number): PublicKey {
    return this.#unl[(this.#seq + attempt) % this.#unl.length] as PublicKey
  }

  at(attempt: number): Candidate | undefined {
    return this.#byAttempt.get(attempt)
  }

  /** True when the candidate is of its attempt's coordinator, and valid if it says so. */
  isInOrder(candidate: Candidate): boolean {
    const { validator, attempt, prevotes } = candidate
    if (validator !== this.coordinator(attempt)) return false
    return prevotes === null || this.#makesValid(prevotes, candidate)
  }

  /** @returns false when it comes too late or too early, or is not the first */
  add(candidate: Candidate, currentAttempt: number): boolean {
    const { attempt } = candidate
    if (attempt < currentAttempt || attempt > currentAttempt + ATTEMPTS_AHEAD) return false
    if (this.#byAttempt.has(attempt)) return false
    this.#byAttempt.set(attempt, candidate)
    return true
  }

  forget(currentAttempt: number): void {
    for (const attempt of this.#byAttempt.keys()) if (attempt < currentAttempt) this.#byAttempt.delete(attempt)
  }

  /** True when `prevotes` are those of a quorum of an earlier attempt for the ledger of `candidate`. */
  #makesValid(prevotes: VoteSet, { seq, attempt, hash }: Candidate): boolean {
    return prevotes.seq === seq && prevotes.hash === hash && prevotes.attempt < attempt && this.#isQuorum(prevotes)
  }

  #isQuorum({ signatures }: VoteSet): boolean {
    const signers = new Set(signatures.map(({ validator }) => validator).filter((key) => this.#members.has(key)))
    return signers.size === signatures.length && signers.size >= this.#quorum
  }
}
