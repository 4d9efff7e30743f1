import { configHashOf, EMPTY_OUTPUTS_ROOT, genesisLedger, networkIdOf } from '../../../../src/codec/index.js'
import { tipOf } from '../../../../src/consensus/close-ledger.js'
import type { ConfigWish, ConsensusConfig, Genesis, Ledger } from '../../../../src/consensus/types.js'
import { isFulfilled } from '../../../../src/consensus/wishes.js'
import type { Signer } from '../../../../src/crypto/index.js'
import { type Network, RequestError, type RequestHandler } from '../../../../src/network/index.js'
import { ConsensusDriver } from '../../../../src/node/consensus-driver.js'
import { type ForwardedBatch, isInTime } from '../../../../src/node/forwarding/batches.js'
import type { ProposalContent } from '../../../../src/node/forwarding/composer.js'
import { FORWARD_SERVICES, Forwarding } from '../../../../src/node/forwarding/forwarding.js'
import { Journal, type JournalFile } from '../../../../src/node/journal.js'
import { ProposalPool } from '../../../../src/node/proposal-pool.js'
import { PendingInputs } from '../../../../src/users/index.js'
import { log, makeSigner, TestUser } from './helpers.js'

const TIMEOUTS = { proposeMs: 300, prevoteMs: 300, precommitMs: 300, stepMs: 100, maxMs: 2000, resendMs: 500 }

class MemoryFile implements JournalFile {
  #bytes = Buffer.alloc(0)
  async read(): Promise<Uint8Array> {
    return this.#bytes
  }
  async append(bytes: Uint8Array): Promise<void> {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
  }
  async sync(): Promise<void> {}
  async truncate(length: number): Promise<void> {
    this.#bytes = this.#bytes.subarray(0, length)
  }
  async close(): Promise<void> {}
}

/** A node without disk, contract and sockets: consensus, pool and forwarding are the real ones. */
export class SmallNode {
  readonly pending = new PendingInputs()
  readonly pool: ProposalPool
  readonly ledgers: Ledger[]
  readonly file = new MemoryFile()
  readonly handlers = new Map<string, RequestHandler>()
  readonly listeners = new Map<string, ((event: { publicKey: string }) => void)[]>()
  readonly users: TestUser[] = []
  /** What its operator wishes for. */
  wishes: ConfigWish[] = []
  /** It proposes every batch that it has ever seen, for as long as proposals with it are not refused. */
  isReplayer = false
  isUp = true
  agreed: ConsensusConfig
  driver!: ConsensusDriver
  forwarding!: Forwarding
  readonly #replayed = new Map<string, ForwardedBatch>()

  constructor(
    readonly signer: Signer,
    readonly world: SmallNetwork
  ) {
    this.agreed = world.genesis.config
    this.ledgers = [genesisLedger(world.genesis)]
    this.pool = new ProposalPool({
      networkId: world.networkId,
      signer,
      log,
      inputBytes: () => this.agreed.ledgerInputBytes,
      fetch: async (hashes, from) =>
        hashes.flatMap((hash) => from.flatMap((key) => world.node(key)?.pool.whole(hash) ?? []).slice(0, 1))
    })
  }

  get key(): string {
    return this.signer.publicKey
  }

  get texts(): string[] {
    return this.ledgers.flatMap(({ inputs }) => inputs.map(({ content }) => Buffer.from(content).toString()))
  }

  async start(): Promise<void> {
    const { networkId } = this.world
    const { journal, records } = await Journal.open(this.file, networkId, this.key)
    this.driver = await ConsensusDriver.create({
      networkId,
      signer: this.signer,
      config: this.agreed,
      tip: tipOf(this.ledgers.at(-1) as Ledger, this.ledgers.slice(0, -1)),
      journal,
      records,
      unsureSinceMs: null,
      speaksFrom: 1,
      pool: this.pool,
      log,
      now: Date.now,
      timeouts: TIMEOUTS,
      maxGossipBytes: 1024 * 1024,
      publish: (bytes) => this.world.publish(this.key, bytes),
      select: (seq) => this.#compose(seq),
      wishes: () => this.wishes.filter((wish) => !isFulfilled(wish, this.agreed)),
      onWishes: () => {},
      persist: (ledger) => this.#persist(ledger),
      onBehind: () => {},
      onFatal: (error) => this.world.failures.push(error)
    })
    this.forwarding = new Forwarding({
      networkId,
      signer: this.signer,
      network: this.#network(),
      log,
      batches: this.pool.batches,
      pending: this.pending,
      users: () => this.users.map(({ entry }) => entry).sort((a, b) => (a.key < b.key ? -1 : 1)),
      isSilent: () => this.driver.isSilent,
      agreed: () => this.agreed,
      tip: () => this.driver.tip,
      oldestSynced: () => this.driver.tip.seq - 20,
      onInputs: () => this.driver.inputsWaiting()
    })
    await this.forwarding.start()
    this.driver.start()
    this.#execute(this.ledgers.at(-1) as Ledger)
  }

  connect(): TestUser {
    const user = new TestUser(this.key, this.world.networkId)
    this.users.push(user)
    this.forwarding.usersChanged()
    return user
  }

