import type { Logger } from 'pino'
import {
  asBytes,
  CodecError,
  type ConsensusMessage,
  decodeCandidatePayload,
  decodeConsensusMessage,
  decodeProposalPayload,
  decodeVotePayload,
  encodeCandidatePayload,
  encodeConsensusMessage,
  encodeProposalMessage,
  HASH_BYTES,
  hexToBytes,
  isSignatureValid,
  proposalHashOf,
  SIGNING_DOMAINS,
  type Signed,
  signPayload,
  voteBytes
} from '../codec/index.js'
import type { LedgerTip } from '../consensus/close-ledger.js'
import { Consensus } from '../consensus/consensus.js'
import type { ConsensusEffect, ConsensusEvent, Timeouts } from '../consensus/events.js'
import { quorumOf } from '../consensus/quorum.js'
import type {
  Candidate,
  Certificate,
  ConsensusConfig,
  ExecutionResult,
  Hash,
  Ledger,
  PublicKey,
  Vote,
  VoteSet
} from '../consensus/types.js'
import { type Signer, verifySignature } from '../crypto/index.js'
import type { Selection } from '../users/index.js'
import type { Journal, JournalRecord } from './journal.js'
import { addLock, type OwnVote, type Restored, restoreJournaled, silentThrough } from './journaled.js'
import { type OwnProposal, openProposal, type ProposalPool } from './proposal-pool.js'

export type GossipVerdict = 'accept' | 'ignore' | 'reject'

export interface ConsensusDriverOptions {
  networkId: Hash
  signer: Signer
  config: ConsensusConfig
  tip: LedgerTip
  journal: Journal
  /** What the journal held when it was opened. */
  records: JournalRecord[]
  /** There are ledgers but no journal: what this validator has said about the next one is not known. */
  isJournalLost: boolean
  pool: ProposalPool
  log: Logger
  /** ms since the epoch. */
  now: () => number
  timeouts?: Timeouts
  maxGossipBytes: number
  /** `again`: the same bytes were sent before and must reach even who has seen them. */
  publish: (bytes: Uint8Array, again: boolean) => void
  /** What the next proposal contains. */
  select: () => Selection
  /** Makes a closed ledger durable; the next vote waits for it. */
  persist: (ledger: Ledger, certificate: Certificate) => Promise<void>
  /** A validator is at a later ledger. */
  onBehind: (seq: number, from: PublicKey) => void
  /** The disk failed or a rule of the code is broken: the node must stop. */
  onFatal: (error: Error) => void
}

/** Events that wait for the core, while the disk is slow; what others send beyond comes again. */
const QUEUE_MAX = 20_000
/** Attempts around the current one in which every vote and candidate is kept by the core. */
const NEAR_ATTEMPTS = 4

type Ready = { type: 'proposal'; own: OwnProposal } | { type: 'vote'; own: OwnVote }

/**
 * Feeds the consensus core with events, one after another, and carries out its effects in their order: what is said is
 * in the journal before it is sent, and a closed ledger is on disk before anything that follows from it.
 */
export class ConsensusDriver {
  readonly #options: ConsensusDriverOptions
  readonly #core: Consensus
  readonly #unl: PublicKey[]
  readonly #members: ReadonlySet<PublicKey>
  readonly #log: Logger
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #evidence = new Map<string, { first: Hash; second: Hash }>()
  readonly #idle: (() => void)[] = []
  #queue: ConsensusEvent[] = []
  #working = false
  #stopped = false
  #proposal: OwnProposal | null = null
  #votes: OwnVote[]
  #candidate: { attempt: number; message: ConsensusMessage } | null = null
  #inJournal = new Set<Hash>()
  /** Votes and candidates that the core has: another copy, or another vote in the same place, is not checked again. */
  readonly #heard = new HeardMessages()
  /** Newest ledger that the journal may hold own deeds of, when it was opened. */
  readonly #journaledSeq: number

  private constructor(
    options: ConsensusDriverOptions,
    core: Consensus,
    votes: OwnVote[],
    own: OwnProposal | null,
    journaledSeq: number
  ) {
    this.#options = options
    this.#core = core
    this.#log = options.log
    this.#unl = [...options.config.unl].sort()
    this.#members = new Set(this.#unl)
    this.#votes = votes
    this.#proposal = own
    this.#journaledSeq = journaledSeq
  }

