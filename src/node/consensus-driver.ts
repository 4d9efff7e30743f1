import type { Logger } from 'pino'
import {
  asBytes,
  type ConsensusMessage,
  encodeCandidatePayload,
  encodeConsensusMessage,
  encodeProposalMessage,
  HASH_BYTES,
  hexToBytes,
  SIGNING_DOMAINS,
  signPayload,
  voteBytes
} from '../codec/index.js'
import type { LedgerTip } from '../consensus/close-ledger.js'
import { Consensus } from '../consensus/consensus.js'
import type { ConsensusEffect, ConsensusEvent, Timeouts } from '../consensus/events.js'
import type {
  Candidate,
  Certificate,
  ConfigWish,
  ConsensusConfig,
  ExecutionResult,
  Hash,
  Ledger,
  PublicKey
} from '../consensus/types.js'
import type { Signer } from '../crypto/index.js'
import type { ProposalContent } from './forwarding/composer.js'
import { GossipIntake, type GossipVerdict } from './gossip-intake.js'
import type { Journal, JournalRecord } from './journal.js'
import { addLock, type OwnVote, restoreJournaled, silenceOf } from './journaled.js'
import type { OwnProposal, ProposalPool } from './proposal-pool.js'

export interface ConsensusDriverOptions {
  networkId: Hash
  signer: Signer
  /** In force for the next ledger. */
  config: ConsensusConfig
  tip: LedgerTip
  journal: Journal
  /** What the journal held when it was opened. */
  records: JournalRecord[]
  /** Since when the journal is another than the one this validator began with, ms since the epoch; null for never. */
  unsureSinceMs: number | null
  /** Below this ledger the core must not vote: it does not know which forwarded inputs were taken. */
  speaksFrom: number
  pool: ProposalPool
  log: Logger
  /** ms since the epoch. */
  now: () => number
  timeouts?: Timeouts
  maxGossipBytes: number
  /** `again`: the same bytes were sent before and must reach even who has seen them. */
  publish: (bytes: Uint8Array, again: boolean) => void
  /** What the proposal for ledger `seq` contains. */
  select: (seq: number) => ProposalContent
  /** What the operator wishes to be changed in the config. */
  wishes: () => ConfigWish[]
  /** What a validator's proposal says that its operator wishes for. */
  onWishes: (validator: PublicKey, seq: number, wishes: ConfigWish[]) => void
  /** Makes a closed ledger durable; the next vote waits for it. */
  persist: (ledger: Ledger, certificate: Certificate) => Promise<void>
  /** A validator is at a later ledger. */
  onBehind: (seq: number, from: PublicKey) => void
  /** The disk failed or a rule of the code is broken: the node must stop. */
  onFatal: (error: Error) => void
}

/** Events that wait for the core, while the disk is slow; what others send beyond comes again. */
const QUEUE_MAX = 20_000

type Ready = { type: 'proposal'; own: OwnProposal } | { type: 'vote'; own: OwnVote }

/**
 * Feeds the consensus core with events, one after another, and carries out its effects in their order: what is said is
 * in the journal before it is sent, and a closed ledger is on disk before anything that follows from it.
 */
