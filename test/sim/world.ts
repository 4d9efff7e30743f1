import { genesisLedger } from '../../src/codec/ledger.js'
import { LIMITS } from '../../src/codec/limits.js'
import { type closeLedger, type LedgerTip, tipOf } from '../../src/consensus/close-ledger.js'
import type { Consensus } from '../../src/consensus/consensus.js'
import { DEFAULT_TIMEOUTS } from '../../src/consensus/events.js'
import type { ConfigWish, ConsensusConfig, Ledger, ProposalInput, PublicKey } from '../../src/consensus/types.js'
import { blake3Hex } from '../../src/crypto/index.js'
import { ByzantineNode } from './byzantine-node.js'
import { Changes } from './changes.js'
import { Checks, Violation, type ViolationKind } from './checks.js'
import { Clock } from './clock.js'
import { ColludingNode, Plot } from './colluding-node.js'
import { executeTruly } from './execution.js'
import { HonestNode } from './honest-node.js'
import type { Mark } from './marks.js'
import { type ClosedLedger, type Peer, Signatures } from './messages.js'
import { Network } from './network.js'
import { drawProfile, expectedQuorum, keyOf, type Profile, resize } from './profile.js'
import { Random } from './random.js'
import { Trace } from './trace.js'
import { createScene } from './world-scene.js'

/** The code under test: the real core, or a mutant of it. */
export interface Core {
  Consensus: typeof Consensus
  closeLedger: typeof closeLedger
  tipOf: typeof tipOf
}

export interface Outcome {
  seed: number
  traceHash: string
  violation: { kind: ViolationKind; message: string } | null
  profile: Profile
  ledgers: number
  /** Ledgers that found the execution before them void. */
  voids: number
  /** Highest attempt in which a ledger was closed. */
  attemptMax: number
  /** Virtual time from the end of the faults to the last ledger that had to be closed; null when not asked for. */
  healingMs: number | null
  /** Virtual time that passed. */
  simulatedMs: number
  marks: ReadonlySet<Mark>
  lines: string[]
}

export interface RunOptions {
  /** Keeps a readable trace. */
  keepLines?: boolean
  /** Demands progress after the faults; without it only safety is checked. */
  healing?: boolean
  /** Put in the place of what the seed draws: to see which faults a failure needs. */
  override?: Partial<Profile>
}

/** No clock of an honest node is as wrong as this. */
const FAR_OFF_MS = 2 * 86_400_000
/** Ledgers that must be closed after the faults. */
const LEDGERS_AFTER = 4

/** One run: a network of nodes drawn from a seed, its faults, its healing. */
export class World {
  readonly core: Core
  readonly random: Random
  readonly clock = new Clock()
  readonly profile: Profile
  readonly timeouts = DEFAULT_TIMEOUTS
  readonly signatures = new Signatures()
  readonly checks: Checks
  readonly trace: Trace
  readonly network: Network
  readonly peers: Peer[]
  readonly genesis: Ledger
  readonly #seed: number
  readonly #honest: HonestNode[]
  readonly #byzantine = new Set<number>()
  readonly #healing: boolean
  readonly #changes: Changes
  /** Every input that an observer has forwarded, for those who send it again. */
  readonly forwarded: ProposalInput[] = []
  readonly #marks = new Set<Mark>()
  #faults = true
  #attemptMax = 0
  #voids = 0

