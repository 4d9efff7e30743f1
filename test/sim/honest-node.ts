import { LIMITS } from '../../src/codec/limits.js'
import { type LedgerTip, tipOf } from '../../src/consensus/close-ledger.js'
import type { Consensus } from '../../src/consensus/consensus.js'
import type { ConsensusEffect, ConsensusEvent, Journaled, Lock } from '../../src/consensus/events.js'
import type {
  Candidate,
  ConfigWish,
  Ledger,
  Proposal,
  ProposalInput,
  ProposalUser,
  PublicKey,
  Vote
} from '../../src/consensus/types.js'
import { isFulfilled } from '../../src/consensus/wishes.js'
import { blake3Hex } from '../../src/crypto/index.js'
import { execute } from './execution.js'
import { type ClosedLedger, type Message, type Peer, SIGNATURE } from './messages.js'
import type { World } from './world.js'

/** What a node has on its disk; survives crashes. */
interface Disk {
  ledgers: ClosedLedger[]
  journal: (Journaled & { ownVotes: Vote[] }) | null
  inputsTaken: number
  wishes: ConfigWish[]
  /** When the journal was lost, on the clock of proposals; null for never. */
  unsureSinceMs: number | null
}

/** Everything that a crash takes. */
interface Memory {
  core: Consensus
  events: ConsensusEvent[]
  running: boolean
  inputs: ProposalInput[]
  /** From observers. Proposed again and again: that they are taken in time and once is for closeLedger to see to. */
  forwarded: ProposalInput[]
  candidate: Candidate | null
  proposals: Map<string, Proposal>
  catchingUp: boolean
  busyUntilMs: number
}

const STATUS_MS = 2000
/** Agreed time runs ahead of the clock by a ms a ledger at most. */
const CLOCK_MARGIN_MS = 1000

/** An honest node: the core and a driver that journals before it sends, as the real one does. */
export class HonestNode implements Peer {
  readonly index: number
  readonly key: PublicKey
  readonly users: ProposalUser[]
  readonly #world: World
  readonly #genesis: Ledger
  readonly #disk: Disk = { ledgers: [], journal: null, inputsTaken: 0, wishes: [], unsureSinceMs: null }
  readonly #slow: boolean
  readonly #clockRate: number
  /** How wrong its clock is that tells the time of the day. */
  #clockOffsetMs = 0
  #memory: Memory | null = null
  /** False once this node crashes no more. */
  faulty = true

  constructor(world: World, index: number, key: PublicKey, genesis: Ledger, slow: boolean) {
    this.#world = world
    this.index = index
    this.key = key
    this.#genesis = genesis
    this.#slow = slow
    this.#clockRate = 0.9 + world.random.fraction() * 0.2
    this.setClock()
    this.users = [0, 1].map((user) => ({
      key: blake3Hex(Buffer.from(`user ${user} of ${index}`)),
      proof: { expiryMs: 0, nonce: new Uint8Array(16), signature: SIGNATURE }
    }))
  }

  /** Sets the clock that tells the time of the day to another time. */
  setClock(): void {
    const { random, profile } = this.#world
    const { clockSkewMs } = profile
    if (clockSkewMs > 0) this.#clockOffsetMs = random.between(-clockSkewMs, clockSkewMs)
  }

  /** ms since an epoch that no clock is wrong enough to come before. */
  #timeMs(): number {
    return 1_000_000_000 + Math.floor(this.#world.clock.nowMs) + this.#clockOffsetMs
  }

