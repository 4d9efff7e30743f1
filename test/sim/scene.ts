import type { LedgerTip } from '../../src/consensus/close-ledger.js'
import type {
  Candidate,
  ConsensusConfig,
  Ledger,
  Proposal,
  ProposalInput,
  ProposalUser,
  Vote
} from '../../src/consensus/types.js'
import type { Clock } from './clock.js'
import type { ClosedLedger, Message } from './messages.js'
import type { Random } from './random.js'

/** What Byzantine nodes know of the world that they live in, and what they can do there: each signs with its own key. */
export interface Scene {
  readonly random: Random
  readonly clock: Clock
  /** Validators at the beginning, and how many of them close a ledger. */
  readonly n: number
  readonly quorum: number
  /** Faults are aimed at the lock: some have a plan. */
  readonly forkHunt: boolean
  readonly peers: readonly { readonly index: number }[]
  /** Forwarded inputs that were seen, to be proposed again. */
  readonly forwarded: readonly ProposalInput[]
  isByzantine(index: number): boolean
  send(from: number, to: number, message: Message): void
  signVote(vote: Omit<Vote, 'signature'>): Vote
  signProposal(proposal: Omit<Proposal, 'hash'>): Proposal
  signCandidate(candidate: Candidate): Candidate
  /** Inputs of users of the node `index`, who are on its side; the same number gives the same input. */
  lie(index: number, numbers: readonly number[]): { users: ProposalUser[]; inputs: ProposalInput[] }
  closeLedger(tip: LedgerTip, proposals: Proposal[], config: ConsensusConfig): Ledger
  /** Null for a ledger that nobody has closed. */
  tipAt(seq: number): LedgerTip | null
  closedAt(seq: number): ClosedLedger | undefined
  /** In force for the ledger `seq`. */
  configAt(seq: number): ConsensusConfig
}
