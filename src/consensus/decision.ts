import { CandidateBook } from './candidates.js'
import type { LedgerTip } from './close-ledger.js'
import { ContentFinder } from './content-finder.js'
import type { ConsensusEffect, Journaled, Lock, Timeouts, TimerKind } from './events.js'
import { type Content, ProposalBook } from './proposal-book.js'
import type { Timers } from './timers.js'
import type {
  Candidate,
  Certificate,
  ConsensusConfig,
  Hash,
  Ledger,
  Proposal,
  PublicKey,
  Vote,
  VoteKind
} from './types.js'
import { VoteBook } from './vote-book.js'

export interface DecisionOptions {
  self: PublicKey
  config: ConsensusConfig
  /** The validators, sorted. */
  unl: readonly PublicKey[]
  quorum: number
  /** False for an observer, and for a validator that no longer knows its votes: it follows without a word. */
  speaks: boolean
  /** The last closed ledger. */
  tip: LedgerTip
  /** Validators that are waited for; may grow. */
  expected: ReadonlySet<PublicKey>
  /** Own deeds for this seq from before a restart. */
  journaled: Journaled | null
  timeouts: Timeouts
  timers: Timers
  emit: (effect: ConsensusEffect) => void
}

type Step = 'propose' | 'prevote' | 'precommit'

/** Attempts beyond are out of reach of an honest validator, and of the encoding. */
const ATTEMPT_MAX = 2 ** 31

/** How one ledger is decided: the attempts, votes and lock of one seq. Line numbers are those of algorithm 1. */
export class Decision {
  readonly #options: DecisionOptions
  readonly #seq: number
  readonly #quorum: number
  readonly #timeouts: Timeouts
  readonly #timers: Timers
  readonly #emit: (effect: ConsensusEffect) => void
  readonly #proposals: ProposalBook
  readonly #contents: ContentFinder
  readonly #candidates: CandidateBook
  readonly #votes = new VoteBook()
  /** Own votes of this attempt, and after a restart those of earlier ones. */
  readonly #voted = new Map<string, Hash | null>()
  #attempt = 0
  #step: Step = 'propose'
  #lock: Lock | null = null
  #valid: Lock | null = null
  #candidateMade = false
  #proposeTimerOver = false

  constructor(options: DecisionOptions) {
    const { tip, config, unl, quorum, timeouts, timers, emit } = options
    this.#options = options
    this.#seq = tip.seq + 1
    this.#quorum = quorum
    this.#timeouts = timeouts
    this.#timers = timers
    this.#emit = emit
    const { resendMs } = timeouts
    const proposals = new ProposalBook(tip, config)
    this.#proposals = proposals
    this.#contents = new ContentFinder({ seq: this.#seq, validators: unl.length, proposals, timers, resendMs, emit })
    this.#candidates = new CandidateBook(this.#seq, unl, quorum)
    if (options.journaled !== null) this.#restore(options.journaled)
  }

  /** Attempt of the newest quorum of prevotes for a ledger whose content is known; null before the first. */
  get validAttempt(): number | null {
    return this.#valid?.attempt ?? null
  }
  get attempt(): number {
    return this.#attempt
  }

  // What has come: signed by members of the UNL, for this seq

  addProposal(proposal: Proposal): void {
    const outcome = this.#proposals.add(proposal)
    if (typeof outcome === 'object') this.#emit({ type: 'evidence', first: outcome.contradicts, second: proposal })
  }

  addVote(vote: Vote): void {
    if (vote.attempt > ATTEMPT_MAX) return
    // A copy of a counted vote may bring the hint that another copy had lost on its way.
    const counts = this.#votes.add(vote, this.#attempt) || this.#votes.hashOf(vote) === vote.hash
    if (counts && vote.kind === 'prevote' && vote.hash !== null) {
      this.#contents.noteHint(vote.hash, vote.validator, vote.proposals, this.#attempt)
    }
  }

