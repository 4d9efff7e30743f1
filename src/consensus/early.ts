import type { Candidate, Proposal, PublicKey, Vote } from './types.js'

/** Votes of one validator for the next seq that are kept are of attempts below this. */
const ATTEMPTS = 4

/**
 * Messages for the next seq, kept until it begins: a node that is only a little behind needs no other copy. Bounded: of
 * each validator the last proposal, the last candidate and one vote of each kind in each of the first attempts.
 */
export class EarlyMessages {
  readonly #proposals = new Map<PublicKey, Proposal>()
  readonly #votes = new Map<string, Vote>()
  readonly #candidates = new Map<PublicKey, Candidate>()

  keepProposal(proposal: Proposal): void {
    this.#proposals.set(proposal.validator, proposal)
  }

  keepVote(vote: Vote): void {
    if (vote.attempt < ATTEMPTS) this.#votes.set(`${vote.validator} ${vote.attempt} ${vote.kind}`, vote)
  }

  keepCandidate(candidate: Candidate): void {
    this.#candidates.set(candidate.validator, candidate)
  }

  /** In the order in which they are to be looked at. */
  proposals(): Iterable<Proposal> {
    return this.#proposals.values()
  }
  votes(): Iterable<Vote> {
    return this.#votes.values()
  }
  candidates(): Iterable<Candidate> {
    return this.#candidates.values()
  }
}
