import { pino } from 'pino'
import {
  decodeConsensusMessage,
  decodeProposalPayload,
  decodeVotePayload,
  EMPTY_OUTPUTS_ROOT,
  genesisLedger
} from '../../src/codec/index.js'
import { type LedgerTip, tipOf } from '../../src/consensus/close-ledger.js'
import type { Hash, Ledger } from '../../src/consensus/types.js'
import type { Signer } from '../../src/crypto/index.js'
import { ConsensusDriver } from '../../src/node/consensus-driver.js'
import { Journal } from '../../src/node/journal.js'
import { restoreJournaled } from '../../src/node/journaled.js'
import { ProposalPool } from '../../src/node/proposal-pool.js'
import { makeConfig, SIGNERS } from '../unit/ledger/chain.js'
import type { ClosedLedger } from './messages.js'
import type { Random } from './random.js'
import { SimDisk } from './sim-disk.js'

const log = pino({ level: 'silent' })
const GOSSIP_BYTES = 1024 * 1024
const TIMEOUTS = { proposeMs: 40, prevoteMs: 40, precommitMs: 40, stepMs: 20, maxMs: 400, resendMs: 80 }
const config = makeConfig(SIGNERS.slice(0, 4), { roundtimeMs: 5 })
const genesis = genesisLedger({ contractId: 'drivers', config, stateRoot: '01'.repeat(32) })
const { networkId } = genesis.header

/** One node: the real driver, journal and pool; its ledgers are durable once `persist` resolves. */
class DriverNode {
  readonly signer: Signer
  readonly disk: SimDisk
  readonly ledgers: ClosedLedger[] = []
  pool: ProposalPool | null = null
  driver: ConsensusDriver | null = null
  readonly #net: DriverNet
  readonly #stopping: Promise<void>[] = []
  /** What it has published: a vote's or proposal's name -> what it says. */
  readonly #said = new Map<string, string>()
  readonly #precommits = new Map<number, Hash>()
  #life = 0

  constructor(net: DriverNet, signer: Signer, random: Random) {
    this.#net = net
    this.signer = signer
    this.disk = new SimDisk(random)
  }

  get tip(): LedgerTip {
    return tipOf(this.ledgers.at(-1)?.ledger ?? genesis)
  }

