import type { Hash, PublicKey, Vote, VoteKind, VoteSet } from './types.js'

/** Votes for attempts further ahead than this are only noted as seen, so that memory stays bounded. */
const ATTEMPTS_AHEAD = 8
/** Votes of attempts longer ago than this are dropped: who still needs them catches up instead. */
const ATTEMPTS_BACK = 32

/** The votes of one attempt, one of each kind from each validator. */
class AttemptVotes {
  readonly prevote = new Map<PublicKey, Vote>()
  readonly precommit = new Map<PublicKey, Vote>()
}

export interface Tally {
  /** Validators that voted. */
  total: number
  /** The value with the most votes; null is nil. */
  leader: Hash | null
  /** Votes for the leader. */
  most: number
  /** Validators that did not vote here and have reached a later attempt: their votes need not come any more. */
  gone: number
}

/** Votes of one seq. Only votes of members of the UNL may be added; a second vote of one validator is not counted. */
export class VoteBook {
  readonly #attempts = new Map<number, AttemptVotes>()
  readonly #latest = new Map<PublicKey, number>()

  /** @returns false when the vote was known, out of the window, or contradicts one that is counted */
  add(vote: Vote, currentAttempt: number): boolean {
    this.see(vote.validator, vote.attempt)
    if (vote.attempt > currentAttempt + ATTEMPTS_AHEAD || vote.attempt < currentAttempt - ATTEMPTS_BACK) return false
    let votes = this.#attempts.get(vote.attempt)
    if (votes === undefined) {
      votes = new AttemptVotes()
      this.#attempts.set(vote.attempt, votes)
    }
    if (votes[vote.kind].has(vote.validator)) return false
    votes[vote.kind].set(vote.validator, vote)
    return true
  }

  /** What the counted vote of this validator, attempt and kind is for; undefined when there is none. */
  hashOf({ validator, attempt, kind }: Vote): Hash | null | undefined {
    return this.#attempts.get(attempt)?.[kind].get(validator)?.hash
  }

  /** Notes that a validator has reached an attempt. */
  see(validator: PublicKey, attempt: number): void {
    if (attempt > (this.#latest.get(validator) ?? -1)) this.#latest.set(validator, attempt)
  }

  /** The highest attempt that `count` validators have reached, or -1. */
  attemptReachedBy(count: number): number {
    const reached = [...this.#latest.values()].sort((a, b) => b - a)
    return reached[count - 1] ?? -1
  }

  tally(attempt: number, kind: VoteKind): Tally {
    const votes = this.#attempts.get(attempt)?.[kind]
    const counts = new Map<Hash | null, number>()
    let leader: Hash | null = null
    let most = 0
    for (const { hash } of votes?.values() ?? []) {
      const count = (counts.get(hash) ?? 0) + 1
      counts.set(hash, count)
      if (count > most) {
        leader = hash
        most = count
      }
    }
    let gone = 0
    for (const [validator, latest] of this.#latest) if (latest > attempt && !votes?.has(validator)) gone++
    return { total: votes?.size ?? 0, leader, most, gone }
  }

  /** Votes for one hash, as they stand in a certificate. */
  voteSet(seq: number, attempt: number, kind: VoteKind, hash: Hash): VoteSet {
    const signatures = this.votes(attempt, kind)
      .filter((vote) => vote.hash === hash)
      .map(({ validator, signature }) => ({ validator, signature }))
      .sort((a, b) => (a.validator < b.validator ? -1 : 1))
    return { seq, attempt, hash, signatures }
  }

  votes(attempt: number, kind: VoteKind): Vote[] {
    return [...(this.#attempts.get(attempt)?.[kind].values() ?? [])]
  }

  /** Attempts that have votes, ascending. */
  attempts(): number[] {
    return [...this.#attempts.keys()].sort((a, b) => a - b)
  }

  forget(currentAttempt: number): void {
    for (const attempt of this.#attempts.keys()) {
      if (attempt < currentAttempt - ATTEMPTS_BACK) this.#attempts.delete(attempt)
    }
  }
}
