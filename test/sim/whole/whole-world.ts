import type { ConsensusConfig, Ledger } from '../../../src/consensus/types.js'
import { createKeyPair, type Signer } from '../../../src/crypto/index.js'
import { ByzantineNode } from '../byzantine-node.js'
import { Clock } from '../clock.js'
import { ColludingNode, Plot } from '../colluding-node.js'
import { Random } from '../random.js'
import { Trace } from '../trace.js'
import { Audit } from './audit.js'
import { WholeChecks, type WholeViolation } from './checks.js'
import { Crowd } from './crowd.js'
import { Faults, STOP_MAX_MS } from './faults.js'
import { Healing } from './healing.js'
import { Hub } from './hub.js'
import { Liar } from './liar.js'
import { findOverflow } from './limits.js'
import type { WholeMark } from './marks.js'
import { Operators } from './operators.js'
import { drawWholeProfile, resizeWhole, type WholeProfile } from './profile.js'
import { Program } from './program.js'
import { QUICK_KEYS } from './quick-keys.js'
import { Machine } from './sim-process.js'
import type { Conduct } from './sim-runner.js'
import type { SimUser } from './sim-users.js'
import type { Stage } from './stage.js'
import { WholeNode } from './whole-node.js'
import { WholeScene } from './whole-scene.js'

/** The sources to run, with real signatures and with hashes that stand for them. */
export interface Programs {
  real: Program
  quick: Program
}

export interface WholeOutcome {
  seed: number
  profile: WholeProfile
  violation: WholeViolation | null
  traceHash: string
  lines: string[]
  marks: Set<WholeMark>
  ledgers: number
  simulatedMs: number
  /** From the end of the faults until all that must go on had gone on; null when the run ended before. */
  healingMs: number | null
  events: number
}

export interface WholeOptions {
  keepLines?: boolean
  override?: Partial<WholeProfile>
}

/** Within this after the faults, ms: the longest timeouts of some attempts, copying, and the longest wait between two questions for outputs. */
const HEALING_MAX_MS = 240_000
/** What nodes hold is counted about this often, ms. */
const COUNT_EVERY_MS = 1000

export function createPrograms(replacements: ConstructorParameters<typeof Program>[0] = []): Programs {
  return {
    real: new Program(replacements),
    quick: new Program(replacements, new Map([['crypto/keys', QUICK_KEYS]]))
  }
}

/** One run of whole nodes. All that happens follows from the seed. */
export async function simulateWhole(
  programs: Programs,
  seed: number,
  options: WholeOptions = {}
): Promise<WholeOutcome> {
  const world = new WholeWorld(programs, seed, options)
  const onRejection = (error: unknown): void => world.uncaught(error)
  process.on('unhandledRejection', onRejection)
  try {
    return await world.run()
  } finally {
    process.off('unhandledRejection', onRejection)
  }
}

class WholeWorld implements Stage {
  readonly #seed: number
  readonly random: Random
  readonly clock = new Clock()
  readonly profile: WholeProfile
  readonly #program: Program
  readonly #trace: Trace
  readonly marks = new Set<WholeMark>()
  readonly checks: WholeChecks
  readonly hub: Hub
  readonly #consensus: ConsensusConfig
  readonly nodes: WholeNode[]
  readonly #liars = new Map<WholeNode, Liar>()
  /** Nodes that take part after the faults. */
  healed: WholeNode[] | null = null
  #events = 0
  readonly #faults: Faults
  readonly #crowd: Crowd
  readonly #audit: Audit
  readonly #operators: Operators