  send(user: TestUser, text: string): void {
    user.send(this.pending, text)
    if (this.driver.isValidator) this.driver.inputsWaiting()
    else this.forwarding.inputsWaiting()
  }

  async stop(): Promise<void> {
    this.isUp = false
    await this.forwarding.stop()
    await this.driver.stop()
  }

  #compose(seq: number): ProposalContent {
    const content = this.forwarding.compose(seq)
    if (!this.isReplayer) return content
    for (const batch of content.forwards ?? []) this.#replayed.set(batch.hash, batch)
    return { ...content, forwards: [...this.#replayed.values()].filter((batch) => isInTime(batch, seq)).slice(-64) }
  }

  async #persist(ledger: Ledger): Promise<void> {
    // As on a disk: others' words come in meanwhile.
    await new Promise((resolve) => setImmediate(resolve))
    this.ledgers.push(ledger)
    if (ledger.config !== null) this.agreed = ledger.config
    this.pending.confirm(ledger.inputs.map(({ id }) => id))
    this.forwarding.ledgerClosed(ledger)
    if (this.pending.hasSelectable || this.forwarding.hasInputs) this.driver.inputsWaiting()
    setImmediate(() => this.#execute(ledger))
  }

  #execute({ header }: Ledger): void {
    if (!this.isUp) return
    const { stateRoot, configHash } = header.result
    this.driver.executed(header.seq, { status: 'ok', stateRoot, outputsRoot: EMPTY_OUTPUTS_ROOT, configHash })
  }

  /** As much of a network as forwarding uses. */
  #network(): Network {
    const on = (name: string, listener: (event: { publicKey: string }) => void): (() => void) => {
      this.listeners.set(name, [...(this.listeners.get(name) ?? []), listener])
      return () => this.listeners.delete(name)
    }
    const network: Pick<Network, 'handle' | 'request' | 'peers' | 'on' | 'report'> = {
      handle: async (name, _version, _options, handler) => {
        this.handlers.set(name, handler)
        return async () => void this.handlers.delete(name)
      },
      request: async (peer, name, body, options) => {
        const handler = this.world.node(peer)?.handlers.get(name)
        if (name === FORWARD_SERVICES.forward) this.world.asked.push(peer)
        await new Promise((resolve) => setImmediate(resolve))
        if (handler === undefined || this.world.node(peer) === undefined) {
          throw new RequestError('not-connected', 'it does not run')
        }
        const answer = handler(body, this.key, options?.signal ?? new AbortController().signal)
        return await (answer as Promise<Uint8Array>)
      },
      peers: () =>
        this.world.nodes
          .filter((node) => node.isUp && node !== this)
          .map((node) => ({ publicKey: node.key, connected: true, seq: node.driver.tip.seq, latencyMs: 1 }) as never),
      on: on as Network['on'],
      report: (_peer, rule, detail) => void this.world.failures.push(new Error(`${rule}: ${detail}`))
    }
    return network as Network
  }
}

/** Nodes in one process that hear each other at once; the first `validators` of them are the UNL. */
export class SmallNetwork {
  readonly nodes: SmallNode[]
  readonly genesis: Genesis
  readonly networkId: string
  readonly failures: Error[] = []
  /** Whom observers asked to take batches, in their order. */
  readonly asked: string[] = []

  constructor(validators: number, observers: number, config: Partial<ConsensusConfig> = {}) {
    const signers = Array.from({ length: validators + observers }, makeSigner)
    const unl = signers.slice(0, validators).map(({ publicKey }) => publicKey)
    this.genesis = {
      contractId: 'small',
      stateRoot: '00'.repeat(32),
      config: {
        unl: unl.sort(),
        threshold: 67,
        roundtimeMs: 10,
        minRoundtimeMs: 0,
        ledgerInputBytes: 1000,
        userOutputBytes: 1000,
        ledgerOutputBytes: 1000,
        nplBytes: 1000,
        execTimeoutMs: 1000,
        ...config
      }
    }
    configHashOf(this.genesis.config)
    this.networkId = networkIdOf(this.genesis)
    this.nodes = signers.map((signer) => new SmallNode(signer, this))
  }

  /** One that runs. */
  node(key: string): SmallNode | undefined {
    return this.nodes.find((node) => node.key === key && node.isUp)
  }

  async start(): Promise<void> {
    for (const node of this.nodes) await node.start()
    for (const node of this.nodes) this.#tell('peer:connect', node)
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) if (node.isUp) await node.stop()
  }

  /** It is gone from one moment to the next. */
  async kill(node: SmallNode): Promise<void> {
    node.isUp = false
    this.#tell('peer:disconnect', node)
    await node.stop()
  }

  publish(from: string, bytes: Uint8Array): void {
    setImmediate(() => {
      if (this.node(from) === undefined) return
      for (const node of this.nodes) if (node.isUp && node.key !== from) node.driver.onGossip(bytes, from)
    })
  }

  #tell(event: string, about: SmallNode): void {
    for (const node of this.nodes) {
      if (!node.isUp || node === about) continue
      for (const listener of node.listeners.get(event) ?? []) listener({ publicKey: about.key })
    }
  }
}