  addCandidate(candidate: Candidate): void {
    const { validator, attempt, hash, proposals } = candidate
    if (attempt > ATTEMPT_MAX || !this.#candidates.isInOrder(candidate)) return
    this.#votes.see(validator, attempt)
    if (this.#candidates.add(candidate, this.#attempt)) {
      this.#contents.noteHint(hash, validator, proposals, this.#attempt)
    }
  }

  endTimer(kind: TimerKind, attempt: number): void {
    if (kind === 'resend') this.#resend()
    else if (attempt !== this.#attempt) return
    else if (kind === 'propose') this.#proposeTimerOver = true
    else if (kind === 'prevote') {
      // Lines 61-64: no quorum for one value in time.
      if (this.#step === 'prevote') this.#vote('precommit', null)
    } else if (kind === 'precommit') this.#enterAttempt(this.#attempt + 1) // Lines 65-67
  }

  // What follows from it

  skipAttempts(): void {
    // Lines 55-56: of this many validators one at least is honest and up.
    const reached = this.#votes.attemptReachedBy(this.#options.unl.length - this.#quorum + 1)
    if (reached > this.#attempt) this.#enterAttempt(reached)
  }

  /** Gives the votes that are due. @returns the ledger that is closed, if one is: this decision is then over */
  decide(): { ledger: Ledger; certificate: Certificate } | null {
    this.#tryCandidate()
    this.#tryPrevote()
    this.#tryPrecommit()
    return this.#findClosed()
  }

  /** Moves on when the precommits of this attempt cannot close a ledger any more; else sets their timer. */
  leaveLostAttempt(): boolean {
    const { leader, most, total, gone } = this.#votes.tally(this.#attempt, 'precommit')
    if (total + gone < this.#quorum) return false
    if ((leader === null && most >= this.#quorum) || this.#isHopeless(most, total)) {
      this.#enterAttempt(this.#attempt + 1)
      return true
    }
    if (leader === null || most < this.#quorum) {
      this.#timers.set('precommit', this.#delayMs(this.#timeouts.precommitMs)) // Lines 47-48
    }
    return false
  }

  // Candidates and prevotes

  /** The coordinator of an attempt puts its valid value, else what it holds, to the vote (lines 14-19). */
  #tryCandidate(): void {
    const { self, speaks } = this.#options
    if (this.#attempt === 0 || this.#candidates.coordinator(this.#attempt) !== self) return
    if (this.#candidateMade || !speaks) return
    const content = this.#valid ?? this.#buildHeld()
    if (content === null) return
    this.#candidateMade = true
    this.#emit({
      type: 'candidate',
      seq: this.#seq,
      attempt: this.#attempt,
      hash: content.ledger.hash,
      proposals: content.ledger.header.proposals,
      prevotes: this.#valid?.prevotes ?? null,
      unl: this.#options.unl
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
    if (leader !== null && most >= this.#quorum && this.#contents.find(leader)) this.#prevoteIfAllowed(leader, -1)
    else if (this.#attempt === 0) this.#tryLeaderlessPrevote()
    else this.#tryPrevoteCandidate()
  }

  /** Lines 22-33; the prevotes that come with a candidate were checked when it came, their signatures by the caller. */
  #tryPrevoteCandidate(): void {
    const candidate = this.#candidates.at(this.#attempt)
    if (candidate && this.#contents.find(candidate.hash)) {
      this.#prevoteIfAllowed(candidate.hash, candidate.prevotes?.attempt ?? -1)
      return
    }
    this.#timers.set('propose', this.#delayMs(this.#timeouts.proposeMs))
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
    if (this.#proposals.held().length < this.#quorum) return null
    this.#timers.set('propose', this.#timeouts.proposeMs)
    const missing = [...this.#options.expected].some((validator) => !this.#proposals.has(validator))
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
    else this.#timers.set('prevote', this.#delayMs(this.#timeouts.prevoteMs)) // Lines 34-35
  }

  #lockOn(hash: Hash): void {
    if (this.#valid?.attempt === this.#attempt) return
    const content = this.#contents.find(hash)
    if (content === undefined) {
      this.#timers.set('prevote', this.#delayMs(this.#timeouts.prevoteMs))
      return
    }
    const prevotes = this.#votes.voteSet(this.#seq, this.#attempt, 'prevote', hash)
    this.#valid = { attempt: this.#attempt, ledger: content.ledger, proposals: content.proposals, prevotes }
    if (this.#step !== 'prevote') return
    this.#lock = this.#valid
    this.#vote('precommit', hash)
  }

  /** True when the votes still out cannot make a quorum of the leading value. */
  #isHopeless(most: number, total: number): boolean {
    return most + this.#options.unl.length - total < this.#quorum
  }

  #findClosed(): { ledger: Ledger; certificate: Certificate } | null {
    for (const attempt of this.#votes.attempts()) {
      const { leader, most } = this.#votes.tally(attempt, 'precommit')
      if (leader === null || most < this.#quorum) continue
      const content = this.#contents.find(leader)
      if (content === undefined) continue
      return { ledger: content.ledger, certificate: this.#votes.voteSet(this.#seq, attempt, 'precommit', leader) }
    }
    return null
  }

  // Parts

  #vote(kind: VoteKind, hash: Hash | null): void {
    this.#step = kind
    if (!this.#options.speaks) return
    const key = `${this.#attempt} ${kind}`
    if (this.#voted.has(key)) return
    this.#voted.set(key, hash)
    const lock = kind === 'precommit' && hash !== null ? this.#lock : null
    const content = hash === null ? undefined : this.#proposals.content(hash)
    const proposals = kind === 'prevote' ? (content?.ledger.header.proposals ?? []) : []
    const { unl } = this.#options
    this.#emit({ type: 'vote', seq: this.#seq, attempt: this.#attempt, kind, hash, proposals, lock, unl })
    this.#timers.set('resend', this.#timeouts.resendMs)
  }

  #resend(): void {
    this.#emit({ type: 'resend', seq: this.#seq, attempt: this.#attempt })
    this.#timers.setAgain('resend', this.#timeouts.resendMs)
    this.#contents.askAgain()
  }

  #delayMs(baseMs: number): number {
    return Math.min(baseMs + this.#attempt * this.#timeouts.stepMs, this.#timeouts.maxMs)
  }

  #enterAttempt(attempt: number): void {
    this.#attempt = attempt
    this.#step = 'propose'
    this.#candidateMade = false
    this.#proposeTimerOver = false
    this.#votes.forget(attempt)
    this.#candidates.forget(attempt)
    this.#contents.forget(attempt)
    this.#timers.enterAttempt(attempt)
    // Nothing is done twice in one attempt, and none comes back.
    this.#voted.clear()
    this.#proposals.trim((hash) => this.#valid?.ledger.hash === hash || this.#lock?.ledger.hash === hash)
  }

  #restore(journaled: Journaled): void {
    for (const { attempt, kind, hash } of journaled.votes) {
      this.#voted.set(`${attempt} ${kind}`, hash)
      if (attempt > this.#attempt) this.#attempt = attempt
    }
    this.#timers.enterAttempt(this.#attempt)
    const last = (kind: VoteKind): boolean => this.#voted.has(`${this.#attempt} ${kind}`)
    this.#step = last('precommit') ? 'precommit' : last('prevote') ? 'prevote' : 'propose'
    this.#lock = journaled.lock
    this.#valid = journaled.lock
    if (journaled.lock !== null) this.#proposals.keep(journaled.lock)
    // What was sent before the restart may have been lost, and every validator may have been restarted.
    this.#resend()
  }
}
