import type { Logger } from 'pino'
import {
  CodecError,
  type ConsensusMessage,
  decodeCandidatePayload,
  decodeConsensusMessage,
  decodeProposalPayload,
  decodeVotePayload,
  isSignatureValid,
  type ParsedCandidate,
  proposalHashOf,
  SIGNING_DOMAINS,
  type Signed,
  signingBytes,
  voteBytes
} from '../codec/index.js'
import type { Consensus } from '../consensus/consensus.js'
import type { ConsensusEvent } from '../consensus/events.js'
import type { Hash, PublicKey, Vote, VoteSet } from '../consensus/types.js'
import { verifySignature } from '../crypto/index.js'
import { openProposal, type ProposalPool } from './proposal-pool.js'

export type GossipVerdict = 'accept' | 'ignore' | 'reject'

export interface GossipIntakeOptions {
  networkId: Hash
  self: PublicKey
  maxGossipBytes: number
  pool: ProposalPool
  log: Logger
  /** Where it stands; events reach it through `push` alone. */
  core: Pick<Consensus, 'tip' | 'seq' | 'attempt' | 'unl' | 'members' | 'quorum' | 'hasPrevoteQuorum'>
  push: (event: ConsensusEvent) => void
  /** True while so many events wait that no more are taken. */
  isFull: () => boolean
  /** A validator is at a later ledger. */
  onBehind: (seq: number, from: PublicKey) => void
}

/** Attempts around the current one in which every vote and candidate is kept by the core. */
const NEAR_ATTEMPTS = 4

/** Checks what other nodes say, the cheap checks first, and makes events for the consensus core of it. */
export class GossipIntake {
  readonly #options: GossipIntakeOptions
  readonly #equivocators = new Set<PublicKey>()
  /** Votes and candidates that the core has: another copy, or another vote in the same place, is not checked again. */
  readonly #heard = new HeardMessages()

  constructor(options: GossipIntakeOptions) {
    this.#options = options
  }

