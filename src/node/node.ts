import { readFile } from 'node:fs/promises'
import type { Logger } from 'pino'
import { type AdminServer, type AdminSource, createAdminServer } from '../admin/index.js'
import { LIMITS, PROPOSAL_LIMITS } from '../codec/index.js'
import { contractPaths, type NodeConfig } from '../config/index.js'
import { type LedgerTip, tipOf } from '../consensus/close-ledger.js'
import type { Certificate, ConsensusConfig, Genesis, Hash, Ledger, PublicKey } from '../consensus/types.js'
import type { ContractRunner } from '../contract/index.js'
import { Signer } from '../crypto/index.js'
import { type LedgerLink, type LedgerStore, LedgerStoreError } from '../ledger/index.js'
import {
  createNetwork,
  DEFAULT_LIMITS as DEFAULT_NETWORK_LIMITS,
  type Network,
  type PeerInfo
} from '../network/index.js'
import type { StateStore } from '../state/index.js'
import { DEFAULT_USER_LIMITS, PendingInputs, UserServer } from '../users/index.js'
import { VERSION } from '../version.js'
import { CatchUp } from './catch-up.js'
import { ConsensusDriver } from './consensus-driver.js'
import { type Disk, openDisk, trustJournal } from './disk.js'
import { diskFullError, isDiskFull, NodeError } from './errors.js'
import { Execution } from './execution.js'
import type { Executor } from './executor.js'
import { Forwarding } from './forwarding/forwarding.js'
import { describeNetwork } from './genesis.js'
import { invitationOf, serveJoining } from './join/join-services.js'
import { fetchStartRecords } from './join/start-records.js'
import { NplBridge } from './npl-bridge.js'
import { ProposalPool } from './proposal-pool.js'
import { ProposalFetcher, SERVICES, serve } from './services.js'
import { serveState } from './state-copy.js'
import { createAdminSource, oldestSynced } from './status.js'
import { Wishes } from './wishes.js'

export interface StartOptions {
  dir: string
  config: NodeConfig
  log: Logger
}

/**
 * One node: puts the parts together, starts them from the disk upwards and stops them in the opposite order. What runs
 * through it: users -> pending inputs -> proposal -> ledger -> contract -> outputs -> users.
 */
export class HotPocketNode {
  readonly config: NodeConfig
  readonly log: Logger
  readonly startedAtMs = Date.now()
  readonly stopped: Promise<Error | null>
  networkId: Hash = ''
  genesis!: Genesis
  /** In force for the next ledger. */
  agreed!: ConsensusConfig
  wishes!: Wishes
  ledgers!: LedgerStore
  state!: StateStore
  network!: Network
  driver!: ConsensusDriver
  execution!: Execution
  catchUp!: CatchUp
  forwarding!: Forwarding
  users: UserServer | null = null
  runner!: ContractRunner
  pending!: PendingInputs
  lastClose: { atMs: number; tookMs: number | null } | null = null
  /** When the ledgers of the last minute closed, ms since the epoch. */
  readonly closes: number[] = []
  stopping = false
  readonly #aborting = new AbortController()
  readonly #signer: Signer
  readonly #closers: { name: string; close: () => Promise<unknown> }[] = []
  #pool!: ProposalPool
  #npl!: NplBridge
  #disk!: Disk
  #resolveStopped!: (error: Error | null) => void
  #stop: Promise<void> | null = null