  constructor(programs: Programs, seed: number, { keepLines = false, override = {} }: WholeOptions) {
    this.#seed = seed
    const { n: size, ...others } = override
    const drawn = new Random(seed)
    const profile = drawWholeProfile(drawn)
    this.profile = { ...(size === undefined ? profile : resizeWhole(profile, size)), ...others }
    this.random = this.profile.turn > 0 ? new Random(seed + this.profile.turn * 2 ** 32) : drawn
    const random = this.random
    const { n, observers, threshold, roundtimeMs, minRoundtimeMs, history } = this.profile
    this.#program = this.profile.realSignatures ? programs.real : programs.quick
    this.#trace = new Trace(keepLines)
    const pairs = Array.from({ length: n + observers }, (_, index) => createKeyPair(Buffer.alloc(32, index + 1)))
    const unl = pairs.slice(0, n).map(({ publicKey }) => publicKey)
    this.#consensus = {
      unl: [...unl].sort(),
      threshold,
      roundtimeMs,
      minRoundtimeMs,
      ledgerInputBytes: random.pick([300, 10_000]),
      userOutputBytes: 100_000,
      ledgerOutputBytes: 100_000,
      nplBytes: 1000,
      execTimeoutMs: 10_000
    }
    this.checks = new WholeChecks(this.#consensus)
    this.hub = new Hub(this.clock, random, this.profile, {
      onPublished: (from, topic, bytes) => {
        const node = this.#nodeOf(from)
        this.#trace.fold(bytes.length)
        if (topic === 'consensus') this.checks.published(node, bytes)
      },
      onDelivered: (to, from, bytes) => {
        const [node, sender] = [this.#nodeOf(to), this.#nodeOf(from)]
        this.#trace.fold(node.index * 64 + sender.index)
        this.#trace.fold(bytes.length)
        this.#liars.get(node)?.hearVote(bytes, sender)
      },
      onBlamed: (by, who, what) => this.#onBlamed(this.#nodeOf(by), this.#nodeOf(who), what),
      onRequest: (from, to, name) => {
        this.note(`${this.#nodeOf(from).name} asks ${this.#nodeOf(to).name} for ${name}`)
        if (name === 'ledgers') this.marks.add('ledgers fetched')
        if (name === 'proposals') this.marks.add('proposals fetched')
        if (name === 'outputs') this.marks.add('outputs fetched')
        if (name === 'forward') this.marks.add('input forwarded by an observer')
      }
    })
    this.nodes = pairs.map((keys, index) => this.#createNode(index, keys, history))
    const { Signer: UserSigner } = this.#program.shared<{ Signer: typeof Signer }>('crypto/keys')
    this.#createLiars(UserSigner)
    const honest = this.nodes.filter((node) => !this.isLiar(node))
    const homes = honest.filter(({ index }) => index < n).map(({ index }) => index)
    const users: SimUser[] = Array.from({ length: this.profile.users }, (_, index) => {
      const signer = new UserSigner(createKeyPair(Buffer.alloc(32, 100 + index)))
      return { name: `u${index}`, signer, home: index === 0 && observers > 0 ? n : random.pick(homes), sent: 0 }
    })
    this.#operators = new Operators(this, honest)
    this.#faults = new Faults(this)
    this.#crowd = new Crowd(this, users)
    this.#audit = new Audit(this, this.profile.realSignatures ? CLEAN.real : CLEAN.quick)
    if (n === 1) this.marks.add('one validator')
  }

  /** Some of the validators are Byzantine; all of these know one another. */
  #createLiars(SignerClass: typeof Signer): void {
    const { n, byzantine, colludes } = this.profile
    if (byzantine === 0) return
    this.marks.add(colludes ? 'collusion on a false result' : 'Byzantine validators')
    const chosen = this.random.shuffle(this.nodes.slice(0, n)).slice(0, byzantine)
    const scene = new WholeScene(this, new Set(chosen.map(({ index }) => index)), SignerClass)
    const plot = new Plot()
    for (const node of chosen) {
      const { index, publicKey } = node
      const brain = colludes
        ? new ColludingNode(scene, index, publicKey, plot)
        : new ByzantineNode(scene, index, publicKey)
      const liar = new Liar(this, scene, brain)
      node.isWatched = true
      this.#liars.set(node, liar)
      this.hub.manners.set(publicKey, liar)
    }
  }

  isLiar(node: WholeNode): boolean {
    return this.#liars.has(node)
  }

  #createNode(index: number, keys: ReturnType<typeof createKeyPair>, history: number): WholeNode {
    const random = this.random
    const { drift, skewMs, slowDisks, crashOnIoRate } = this.profile
    const machine = new Machine({
      clock: this.clock,
      random,
      diskFactor: index < slowDisks ? 10 : 1,
      rate: 1 + drift * (2 * random.fraction() - 1),
      skewMs: skewMs * (2 * random.fraction() - 1)
    })
    const node: WholeNode = new WholeNode(index, keys, machine, {
      program: this.#program,
      hub: this.hub,
      consensus: this.#consensus,
      history,
      events: {
        onLedger: (of, ledger) => this.#onLedger(of, ledger),
        onUp: (of) => this.#onUp(of),
        onLog: (of, level, message) => this.#onLog(of, level, message),
        conductOf: (of) => this.#conductOf(of),
        users: (of) => ({
          onSent: (user, id) => this.checks.inputSent(id, user.signer.publicKey),
          onOutput: (user, content) => this.#crowd.onOutput(of, user, content),
          onNotice: (user, notice) => this.#crowd.onNotice(of, user, notice),
          onListening: () => this.#crowd.connectAll(of)
        }),
        onProposal: (of, proposal, message) => this.#liars.get(of)?.hearProposal(proposal, message),
        onFailed: (of, error) => this.#faults.onFailed(of, error),
        onUncaught: (of, error) => this.uncaught(error, of)
      }
    })
    machine.onIo = (ms) => {
      if (this.healed !== null || !random.chance(crashOnIoRate)) return
      this.clock.schedule(random.fraction() * ms, () => {
        if (this.healed !== null || !node.isRunning) return
        this.marks.add('crash with calls to the disk under way')
        this.#faults.crash(node)
      })
    }
    return node
  }