  /** Validators that were caught signing two proposals for one seq. */
  get equivocators(): PublicKey[] {
    return [...this.#equivocators]
  }

  /** A ledger is closed: what was said about it and those before is not needed any more. */
  forgetUntil(seq: number): void {
    this.#heard.forgetUntil(seq)
  }

  /** @returns false when it was known of this validator */
  noteEvidence(validator: PublicKey, seq: number): boolean {
    if (this.#equivocators.has(validator)) return false
    this.#equivocators.add(validator)
    const { log, self } = this.#options
    const whose = validator === self ? 'another node uses the key of this one' : 'it is faulty or its key was copied'
    log.error(`validator ${validator} signed two proposals for ledger ${seq}: ${whose}`)
    return true
  }

  /** A message from gossip: checked, and queued for the core. */
  receive(bytes: Uint8Array, from: PublicKey): GossipVerdict {
    try {
      const message = decodeConsensusMessage(bytes, this.#options.maxGossipBytes)
      switch (message.type) {
        case 'proposal':
          return this.#onProposal(message.proposal, from)
        case 'vote':
          return this.#onVote(message.vote.signed, message.vote.proposals, from)
        case 'candidate':
          return this.#onCandidate(message.candidate)
        case 'evidence':
          return this.#onEvidence(message.first, message.second)
      }
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      this.#options.log.debug(`message from ${from} refused: ${error.message}`)
      return 'reject'
    }
  }

  #onProposal(message: Extract<ConsensusMessage, { type: 'proposal' }>['proposal'], from: PublicKey): GossipVerdict {
    const { seq } = decodeProposalPayload(message.signed.payload)
    const { key } = message.signed
    if (!this.#options.core.members.has(key) || key === this.#options.self || seq < this.#options.core.tip.seq)
      return 'ignore'
    const hash = proposalHashOf(message.signed)
    const { pool } = this.#options
    if (pool.whole(hash) !== undefined) return this.#heardAgain(seq, key)
    if (pool.isFull(seq, key, hash)) return 'ignore'
    const payload = openProposal(message, this.#options.networkId)
    if (seq > this.#options.core.seq + 1) {
      this.#options.onBehind(seq, key)
      return 'accept'
    }
    void pool.take(message, payload, [from]).then((proposal) => {
      if (proposal !== null) this.#options.push({ type: 'proposal', proposal })
    })
    return 'accept'
  }

  /** Nothing new, but that its validator still waits at a later ledger, which may have been asked for in vain. */
  #heardAgain(seq: number, validator: PublicKey): GossipVerdict {
    if (seq > this.#options.core.seq) this.#options.onBehind(seq, validator)
    return 'ignore'
  }

  #onVote(signed: Signed, hint: Hash[], from: PublicKey): GossipVerdict {
    const { networkId, self } = this.#options
    const payload = decodeVotePayload(signed.payload)
    if (payload.networkId !== networkId) return 'reject'
    if (!this.#options.core.members.has(signed.key) || signed.key === self || payload.seq < this.#options.core.seq)
      return 'ignore'
    const { seq, attempt, kind, hash } = payload
    if (kind === 'prevote' && this.#options.core.hasPrevoteQuorum(seq, attempt)) return 'ignore'
    // The hint is not signed: whoever hands the vote on could spoil it, so that it counts from its validator alone.
    const proposals = from === signed.key ? hint : []
    const name = `${kind} ${attempt} ${signed.key} ${proposals.length > 0}`
    if (this.#heard.has(seq, name)) return this.#heardAgain(seq, signed.key)
    if (this.#options.isFull()) return 'ignore'
    if (!isSignatureValid(SIGNING_DOMAINS.vote, signed)) return 'reject'
    if (this.#isNear(seq, attempt)) this.#heard.add(seq, name)
    const vote: Vote = { validator: signed.key, seq, attempt, kind, hash, signature: signed.signature, proposals }
    this.#options.push({ type: 'vote', vote })
    return 'accept'
  }

  #onCandidate({ signed, prevotes: parsePrevotes }: ParsedCandidate): GossipVerdict {
    const { networkId, self, core } = this.#options
    const payload = decodeCandidatePayload(signed.payload)
    if (payload.networkId !== networkId) return 'reject'
    if (!this.#options.core.members.has(signed.key) || signed.key === self || payload.seq < this.#options.core.seq)
      return 'ignore'
    const { seq, attempt, hash, proposals } = payload
    // Its prevotes may cost a hundred signature checks: one candidate of each coordinator is enough.
    const name = `candidate ${attempt}`
    const coordinator = core.unl[(seq + attempt) % core.unl.length]
    if (attempt < 1 || signed.key !== coordinator || this.#heard.has(seq, name)) return 'ignore'
    if (this.#options.isFull()) return 'ignore'
    if (!isSignatureValid(SIGNING_DOMAINS.candidate, signed)) return 'reject'
    if (seq > this.#options.core.seq + 1) {
      this.#options.onBehind(seq, signed.key)
      return 'accept'
    }
    if (!this.#isNear(seq, attempt)) return 'ignore'
    // The UNL of the next ledger may be another, for which the indices and the quorum may be right.
    const wrong = seq === core.seq ? 'reject' : 'ignore'
    const prevotes = this.#readPrevotes(parsePrevotes)
    if (prevotes === 'unknown' || (prevotes !== null && !this.#arePrevotesValid(prevotes, seq))) return wrong
    this.#heard.add(seq, name)
    this.#options.push({
      type: 'candidate',
      candidate: { validator: signed.key, seq, attempt, hash, proposals, prevotes }
    })
    return 'accept'
  }

  #readPrevotes(parse: ParsedCandidate['prevotes']): VoteSet | null | 'unknown' {
    try {
      return parse === null ? null : parse(this.#options.core.unl)
    } catch (error) {
      if (error instanceof CodecError) return 'unknown'
      throw error
    }
  }

  /** True for what the core keeps; what is further ahead has to come again. */
  #isNear(seq: number, attempt: number): boolean {
    if (seq === this.#options.core.seq) return Math.abs(attempt - this.#options.core.attempt) <= NEAR_ATTEMPTS
    return seq === this.#options.core.seq + 1 && attempt < NEAR_ATTEMPTS
  }

  #arePrevotesValid({ seq, attempt, hash, signatures }: VoteSet, expectedSeq: number): boolean {
    const signers = new Set(signatures.map(({ validator }) => validator))
    if (seq !== expectedSeq || signers.size !== signatures.length || signers.size < this.#options.core.quorum)
      return false
    const payload = voteBytes(this.#options.networkId, { seq, attempt, kind: 'prevote', hash })
    const bytes = signingBytes(SIGNING_DOMAINS.vote, payload)
    return signatures.every(
      ({ validator, signature }) =>
        this.#options.core.members.has(validator) && verifySignature(validator, bytes, signature)
    )
  }

  #onEvidence(first: Signed, second: Signed): GossipVerdict {
    const a = decodeProposalPayload(first.payload)
    const b = decodeProposalPayload(second.payload)
    const { networkId } = this.#options
    if (first.key !== second.key || a.seq !== b.seq || a.networkId !== networkId || b.networkId !== networkId) {
      return 'reject'
    }
    if (proposalHashOf(first) === proposalHashOf(second)) return 'reject'
    if (!this.#options.core.members.has(first.key) || this.#equivocators.has(first.key)) return 'ignore'
    const domain = SIGNING_DOMAINS.proposal
    if (!isSignatureValid(domain, first) || !isSignatureValid(domain, second)) return 'reject'
    this.noteEvidence(first.key, a.seq)
    return 'accept'
  }
}

/** Names of messages, by seq. */
class HeardMessages {
  readonly #names = new Map<number, Set<string>>()

  has(seq: number, name: string): boolean {
    return this.#names.get(seq)?.has(name) === true
  }

  add(seq: number, name: string): void {
    const names = this.#names.get(seq)
    if (names === undefined) this.#names.set(seq, new Set([name]))
    else names.add(name)
  }

  forgetUntil(seq: number): void {
    for (const of of this.#names.keys()) if (of <= seq) this.#names.delete(of)
  }
}