  get up(): boolean {
    return this.#memory !== null
  }
  get tip(): LedgerTip {
    return tipOf(this.#disk.ledgers.at(-1)?.ledger ?? this.#genesis)
  }
  get attempt(): number {
    return this.#memory?.core.attempt ?? 0
  }

  start(): void {
    const { journal } = this.#disk
    const world = this.#world
    const { ledgers } = this.#disk
    const last = ledgers.at(-1)?.ledger ?? this.#genesis
    const before = ledgers.slice(-1 - LIMITS.forwardLedgers, -1).map(({ ledger }) => ledger)
    const tip = world.core.tipOf(last, before)
    const core = new world.core.Consensus({
      self: this.key,
      config: ledgers.findLast(({ ledger }) => ledger.config !== null)?.ledger.config ?? world.profile.config,
      tip,
      journaled: journal,
      silentUntilMs: this.#disk.unsureSinceMs === null ? null : this.#disk.unsureSinceMs + CLOCK_MARGIN_MS,
      timeouts: world.timeouts
    })
    this.#memory = {
      core,
      events: [],
      running: false,
      inputs: (journal?.proposal?.inputs ?? []).filter((input) => input.untilSeq === 0 && !this.#isExecuted(input)),
      forwarded: (journal?.proposal?.inputs ?? []).filter(({ untilSeq }) => untilSeq > 0),
      candidate: null,
      // The journal holds the content of a lock, so that somebody has it when all were down.
      proposals: new Map((journal?.lock?.proposals ?? []).map((proposal) => [proposal.hash, proposal])),
      catchingUp: false,
      busyUntilMs: 0
    }
    world.trace.fold(this.index)
    world.trace.note(() => `node ${this.index} starts on ledger ${tip.seq}`)
    this.#markStart(core)
    this.#run(this.#memory, core.start())
    this.#executeTip()
    this.#hearStatus(this.#memory)
  }

  #markStart(core: Consensus): void {
    const { journal, unsureSinceMs } = this.#disk
    const world = this.#world
    if (core.isSilent && unsureSinceMs !== null) world.mark('silent validator')
    if (journal === null) return
    if (journal.seq > core.seq) world.mark('ledgers older than the journal')
    if (journal.seq === core.seq && journal.lock !== null) world.mark('restart with a lock')
    if (journal.seq === core.seq && journal.votes.length > 0) world.mark('restart with own votes')
  }

  /** Nodes tell each other now and then how far they are, observers too: who has missed ledgers asks for them. */
  #hearStatus(memory: Memory | null): void {
    const { clock, random, peers } = this.#world
    clock.schedule(STATUS_MS, () => {
      if (memory === null || this.#memory !== memory) return
      const peer = random.pick(peers)
      if (peer.up) this.#catchUp(memory, peer.key)
      this.#hearStatus(memory)
    })
  }