  async run(): Promise<WholeOutcome> {
    const { faultMs, faultLedgers } = this.profile
    for (const node of this.nodes) this.clock.schedule(this.random.between(0, 300), () => node.start())
    this.#faults.plan()
    this.#crowd.begin()
    this.#operators.begin()
    this.every(COUNT_EVERY_MS, () => this.#countAll())
    await this.#runUntil(faultMs, () => this.checks.newest >= faultLedgers)
    const healingMs = this.#mustGoOn ? await this.#heal() : null
    if (this.checks.violation === null && this.#mustGoOn) {
      this.#audit.begin()
      await this.#runUntil(this.clock.nowMs + STOP_MAX_MS, () => this.#audit.open === 0)
      if (this.#audit.open > 0) this.checks.fail('no-progress', 'a node does not stop')
    }
    const { violation, newest } = this.checks
    if (violation !== null) this.note(`violation: ${violation.kind}: ${violation.message}`)
    for (const node of this.nodes) node.crash('kill')
    this.#trace.fold(this.#events)
    return {
      seed: this.#seed,
      profile: this.profile,
      violation,
      traceHash: this.#trace.hash,
      lines: this.#trace.lines,
      marks: this.marks,
      ledgers: newest,
      simulatedMs: this.clock.nowMs,
      healingMs: violation === null ? healingMs : null,
      events: this.#events
    }
  }

  /** Runs what is due, one thing after another; all that follows from one happens before the next. */
  async #runUntil(untilMs: number, isDone: () => boolean): Promise<void> {
    while (this.checks.violation === null && this.clock.nowMs < untilMs && !isDone()) {
      if (!this.clock.step(untilMs)) return
      this.#events++
      await turn()
    }
  }

  uncaught(error: unknown, node?: WholeNode): void {
    const words = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.checks.fail('fatal', `${node?.name ?? 'a node'} throws what nobody catches: ${words}`)
  }

  #nodeOf(key: string): WholeNode {
    return this.nodes.find(({ publicKey }) => publicKey === key) as WholeNode
  }

  note(line: string): void {
    this.#trace.fold(Math.floor(this.clock.nowMs * 1000))
    this.#trace.note(() => `${this.clock.nowMs.toFixed(2).padStart(10)} ${line}`)
  }

  every(ms: number, run: () => void): void {
    if (ms === 0) return
    const again = (): void => {
      this.clock.schedule(ms * (0.2 + 1.6 * this.random.fraction()), () => {
        run()
        again()
      })
    }
    again()
  }