  /** Reads back what this validator has said, and stands where it stood. */
  static async create(options: ConsensusDriverOptions): Promise<ConsensusDriver> {
    const { records, tip, pool, config, signer, log } = options
    const restored = options.isJournalLost
      ? restoreNothing(options)
      : await restoreJournaled(records, tip, pool, config, signer.publicKey, log)
    const journaled = restored?.journaled ?? null
    const core = new Consensus({
      self: signer.publicKey,
      config,
      tip,
      journaled,
      ...(options.timeouts === undefined ? {} : { timeouts: options.timeouts })
    })
    const proposal = journaled?.proposal ?? null
    const whole = proposal === null ? undefined : pool.whole(proposal.hash)
    const own = proposal === null || whole === undefined ? null : { proposal, whole, gossip: whole }
    return new ConsensusDriver(options, core, restored?.votes ?? [], own, journaled?.seq ?? 0)
  }

  get tip(): LedgerTip {
    return this.#core.tip
  }
  get seq(): number {
    return this.#core.seq
  }
  get attempt(): number {
    return this.#core.attempt
  }
  get quorum(): number {
    return this.#core.quorum
  }
  get isValidator(): boolean {
    return this.#core.isValidator
  }
  /** Validators that were caught signing two proposals for one seq. */
  get equivocators(): string[] {
    return [...this.#evidence.keys()]
  }

  start(): void {
    void this.#run(this.#core.start())
    if (this.#proposal !== null) this.#push({ type: 'proposal', proposal: this.#proposal.proposal })
    for (const { vote } of this.#votes) this.#push({ type: 'vote', vote })
  }

  /** No effect begins after this; waits for the one under way. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    this.#queue = []
    await this.#settled()
  }

  executed(seq: number, result: ExecutionResult): void {
    this.#push({ type: 'executed', seq, result })
  }

  inputsWaiting(): void {
    this.#push({ type: 'inputs-waiting' })
  }

  /** Hands over a ledger whose certificate has been checked; resolves once it is in its place or left out. */
  async certified(ledger: Ledger, certificate: Certificate): Promise<void> {
    this.#push({ type: 'certified', ledger, certificate })
    await this.#settled()
  }

  /** A message from gossip: checked, and queued for the core. */
  onGossip(bytes: Uint8Array, from: PublicKey): GossipVerdict {
    if (this.#stopped) return 'ignore'
    try {
      const message = decodeConsensusMessage(bytes, this.#unl, this.#options.maxGossipBytes)
      switch (message.type) {
        case 'proposal':
          return this.#onProposal(message.proposal, from)
        case 'vote':
          return this.#onVote(message.vote.signed, message.vote.proposals, from)
        case 'candidate':
          return this.#onCandidate(message.candidate.signed, message.candidate.prevotes)
        case 'evidence':
          return this.#onEvidence(message.first, message.second)
      }
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      this.#log.debug(`message from ${from} refused: ${error.message}`)
      return 'reject'
    }
  }

  #onProposal(message: Extract<ConsensusMessage, { type: 'proposal' }>['proposal'], from: PublicKey): GossipVerdict {
    const { seq } = decodeProposalPayload(message.signed.payload)
    const { key } = message.signed
    if (!this.#members.has(key) || key === this.#options.signer.publicKey || seq < this.tip.seq) return 'ignore'
    const hash = proposalHashOf(message.signed)
    const { pool } = this.#options
    if (pool.whole(hash) !== undefined || pool.isFull(seq, key, hash)) return 'ignore'
    const payload = openProposal(message, this.#options.networkId)
    if (seq > this.seq + 1) {
      this.#options.onBehind(seq, key)
      return 'accept'
    }
    void pool.take(message, payload, [from]).then((proposal) => {
      if (proposal !== null) this.#push({ type: 'proposal', proposal })
    })
    return 'accept'
  }

  #onVote(signed: Signed, hint: Hash[], from: PublicKey): GossipVerdict {
    const { networkId, signer } = this.#options
    const payload = decodeVotePayload(signed.payload)
    if (payload.networkId !== networkId) return 'reject'
    if (!this.#members.has(signed.key) || signed.key === signer.publicKey || payload.seq < this.seq) return 'ignore'
    const { seq, attempt, kind, hash } = payload
    if (kind === 'prevote' && this.#core.hasPrevoteQuorum(seq, attempt)) return 'ignore'
    // The hint is not signed: whoever hands the vote on could spoil it, so that it counts from its validator alone.
    const proposals = from === signed.key ? hint : []
    const name = `${kind} ${attempt} ${signed.key} ${proposals.length > 0}`
    if (this.#heard.has(seq, name) || this.#queue.length >= QUEUE_MAX) return 'ignore'
    if (!isSignatureValid(SIGNING_DOMAINS.vote, signed)) return 'reject'
    if (this.#isNear(seq, attempt)) this.#heard.add(seq, name)
    const vote: Vote = { validator: signed.key, seq, attempt, kind, hash, signature: signed.signature, proposals }
    this.#push({ type: 'vote', vote })
    return 'accept'
  }

  #onCandidate(signed: Signed, prevotes: VoteSet | null): GossipVerdict {
    const { networkId, signer } = this.#options
    const payload = decodeCandidatePayload(signed.payload)
    if (payload.networkId !== networkId) return 'reject'
    if (!this.#members.has(signed.key) || signed.key === signer.publicKey || payload.seq < this.seq) return 'ignore'
    const { seq, attempt, hash, proposals } = payload
    // Its prevotes may cost a hundred signature checks: one candidate of each coordinator is enough.
    const name = `candidate ${attempt}`
    const coordinator = this.#unl[(seq + attempt) % this.#unl.length]
    if (attempt < 1 || signed.key !== coordinator || this.#heard.has(seq, name)) return 'ignore'
    if (this.#queue.length >= QUEUE_MAX) return 'ignore'
    if (!isSignatureValid(SIGNING_DOMAINS.candidate, signed)) return 'reject'
    if (seq > this.seq + 1) {
      this.#options.onBehind(seq, signed.key)
      return 'accept'
    }
    if (!this.#isNear(seq, attempt)) return 'ignore'
    if (prevotes !== null && !this.#arePrevotesValid(prevotes, seq)) return 'reject'
    this.#heard.add(seq, name)
    this.#push({ type: 'candidate', candidate: { validator: signed.key, seq, attempt, hash, proposals, prevotes } })
    return 'accept'
  }

  /** True for what the core keeps; what is further ahead has to come again. */
  #isNear(seq: number, attempt: number): boolean {
    if (seq === this.seq) return Math.abs(attempt - this.attempt) <= NEAR_ATTEMPTS
    return seq === this.seq + 1 && attempt < NEAR_ATTEMPTS
  }

  #arePrevotesValid({ seq, attempt, hash, signatures }: VoteSet, expectedSeq: number): boolean {
    const signers = new Set(signatures.map(({ validator }) => validator))
    if (seq !== expectedSeq || signers.size !== signatures.length || signers.size < this.quorum) return false
    const payload = voteBytes(this.#options.networkId, { seq, attempt, kind: 'prevote', hash })
    const bytes = Buffer.concat([Buffer.from(`${SIGNING_DOMAINS.vote}\0`), payload])
    return signatures.every(
      ({ validator, signature }) => this.#members.has(validator) && verifySignature(validator, bytes, signature)
    )
  }

  #onEvidence(first: Signed, second: Signed): GossipVerdict {
    const a = decodeProposalPayload(first.payload)
    const b = decodeProposalPayload(second.payload)
    const { networkId } = this.#options
    if (first.key !== second.key || a.seq !== b.seq || a.networkId !== networkId || b.networkId !== networkId) {
      return 'reject'
    }
    const hashes = { first: proposalHashOf(first), second: proposalHashOf(second) }
    if (hashes.first === hashes.second) return 'reject'
    if (!this.#members.has(first.key) || this.#evidence.has(first.key)) return 'ignore'
    const domain = SIGNING_DOMAINS.proposal
    if (!isSignatureValid(domain, first) || !isSignatureValid(domain, second)) return 'reject'
    this.#noteEvidence(first.key, a.seq, hashes)
    return 'accept'
  }

  #noteEvidence(validator: PublicKey, seq: number, hashes: { first: Hash; second: Hash }): boolean {
    if (this.#evidence.has(validator)) return false
    this.#evidence.set(validator, hashes)
    this.#log.error(`validator ${validator} signed two proposals for ledger ${seq}: it is faulty or its key was copied`)
    return true
  }

  #push(event: ConsensusEvent): void {
    if (this.#stopped) return
    this.#queue.push(event)
    if (!this.#working) void this.#run([])
  }

  /** Carries out `effects`, then steps through the queue until it is empty. */
  async #run(effects: ConsensusEffect[]): Promise<void> {
    this.#working = true
    try {
      await this.#perform(effects)
      while (this.#queue.length > 0 && !this.#stopped) {
        const events = this.#queue
        this.#queue = []
        await this.#perform(events.flatMap((event) => this.#core.step(event)))
      }
    } catch (error) {
      this.#stopped = true
      this.#options.onFatal(error instanceof Error ? error : new Error(String(error)))
    } finally {
      this.#working = false
      for (const resolve of this.#idle.splice(0)) resolve()
    }
  }

  /** Resolves when no event waits and no effect is under way. */
  #settled(): Promise<void> {
    if (!this.#working) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  async #perform(effects: ConsensusEffect[]): Promise<void> {
    let ready: Ready[] = []
    for (const effect of effects) {
      if (effect.type === 'propose') ready.push(this.#prepareProposal(effect))
      else if (effect.type === 'vote') ready.push(this.#prepareVote(effect))
      else {
        await this.#say(ready)
        ready = []
        await this.#performOther(effect)
      }
    }
    await this.#say(ready)
  }

  /** Sends what has been prepared, once it is durable. */
  async #say(ready: Ready[]): Promise<void> {
    if (ready.length === 0) return
    await this.#options.journal.flush()
    for (const { type, own } of ready) {
      if (type === 'proposal') {
        this.#publish({ type, proposal: own.gossip })
        this.#queue.push({ type, proposal: own.proposal })
      } else {
        this.#publish({ type, vote: { signed: own.signed, proposals: own.vote.proposals } })
        this.#queue.push({ type, vote: own.vote })
      }
    }
  }

  #prepareProposal({ seq, lcl, result }: Extract<ConsensusEffect, { type: 'propose' }>): Ready {
    const { pool, journal, select, now } = this.#options
    const own = pool.create({ seq, lcl, result, timeMs: now(), selection: select() })
    journal.add({ proposal: asBytes(encodeProposalMessage(own.whole)) })
    this.#inJournal.add(own.proposal.hash)
    this.#proposal = own
    return { type: 'proposal', own }
  }

  #prepareVote(effect: Extract<ConsensusEffect, { type: 'vote' }>): Ready {
    const { networkId, signer, journal, pool } = this.#options
    const { seq, attempt, kind, hash, proposals, lock } = effect
    if (lock !== null) addLock(journal, lock, pool, this.#inJournal, this.#unl)
    const signed = signPayload(SIGNING_DOMAINS.vote, voteBytes(networkId, { seq, attempt, kind, hash }), signer)
    const { payload, signature } = signed
    journal.add({
      vote: {
        payload: asBytes(payload),
        signature: asBytes(signature),
        proposals: proposals.map((proposal) => hexToBytes(proposal, HASH_BYTES))
      }
    })
    const vote = { validator: signer.publicKey, seq, attempt, kind, hash, signature, proposals }
    const own = { vote, signed }
    this.#votes.push(own)
    return { type: 'vote', own }
  }

  async #performOther(effect: Exclude<ConsensusEffect, { type: 'propose' | 'vote' }>): Promise<void> {
    switch (effect.type) {
      case 'timer': {
        const timer = setTimeout(() => {
          this.#timers.delete(timer)
          this.#push({ type: 'timer', timer: effect.timer })
        }, effect.delayMs)
        this.#timers.add(timer)
        break
      }
      case 'candidate':
        this.#sendCandidate(effect)
        break
      case 'fetch':
        void this.#fetch(effect)
        break
      case 'resend':
        this.#resend(effect.attempt)
        break
      case 'behind':
        this.#options.onBehind(effect.seq, effect.from)
        break
      case 'evidence':
        this.#sendEvidence(effect.first.hash, effect.second.hash)
        break
      case 'close':
        await this.#close(effect.ledger, effect.certificate)
    }
  }

  #sendCandidate({ seq, attempt, hash, proposals, prevotes }: Extract<ConsensusEffect, { type: 'candidate' }>): void {
    const { networkId, signer } = this.#options
    const payload = encodeCandidatePayload({ networkId, seq, attempt, hash, proposals })
    const signed = signPayload(SIGNING_DOMAINS.candidate, payload, signer)
    const message: ConsensusMessage = { type: 'candidate', candidate: { signed, prevotes } }
    this.#candidate = { attempt, message }
    this.#publish(message)
    const candidate: Candidate = { validator: signer.publicKey, seq, attempt, hash, proposals, prevotes }
    this.#queue.push({ type: 'candidate', candidate })
  }

  async #fetch({ seq, proposals, from }: Extract<ConsensusEffect, { type: 'fetch' }>): Promise<void> {
    try {
      for (const proposal of await this.#options.pool.fetch(proposals, seq, this.#members, from)) {
        this.#push({ type: 'proposal', proposal })
      }
    } catch (error) {
      this.#log.debug(`proposals for ledger ${seq} could not be fetched: ${(error as Error).message}`)
    }
  }

  /** What was said may have been lost: all of it that still counts is sent again, as new messages. */
  #resend(attempt: number): void {
    if (this.#proposal?.proposal.seq === this.seq) {
      this.#options.pool.sendUsersAgain()
      this.#publish({ type: 'proposal', proposal: this.#proposal.gossip }, true)
    }
    const own = this.#votes.filter(({ vote }) => vote.seq === this.seq)
    const lastLock = own.findLast(({ vote }) => vote.kind === 'precommit' && vote.hash !== null)
    for (const said of own) {
      if (said.vote.attempt !== attempt && said !== lastLock) continue
      this.#publish({ type: 'vote', vote: { signed: said.signed, proposals: said.vote.proposals } }, true)
    }
    if (this.#candidate?.attempt === attempt) this.#publish(this.#candidate.message, true)
  }

  #sendEvidence(first: Hash, second: Hash): void {
    const a = this.#options.pool.whole(first)?.signed
    const b = this.#options.pool.whole(second)?.signed
    if (a === undefined || b === undefined) return
    if (this.#noteEvidence(a.key, this.seq, { first, second })) this.#publish({ type: 'evidence', first: a, second: b })
  }

  async #close(ledger: Ledger, certificate: Certificate): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    await this.#options.persist(ledger, certificate)
    // What the journal holds of later ledgers still binds.
    if (ledger.header.seq >= this.#journaledSeq) await this.#options.journal.ledgerClosed()
    this.#proposal = null
    this.#votes = []
    this.#candidate = null
    this.#inJournal = new Set()
    this.#options.pool.forgetBefore(ledger.header.seq)
    this.#heard.forgetUntil(ledger.header.seq)
  }

  #publish(message: ConsensusMessage, again = false): void {
    this.#options.publish(encodeConsensusMessage(message, this.#unl), again)
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

/**
 * Without its journal a validator leaves the next ledger to the others, lest it votes twice. Where they are too few to
 * close it, nothing would ever go on: it votes, and says so.
 */
function restoreNothing({ config, tip, signer, log }: ConsensusDriverOptions): Restored | null {
  const n = config.unl.length
  if (!config.unl.includes(signer.publicKey)) return null
  if (n - 1 < quorumOf(n, config.threshold)) {
    log.warn('the journal (hist/journal) is gone although there are ledgers: earlier votes, if any, are forgotten')
    return null
  }
  log.warn(
    `the journal (hist/journal) is gone although there are ledgers: ledger ${tip.seq + 1} is left to the other validators`
  )
  return silentThrough(tip.seq + 1)
}
