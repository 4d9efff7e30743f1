import type {
  Candidate,
  Certificate,
  Hash,
  Ledger,
  Proposal,
  PublicKey,
  Vote,
  VoteKind
} from '../../src/consensus/types.js'

export type Message =
  | { type: 'proposal'; proposal: Proposal }
  | { type: 'vote'; vote: Vote }
  | { type: 'candidate'; candidate: Candidate }

export interface ClosedLedger {
  ledger: Ledger
  certificate: Certificate
}

/** What the simulated network knows of a node. */
export interface Peer {
  readonly index: number
  readonly key: PublicKey
  readonly up: boolean
  start(): void
  receive(message: Message, from: number): void
  serveProposal(hash: string): Proposal | null
  serveLedgers(afterSeq: number): ClosedLedger[]
}

/** The signature itself is not modelled: who signed what stands in the register of `Signatures`. */
export const SIGNATURE = new Uint8Array(64)

/**
 * Signatures as unforgeable objects: only the holder of a key can enter what it signs, anyone can look it up. Simulated
 * nodes enter under their own key only.
 */
export class Signatures {
  readonly #votes = new Set<string>()
  readonly #proposals = new Set<string>()
  readonly #byHash = new Map<Hash, Proposal>()
  readonly #candidates = new Set<string>()

  signVote(vote: Omit<Vote, 'signature'>): Vote {
    this.#votes.add(voteKey(vote.validator, vote.seq, vote.attempt, vote.kind, vote.hash))
    return { ...vote, signature: SIGNATURE }
  }

  signProposal(proposal: Proposal): Proposal {
    this.#proposals.add(`${proposal.validator} ${proposal.hash}`)
    this.#byHash.set(proposal.hash, proposal)
    return proposal
  }

  /** What somebody has signed under this hash. */
  proposalOf(hash: Hash): Proposal | undefined {
    return this.#byHash.get(hash)
  }

  signCandidate(candidate: Candidate): Candidate {
    this.#candidates.add(candidateKey(candidate))
    return candidate
  }

  isVoteSigned(validator: PublicKey, seq: number, attempt: number, kind: VoteKind, hash: string | null): boolean {
    return this.#votes.has(voteKey(validator, seq, attempt, kind, hash))
  }

  isProposalSigned(proposal: Proposal): boolean {
    return this.#proposals.has(`${proposal.validator} ${proposal.hash}`)
  }

  /** What the node's driver checks before the core sees a message: every signature on its own, and nothing else. */
  isSigned(message: Message): boolean {
    if (message.type === 'proposal') return this.isProposalSigned(message.proposal)
    if (message.type === 'vote') {
      const { validator, seq, attempt, kind, hash } = message.vote
      return this.isVoteSigned(validator, seq, attempt, kind, hash)
    }
    const { prevotes } = message.candidate
    if (!this.#candidates.has(candidateKey(message.candidate))) return false
    if (prevotes === null) return true
    const { seq, attempt, hash, signatures } = prevotes
    return signatures.every(({ validator }) => this.isVoteSigned(validator, seq, attempt, 'prevote', hash))
  }
}

/** The prevotes of a candidate are not part of what its coordinator signs. */
function candidateKey({ validator, seq, attempt, hash, proposals }: Candidate): string {
  return `${validator} ${seq} ${attempt} ${hash} ${proposals.join()}`
}

function voteKey(validator: PublicKey, seq: number, attempt: number, kind: VoteKind, hash: string | null): string {
  return `${validator} ${seq} ${attempt} ${kind} ${hash}`
}