  #conductOf(node: WholeNode): Conduct {
    const { stepMs, flaky, flakyRate, slowNodes, n, quorum, byzantine } = this.profile
    const random = this.random
    const isFlaky = node.index < n && node.index >= n - flaky && this.healed === null
    const isSlow = node.index < slowNodes && this.healed === null
    const isOdd = isFlaky && random.chance(flakyRate)
    // Where more nodes fail than the others bear, that would be the agreed result.
    const crashes = isOdd && flaky <= n - quorum - byzantine && random.chance(0.5)
    return { stepMs: stepMs * (isSlow ? 20 : 1) * (0.5 + random.fraction()), crashes, differs: isOdd && !crashes }
  }

  // What nodes do

  #onBlamed(by: WholeNode, who: WholeNode, what: string): void {
    this.note(`${by.name} blames ${who.name}: ${what}`)
    if (this.isLiar(who)) this.marks.add('liar blamed')
    else if (!this.isLiar(by)) this.checks.fail('blamed', `${by.name} blames ${who.name}, which is honest: ${what}`)
  }

  #countAll(): void {
    for (const of of this.nodes) {
      if (!of.isUp || this.isLiar(of)) continue
      const overflow = findOverflow(of, this.profile, this.nodes.length)
      if (overflow !== null) this.checks.fail('limit', `${of.name} keeps ${overflow}`)
    }
  }

  #onUp(of: WholeNode): void {
    const { node } = of
    if (node === null) return
    const { seq } = node.ledgers.tip()
    this.note(`${of.name} is up at ledger ${seq}`)
    this.#operators.tell(of)
    if (seq === 0 || this.checks.chain.has(seq)) return
    // It was killed when this ledger was on its disk and before it could say so.
    void node.ledgers.get(seq).then((stored) => {
      if (stored !== null) this.checks.ledgerStored(of, stored.ledger)
    })
  }

  #onLedger(node: WholeNode, ledger: Ledger): void {
    const { seq, result } = ledger.header
    this.#trace.foldHash(ledger.hash)
    this.note(
      `${node.name} has ledger ${seq} ${ledger.hash.slice(0, 8)}, ${ledger.inputs.length} inputs, ${result.status} state ${result.stateRoot.slice(0, 8)}`
    )
    this.checks.ledgerStored(node, ledger)
    if (result.status === 'void') this.marks.add('void result')
    if (result.status === 'failed') this.marks.add('failed result')
    if (ledger.config !== null) this.#onConfig(this.checks.configAt(seq), ledger.config)
    if ((node.node?.ledgers.first() ?? 1) > 1) this.marks.add('ledgers pruned')
  }

  #onConfig(before: ConsensusConfig, after: ConsensusConfig): void {
    if (after.unl.length > before.unl.length) this.marks.add('UNL grown')
    else if (after.unl.length < before.unl.length) this.marks.add('UNL shrunk')
    else this.marks.add('config changed')
  }

  #onLog(node: WholeNode, level: string, message: string): void {
    this.note(`${node.name} ${level}: ${message}`)
    if (message.includes('is not the agreed one (')) this.marks.add('result of an own execution not agreed')
    if (message.startsWith('the state of ledger') && message.includes('in place')) this.marks.add('state copied')
    if (message.includes('signed two proposals')) this.marks.add('evidence')
    if (message.includes('no vote is given before')) this.marks.add('validator silent')
    if (message.includes('ledger files were damaged')) this.marks.add('ledger dropped at start')
    if (message.includes('the state is not the agreed one: restoring')) this.marks.add('state restored at start')
  }

  // After the faults

  /** With more Byzantine validators the others are not a quorum. */
  get #mustGoOn(): boolean {
    const { n, quorum, byzantine } = this.profile
    return byzantine <= n - quorum
  }

  /** @returns ms until all that must go on had gone on */
  async #heal(): Promise<number | null> {
    if (this.checks.violation !== null) return null
    const { healed, isQuorumAlone } = Healing.choose(this, this.#faults)
    this.healed = healed
    if (isQuorumAlone) this.marks.add('healed with a quorum alone')
    this.note(`the faults end for ${healed.map(({ name }) => name).join(' ')}`)
    const healing = Healing.begin(this, this.#crowd)
    const fromMs = this.clock.nowMs
    await this.#runUntil(fromMs + HEALING_MAX_MS, () => healing.isDone())
    if (this.checks.violation === null && !healing.isDone()) {
      const { isOutputs, words } = healing.describe()
      this.checks.fail(isOutputs ? 'outputs' : 'no-progress', words)
    }
    return this.clock.nowMs - fromMs
  }
}

/** The sources as they are: what judges a mutant must not have its fault. */
const CLEAN = createPrograms()

/** Returns when all that follows at once from what has happened has happened. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