  constructor(core: Core, seed: number, { keepLines = false, healing = true, override = {} }: RunOptions) {
    this.#healing = healing
    this.core = core
    this.#seed = seed
    this.random = new Random(seed)
    const { n: size, ...others } = override
    const profile = drawProfile(this.random)
    this.profile = { ...(size === undefined ? profile : resize(profile, size)), ...others }
    if (this.profile.turn > 0) this.random = new Random(seed + this.profile.turn * 2 ** 32)
    this.trace = new Trace(keepLines)
    const { config, n, byzantine, observers, strangers, slowNodes, forkHunt, lone, colludes } = this.profile
    this.genesis = genesisLedger({ contractId: 'sim', config, stateRoot: blake3Hex(Buffer.from('state')) })
    const drawn = this.random.shuffle(Array.from({ length: n }, (_, index) => index))
    const order = forkHunt ? [lone, ...drawn.filter((index) => index !== lone)] : drawn
    for (const index of order.slice(0, byzantine)) this.#byzantine.add(index)
    for (let stranger = 0; stranger < strangers; stranger++) this.#byzantine.add(n + observers + stranger)
    const slow = new Set(order.slice(byzantine, byzantine + slowNodes))
    const plot = new Plot()
    const scene = createScene(this)
    this.peers = Array.from({ length: n + observers + strangers }, (_, index) => {
      const key = keyOf(`node ${index}`)
      if (!this.#byzantine.has(index)) return new HonestNode(this, index, key, this.genesis, slow.has(index))
      return colludes && index < n ? new ColludingNode(scene, index, key, plot) : new ByzantineNode(scene, index, key)
    })
    this.#honest = this.peers.filter((peer) => peer instanceof HonestNode)
    const byzantineKeys = this.peers.filter(({ index }) => this.#byzantine.has(index)).map(({ key }) => key)
    const spares = this.#honest.filter(({ index }) => index >= n).map(({ key }) => key)
    const { quorum } = this.profile
    this.#changes = new Changes(this.random, new Set(byzantineKeys), spares, byzantine <= n - quorum)
    const lyingUsers = new Set<PublicKey>()
    for (const index of this.#byzantine) lyingUsers.add(blake3Hex(Buffer.from(`user 0 of ${index}`)))
    this.checks = new Checks(this.profile, this.signatures, lyingUsers, new Set(byzantineKeys))
    this.network = new Network(this.clock, this.random, this.profile, this.peers, (to, message, from) => {
      this.trace.fold(Math.floor(this.clock.nowMs * 1000))
      this.trace.fold(to.index * 1000 + from)
      to.receive(message, from)
    })
  }

  /** Notes that a branch worth reaching was reached. */
  mark(mark: Mark): void {
    this.#marks.add(mark)
  }

  isByzantine(index: number): boolean {
    return this.#byzantine.has(index)
  }

  /** True when all other honest validators have a ledger, so that one node may lose it. */
  isHeldByOthers(seq: number, index: number): boolean {
    const others = this.#honest.filter((node) => node.index !== index && this.#isValidatorAt(seq, node.key))
    return this.#faults && others.length > 0 && others.every((node) => node.tip.seq >= seq)
  }

  /** True for who votes on the ledger `seq` or on the next one. */
  #isValidatorAt(seq: number, key: PublicKey): boolean {
    const known = [seq, seq + 1].filter((at) => at >= 1 && at <= this.checks.ledgers + 1)
    return known.some((at) => this.checks.configAt(at).unl.includes(key))
  }

  /** The tip of who has closed all ledgers up to `seq`. */
  tipAt(seq: number): LedgerTip {
    const ledgerAt = (at: number): Ledger => this.checks.closedAt(at)?.ledger ?? this.genesis
    const before: Ledger[] = []
    for (let at = Math.max(1, seq - LIMITS.forwardLedgers); at < seq; at++) before.push(ledgerAt(at))
    return tipOf(ledgerAt(seq), before)
  }

  /** True when the journal of a node may be lost: no other one's is. */
  maySpareJournal(index: number): boolean {
    return this.#faults && this.#honest.every((node) => node.index === index || !node.isSilent)
  }

  ledgerClosed(node: number, closed: ClosedLedger): void {
    const { ledger, certificate } = closed
    if (this.checks.closedAt(ledger.header.seq) === undefined) this.#markLedger(closed)
    const isFirst = this.checks.ledgerClosed(node, closed)
    if (!isFirst) return
    this.#attemptMax = Math.max(this.#attemptMax, certificate.attempt)
    if (ledger.header.result.status === 'void') this.#voids++
    this.checks.expectResult(ledger.header.seq, executeTruly(this, ledger))
    if (this.#faults && this.profile.forkHunt) this.#huntFork(node)
  }

  #markLedger({ ledger, certificate }: ClosedLedger): void {
    const { seq, result, timeMs, proposals } = ledger.header
    const before = this.checks.config
    const after = ledger.config ?? before
    const made = proposals.flatMap((hash) => this.signatures.proposalOf(hash) ?? [])
    const taken = new Set(ledger.inputs.map(({ id }) => id))
    const reached: [Mark, boolean][] = [
      ['closed in a later attempt', certificate.attempt > 0],
      ['void result', result.status === 'void'],
      ['failed result', result.status === 'failed'],
      ['UNL grown', after.unl.length > before.unl.length],
      ['UNL shrunk', after.unl.length < before.unl.length],
      ['quorum changed', after.threshold !== before.threshold],
      ['time held up by the ledger before', timeMs === (this.checks.closedAt(seq - 1)?.ledger.header.timeMs ?? 0) + 1],
      ['forwarded input taken', ledger.inputs.some(({ untilSeq }) => untilSeq > 0)],
      ['more than ten validators', before.unl.length > 10],
      ['one validator', before.unl.length === 1]
    ]
    for (const { validator, inputs, result: proposed, timeMs: proposedMs } of made) {
      const executed = inputs.filter(({ id }) => this.checks.isExecuted(id))
      const late = inputs.filter(({ id, untilSeq }) => untilSeq === 0 && !taken.has(id) && !this.checks.isExecuted(id))
      reached.push(['forwarded input proposed again after it was taken', executed.some(({ untilSeq }) => untilSeq > 0)])
      reached.push(['inputs left for the next ledger', late.length > 0])
      if (!this.#isLiar(validator)) continue
      reached.push(['false time proposed in a ledger', Math.abs(proposedMs - timeMs) > FAR_OFF_MS])
      reached.push(['false result proposed in a ledger', proposed.stateRoot !== result.stateRoot])
    }
    for (const [mark, isReached] of reached) if (isReached) this.mark(mark)
  }

  #isLiar(key: PublicKey): boolean {
    return this.peers.some((peer) => peer.key === key && this.#byzantine.has(peer.index))
  }

  /** What the first to close a ledger knows is kept from the others, who may crash with what they know of it. */
  #huntFork(closer: number): void {
    const { random } = this
    if (random.chance(0.8)) this.network.cutOff(closer, random.between(3000, 12_000))
    if (!random.chance(0.4)) return
    for (const node of this.#honest) {
      if (node.index === closer || !random.chance(0.6)) continue
      this.clock.schedule(random.fraction() * 100, () => {
        if (this.#faults) node.crash('with the others')
      })
    }
  }

  run(): Outcome {
    let violation: Outcome['violation'] = null
    let healingMs: number | null = null
    try {
      this.checks.expectResult(0, executeTruly(this, this.genesis))
      for (const peer of this.peers) this.clock.schedule(this.random.fraction() * 50, () => peer.start())
      this.#scheduleInputs()
      this.#schedulePartitions()
      this.#scheduleClockSteps()
      this.#scheduleForwards()
      this.#scheduleChanges()
      const { faultMs, faultLedgers } = this.profile
      this.#runUntil(faultMs, () => this.checks.ledgers >= faultLedgers)
      if (this.#healing) healingMs = this.#heal()
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      violation =
        error instanceof Violation
          ? { kind: error.kind, message }
          : { kind: 'crash', message: error instanceof Error ? (error.stack ?? message) : message }
    }
    return {
      seed: this.#seed,
      traceHash: this.trace.hash,
      violation,
      profile: this.profile,
      ledgers: this.checks.ledgers,
      voids: this.#voids,
      attemptMax: this.#attemptMax,
      healingMs,
      simulatedMs: this.clock.nowMs,
      marks: this.#marks,
      lines: this.trace.lines
    }
  }

  #runUntil(untilMs: number, isDone: () => boolean): void {
    while (!isDone() && this.clock.step(untilMs));
  }

  #scheduleInputs(): void {
    this.clock.schedule(this.random.fraction() * this.profile.inputEveryMs, () => {
      this.random.pick(this.#honest).addInput()
      this.#scheduleInputs()
    })
  }

  /** An observer's user sends an input, and the observer hands it to some validators. */
  #scheduleForwards(): void {
    const { forwardEveryMs } = this.profile
    if (forwardEveryMs === 0) return
    this.clock.schedule(this.random.fraction() * 2 * forwardEveryMs, () => {
      const { random } = this
      const input: ProposalInput = {
        user: blake3Hex(Buffer.from(`user ${random.between(0, 1)} of an observer`)),
        id: blake3Hex(Buffer.from(`forwarded ${this.forwarded.length}`)),
        content: new Uint8Array(random.between(1, 15)),
        untilSeq: this.checks.ledgers + random.between(1, 6)
      }
      this.forwarded.push(input)
      for (const node of this.#honest) if (random.chance(0.5)) node.takeForwarded(input)
      this.#scheduleForwards()
    })
  }

  /** Operators agree on a change, each in its own time; some change their minds before it is made. */
  #scheduleChanges(): void {
    const { changeEveryMs } = this.profile
    if (changeEveryMs === 0) return
    this.clock.schedule(this.random.fraction() * 2 * changeEveryMs, () => {
      if (!this.#faults) return
      const { random } = this
      const wish = this.#changes.draw(this.checks.config)
      for (const node of wish === null ? [] : this.#honest) {
        const wishes: ConfigWish[] = random.chance(0.9) && wish !== null ? [wish] : []
        this.clock.schedule(random.fraction() * changeEveryMs, () => {
          if (this.#faults) node.wish(wishes)
        })
      }
      this.#scheduleChanges()
    })
  }

  #scheduleClockSteps(): void {
    const { clockStepEveryMs, clockSkewMs } = this.profile
    if (clockStepEveryMs === 0 || clockSkewMs === 0) return
    this.clock.schedule(this.random.fraction() * 2 * clockStepEveryMs, () => {
      if (!this.#faults) return
      this.random.pick(this.#honest).setClock()
      this.mark('clock stepped')
      this.#scheduleClockSteps()
    })
  }

  #schedulePartitions(): void {
    const { partitionEveryMs } = this.profile
    if (partitionEveryMs === 0) return
    this.clock.schedule(this.random.fraction() * 2 * partitionEveryMs, () => {
      if (!this.#faults) return
      this.network.partition()
      this.#schedulePartitions()
    })
  }

  /** Ends the faults for a quorum of the validators, which must then close ledgers. @returns ms that it took */
  #heal(): number | null {
    this.#faults = false
    const { byzantine, changeEveryMs, ...first } = this.profile
    if (byzantine > first.n - first.quorum) return null
    const { config } = this.checks
    const quorum = expectedQuorum(config.unl.length, config.threshold)
    for (const node of this.#honest) node.wish([])
    const validators = this.random.shuffle(this.#honest.filter(({ key }) => config.unl.includes(key)))
    if (validators.length < quorum) return null
    // A change may still be on its way: then all that may become validators are needed.
    const few = this.random.chance(0.5) && changeEveryMs === 0 && !this.#honest.some((node) => node.isSilent)
    const healed = changeEveryMs > 0 ? this.#honest : validators.slice(0, few ? quorum : validators.length)
    const others = this.#honest.filter((node) => !healed.includes(node))
    const othersStop = this.random.chance(0.7)
    const startMs = this.clock.nowMs
    const attempt = Math.max(...this.#honest.map((node) => node.attempt))
    this.network.heal(healed.map(({ index }) => index))
    this.trace.note(() => `healed: ${healed.map(({ index }) => index).join()}, others ${othersStop ? 'stop' : 'stay'}`)
    for (const node of othersStop ? others : []) {
      node.stopped = true
      node.crash('for good')
    }
    for (const node of healed) {
      node.faulty = false
      if (!node.up) node.start()
    }
    const goal = this.checks.ledgers + LEDGERS_AFTER
    const isDone = () => healed.every((node) => node.tip.seq >= goal)
    const boundMs = this.#healingBoundMs(attempt, config)
    this.#runUntil(startMs + boundMs, isDone)
    if (!isDone()) {
      const tips = healed.map((node) => `${node.index}: ${node.tip.seq}, attempt ${node.attempt}`).join('; ')
      throw new Violation('no-progress', `${boundMs} ms after healing ledger ${goal} is not closed (${tips})`)
    }
    if (few) this.mark('healed with a quorum alone')
    return this.clock.nowMs - startMs
  }

  /**
   * A lock may bind one validator alone, whose turn to coordinate comes in n attempts at the latest; each attempt takes
   * its three timers at most. The ledgers after the first may each meet every Byzantine coordinator in turn.
   */
  #healingBoundMs(attempt: number, config: ConsensusConfig): number {
    const { slowExecutionMs, changeEveryMs } = this.profile
    // Some more may become validators by what is on its way.
    const n = config.unl.length + (changeEveryMs > 0 ? 3 : 0)
    const quorum = changeEveryMs > 0 ? 1 : expectedQuorum(n, config.threshold)
    const { proposeMs, stepMs, maxMs, resendMs } = this.timeouts
    const attemptMs = (at: number) => 3.5 * Math.min(proposeMs + at * stepMs, maxMs)
    const firstMs = (n + 4) * attemptMs(attempt + n + 2)
    const nextMs = (n - quorum + 4) * attemptMs(n - quorum + 4) + config.roundtimeMs + slowExecutionMs + 2 * resendMs
    return firstMs + LEDGERS_AFTER * nextMs + 10_000
  }
}

/** Runs one seed. */
export function simulate(core: Core, seed: number, options: RunOptions = {}): Outcome {
  return new World(core, seed, options).run()
}
