import type {
  Candidate,
  Certificate,
  ExecutionResult,
  Hash,
  Ledger,
  Proposal,
  PublicKey,
  Vote,
  VoteKind,
  VoteSet
} from './types.js'

export type TimerKind = 'min-pace' | 'idle-pace' | 'propose' | 'prevote' | 'precommit' | 'resend'

export interface Timer {
  kind: TimerKind
  seq: number
  attempt: number
}

/**
 * What happens to a validator. Signatures are checked before an event is made, and `validator` is the signer; own
 * proposals and votes come back as events too, once they are in the journal.
 */
export type ConsensusEvent =
  | { type: 'executed'; seq: number; result: ExecutionResult }
  | { type: 'inputs-waiting' }
  | { type: 'proposal'; proposal: Proposal }
  | { type: 'vote'; vote: Vote }
  | { type: 'candidate'; candidate: Candidate }
  | { type: 'timer'; timer: Timer }
  /** A ledger from a peer, whose certificate has been checked. */
  | { type: 'certified'; ledger: Ledger; certificate: Certificate }

/** What makes a lock recoverable: the content of its ledger and the prevotes that made it. */
export interface Lock {
  attempt: number
  ledger: Ledger
  proposals: Proposal[]
  prevotes: VoteSet
}

/** What the caller has to do, in this order. */
export type ConsensusEffect =
  /** Make a proposal for `seq` from what is waiting, journal it, send it, and hand it back as an event. */
  | { type: 'propose'; seq: number; lcl: Hash; result: ExecutionResult }
  /** Journal the vote (with `lock` when given), sign it, send it, and hand it back as an event. */
  | {
      type: 'vote'
      seq: number
      attempt: number
      kind: VoteKind
      hash: Hash | null
      proposals: Hash[]
      lock: Lock | null
      /** In force for `seq`, sorted: gives the signers of the lock's prevotes their numbers. */
      unl: readonly PublicKey[]
    }
  /** Sign and send a candidate, and hand it back as an event. */
  | {
      type: 'candidate'
      seq: number
      attempt: number
      hash: Hash
      proposals: Hash[]
      prevotes: VoteSet | null
      /** In force for `seq`, sorted. */
      unl: readonly PublicKey[]
    }
  | { type: 'timer'; timer: Timer; delayMs: number }
  /** Get proposals that others vote on, from those who should have them. */
  | { type: 'fetch'; seq: number; proposals: Hash[]; from: PublicKey[] }
  /**
   * Send own proposal, votes and candidate of `attempt`, and the precommit of the lock, again: they may have been lost.
   * Hand them back as events too: after a restart that is how they come to be counted; known ones are ignored.
   */
  | { type: 'resend'; seq: number; attempt: number }
  /** The ledger is closed: persist it with its certificate, then deliver and execute. */
  | { type: 'close'; ledger: Ledger; certificate: Certificate }
  /** A validator signed two different proposals for one seq. */
  | { type: 'evidence'; first: Proposal; second: Proposal }
  /** A validator is at a later seq: ledgers are missing here. */
  | { type: 'behind'; seq: number; from: PublicKey }

/** Own deeds read back from the journal; they bind after a restart. */
export interface Journaled {
  seq: number
  proposal: Proposal | null
  votes: { attempt: number; kind: VoteKind; hash: Hash | null }[]
  lock: Lock | null
}

export interface Timeouts {
  /** Wait for the proposals of stragglers once a quorum of them is in hand, or for a coordinator's candidate, ms. */
  proposeMs: number
  /** Wait for a quorum for one value once a quorum of mixed prevotes is in hand, ms. */
  prevoteMs: number
  precommitMs: number
  /** Added for each attempt, ms. */
  stepMs: number
  maxMs: number
  /** Between repeats of own messages while a ledger does not close, ms. */
  resendMs: number
}

export const DEFAULT_TIMEOUTS: Timeouts = {
  proposeMs: 500,
  prevoteMs: 500,
  precommitMs: 500,
  stepMs: 250,
  maxMs: 10_000,
  resendMs: 1000
}
