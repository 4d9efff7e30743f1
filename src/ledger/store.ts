import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Logger } from 'pino'
import {
  configHashOf,
  decodeGenesis,
  encodeConsensusConfig,
  encodeGenesis,
  encodeOutputList,
  genesisLedger,
  networkIdOf
} from '../codec/index.js'
import type {
  Certificate,
  ConsensusConfig,
  Genesis,
  Hash,
  Ledger,
  LedgerHeader,
  PublicKey,
  UserOutput
} from '../consensus/types.js'
import type { LedgerLink } from './check.js'
import { LedgerDb, type WriteOptions } from './db.js'
import { LedgerStoreError } from './errors.js'
import { decodeSeq, encodeSeq, KEYS, LAYOUT_VERSION } from './keys.js'
import { findTip, type StartState } from './repair.js'
import { LedgerTable } from './table.js'
import { appendOps, assertNext, type Bounds, dropSharedOps, pruneOps, sharedBefore } from './writing.js'

export interface LedgerStoreOptions {
  log: Logger
  /** Ledgers to keep: all of them, or the newest N (at least 1). Default 'full'. */
  history?: 'full' | number
}

export interface StoredLedger {
  ledger: Ledger
  /** null for the genesis ledger, which needs none. */
  certificate: Certificate | null
}

interface Chain {
  genesis: Genesis
  genesisLedger: Ledger
  tip: LedgerLink
  bounds: Bounds
  repaired: StartState['repaired']
}

/** Ledgers that one batch of pruning drops. */
const PRUNE_BATCH = 32
/** Ledgers above `history` that are let pile up before pruning starts. */
const PRUNE_SLACK = 32
/** Name and size of a meta value. */
const META_NAME = /^[a-z0-9][a-z0-9.-]{0,63}$/
const META_BYTES = 64 * 1024

/** What `records` reads at once for a caller that names no limit. */
const RECORDS_BYTES = 8 * 1024 * 1024

/**
 * The closed ledgers of one node in LevelDB, with certificates, configs, outputs and small values of the node. Reads
 * answer null for what is not stored and throw LedgerStoreError 'damaged' for what contradicts itself. Writes are done
 * one after another. A 1,000-user list is stored once for all ledgers that share it.
 */
export class LedgerStore {
  readonly #db: LedgerDb
  readonly #table: LedgerTable
  readonly #log: Logger
  readonly #history: number
  #chain: Chain | null = null
  #writes: Promise<unknown> = Promise.resolve()
  #pruning: Promise<void> | null = null
  #heldFrom = Number.POSITIVE_INFINITY
  #closing: Promise<void> | null = null

  private constructor(db: LedgerDb, options: LedgerStoreOptions) {
    const { history = 'full' } = options
    assert.ok(history === 'full' || (Number.isSafeInteger(history) && history >= 1), 'history: "full" or at least 1')
    this.#db = db
    this.#table = new LedgerTable(db)
    this.#log = options.log
    this.#history = history === 'full' ? Number.POSITIVE_INFINITY : history
  }

  /**
   * Opens or creates the store in the directory `path` and verifies its tip.
   *
   * @throws LedgerStoreError 'locked', 'damaged', 'newer-layout' or 'io', each saying what to do
   */
  static async open(path: string, options: LedgerStoreOptions): Promise<LedgerStore> {
    const db = await LedgerDb.open(path)
    try {
      const store = new LedgerStore(db, options)
      await store.#start()
      return store
    } catch (error) {
      await db.close()
      throw error
    }
  }

