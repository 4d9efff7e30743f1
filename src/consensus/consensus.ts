import { type LedgerTip, nextTip } from './close-ledger.js'
import { Decision } from './decision.js'
import { EarlyMessages } from './early.js'
import {
  type ConsensusEffect,
  type ConsensusEvent,
  DEFAULT_TIMEOUTS,
  type Journaled,
  type Timeouts,
  type Timer
} from './events.js'
import { Pace } from './pace.js'
import { quorumOf } from './quorum.js'
import { Timers } from './timers.js'
import type { Candidate, Certificate, ConsensusConfig, Ledger, Proposal, PublicKey, Vote } from './types.js'

export interface ConsensusOptions {
  /** Own key; a node whose key is not in the UNL follows without a word: an observer. */
  self: PublicKey
  /** In force for the next ledger. */
  config: ConsensusConfig
  /** The last closed ledger. */
  tip: LedgerTip
  /** Own deeds for tip.seq + 1 or later, from the journal. */
  journaled?: Journaled | null
  /**
   * What this validator said before is not known: it says nothing before a ledger of a later time than this is closed,
   * ms since the epoch. It had closed none such, so that it cannot have voted on the one after it.
   */
  silentUntilMs?: number | null
  timeouts?: Timeouts
}

/**
 * The consensus core of one node: leaderless proposals in front of Tendermint's prevote, precommit and lock (Buchman,
 * Kwon, Milosevic, "The latest gossip on BFT consensus", arXiv 1807.04938, algorithm 1). Pure: `step` turns an event
 * into effects and reads no clock, no disk, no network and no randomness. A node counts its own proposal or vote only
 * when it comes back as an event, which the caller does after journaling it.
 *
 * This class goes from ledger to ledger; `Decision` decides one of them.
 */
