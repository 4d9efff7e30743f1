import { EMPTY_OUTPUTS_ROOT } from '../codec/ledger.js'
import { type LedgerTip, tipOf } from './close-ledger.js'
import {
  type ConsensusEffect,
  type ConsensusEvent,
  DEFAULT_TIMEOUTS,
  type Journaled,
  type Lock,
  type Timeouts,
  type Timer,
  type TimerKind
} from './events.js'
import { type Content, ProposalBook } from './proposal-book.js'
import { quorumOf } from './quorum.js'
import type {
  Candidate,
  ConsensusConfig,
  ExecutionResult,
  Hash,
  Proposal,
  PublicKey,
  Vote,
  VoteKind,
  VoteSet
} from './types.js'
import { VoteBook } from './vote-book.js'

export interface ConsensusOptions {
  /** Own key; a node whose key is not in the UNL follows without a word: an observer. */
  self: PublicKey
  config: ConsensusConfig
  /** The last closed ledger. */
  tip: LedgerTip
  /** Own deeds for tip.seq + 1 or later, from the journal. */
  journaled?: Journaled | null
  timeouts?: Timeouts
}

type Step = 'propose' | 'prevote' | 'precommit'

/** Messages for the next seq that are kept until it begins; a node that is only a little behind needs no other copy. */
interface Early {
  proposals: Map<PublicKey, Proposal>
  votes: Map<string, Vote>
  candidates: Map<PublicKey, Candidate>
}

/** Who said of which proposals a ledger is made; a false word leads to another hash and to nothing else. */
interface Hints {
  proposals: Map<PublicKey, Hash[]>
  /** In which it was last said. */
  attempt: number
}

/** Votes of one validator for the next seq that are kept. */
const EARLY_ATTEMPTS = 4
/** Timers of a whole seq; the others are of one attempt. */
const LASTING_TIMERS = new Set(['resend', 'min-pace', 'idle-pace'])
/** Attempts beyond are out of reach of an honest validator, and of the encoding. */
const ATTEMPT_MAX = 2 ** 31
/** Where a ledger's proposals are to be had is forgotten this many attempts after it was last said. */
const HINT_ATTEMPTS = 32

/**
 * The consensus core of one node: leaderless proposals in front of Tendermint's prevote, precommit and lock (Buchman,
 * Kwon, Milosevic, "The latest gossip on BFT consensus", arXiv 1807.04938, algorithm 1; the line numbers below are its).
 * Pure: `step` turns an event into effects and reads no clock, no disk, no network and no randomness. A node counts
 * its own proposal or vote only when it comes back as an event, which the caller does after journaling it.
 */
export class Consensus {
  readonly #self: PublicKey
  readonly #timeouts: Timeouts
  readonly #config: ConsensusConfig
  readonly #unl: PublicKey[]
  readonly #members: Set<PublicKey>
  readonly #quorum: number
  #tip: LedgerTip
  #effects: ConsensusEffect[] = []

  #attempt = 0
  #step: Step = 'propose'
  #proposals: ProposalBook
  #votes = new VoteBook()
  #candidates = new Map<number, Candidate>()
  #hints = new Map<Hash, Hints>()
  #lock: Lock | null = null
  #valid: Lock | null = null
  /** Proposals asked for since the last resend, by ledger and validator. */
  #fetched = new Set<string>()
  #timersSet = new Set<string>()
  #voted = new Map<string, Hash | null>()
  /** Validators whose proposals for the last ledger arrived: they are waited for. */
  #expected: Set<PublicKey>
  #heard = new Set<PublicKey>()
  #early: Early = newEarly()

  #result: ExecutionResult | null = null
  #asked = false
  #inputsWaiting = false
  #minPaceOver = false
  #idlePaceOver = false
  #proposeTimerOver = false
  /** Own deeds of a seq that is still to come, or being decided, from before a restart. */
  readonly #journaled: Journaled | null

  constructor(options: ConsensusOptions) {
    this.#self = options.self
    this.#config = options.config
    this.#timeouts = options.timeouts ?? DEFAULT_TIMEOUTS
    this.#unl = [...options.config.unl].sort()
    this.#members = new Set(this.#unl)
    this.#quorum = quorumOf(this.#unl.length, options.config.threshold)
    this.#tip = options.tip
    this.#expected = new Set(this.#unl)
    this.#proposals = new ProposalBook(this.#tip, this.#config.ledgerInputBytes, this.#quorum)
    this.#journaled = options.journaled ?? null
    this.#restore()
  }