  crash(reason: string): void {
    if (this.#memory === null) return
    this.#memory = null
    const world = this.#world
    if (world.random.chance(world.profile.ledgerLossRate) && world.isHeldByOthers(this.tip.seq, this.index)) {
      this.#loseLedgers(world.random.between(1, world.profile.ledgerLossMax))
    }
    if (world.random.chance(world.profile.journalLossRate) && world.maySpareJournal(this.index)) {
      this.#disk.journal = null
      this.#disk.unsureSinceMs = this.#timeMs()
      world.mark('journal lost')
      world.trace.note(() => `node ${this.index} loses its journal`)
      if (world.random.chance(world.profile.backupRate)) {
        this.#loseLedgers(world.random.between(1, 8))
        world.mark('restored from a backup')
      }
    }
    world.trace.fold(this.index + 100)
    world.trace.note(() => `node ${this.index} crashes ${reason}`)
    world.clock.schedule(world.random.fraction() * world.profile.downMs, () => {
      if (this.#memory === null && !this.stopped) this.start()
    })
  }

  #loseLedgers(count: number): void {
    const { ledgers } = this.#disk
    this.#world.trace.note(() => `node ${this.index} loses its last ${Math.min(count, ledgers.length)} ledgers`)
    ledgers.splice(Math.max(0, ledgers.length - count))
  }

  /** A write that fails stops the node, which has said nothing of what it meant to write. */
  #isDiskFull(): boolean {
    if (!this.faulty || !this.#world.random.chance(this.#world.profile.diskFullRate)) return false
    this.#world.mark('disk full')
    this.crash('since its disk is full')
    return true
  }

  /** True while it must not vote, since it has lost its journal. */
  get isSilent(): boolean {
    const { unsureSinceMs } = this.#disk
    return unsureSinceMs !== null && this.tip.timeMs <= unsureSinceMs + CLOCK_MARGIN_MS
  }

  /** Down for good. */
  stopped = false

  addInput(): void {
    if (this.#memory === null || this.#memory.inputs.length > 50) return
    const { random } = this.#world
    const user = random.pick(this.users).key
    const id = blake3Hex(Buffer.from(`input ${this.#disk.inputsTaken++} of ${user}`))
    this.#memory.inputs.push({ user, id, content: new Uint8Array(random.between(1, 15)), untilSeq: 0 })
    this.#apply({ type: 'inputs-waiting' })
  }

  takeForwarded(input: ProposalInput): void {
    this.#memory?.forwarded.push(input)
    this.#apply({ type: 'inputs-waiting' })
  }

  /** What the operator wishes for from now on; survives crashes. */
  wish(wishes: ConfigWish[]): void {
    this.#disk.wishes = wishes
    this.#apply({ type: 'inputs-waiting' })
  }

  receive(message: Message): void {
    if (!this.#world.signatures.isSigned(message)) return
    if (message.type === 'proposal') this.#memory?.proposals.set(message.proposal.hash, message.proposal)
    this.#feed(message)
  }

  serveProposal(hash: string): Proposal | null {
    const own = this.#disk.journal?.proposal
    return this.#memory?.proposals.get(hash) ?? (own?.hash === hash ? own : null)
  }

  serveLedgers(afterSeq: number): ClosedLedger[] {
    return this.#disk.ledgers.slice(afterSeq, afterSeq + 10)
  }

  #feed(message: Message): void {
    if (message.type === 'proposal') this.#apply({ type: 'proposal', proposal: message.proposal })
    else if (message.type === 'vote') this.#apply({ type: 'vote', vote: message.vote })
    else this.#apply({ type: 'candidate', candidate: message.candidate })
  }

  /** Hands the core an event and carries out what follows; events that come up meanwhile wait for their turn. */
  #apply(event: ConsensusEvent): void {
    const memory = this.#memory
    if (memory === null) return
    memory.events.push(event)
    if (memory.running) return
    memory.running = true
    for (let next = memory.events.shift(); next !== undefined; next = memory.events.shift()) {
      const { seq, attempt } = memory.core
      const effects = memory.core.step(next)
      if (memory.core.seq === seq && memory.core.attempt > attempt + 1) this.#world.mark('attempts skipped')
      this.#run(memory, effects)
      if (this.#memory !== memory) return
    }
    memory.running = false
  }

  #run(memory: Memory, effects: ConsensusEffect[]): void {
    for (const effect of effects) {
      if (this.#crashes()) return
      this.#carryOut(memory, effect)
      if (this.#memory !== memory) return
    }
  }

  #crashes(): boolean {
    if (!this.faulty || !this.#world.random.chance(this.#world.profile.crashRate)) return false
    this.crash('between two effects')
    return true
  }

  #carryOut(memory: Memory, effect: ConsensusEffect): void {
    switch (effect.type) {
      case 'propose':
        this.#propose(effect)
        break
      case 'vote':
        this.#vote(effect)
        break
      case 'candidate': {
        const { seq, attempt, hash, proposals, prevotes } = effect
        const candidate = { validator: this.key, seq, attempt, hash, proposals, prevotes }
        if (prevotes !== null) this.#world.mark('candidate with prevotes')
        memory.candidate = this.#world.signatures.signCandidate(candidate)
        this.#sendAndFeed({ type: 'candidate', candidate: memory.candidate })
        break
      }
      case 'timer':
        this.#world.clock.schedule(effect.delayMs * this.#clockRate, () => {
          if (this.#memory === memory) this.#apply({ type: 'timer', timer: effect.timer })
        })
        break
      case 'fetch':
        this.#fetch(memory, effect.proposals, effect.from)
        break
      case 'resend':
        for (const message of this.#ownMessages(effect.attempt)) this.#sendAndFeed(message)
        break
      case 'behind':
        this.#catchUp(memory, effect.from)
        break
      case 'close':
        this.#close(memory, effect)
        break
      case 'evidence':
        this.#world.mark('evidence')
        if (effect.first.validator !== effect.second.validator || effect.first.hash === effect.second.hash) {
          throw new Error('evidence that proves nothing')
        }
    }
  }

  #propose({ seq, lcl, result }: Extract<ConsensusEffect, { type: 'propose' }>): void {
    const world = this.#world
    const unsigned = {
      validator: this.key,
      seq,
      lcl,
      timeMs: this.#timeMs(),
      result,
      users: this.users,
      inputs: [...(this.#memory?.inputs ?? []), ...(this.#memory?.forwarded ?? [])],
      wishes: [...this.#disk.wishes]
    }
    if (this.#isDiskFull()) return
    const proposal = world.signatures.signProposal({ ...unsigned, hash: proposalHash(unsigned) })
    this.#journalFor(seq).proposal = proposal
    if (this.#crashes()) return
    world.checks.proposalSigned(proposal)
    this.#sendAndFeed({ type: 'proposal', proposal })
  }

  #vote({ seq, attempt, kind, hash, proposals, lock }: Extract<ConsensusEffect, { type: 'vote' }>): void {
    const world = this.#world
    if (this.#isDiskFull()) return
    const vote = world.signatures.signVote({ validator: this.key, seq, attempt, kind, hash, proposals })
    const journal = this.#journalFor(seq)
    this.#markVote(vote, journal.lock)
    journal.votes.push({ attempt, kind, hash })
    journal.ownVotes.push(vote)
    if (lock !== null) journal.lock = lock
    if (this.#crashes()) return
    world.trace.note(() => `node ${this.index} votes ${kind} ${hash?.slice(0, 8) ?? 'nil'} in ${seq}/${attempt}`)
    world.checks.voteSigned(vote, lock)
    this.#sendAndFeed({ type: 'vote', vote })
  }

  #markVote({ attempt, kind, hash }: Vote, lock: Lock | null): void {
    const world = this.#world
    if (hash === null) world.mark(`${kind} for nil`)
    if (kind !== 'prevote' || hash === null || lock === null || attempt <= lock.attempt) return
    world.mark(lock.ledger.hash === hash ? 'lock kept in a later attempt' : 'lock given up for a valid value')
  }

  #journalFor(seq: number): Journaled & { ownVotes: Vote[] } {
    if (this.#disk.journal?.seq !== seq) {
      this.#disk.journal = { seq, proposal: null, votes: [], ownVotes: [], lock: null }
    }
    return this.#disk.journal
  }

  /** Sent again: the proposal, the votes of the attempt and the precommit of the lock. */
  #ownMessages(attempt: number): Message[] {
    const { journal } = this.#disk
    if (journal === null || journal.seq !== this.tip.seq + 1) return []
    const messages: Message[] = []
    if (journal.proposal !== null) messages.push({ type: 'proposal', proposal: journal.proposal })
    for (const vote of journal.ownVotes) {
      const ofLock = vote.kind === 'precommit' && vote.attempt === (journal.lock as Lock | null)?.attempt
      if (vote.attempt === attempt || ofLock) messages.push({ type: 'vote', vote })
    }
    const candidate = this.#memory?.candidate
    if (candidate?.seq === journal.seq && candidate.attempt === attempt) messages.push({ type: 'candidate', candidate })
    return messages
  }

  #sendAndFeed(message: Message): void {
    this.#broadcast(message)
    this.#feed(message)
  }

  #broadcast(message: Message): void {
    // A crash in the middle of sending leaves some without the message.
    const { peers, random, profile, network } = this.#world
    const others = peers.filter((peer) => peer.index !== this.index)
    const crashes = this.faulty && random.chance(profile.crashRate)
    const reached = crashes ? random.shuffle(others).slice(0, random.between(0, others.length)) : others
    for (const peer of reached) network.send(this.index, peer.index, message)
    if (crashes) this.crash('while it sends')
  }

  #fetch(memory: Memory, hashes: string[], from: PublicKey[]): void {
    const world = this.#world
    for (const key of from.slice(0, 3)) {
      const peer = world.peers.find((other) => other.key === key)
      if (peer === undefined || peer.index === this.index) continue
      for (const hash of hashes) {
        world.network.ask(
          this.index,
          peer.index,
          (asked) => asked.serveProposal(hash),
          (proposal) => {
            const valid = proposal.hash === hash && world.signatures.isProposalSigned(proposal)
            if (this.#memory === memory && valid) world.mark('content fetched')
            if (this.#memory === memory && valid) this.receive({ type: 'proposal', proposal })
          }
        )
      }
    }
  }

  #catchUp(memory: Memory, from: PublicKey): void {
    const world = this.#world
    const peer = world.peers.find((other) => other.key === from)
    if (memory.catchingUp || peer === undefined || peer.index === this.index) return
    memory.catchingUp = true
    world.clock.schedule(200, () => {
      memory.catchingUp = false
    })
    world.clock.schedule(10, () => {
      world.network.ask(
        this.index,
        peer.index,
        (asked) => asked.serveLedgers(this.tip.seq),
        (ledgers) => {
          for (const { ledger, certificate } of ledgers) {
            if (this.#memory !== memory) return
            if (world.checks.findCertificateProblem({ ledger, certificate }) !== null) {
              world.mark('false ledger refused in catch-up')
              return
            }
            if (ledger.header.seq === this.tip.seq + 1) world.mark('catch-up')
            this.#apply({ type: 'certified', ledger, certificate })
          }
        }
      )
    })
  }

  #close(memory: Memory, closed: ClosedLedger): void {
    const world = this.#world
    const { seq } = closed.ledger.header
    if (seq !== this.tip.seq + 1) throw new Error(`ledger ${seq} is closed on top of ${this.tip.seq}`)
    if (this.#isDiskFull()) return
    if (!memory.core.members.has(this.key)) world.mark('observer follows')
    this.#disk.ledgers.push({ ledger: closed.ledger, certificate: closed.certificate })
    world.trace.foldHash(closed.ledger.hash)
    world.trace.note(
      () =>
        `node ${this.index} closes ${seq} as ${closed.ledger.hash.slice(0, 8)} of attempt ${closed.certificate.attempt}, ` +
        `${closed.ledger.header.proposals.length} proposals, ${closed.ledger.inputs.length} inputs`
    )
    world.ledgerClosed(this.index, closed)
    const executed = new Set(closed.ledger.inputs.map(({ id }) => id))
    memory.inputs = memory.inputs.filter(({ id }) => !executed.has(id))
    memory.forwarded = memory.forwarded.filter(({ untilSeq }) => untilSeq + 3 > seq)
    const { config } = closed.ledger
    if (config !== null) this.#disk.wishes = this.#disk.wishes.filter((wish) => !isFulfilled(wish, config))
    for (const [hash, proposal] of memory.proposals) if (proposal.seq < seq) memory.proposals.delete(hash)
    this.#executeTip()
    if (memory.inputs.length > 0) this.#apply({ type: 'inputs-waiting' })
  }

  #executeTip(): void {
    const memory = this.#memory
    if (memory === null) return
    const world = this.#world
    const { executionMs, slowExecutionMs } = world.profile
    const ledger = this.#disk.ledgers.at(-1)?.ledger ?? this.#genesis
    const durationMs = world.random.fraction() * (this.#slow ? slowExecutionMs : executionMs)
    memory.busyUntilMs = Math.max(memory.busyUntilMs, world.clock.nowMs) + durationMs
    world.clock.schedule(memory.busyUntilMs - world.clock.nowMs, () => {
      if (this.#memory !== memory) return
      const result = execute(world, this.index, ledger)
      world.checks.resultSeen(ledger.header.seq, result)
      this.#apply({ type: 'executed', seq: ledger.header.seq, result })
    })
  }

  #isExecuted(input: ProposalInput): boolean {
    return this.#disk.ledgers.some(({ ledger }) => ledger.inputs.some(({ id }) => id === input.id))
  }
}

export function proposalHash(proposal: Omit<Proposal, 'hash'>): string {
  const { validator, seq, lcl, timeMs, result, users, inputs, wishes } = proposal
  const parts = [validator, seq, lcl, timeMs, result.status, result.stateRoot, result.outputsRoot]
  const lists = [...users.map(({ key }) => key), ...inputs.map(({ id }) => id), JSON.stringify(wishes)]
  return blake3Hex(Buffer.from([...parts, ...lists].join()))
}