export class Consensus {
  readonly #self: PublicKey
  readonly #timeouts: Timeouts
  /** Own deeds of a seq that is still to come, or being decided, from before a restart. */
  readonly #journaled: Journaled | null
  readonly #silentUntilMs: number
  readonly #pace: Pace
  readonly #emit = (effect: ConsensusEffect): void => {
    this.#effects.push(effect)
  }
  #effects: ConsensusEffect[] = []
  #tip: LedgerTip
  /** In force for the ledger being decided, with what follows from it. */
  #config: ConsensusConfig
  #unl: readonly PublicKey[] = []
  #members: ReadonlySet<PublicKey> = new Set()
  #quorum = 0
  #timers: Timers
  #decision: Decision
  /** Validators whose proposals for the last ledger arrived: they are waited for. */
  #expected: Set<PublicKey>
  #heard = new Set<PublicKey>()
  #early = new EarlyMessages()

  constructor(options: ConsensusOptions) {
    this.#self = options.self
    this.#config = options.config
    this.#timeouts = options.timeouts ?? DEFAULT_TIMEOUTS
    this.#adoptConfig(options.config)
    this.#journaled = options.journaled ?? null
    this.#silentUntilMs = options.silentUntilMs ?? Number.NEGATIVE_INFINITY
    this.#tip = options.tip
    this.#expected = new Set(this.#unl)
    this.#pace = new Pace(this.#config, this.#tip.inputCount)
    this.#timers = new Timers(this.seq, this.#emit)
    this.#decision = this.#beginDecision()
  }

  /** The ledger being decided. */
  get seq(): number {
    return this.#tip.seq + 1
  }
  get tip(): LedgerTip {
    return this.#tip
  }
  /** True when a quorum of prevotes of this attempt has been acted on: another one changes nothing. */
  hasPrevoteQuorum(seq: number, attempt: number): boolean {
    return seq === this.seq && this.#decision.validAttempt === attempt
  }
  get attempt(): number {
    return this.#decision.attempt
  }
  /** In force for the ledger being decided. */
  get config(): ConsensusConfig {
    return this.#config
  }
  /** Its validators, sorted. */
  get unl(): readonly PublicKey[] {
    return this.#unl
  }
  get members(): ReadonlySet<PublicKey> {
    return this.#members
  }
  get quorum(): number {
    return this.#quorum
  }
  /** A validator that must not vote on this ledger, since what it has said about it may be forgotten. */
  get isSilent(): boolean {
    return this.isValidator && !this.#speaks()
  }
  get isValidator(): boolean {
    return this.#members.has(this.#self)
  }

  /** Effects with which the life of the core begins. Call once. */
  start(): ConsensusEffect[] {
    this.#pace.setTimers(this.#timers)
    this.#progress()
    return this.#take()
  }

  /** What follows from `event`. Events that are out of place, of strangers, or known are ignored. */
  step(event: ConsensusEvent): ConsensusEffect[] {
    this.#apply(event)
    this.#progress()
    return this.#take()
  }

  #apply(event: ConsensusEvent): void {
    switch (event.type) {
      case 'executed':
        if (event.seq === this.#tip.seq) this.#pace.noteResult(event.result)
        break
      case 'inputs-waiting':
        this.#pace.noteInputs()
        break
      case 'proposal':
        this.#onProposal(event.proposal)
        break
      case 'vote':
        this.#onVote(event.vote)
        break
      case 'candidate':
        this.#onCandidate(event.candidate)
        break
      case 'timer':
        this.#onTimer(event.timer)
        break
      case 'certified':
        if (event.ledger.header.seq !== this.seq || event.ledger.header.prevHash !== this.#tip.hash) break
        this.#close(event.ledger, event.certificate)
    }
  }

  /** Applies the rules until none applies any more. */
  #progress(): void {
    let isSettled = false
    while (!isSettled) {
      this.#decision.skipAttempts()
      this.#tryPropose()
      const closed = this.#decision.decide()
      if (closed !== null) this.#close(closed.ledger, closed.certificate)
      else isSettled = !this.#decision.leaveLostAttempt()
    }
  }

  #take(): ConsensusEffect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  #onProposal(proposal: Proposal): void {
    if (!this.#members.has(proposal.validator)) return
    if (proposal.seq === this.#tip.seq) this.#expected.add(proposal.validator)
    if (this.#isEarly(proposal.seq, proposal.validator)) {
      if (proposal.seq === this.seq + 1) this.#early.keepProposal(proposal)
      return
    }
    if (proposal.seq !== this.seq || proposal.lcl !== this.#tip.hash) return
    this.#heard.add(proposal.validator)
    this.#decision.addProposal(proposal)
  }

  #onVote(vote: Vote): void {
    if (!this.#members.has(vote.validator)) return
    if (this.#isEarly(vote.seq, vote.validator)) {
      if (vote.seq === this.seq + 1) this.#early.keepVote(vote)
      return
    }
    if (vote.seq === this.seq) this.#decision.addVote(vote)
  }

  #onCandidate(candidate: Candidate): void {
    if (!this.#members.has(candidate.validator) || candidate.attempt < 1) return
    if (this.#isEarly(candidate.seq, candidate.validator)) {
      if (candidate.seq === this.seq + 1) this.#early.keepCandidate(candidate)
      return
    }
    if (candidate.seq === this.seq) this.#decision.addCandidate(candidate)
  }

  /** True when a message is for a later seq; says that ledgers may be missing here. */
  #isEarly(seq: number, from: PublicKey): boolean {
    if (seq <= this.seq) return false
    this.#emit({ type: 'behind', seq, from })
    return true
  }

  #onTimer({ kind, seq, attempt }: Timer): void {
    if (seq !== this.seq) return
    if (kind === 'min-pace' || kind === 'idle-pace') this.#pace.noteTimer(kind)
    else this.#decision.endTimer(kind, attempt)
  }

  #tryPropose(): void {
    if (!this.#speaks()) return
    const result = this.#pace.takeTurn(this.#heard.size > 0)
    if (result === null) return
    this.#emit({ type: 'propose', seq: this.seq, lcl: this.#tip.hash, result })
    this.#timers.set('resend', this.#timeouts.resendMs)
  }

  /** Own votes below the journal's seq were given and are forgotten: none may be given again. */
  #speaks(): boolean {
    if (!this.isValidator || this.#tip.timeMs <= this.#silentUntilMs) return false
    return this.#journaled === null || this.seq >= this.#journaled.seq
  }

  #close(ledger: Ledger, certificate: Certificate): void {
    this.#emit({ type: 'close', ledger, certificate })
    this.#tip = nextTip(this.#tip, ledger)
    this.#expected = this.#heard.size > 0 ? this.#heard : this.#expected
    if (ledger.config !== null) {
      this.#adoptConfig(ledger.config)
      // Who has left is not waited for; who has come is, once it is heard.
      this.#expected = new Set([...this.#expected].filter((validator) => this.#members.has(validator)))
    }
    this.#heard = new Set()
    this.#timers = new Timers(this.seq, this.#emit)
    this.#pace.reset(this.#tip.inputCount, this.#config)
    this.#pace.setTimers(this.#timers)
    this.#decision = this.#beginDecision()
    const early = this.#early
    this.#early = new EarlyMessages()
    for (const proposal of early.proposals()) this.#onProposal(proposal)
    for (const vote of early.votes()) this.#onVote(vote)
    for (const candidate of early.candidates()) this.#onCandidate(candidate)
  }

  #adoptConfig(config: ConsensusConfig): void {
    this.#config = config
    this.#unl = [...config.unl].sort()
    this.#members = new Set(this.#unl)
    this.#quorum = quorumOf(this.#unl.length, config.threshold)
  }

  #beginDecision(): Decision {
    const journaled = this.#journaled?.seq === this.seq ? this.#journaled : null
    if (journaled !== null && journaled.proposal !== null) this.#pace.noteProposal()
    return new Decision({
      self: this.#self,
      config: this.#config,
      unl: this.#unl,
      quorum: this.#quorum,
      speaks: this.#speaks(),
      tip: this.#tip,
      expected: this.#expected,
      journaled,
      timeouts: this.#timeouts,
      timers: this.#timers,
      emit: this.#emit
    })
  }
}