  async #start(): Promise<void> {
    await this.#checkLayout()
    const bytes = await this.#db.get(KEYS.genesis)
    if (bytes === null) {
      if ((await this.#db.get(KEYS.tip)) === null) return
      throw this.#table.damaged('the genesis', 'it is missing')
    }
    let genesis: Genesis
    try {
      genesis = decodeGenesis(bytes)
    } catch (error) {
      throw this.#table.damaged('the genesis', error instanceof Error ? error.message : String(error), error)
    }
    const first = decodeSeq(await this.#db.get(KEYS.first))
    const bounds = { first: first?.seq ?? 1, baseConfigHash: first?.hash ?? '' }
    const start = { db: this.#db, table: this.#table, genesis, genesisLedger: genesisLedger(genesis), bounds }
    this.#chain = { ...start, ...(await findTip(start)) }
    const { repaired } = this.#chain
    if (repaired !== null) {
      this.#log.warn(repaired, 'The ledger files were damaged: ledgers were dropped and must be fetched again')
    }
  }

  async #checkLayout(): Promise<void> {
    const bytes = await this.#db.get(KEYS.layout)
    if (bytes === null) {
      const keys = this.#db.keys(KEYS.root)
      const isEmpty = (await keys.next()).done === true
      await keys.return(undefined)
      if (!isEmpty) throw this.#table.damaged('the layout version', 'it is missing')
      const value = Buffer.from(String(LAYOUT_VERSION))
      await this.#db.write([{ type: 'put', key: KEYS.layout, value }], { sync: true })
      return
    }
    const version = Number(Buffer.from(bytes).toString())
    if (version === LAYOUT_VERSION) return
    if (!Number.isSafeInteger(version) || version < 1) throw this.#table.damaged('the layout version', 'not a number')
    const message = `The ledger store ${this.#db.path} has layout ${version}, this program reads ${LAYOUT_VERSION}. Run the newer hp-p2p that wrote it.`
    throw new LedgerStoreError('newer-layout', message)
  }

  /**
   * Makes this the store of the network of `genesis`; with the same genesis again it does nothing.
   *
   * @throws LedgerStoreError 'other-network' when the store has another genesis
   */
  async putGenesis(genesis: Genesis): Promise<void> {
    await this.#exclusive(async () => {
      const networkId = networkIdOf(genesis)
      if (this.#chain !== null) {
        const stored = this.#chain.genesisLedger.header.networkId
        if (stored === networkId) return
        const message = `The ledger store ${this.#db.path} belongs to network ${stored}, the configuration makes ${networkId}. Restore the configuration or move the store away.`
        throw new LedgerStoreError('other-network', message)
      }
      const ledger = genesisLedger(genesis)
      const { configHash } = ledger.header.result
      const config = encodeConsensusConfig(genesis.config)
      const ops = [
        { type: 'put' as const, key: KEYS.genesis, value: encodeGenesis(genesis) },
        { type: 'put' as const, key: KEYS.tip, value: encodeSeq(0, ledger.hash) },
        { type: 'put' as const, key: KEYS.hash(ledger.hash), value: encodeSeq(0) },
        { type: 'put' as const, key: KEYS.shared('config', configHash), value: config }
      ]
      await this.#db.write(ops, { sync: true })
      const bounds = { first: 1, baseConfigHash: '' }
      this.#chain = { genesis, genesisLedger: ledger, tip: ledger, bounds, repaired: null }
    })
  }

  getGenesis(): Genesis | null {
    return this.#chain?.genesis ?? null
  }

  /** Ledgers that were dropped at this start because their files were damaged, or null. */
  repaired(): StartState['repaired'] {
    return this.#chain?.repaired ?? null
  }

  /** The newest ledger; after putGenesis there always is one. @throws LedgerStoreError 'missing' before it */
  tip(): { seq: number; hash: Hash } {
    const { header, hash } = this.#started().tip
    return { seq: header.seq, hash }
  }

  /** seq of the oldest ledger that can be read in full, the genesis apart; tip + 1 when there is none. */
  first(): number {
    return this.#started().bounds.first
  }