export class ConsensusDriver {
  readonly #options: ConsensusDriverOptions
  readonly #core: Consensus
  readonly #log: Logger
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #idle: (() => void)[] = []
  #queue: ConsensusEvent[] = []
  #working = false
  #stopped = false
  #proposal: OwnProposal | null = null
  #votes: OwnVote[]
  /** As it is sent. */
  #candidate: { attempt: number; bytes: Uint8Array } | null = null
  #inJournal = new Set<Hash>()
  readonly #intake: GossipIntake
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
    this.#votes = votes
    this.#proposal = own
    this.#journaledSeq = journaledSeq
    this.#intake = new GossipIntake({
      ...options,
      self: options.signer.publicKey,
      core,
      push: (event) => this.#push(event),
      isFull: () => this.#queue.length >= QUEUE_MAX
    })
  }

  /** Reads back what this validator has said, and stands where it stood. */
  static async create(options: ConsensusDriverOptions): Promise<ConsensusDriver> {
    const { records, tip, pool, config, signer, log } = options
    const restored = await restoreJournaled(records, tip, pool, config, signer.publicKey, log)
    const silentUntilMs = silenceOf(options.unsureSinceMs, config, signer.publicKey, log)
    const { speaksFrom } = options
    const isEarly = tip.seq + 1 < speaksFrom && (restored === null || restored.journaled.seq < speaksFrom)
    const journaled = isEarly
      ? { seq: speaksFrom, proposal: null, votes: [], lock: null }
      : (restored?.journaled ?? null)
    const core = new Consensus({
      self: signer.publicKey,
      config,
      tip,
      journaled,
      silentUntilMs,
      ...(options.timeouts === undefined ? {} : { timeouts: options.timeouts })
    })
    const proposal = journaled?.proposal ?? null
    const whole = proposal === null ? undefined : pool.whole(proposal.hash)
    const own = proposal === null || whole === undefined ? null : { proposal, whole, gossip: pool.forGossip(whole) }
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
  /** In force for the ledger being decided. */
  get config(): ConsensusConfig {
    return this.#core.config
  }
  /** Says nothing of this ledger: see ConsensusOptions.silentUntilMs. */
  get isSilent(): boolean {
    return this.#core.isSilent
  }
  get isValidator(): boolean {
    return this.#core.isValidator
  }
  /** Validators that were caught signing two proposals for one seq. */
  get equivocators(): string[] {
    return this.#intake.equivocators
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
    return this.#stopped ? 'ignore' : this.#intake.receive(bytes, from)
  }

  #push(event: ConsensusEvent): void {
    if (this.#stopped) return
    if (event.type === 'proposal') {
      const { validator, seq, wishes } = event.proposal
      this.#options.onWishes(validator, seq, wishes)
    }
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
    const { pool, journal, select, wishes, now } = this.#options
    const own = pool.create({ seq, lcl, result, timeMs: now(), selection: select(seq), wishes: wishes() })
    journal.add({ proposal: asBytes(encodeProposalMessage(own.whole)) })
    this.#inJournal.add(own.proposal.hash)
    this.#proposal = own
    return { type: 'proposal', own }
  }

  #prepareVote(effect: Extract<ConsensusEffect, { type: 'vote' }>): Ready {
    const { networkId, signer, journal, pool } = this.#options
    const { seq, attempt, kind, hash, proposals, lock, unl } = effect
    if (lock !== null) addLock(journal, lock, pool, this.#inJournal, unl)
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

  #sendCandidate(effect: Extract<ConsensusEffect, { type: 'candidate' }>): void {
    const { seq, attempt, hash, proposals, prevotes, unl } = effect
    const { networkId, signer } = this.#options
    const payload = encodeCandidatePayload({ networkId, seq, attempt, hash, proposals })
    const signed = signPayload(SIGNING_DOMAINS.candidate, payload, signer)
    const bytes = encodeConsensusMessage({ type: 'candidate', candidate: { signed, prevotes } }, unl)
    this.#candidate = { attempt, bytes }
    this.#options.publish(bytes, false)
    const candidate: Candidate = { validator: signer.publicKey, seq, attempt, hash, proposals, prevotes }
    this.#queue.push({ type: 'candidate', candidate })
  }

  async #fetch({ seq, proposals, from }: Extract<ConsensusEffect, { type: 'fetch' }>): Promise<void> {
    try {
      for (const proposal of await this.#options.pool.fetch(proposals, seq, this.#core.members, from)) {
        this.#push({ type: 'proposal', proposal })
      }
    } catch (error) {
      this.#log.debug(`proposals for ledger ${seq} could not be fetched: ${(error as Error).message}`)
    }
  }

  /** What was said may have been lost: all of it that still counts is sent again, as new messages. */
  #resend(attempt: number): void {
    if (this.#proposal?.proposal.seq === this.seq) {
      this.#options.pool.sendPartsAgain()
      this.#publish({ type: 'proposal', proposal: this.#proposal.gossip }, true)
    }
    const own = this.#votes.filter(({ vote }) => vote.seq === this.seq)
    const lastLock = own.findLast(({ vote }) => vote.kind === 'precommit' && vote.hash !== null)
    for (const said of own) {
      if (said.vote.attempt !== attempt && said !== lastLock) continue
      this.#publish({ type: 'vote', vote: { signed: said.signed, proposals: said.vote.proposals } }, true)
    }
    if (this.#candidate?.attempt === attempt) this.#options.publish(this.#candidate.bytes, true)
  }

  #sendEvidence(first: Hash, second: Hash): void {
    const a = this.#options.pool.whole(first)?.signed
    const b = this.#options.pool.whole(second)?.signed
    if (a === undefined || b === undefined) return
    if (this.#intake.noteEvidence(a.key, this.seq)) this.#publish({ type: 'evidence', first: a, second: b })
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
    this.#intake.forgetUntil(ledger.header.seq)
  }

  #publish(message: Exclude<ConsensusMessage, { type: 'candidate' }>, again = false): void {
    this.#options.publish(encodeConsensusMessage(message), again)
  }
}