  /** The ledger being decided. */
  get seq(): number {
    return this.#tip.seq + 1
  }
  get tip(): LedgerTip {
    return this.#tip
  }
  get attempt(): number {
    return this.#attempt
  }
  get quorum(): number {
    return this.#quorum
  }
  get isValidator(): boolean {
    return this.#members.has(this.#self)
  }

  /** Effects with which the life of the core begins. Call once. */
  start(): ConsensusEffect[] {
    this.#setPaceTimers()
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
        if (event.seq === this.#tip.seq) this.#result = event.result
        break
      case 'inputs-waiting':
        this.#inputsWaiting = true
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
        this.#effects.push({ type: 'close', ledger: event.ledger, certificate: event.certificate })
        this.#advance(tipOf(event.ledger))
    }
  }

  /** Applies the rules until none applies any more. */
  #progress(): void {
    let seq: number
    do {
      seq = this.seq
      this.#skipAttempts()
      this.#tryPropose()
      this.#tryCandidate()
      this.#tryPrevote()
      this.#tryPrecommit()
      this.#tryClose()
    } while (this.seq !== seq || this.#attemptIsLost())
  }

  #take(): ConsensusEffect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  // Events

  #onProposal(proposal: Proposal): void {
    if (!this.#members.has(proposal.validator)) return
    if (proposal.seq === this.#tip.seq) this.#expected.add(proposal.validator)
    if (this.#isEarly(proposal.seq, proposal.validator)) {
      if (proposal.seq === this.seq + 1) this.#early.proposals.set(proposal.validator, proposal)
      return
    }
    if (proposal.seq !== this.seq || proposal.lcl !== this.#tip.hash) return
    this.#heard.add(proposal.validator)
    const outcome = this.#proposals.add(proposal)
    if (typeof outcome === 'object') {
      this.#effects.push({ type: 'evidence', first: outcome.contradicts, second: proposal })
    }
  }

  #onVote(vote: Vote): void {
    if (!this.#members.has(vote.validator)) return
    if (this.#isEarly(vote.seq, vote.validator)) {
      if (vote.seq !== this.seq + 1 || vote.attempt >= EARLY_ATTEMPTS) return
      this.#early.votes.set(`${vote.validator} ${vote.attempt} ${vote.kind}`, vote)
      return
    }
    if (vote.seq !== this.seq || vote.attempt > ATTEMPT_MAX || !this.#votes.add(vote, this.#attempt)) return
    if (vote.kind === 'prevote' && vote.hash !== null) this.#noteHint(vote.hash, vote.validator, vote.proposals)
  }

  #onCandidate(candidate: Candidate): void {
    if (!this.#members.has(candidate.validator) || candidate.attempt < 1) return
    if (this.#isEarly(candidate.seq, candidate.validator)) {
      if (candidate.seq === this.seq + 1) this.#early.candidates.set(candidate.validator, candidate)
      return
    }
    if (candidate.seq !== this.seq || candidate.validator !== this.#coordinator(candidate.attempt)) return
    const { attempt, prevotes } = candidate
    if (attempt > ATTEMPT_MAX || (prevotes !== null && !this.#makesValid(prevotes, candidate))) return
    this.#votes.see(candidate.validator, attempt)
    if (attempt < this.#attempt || attempt > this.#attempt + EARLY_ATTEMPTS || this.#candidates.has(attempt)) return
    this.#candidates.set(attempt, candidate)
    this.#noteHint(candidate.hash, candidate.validator, candidate.proposals)
  }

  /** True when `prevotes` are those of a quorum of an earlier attempt for the ledger of `candidate`. */
  #makesValid(prevotes: VoteSet, { seq, attempt, hash }: Candidate): boolean {
    return prevotes.seq === seq && prevotes.hash === hash && prevotes.attempt < attempt && this.#isQuorum(prevotes)
  }

  #isQuorum({ signatures }: VoteSet): boolean {
    const signers = new Set(signatures.map(({ validator }) => validator).filter((key) => this.#members.has(key)))
    return signers.size === signatures.length && signers.size >= this.#quorum
  }

  /** True when a message is for a later seq; says that ledgers may be missing here. */
  #isEarly(seq: number, from: PublicKey): boolean {
    if (seq <= this.seq) return false
    this.#effects.push({ type: 'behind', seq, from })
    return true
  }

  #onTimer({ kind, seq, attempt }: Timer): void {
    if (seq !== this.seq) return
    if (kind === 'min-pace') this.#minPaceOver = true
    else if (kind === 'idle-pace') this.#idlePaceOver = true
    else if (kind === 'resend') this.#onResend()
    else if (attempt !== this.#attempt) return
    else if (kind === 'propose') this.#proposeTimerOver = true
    else if (kind === 'prevote') {
      // Lines 61-64: no quorum for one value in time.
      if (this.#step === 'prevote') this.#vote('precommit', null)
    } else this.#enterAttempt(this.#attempt + 1) // Lines 65-67
  }

  #onResend(): void {
    this.#effects.push({ type: 'resend', seq: this.seq, attempt: this.#attempt })
    this.#timersSet.delete('resend')
    this.#setTimer('resend', this.#timeouts.resendMs)
    this.#fetched.clear()
  }

  // Proposals

  #tryPropose(): void {
    const pace = this.#idlePaceOver || this.#inputsWaiting || this.#outputsWaiting() || this.#heard.size > 0
    if (!this.isValidator || this.#asked || this.#result === null || !this.#minPaceOver || !pace) return
    if (this.#isSilent()) return
    this.#asked = true
    this.#inputsWaiting = false
    this.#effects.push({ type: 'propose', seq: this.seq, lcl: this.#tip.hash, result: this.#result })
    this.#setTimer('resend', this.#timeouts.resendMs)
  }

  /** True when users wait for what the last ledger's inputs led to. */
  #outputsWaiting(): boolean {
    if (this.#result === null || this.#tip.inputCount === 0) return false
    return this.#result.status === 'failed' || this.#result.outputsRoot !== EMPTY_OUTPUTS_ROOT
  }

  // Prevotes

  /** The coordinator of an attempt puts its valid value, else what it holds, to the vote (lines 14-19). */
  #tryCandidate(): void {
    if (this.#attempt === 0 || this.#coordinator(this.#attempt) !== this.#self) return
    const key = `candidate ${this.#attempt}`
    if (this.#timersSet.has(key) || this.#isSilent()) return
    const content = this.#valid ?? this.#buildHeld()
    if (content === null) return
    this.#timersSet.add(key)
    this.#effects.push({
      type: 'candidate',
      seq: this.seq,
      attempt: this.#attempt,
      hash: content.ledger.hash,
      proposals: content.ledger.header.proposals,
      prevotes: this.#valid?.prevotes ?? null
    })
  }

  #buildHeld(): Content | null {
    const held = this.#proposals.held()
    return held.length >= this.#quorum ? this.#proposals.build(held) : null
  }

  #tryPrevote(): void {
    if (this.#step !== 'propose') return
    const { leader, most } = this.#votes.tally(this.#attempt, 'prevote')
    // A quorum has already voted: nothing is to be waited for.
    if (leader !== null && most >= this.#quorum && this.#contentOf(leader)) this.#prevoteIfAllowed(leader, -1)
    else if (this.#attempt === 0) this.#tryLeaderlessPrevote()
    else this.#tryPrevoteCandidate()
  }

  /** Lines 22-33; the prevotes that come with a candidate were checked by the caller. */
  #tryPrevoteCandidate(): void {
    const candidate = this.#candidates.get(this.#attempt)
    if (candidate && this.#contentOf(candidate.hash)) {
      this.#prevoteIfAllowed(candidate.hash, candidate.prevotes?.attempt ?? -1)
      return
    }
    this.#setTimer('propose', this.#delay(this.#timeouts.proposeMs))
    if (this.#proposeTimerOver) this.#vote('prevote', null)
  }

  #prevoteIfAllowed(hash: Hash, validAttempt: number): void {
    const free = this.#lock === null || this.#lock.ledger.hash === hash
    const unlocked = this.#lock !== null && validAttempt >= this.#lock.attempt && validAttempt < this.#attempt
    this.#vote('prevote', free || unlocked ? hash : null)
  }

  /** Attempt 0 has no leader: each prevotes for what it holds once all that it expects is there. */
  #tryLeaderlessPrevote(): void {
    const content = this.#buildHeldIfComplete()
    if (content !== null) this.#prevoteIfAllowed(content.ledger.hash, -1)
  }

  #buildHeldIfComplete(): Content | null {
    const held = this.#proposals.held().length
    if (held < this.#quorum) return null
    this.#setTimer('propose', this.#timeouts.proposeMs)
    const missing = [...this.#expected].some((validator) => !this.#proposals.has(validator))
    return missing && !this.#proposeTimerOver ? null : this.#buildHeld()
  }

  // Precommits

  #tryPrecommit(): void {
    if (this.#step === 'propose') return
    const { leader, most, total, gone } = this.#votes.tally(this.#attempt, 'prevote')
    if (most >= this.#quorum) {
      if (leader !== null)
        this.#lockOn(leader) // Lines 36-43
      else if (this.#step === 'prevote') this.#vote('precommit', null) // Lines 44-46
      return
    }
    // Who has gone on may never send its vote of this attempt again; without it the others would wait for ever.
    if (this.#step !== 'prevote' || total + gone < this.#quorum) return
    if (this.#isHopeless(most, total)) this.#vote('precommit', null)
    else this.#setTimer('prevote', this.#delay(this.#timeouts.prevoteMs)) // Lines 34-35
  }

  #lockOn(hash: Hash): void {
    if (this.#valid?.attempt === this.#attempt) return
    const content = this.#contentOf(hash)
    if (content === undefined) {
      this.#setTimer('prevote', this.#delay(this.#timeouts.prevoteMs))
      return
    }
    const prevotes = this.#votes.voteSet(this.seq, this.#attempt, 'prevote', hash)
    this.#valid = { attempt: this.#attempt, ledger: content.ledger, proposals: content.proposals, prevotes }
    if (this.#step !== 'prevote') return
    this.#lock = this.#valid
    this.#vote('precommit', hash)
  }

  /** True when the votes still out cannot make a quorum of the leading value. */
  #isHopeless(most: number, total: number): boolean {
    return most + this.#unl.length - total < this.#quorum
  }

  // Close

  #tryClose(): void {
    for (const attempt of this.#votes.attempts()) {
      const { leader, most } = this.#votes.tally(attempt, 'precommit')
      if (leader === null || most < this.#quorum) continue
      const content = this.#contentOf(leader)
      if (content === undefined) continue
      const certificate = this.#votes.voteSet(this.seq, attempt, 'precommit', leader)
      this.#effects.push({ type: 'close', ledger: content.ledger, certificate })
      this.#advance(tipOf(content.ledger))
      return
    }
  }

  /** Moves on when the precommits of this attempt cannot close a ledger any more; else sets their timer. */
  #attemptIsLost(): boolean {
    const { leader, most, total, gone } = this.#votes.tally(this.#attempt, 'precommit')
    if (total + gone < this.#quorum) return false
    if ((leader === null && most >= this.#quorum) || this.#isHopeless(most, total)) {
      this.#enterAttempt(this.#attempt + 1)
      return true
    }
    if (leader === null || most < this.#quorum) {
      this.#setTimer('precommit', this.#delay(this.#timeouts.precommitMs)) // Lines 47-48
    }
    return false
  }

  #skipAttempts(): void {
    // Lines 55-56: of this many validators one at least is honest and up.
    const reached = this.#votes.attemptReachedBy(this.#unl.length - this.#quorum + 1)
    if (reached > this.#attempt) this.#enterAttempt(reached)
  }

  // Parts

  #vote(kind: VoteKind, hash: Hash | null): void {
    this.#step = kind
    if (!this.isValidator || this.#isSilent()) return
    const key = `${this.#attempt} ${kind}`
    if (this.#voted.has(key)) return
    this.#voted.set(key, hash)
    const lock = kind === 'precommit' && hash !== null ? this.#lock : null
    const content = hash === null ? undefined : this.#proposals.content(hash)
    const proposals = kind === 'prevote' ? (content?.ledger.header.proposals ?? []) : []
    this.#effects.push({ type: 'vote', seq: this.seq, attempt: this.#attempt, kind, hash, proposals, lock })
    this.#setTimer('resend', this.#timeouts.resendMs)
  }

  /** The content of a ledger that others vote on; asks for what is missing of it. */
  #contentOf(hash: Hash): Content | undefined {
    const known = this.#proposals.content(hash)
    if (known !== undefined) return known
    for (const [validator, proposals] of this.#hints.get(hash)?.proposals ?? []) {
      const built = this.#proposals.buildFrom(proposals)
      if (built === 'invalid') continue
      if ('missing' in built) {
        this.#fetch(hash, proposals, built.missing, validator)
        continue
      }
      if (built.ledger.hash === hash) return built
    }
    return undefined
  }

  #fetch(ledger: Hash, proposals: Hash[], missing: Hash[], from: PublicKey): void {
    const key = `${ledger} ${from}`
    if (this.#fetched.has(key)) return
    this.#fetched.add(key)
    this.#proposals.want(proposals)
    const others = [...(this.#hints.get(ledger)?.proposals.keys() ?? [])].filter((validator) => validator !== from)
    this.#effects.push({ type: 'fetch', seq: this.seq, proposals: missing, from: [from, ...others] })
    // What is asked for may be lost too: the next resend asks again.
    this.#setTimer('resend', this.#timeouts.resendMs)
  }

  #noteHint(hash: Hash, from: PublicKey, proposals: Hash[]): void {
    if (proposals.length === 0 || proposals.length > this.#unl.length) return
    let hints = this.#hints.get(hash)
    if (hints === undefined) {
      hints = { proposals: new Map(), attempt: this.#attempt }
      this.#hints.set(hash, hints)
    }
    hints.proposals.set(from, proposals)
    hints.attempt = this.#attempt
  }

  #coordinator(attempt: number): PublicKey {
    return this.#unl[(this.seq + attempt) % this.#unl.length] as PublicKey
  }

  /** Own votes below the journal's seq were given and are forgotten: none may be given again. */
  #isSilent(): boolean {
    return this.#journaled !== null && this.seq < this.#journaled.seq
  }

  #delay(baseMs: number): number {
    return Math.min(baseMs + this.#attempt * this.#timeouts.stepMs, this.#timeouts.maxMs)
  }

  #setTimer(kind: TimerKind, delayMs: number): void {
    const key = LASTING_TIMERS.has(kind) ? kind : `${kind} ${this.#attempt}`
    if (this.#timersSet.has(key)) return
    this.#timersSet.add(key)
    this.#effects.push({ type: 'timer', timer: { kind, seq: this.seq, attempt: this.#attempt }, delayMs })
  }

  #setPaceTimers(): void {
    this.#minPaceOver = this.#config.minRoundtimeMs === 0
    if (!this.#minPaceOver) this.#setTimer('min-pace', this.#config.minRoundtimeMs)
    this.#setTimer('idle-pace', this.#config.roundtimeMs)
  }

  #enterAttempt(attempt: number): void {
    this.#attempt = attempt
    this.#step = 'propose'
    this.#proposeTimerOver = false
    this.#votes.forget(attempt)
    for (const old of this.#candidates.keys()) if (old < attempt) this.#candidates.delete(old)
    for (const [hash, hints] of this.#hints) if (hints.attempt < attempt - HINT_ATTEMPTS) this.#hints.delete(hash)
    // Nothing is done twice in one attempt, and none comes back.
    this.#voted.clear()
    for (const key of this.#timersSet) if (!LASTING_TIMERS.has(key)) this.#timersSet.delete(key)
    this.#proposals.trim((hash) => this.#valid?.ledger.hash === hash || this.#lock?.ledger.hash === hash)
  }

  #advance(tip: LedgerTip): void {
    this.#tip = tip
    this.#attempt = 0
    this.#step = 'propose'
    this.#proposals = new ProposalBook(tip, this.#config.ledgerInputBytes, this.#quorum)
    this.#votes = new VoteBook()
    this.#candidates = new Map()
    this.#hints = new Map()
    this.#lock = null
    this.#valid = null
    this.#timersSet = new Set()
    this.#fetched = new Set()
    this.#voted = new Map()
    this.#expected = this.#heard.size > 0 ? this.#heard : this.#expected
    this.#heard = new Set()
    this.#result = null
    this.#asked = false
    this.#idlePaceOver = false
    this.#proposeTimerOver = false
    this.#setPaceTimers()
    this.#restore()
    const early = this.#early
    this.#early = newEarly()
    for (const proposal of early.proposals.values()) this.#onProposal(proposal)
    for (const vote of early.votes.values()) this.#onVote(vote)
    for (const candidate of early.candidates.values()) this.#onCandidate(candidate)
  }

  #restore(): void {
    const journaled = this.#journaled
    if (journaled?.seq !== this.seq) return
    for (const { attempt, kind, hash } of journaled.votes) {
      this.#voted.set(`${attempt} ${kind}`, hash)
      if (attempt > this.#attempt) this.#attempt = attempt
    }
    const last = (kind: VoteKind): boolean => this.#voted.has(`${this.#attempt} ${kind}`)
    this.#step = last('precommit') ? 'precommit' : last('prevote') ? 'prevote' : 'propose'
    this.#asked = journaled.proposal !== null
    this.#lock = journaled.lock
    this.#valid = journaled.lock
    if (journaled.lock !== null) this.#proposals.keep(journaled.lock)
    // What was sent before the restart may have been lost, and every validator may have been restarted.
    this.#onResend()
  }
}

function newEarly(): Early {
  return { proposals: new Map(), votes: new Map(), candidates: new Map() }
}