  async start(): Promise<void> {
    const life = ++this.#life
    const { signer, tip } = this
    const { journal, records } = await Journal.open(this.disk.open(), networkId, signer.publicKey)
    const fetch: ConstructorParameters<typeof ProposalPool>[0]['fetch'] = async (hashes) =>
      hashes.flatMap((hash) => this.#net.nodes.map((node) => node.pool?.whole(hash)).find(Boolean) ?? [])
    const pool = new ProposalPool({ networkId, signer, log, inputBytes: () => 1024, fetch })
    await this.#checkRestored(records, tip)
    const driver = await ConsensusDriver.create({
      networkId,
      signer,
      config,
      tip,
      journal,
      records,
      unsureSinceMs: null,
      speaksFrom: 0,
      pool,
      log,
      now: () => Date.now(),
      timeouts: TIMEOUTS,
      maxGossipBytes: GOSSIP_BYTES,
      publish: (bytes) => {
        if (life === this.#life) this.#publish(bytes)
      },
      select: () => ({ users: [], inputs: [] }),
      wishes: () => [],
      onWishes: () => {},
      persist: (ledger, certificate) => this.#persist(life, { ledger, certificate }),
      onBehind: (_, from) => {
        if (life === this.#life) void this.#catchUp(life, from)
      },
      onFatal: (error) => {
        if (life === this.#life) this.#net.fail(error)
      }
    })
    if (life !== this.#life) return
    this.pool = pool
    this.driver = driver
    driver.start()
    this.#execute(tip)
  }

  /** The power is cut, at whatever the node is doing. */
  cutPower(): void {
    this.#life++
    this.disk.cutPower()
    if (this.driver !== null) this.#stopping.push(this.driver.stop())
    this.driver = null
    this.pool = null
  }

  async stop(): Promise<void> {
    this.cutPower()
    await Promise.all(this.#stopping)
  }

  #execute({ seq, stateRoot, configHash }: LedgerTip): void {
    this.driver?.executed(seq, { status: 'ok', stateRoot, outputsRoot: EMPTY_OUTPUTS_ROOT, configHash })
  }

  async #persist(life: number, closed: ClosedLedger): Promise<void> {
    // Now and then the disk is so slow that the others go on meanwhile.
    const { random } = this.#net
    const delayMs = random.chance(0.2) ? random.between(30, 80) : random.between(0, 3)
    await new Promise((resolve) => setTimeout(resolve, delayMs))
    if (life !== this.#life) throw new Error('power cut')
    const { seq } = closed.ledger.header
    if (seq !== this.tip.seq + 1) this.#net.fail(new Error(`ledger ${seq} is written on top of ${this.tip.seq}`))
    this.#net.ledgerClosed(closed)
    this.ledgers.push(closed)
    setImmediate(() => {
      if (life === this.#life) this.#execute(this.tip)
    })
  }

  async #catchUp(life: number, from: string): Promise<void> {
    const source = this.#net.nodes.find(({ signer }) => signer.publicKey === from)
    for (const { ledger, certificate } of source?.ledgers.slice(this.tip.seq) ?? []) {
      if (life !== this.#life) return
      await this.driver?.certified(ledger, certificate)
    }
  }

  /** What is sent is on disk already, and stands on a ledger that is on disk, and contradicts nothing sent before. */
  #publish(bytes: Uint8Array): void {
    const message = decodeConsensusMessage(bytes, GOSSIP_BYTES)
    if (message.type === 'proposal' || message.type === 'vote') {
      const { signed } = message.type === 'vote' ? message.vote : message.proposal
      const { seq } = message.type === 'vote' ? this.#noteVote(signed.payload) : decodeProposalPayload(signed.payload)
      if (message.type === 'proposal') this.#note(`proposal ${seq}`, Buffer.from(signed.payload).toString('hex'))
      if (this.disk.durable.indexOf(signed.payload) < 0) this.#net.fail(new Error(`a ${message.type} is not on disk`))
      if (seq !== this.tip.seq + 1) this.#net.fail(new Error(`a ${message.type} for ${seq} on top of ${this.tip.seq}`))
    }
    this.#net.deliver(this, bytes)
  }

  #noteVote(payload: Uint8Array): { seq: number } {
    const { seq, attempt, kind, hash } = decodeVotePayload(payload)
    this.#note(`${kind} ${seq}/${attempt}`, hash ?? 'nil')
    if (kind === 'precommit' && hash !== null) this.#precommits.set(seq, hash)
    return { seq }
  }

  #note(name: string, what: string): void {
    const before = this.#said.get(name)
    if (before !== undefined && before !== what) this.#net.fail(new Error(`said twice: ${name}`))
    this.#said.set(name, what)
  }

  /** Whatever was sent about the ledger being decided is read back. */
  async #checkRestored(records: Parameters<typeof restoreJournaled>[0], tip: LedgerTip): Promise<void> {
    const { signer } = this
    const pool = new ProposalPool({ networkId, signer, log, inputBytes: () => 1024, fetch: async () => [] })
    const restored = await restoreJournaled(records, tip, pool, config, signer.publicKey, log)
    const seq = tip.seq + 1
    const votes = (restored?.votes ?? []).map(({ vote }) => [`${vote.kind} ${seq}/${vote.attempt}`, vote.hash ?? 'nil'])
    const known = new Map(votes as [string, string][])
    for (const [name, what] of this.#said) {
      if (name === `proposal ${seq}` && restored?.journaled.proposal == null) {
        this.#net.fail(new Error(`${name} is forgotten`))
      }
      if (name.includes(` ${seq}/`) && known.get(name) !== what) this.#net.fail(new Error(`${name} is forgotten`))
    }
    const lock = restored?.journaled.lock ?? null
    const precommit = this.#precommits.get(seq)
    if (lock !== null) this.#net.locksRestored++
    if (precommit !== undefined && lock?.ledger.hash !== precommit)
      this.#net.fail(new Error(`the lock of ${seq} is forgotten`))
  }
}

/** Four real drivers that lose messages and power. */
export class DriverNet {
  readonly random: Random
  readonly nodes: DriverNode[]
  readonly #closed = new Map<number, Ledger>()
  lossRate: number
  locksRestored = 0
  #failure: Error | null = null

  constructor(random: Random, lossRate: number) {
    this.random = random
    this.lossRate = lossRate
    this.nodes = SIGNERS.slice(0, 4).map((signer) => new DriverNode(this, signer, random))
  }

  fail(error: Error): void {
    this.#failure ??= error
  }

  /** @throws Error when an invariant was broken */
  check(): void {
    if (this.#failure !== null) throw this.#failure
  }

  get ledgers(): number {
    return this.#closed.size
  }

  ledgerClosed({ ledger }: ClosedLedger): void {
    const { seq } = ledger.header
    const before = this.#closed.get(seq)
    if (before !== undefined && before.hash !== ledger.hash) this.fail(new Error(`ledger ${seq} is forked`))
    this.#closed.set(seq, ledger)
  }

  deliver(from: DriverNode, bytes: Uint8Array): void {
    for (const node of this.nodes) {
      if (node === from || this.random.chance(this.lossRate)) continue
      setTimeout(() => node.driver?.onGossip(bytes, from.signer.publicKey), this.random.between(0, 4))
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()))
  }
}