  /**
   * Adds the next ledger. By default it is on disk when this returns.
   *
   * @throws AssertionError when it is not exactly the next ledger with its own certificate
   * @throws LedgerStoreError 'missing' when the config that it agrees on was not put before
   */
  async append(ledger: Ledger, certificate: Certificate, options: WriteOptions = { sync: true }): Promise<void> {
    await this.#exclusive(async () => {
      const chain = this.#started()
      assertNext(ledger, certificate, chain.tip)
      const config = await this.#configOf(chain.tip.header.result.configHash)
      await this.#db.write(await appendOps(this.#db, ledger, certificate, chain.tip, config), options)
      chain.tip = { header: ledger.header, hash: ledger.hash }
    })
    this.#pruneLater()
  }

  async get(seq: number): Promise<StoredLedger | null> {
    const { genesisLedger: zero, bounds } = this.#started()
    if (seq === 0) return { ledger: zero, certificate: null }
    const entry = await this.#entry(seq)
    if (entry === null || seq < bounds.first) return null
    try {
      const indexed = await this.#table.seqOf(entry.hash)
      if (indexed !== seq) throw this.#table.damaged(`ledger ${seq}`, 'its hash is not in the hash index')
      return { ledger: await this.#table.body(entry), certificate: entry.certificate(await this.#unlOf(seq)) }
    } catch (error) {
      // Pruned between the two reads.
      if (seq < this.#started().bounds.first) return null
      throw error
    }
  }

  async getByHash(hash: Hash): Promise<StoredLedger | null> {
    const seq = await this.seqOf(hash)
    return seq === null ? null : await this.get(seq)
  }

  /** seq of the ledger with this hash. */
  async seqOf(hash: Hash): Promise<number | null> {
    const seq = await this.#table.seqOf(hash)
    if (seq === null || seq === 0) return seq
    const entry = await this.#entry(seq)
    if (entry !== null && entry.hash !== hash)
      throw this.#table.damaged(`ledger ${seq}`, 'the hash index contradicts it')
    return entry === null ? null : seq
  }

  /** Header of a ledger, also of the genesis and of the base, i.e. the one before `first()`. */
  async header(seq: number): Promise<LedgerHeader | null> {
    return (await this.link(seq))?.header ?? null
  }

  /** Header and hash of a ledger, also of the genesis and of the base. */
  async link(seq: number): Promise<LedgerLink | null> {
    if (seq === 0) return this.#started().genesisLedger
    const entry = await this.#entry(seq)
    return entry === null ? null : { header: entry.header, hash: entry.hash }
  }

  /** Certificate of a ledger, also of the base; null for the genesis. */
  async certificate(seq: number): Promise<Certificate | null> {
    const entry = seq === 0 ? null : await this.#entry(seq)
    return entry === null ? null : entry.certificate(await this.#unlOf(seq))
  }

  /**
   * Exact bytes of the records from..toInclusive that are stored, one at a time in order, ending early once `maxBytes`
   * are reached (the first record comes whatever its size) or at the first one that is not stored.
   */
  async *records(
    from: number,
    toInclusive: number,
    { maxBytes = RECORDS_BYTES }: { maxBytes?: number } = {}
  ): AsyncGenerator<Uint8Array> {
    let sent = 0
    for (let seq = Math.max(from, 1); seq <= Math.min(toInclusive, this.tip().seq); seq++) {
      const bytes = await this.#table.record(seq)
      // What was pruned while it was read may lack its inputs.
      if (seq < this.first()) return
      if (bytes === null || (sent > 0 && sent + bytes.length > maxBytes)) return
      sent += bytes.length
      yield bytes
    }
  }

  /** Keeps a config so that ledgers may agree on it. Returns its hash. @throws CodecError when it is not valid */
  async putConfig(config: ConsensusConfig): Promise<Hash> {
    const hash = configHashOf(config)
    await this.#exclusive(async () => {
      const { header } = this.#started().tip
      if (hash === header.result.configHash) return
      // Until a ledger agrees on it, it counts as used by the next one.
      const until = encodeSeq(header.seq + 1)
      const ops = [
        { type: 'put' as const, key: KEYS.shared('config', hash), value: encodeConsensusConfig(config) },
        { type: 'put' as const, key: KEYS.until('config', hash), value: until }
      ]
      await this.#db.write(ops, { sync: true })
    })
    return hash
  }

  async getConfig(hash: Hash): Promise<ConsensusConfig | null> {
    const { genesis, genesisLedger: zero } = this.#started()
    return hash === zero.header.result.configHash ? genesis.config : await this.#table.config(hash)
  }

  /** The config in force for ledger `seq` (agreed by seq - 1), up to tip + 1; null when it is pruned or ahead. */
  async configAt(seq: number): Promise<ConsensusConfig | null> {
    const { genesis, bounds } = this.#started()
    if (seq <= 1) return genesis.config
    if (seq === bounds.first - 1) return await this.getConfig(bounds.baseConfigHash)
    const previous = await this.header(seq - 1)
    return previous === null ? null : await this.getConfig(previous.result.configHash)
  }

  /** Outputs of the execution of `seq`, replacing earlier ones; kept as long as the ledger. */
  async putOutputs(seq: number, outputs: UserOutput[], options: WriteOptions = { sync: false }): Promise<void> {
    await this.#exclusive(async () => {
      const { bounds, tip } = this.#started()
      if (seq < bounds.first) return
      assert.ok(seq <= tip.header.seq, `putOutputs: ledger ${seq} is not closed, the tip is ${tip.header.seq}`)
      await this.#db.write([{ type: 'put', key: KEYS.outputs(seq), value: encodeOutputList(outputs) }], options)
    })
  }

  /** null when the outputs of `seq` were never put, or are pruned. */
  async getOutputs(seq: number): Promise<UserOutput[] | null> {
    return await this.#table.outputs(seq)
  }

  /** Keeps a small value (at most 64 KiB) under a name of a-z, 0-9, dot and dash. On disk when this returns. */
  async putMeta(name: string, value: Uint8Array, options: WriteOptions = { sync: true }): Promise<void> {
    assert.match(name, META_NAME, `putMeta: name ${name}`)
    assert.ok(value.length <= META_BYTES, `putMeta: ${value.length} bytes for ${name}, at most ${META_BYTES}`)
    await this.#exclusive(() => this.#db.write([{ type: 'put', key: KEYS.meta(name), value }], options))
  }

  async getMeta(name: string): Promise<Uint8Array | null> {
    return await this.#db.get(KEYS.meta(name))
  }

  /** Ledgers from `seq` on are still needed (to be executed), pruning leaves them; Infinity lets go. */
  holdFrom(seq: number): void {
    this.#heldFrom = seq
  }

  /** Drops ledgers below `keepFrom`, in small batches between which other work goes on. The tip always stays. */
  async prune(keepFrom: number): Promise<void> {
    const run = (this.#pruning ?? Promise.resolve()).then(() => this.#prune(keepFrom))
    const settled = run.catch(() => {})
    this.#pruning = settled
    try {
      await run
    } finally {
      if (this.#pruning === settled) this.#pruning = null
    }
  }

  async #prune(keepFrom: number): Promise<void> {
    const target = Math.min(keepFrom, this.tip().seq, this.#heldFrom)
    while (this.first() < target && this.#closing === null) {
      await this.#exclusive(async () => {
        const chain = this.#started()
        const last = Math.min(chain.bounds.first + PRUNE_BATCH, target) - 1
        const { ops, bounds } = await pruneOps((seq) => this.link(seq), chain.bounds, last)
        await this.#db.write(ops, { sync: false })
        chain.bounds = bounds
      })
      await nextTurn()
    }
    // The base is verified with the config of the ledger before it.
    await this.#pruneShared('users', this.first())
    await this.#pruneShared('config', this.first() - 2)
  }

  async #pruneShared(kind: 'users' | 'config', seq: number): Promise<void> {
    const genesisConfig = this.#started().genesisLedger.header.result.configHash
    if (this.#closing !== null) return
    for (const hash of await sharedBefore(this.#db, kind, seq)) {
      if (this.#closing !== null) return
      if (hash === genesisConfig) continue
      await this.#exclusive(async () => {
        await this.#db.write(await dropSharedOps(this.#db, kind, hash, seq), { sync: false })
      })
      await nextTurn()
    }
  }

  #pruneLater(): void {
    if (this.#pruning !== null || this.#closing !== null) return
    const keepFrom = Math.min(this.tip().seq - this.#history + 1, this.#heldFrom)
    if (keepFrom < this.first() + PRUNE_SLACK) return
    this.prune(keepFrom).catch((error: unknown) => this.#log.error({ err: error }, 'Old ledgers could not be pruned'))
  }

  /** Ends pruning, waits for writes under way and closes the files. */
  async close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.#pruning
      await this.#writes.catch(() => {})
      await this.#db.close()
    })()
    await this.#closing
  }

  async #entry(seq: number) {
    if (!Number.isSafeInteger(seq) || seq < 1 || seq > this.#started().tip.header.seq) return null
    return await this.#table.entry(seq)
  }

  async #unlOf(seq: number): Promise<PublicKey[]> {
    const config = await this.configAt(seq)
    if (config === null) throw this.#table.damaged(`ledger ${seq}`, 'the config in force for it is missing')
    return config.unl
  }

  async #configOf(hash: Hash): Promise<ConsensusConfig> {
    const config = await this.getConfig(hash)
    if (config === null) throw this.#table.damaged(`config ${hash}`, 'it is missing')
    return config
  }

  #started(): Chain {
    if (this.#chain === null) throw new LedgerStoreError('missing', `The ledger store ${this.#db.path} has no genesis.`)
    return this.#chain
  }

  /** Runs one write at a time, in the order of the calls. */
  async #exclusive<T>(write: () => Promise<T>): Promise<T> {
    if (this.#closing !== null) throw new LedgerStoreError('closed', `The ledger store ${this.#db.path} is closed.`)
    const result = this.#writes.then(write)
    this.#writes = result.catch(() => {})
    return await result
  }
}