  constructor({ config, log }: StartOptions) {
    this.config = config
    this.log = log
    this.#signer = new Signer(config.keys)
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve
    })
  }

  get executor(): Executor {
    return this.execution.executor
  }
  get publicKey(): PublicKey {
    return this.#signer.publicKey
  }
  /** Aborted when the node stops. */
  get signal(): AbortSignal {
    return this.#aborting.signal
  }

  async start(): Promise<AdminSource> {
    try {
      await this.#openDisk()
      await this.#openNetwork()
      await this.#openUsers()
      const source = createAdminSource(this)
      await this.#openAdmin(source)
      this.#begin()
      return source
    } catch (error) {
      await this.stop()
      throw isDiskFull(error) ? diskFullError(this.config.dir, error) : error
    }
  }

  /** Stops everything in the opposite order of its start; once. */
  stop(): Promise<void> {
    this.#stop ??= this.#stopAll()
    return this.#stop
  }

  async #stopAll(): Promise<void> {
    this.stopping = true
    for (const { name, close } of this.#closers.reverse()) {
      try {
        await close()
      } catch (error) {
        this.log.warn({ err: error }, `${name} did not stop in order`)
      }
    }
    this.#resolveStopped(null)
  }

  #fail(error: Error): void {
    if (this.stopping) return
    if (isDiskFull(error)) {
      const full = diskFullError(this.config.dir, error)
      this.log.fatal(full.message)
      this.#resolveStopped(full)
      return
    }
    this.log.fatal({ err: error }, 'the node cannot go on')
    this.#resolveStopped(new NodeError(`the node cannot go on: ${error.message}`))
  }

  #onStop(name: string, close: () => Promise<unknown>): void {
    this.#closers.push({ name, close })
  }

  // Disk

  async #openDisk(): Promise<void> {
    const { config, log } = this
    const disk = await openDisk(config, log, (name, close) => this.#onStop(name, close))
    this.ledgers = disk.ledgers
    this.state = disk.state
    this.runner = disk.runner
    this.genesis = disk.genesis
    this.agreed = disk.agreed
    this.networkId = disk.networkId
    this.#disk = disk
  }

  // Network and consensus

  async #openNetwork(): Promise<void> {
    const { config, log, networkId, genesis } = this
    const description = describeNetwork(genesis)
    const { maxConnections, maxConnectionsPerAddress, maxPendingConnections, ...reach } = config.network
    this.network = await createNetwork({
      ...reach,
      keyPair: config.keys,
      networkId,
      validators: () => this.agreed.unl,
      describe: () => ({
        ...description,
        role: this.agreed.unl.includes(this.publicKey) ? 'validator' : 'observer',
        seq: this.ledgers.tip().seq,
        lcl: this.ledgers.tip().hash
      }),
      listen: { host: config.network.host, wsPort: config.network.wsPort, tcpPort: config.network.tcpPort },
      invitation: () => invitationOf(genesis, this.ledgers.tip().seq),
      dataDir: contractPaths(config.dir).hist,
      agentVersion: `hp-p2p/${VERSION}`,
      limits: { maxConnections, maxConnectionsPerAddress, maxPendingConnections },
      log: log.child({ part: 'network' })
    })
    this.#onStop('network', () => this.network.stop())
    const fetcher = new ProposalFetcher(this.network, networkId, log.child({ part: 'consensus' }))
    this.#pool = new ProposalPool({
      networkId,
      signer: this.#signer,
      log: log.child({ part: 'consensus' }),
      inputBytes: () => this.agreed.ledgerInputBytes,
      fetch: (hashes, from, signal) => fetcher.fetch(hashes, from, signal)
    })
    this.pending = new PendingInputs({
      inputBytes: this.#inputBytes()
    })
    await this.#openExecution()
    await this.#createDriver()
    await this.#createForwarding()
    this.#createCatchUp()
    this.#npl = new NplBridge({
      networkId,
      signer: this.#signer,
      log,
      isValidator: (key) => this.agreed.unl.includes(key),
      publish: (bytes) => this.#publish('npl', bytes, false),
      deliver: (message) => this.runner.deliverNpl(message)
    })
    this.#onStop('party line', async () => this.#npl.stop())
    this.runner.onNpl = (message) => this.#npl.send(message)
    this.runner.setNplPeers(() => this.connectedValidators())
    this.network.onGossip('consensus', (bytes, from) => this.driver.onGossip(bytes, from))
    this.network.onGossip('npl', (bytes, from) => this.#npl.receive(bytes, from))
    this.network.on('peer:status', ({ publicKey, status }) => this.catchUp.hear(status.seq, publicKey))
    await serve(this.network, this.#pool, this.ledgers)
    await serveState(this.network, this.state)
    await serveJoining(this.network, this.config, this.ledgers, log)
  }

  connectedValidators(): PublicKey[] {
    return this.network.connected().filter((key) => this.agreed.unl.includes(key))
  }

  #publish(topic: 'consensus' | 'npl', bytes: Uint8Array, resend: boolean): void {
    this.network.publish(topic, bytes, { resend }).catch((error: unknown) => {
      if (!this.stopping) this.log.warn({ err: error }, 'a message could not be sent')
    })
  }

  async #createDriver(): Promise<void> {
    const tip = await this.#readTip()
    this.wishes = await Wishes.load(this.ledgers, this.agreed)
    this.driver = await ConsensusDriver.create({
      networkId: this.networkId,
      signer: this.#signer,
      config: this.agreed,
      tip,
      journal: this.#disk.journal,
      records: this.#disk.journalRecords,
      unsureSinceMs: this.#disk.unsureSinceMs,
      speaksFrom: this.ledgers.first() === 1 ? 1 : this.ledgers.first() + LIMITS.forwardLedgers - 1,
      pool: this.#pool,
      log: this.log.child({ part: 'consensus' }),
      now: Date.now,
      maxGossipBytes: DEFAULT_NETWORK_LIMITS.maxGossipBytes,
      publish: (bytes, again) => this.#publish('consensus', bytes, again),
      select: (seq) => this.forwarding.compose(seq),
      wishes: () => this.wishes.own,
      onWishes: (validator, seq, wishes) => this.wishes.hear(validator, seq, wishes),
      persist: (ledger, certificate) => this.#persist(ledger, certificate),
      onBehind: (seq, from) => this.catchUp.hear(seq - 1, from),
      onFatal: (error) => this.#fail(error)
    })
    this.#disk.journalRecords = []
    this.#onStop('consensus', () => this.driver.stop())
  }

  async #openExecution(): Promise<void> {
    const { config, networkId, ledgers, state, runner, network, log } = this
    this.execution = await Execution.open({
      config,
      networkId,
      ledgers,
      state,
      runner,
      network,
      log,
      users: () => this.users,
      peers: () => this.#connectedPeers(),
      target: () => this.catchUp.target,
      readConfig: (hash) => this.#readConfig(hash),
      onExecuted: (seq, result) => this.driver.executed(seq, result),
      onFatal: (error) => this.#fail(error)
    })
    this.#onStop('execution', () => {
      this.#aborting.abort()
      return this.execution.stop()
    })
  }

  async #createForwarding(): Promise<void> {
    this.forwarding = new Forwarding({
      networkId: this.networkId,
      signer: this.#signer,
      network: this.network,
      log: this.log.child({ part: 'forwarding' }),
      batches: this.#pool.batches,
      pending: this.pending,
      users: () => this.users?.users() ?? [],
      isSilent: () => this.driver.isSilent,
      agreed: () => this.agreed,
      tip: () => this.driver.tip,
      oldestSynced: () => oldestSynced(this),
      onInputs: () => this.driver.inputsWaiting()
    })
    this.#onStop('forwarding', () => this.forwarding.stop())
    await this.forwarding.start()
  }

  /** The last ledger, with what the ones before it make known. */
  async #readTip(): Promise<LedgerTip> {
    const { seq } = this.ledgers.tip()
    // A store that begins with a base has no more than the header of it, and needs no more to go on.
    const { header, hash } = await this.#tipLink()
    const last = (await this.ledgers.get(seq))?.ledger ?? { header, hash, users: [], inputs: [], config: null }
    const before: Ledger[] = []
    for (let old = Math.max(this.ledgers.first(), seq - LIMITS.forwardLedgers); old < seq; old++) {
      const kept = await this.ledgers.get(old)
      if (kept !== null) before.push(kept.ledger)
    }
    return tipOf(last, before)
  }

  /** A config that a kept ledger has agreed on. */
  async #readConfig(hash: Hash): Promise<ConsensusConfig> {
    const config = await this.ledgers.getConfig(hash)
    if (config === null) throw new NodeError(`config ${hash}, which is in force, is not in the ledger store`)
    return config
  }

  #createCatchUp(): void {
    this.catchUp = new CatchUp({
      log: this.log.child({ part: 'catch-up' }),
      // Not the core's: that is ahead while the ledger is being written, and what follows it could not be checked.
      tip: () => this.ledgers.tip().seq,
      link: async () => {
        const link = await this.#tipLink()
        return { link, config: await this.#readConfig(link.header.result.configHash) }
      },
      peersAt: (seq) => this.#connectedPeers(({ seq: reached }) => (reached ?? 0) >= seq),
      fetch: (peer, request, timeouts, signal) =>
        this.network.requestStream(peer, SERVICES.ledgers, request, {
          signal,
          timeouts,
          maxResponseBytes: LIMITS.recordBytes
        }),
      adopt: (ledger, certificate) => this.driver.certified(ledger, certificate),
      onBadLedger: (peer, detail) => this.network.report(peer, 'wrong-answer', detail),
      onGap: (peer) => this.#skipTo(peer)
    })
    this.#onStop('catch-up', () => this.catchUp.stop())
  }

  /** Nobody keeps the next ledger any more: the node starts anew from a later one, which a peer proves. */
  async #skipTo(peer: PublicKey): Promise<void> {
    const { history } = this.config
    const wanted = history === 'full' ? 0 : history
    try {
      const { seq } = this.ledgers.tip()
      const records = await fetchStartRecords(this.network, peer, wanted, this.#aborting.signal)
      const base = records.pop()
      if (base === undefined || this.stopping || this.ledgers.tip().seq !== seq) return
      await this.ledgers.skipTo({ milestones: records, base })
      const words = `the ledgers from ${seq + 1} on are kept by no peer: the node goes on from ledger ${this.ledgers.tip().seq}`
      this.log.warn(words)
      if (!this.stopping) this.#resolveStopped(new NodeError(words, { restart: true }))
    } catch (error) {
      if (this.stopping) return
      if (error instanceof LedgerStoreError && error.code === 'not-proven') {
        this.network.report(peer, 'wrong-answer', error.message)
      }
      this.log.warn(
        `ledgers are missing here and peer ${peer} does not show where to go on: ${(error as Error).message}`
      )
    }
  }

  async #tipLink(): Promise<LedgerLink> {
    const { seq } = this.ledgers.tip()
    const link = await this.ledgers.link(seq)
    if (link === null) throw new NodeError(`ledger ${seq}, the last one, is not in the ledger store`)
    return link
  }

  async #persist(ledger: Ledger, certificate: Certificate): Promise<void> {
    await this.ledgers.append(ledger, certificate, { sync: true })
    if (this.#disk.unsureSinceMs !== null && this.driver.isValidator && !this.driver.isSilent)
      await this.#trustJournal()
    if (ledger.config !== null) await this.#adoptConfig(ledger.config, ledger.header.seq)
    this.#noteClose()
    this.pending.confirm(ledger.inputs.map((input) => input.id))
    this.pending.noteSpeakers(speakersOf(ledger))
    this.users?.readOn((user) => this.pending.isRelieved(user))
    this.forwarding.ledgerClosed(ledger)
    this.executor.enqueue(ledger)
    this.network.updateSelf()
    if (this.pending.hasSelectable || this.forwarding.hasInputs) this.driver.inputsWaiting()
    const { seq } = ledger.header
    this.log.debug({ seq, inputs: ledger.inputs.length, users: ledger.users.length }, `ledger ${seq} closed`)
  }

  /** So much has happened since the journal was made anew that nothing said before matters any more. */
  async #trustJournal(): Promise<void> {
    this.#disk.unsureSinceMs = null
    await trustJournal(this.ledgers, this.#disk.journal)
    this.log.info('this validator votes again')
  }

  async #adoptConfig(config: ConsensusConfig, seq: number): Promise<void> {
    const was = this.agreed.unl.includes(this.publicKey)
    const is = config.unl.includes(this.publicKey)
    this.agreed = config
    this.network.setMembers(config.unl)
    await this.wishes.forgetFulfilled(config)
    const role =
      was === is ? '' : is ? '; this node is a validator from now on' : '; this node is an observer from now on'
    this.log.info(`ledger ${seq} changes the config: ${config.unl.length} validators${role}`)
    const inputBytes = this.#inputBytes()
    for (const { user, content } of this.pending.setInputBytes(inputBytes)) {
      const reason = `an input may have at most ${inputBytes} bytes at this node now`
      this.users?.notify(user, { notice: 'input_dropped', bytes: content.length, reason })
    }
  }

  #inputBytes(): number {
    const most = Math.min(this.config.users.limits.messageBytes, this.agreed.ledgerInputBytes)
    // What an observer takes must fit in a batch.
    if (this.agreed.unl.includes(this.publicKey)) return most
    return Math.min(most, PROPOSAL_LIMITS.forwardContentBytes)
  }

  #noteClose(): void {
    const atMs = Date.now()
    // A clock that was put back must not keep the list growing until it has come so far again.
    if (atMs < (this.closes.at(-1) ?? 0)) this.closes.length = 0
    this.lastClose = { atMs, tookMs: this.lastClose === null ? null : atMs - this.lastClose.atMs }
    this.closes.push(atMs)
    while ((this.closes[0] ?? atMs) < atMs - 60_000) this.closes.shift()
  }

  /** Those of the UNL first: anybody may connect as an observer, and promise what it does not keep. */
  #connectedPeers(fits: (peer: PeerInfo) => boolean = () => true): PublicKey[] {
    const peers = this.network.peers().filter((peer) => peer.connected && fits(peer))
    return [...peers.filter(({ inUnl }) => inUnl), ...peers.filter(({ inUnl }) => !inUnl)].map((peer) => peer.publicKey)
  }

  // Users and operators

  async #openUsers(): Promise<void> {
    const { host, port, limits, tls } = this.config.users
    if (port === null) return
    this.users = new UserServer({
      host,
      port,
      ...(tls === null ? {} : { tls: { cert: await readFile(tls.certPath), key: await readFile(tls.keyPath) } }),
      networkId: this.networkId,
      nodeKey: this.publicKey,
      limits: { ...DEFAULT_USER_LIMITS, ...limits },
      log: this.log.child({ part: 'users' }),
      onInput: (source, content) => {
        const verdict = this.pending.add(source, content)
        if (!verdict.taken) return verdict
        if (this.driver.isValidator && !this.driver.isSilent) this.driver.inputsWaiting()
        else this.forwarding.inputsWaiting()
        return verdict
      },
      isCrowded: (user) => this.pending.isCrowded(user),
      onUsersChanged: () => this.forwarding.usersChanged()
    })
    await this.users.start()
    this.#onStop('user server', () => (this.users as UserServer).stop())
  }

  async #openAdmin(source: AdminSource): Promise<void> {
    const server: AdminServer = await createAdminServer({
      dir: this.config.dir,
      source,
      log: this.log.child({ part: 'admin' }),
      lock: this.#disk.lock
    })
    this.#onStop('admin server', () => server.stop())
  }

  #begin(): void {
    void this.execution.resume().catch((error: Error) => this.#fail(error))
    this.driver.start()
    const { seq, hash } = this.ledgers.tip()
    const role = this.driver.isValidator ? 'validator' : 'observer'
    this.log.info({ networkId: this.networkId, seq, lcl: hash }, `the node runs as ${role}`)
  }
}

function* speakersOf({ inputs }: Ledger): Generator<PublicKey> {
  for (const { user } of inputs) yield user
}
