import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Logger } from 'pino'
import {
  encodeConsensusConfig,
  encodeGenesis,
  encodeOutputList,
  genesisLedger,
  LIMITS,
  networkIdOf
} from '../codec/index.js'
import type { Certificate, Genesis, Ledger, UserOutput } from '../consensus/types.js'
import { LedgerDb, type WriteOptions } from './db.js'
import { LedgerStoreError } from './errors.js'
import { readGenesisFile, writeGenesisFile } from './genesis-file.js'
import { encodeSeq, KEYS } from './keys.js'
import { decodeLinkRecord } from './link-record.js'
import { LedgerReader } from './reader.js'
import { checkLayout, loadChain } from './start.js'
import { checkStart, type Start, writeStart } from './start-from.js'
import { LedgerTable } from './table.js'
import { appendOps, assertNext, dropUsersOps, pruneOps, usersBefore } from './writing.js'

export interface LedgerStoreOptions {
  log: Logger
  /** Ledgers to keep: all of them, or the newest N (at least 1; never fewer than `KEPT_MIN`). Default 'full'. */
  history?: 'full' | number
}

/** As many of the newest ledgers are kept whatever is asked for: without them a node could not take part. */
export const KEPT_MIN = LIMITS.forwardLedgers
/** Ledgers that one batch of pruning drops. */
const PRUNE_BATCH = 32
/** Ledgers above `history` that are let pile up before pruning starts. */
const PRUNE_SLACK = 32
/** Name and size of a meta value. */
const META_NAME = /^[a-z0-9][a-z0-9.-]{0,63}$/
const META_BYTES = 64 * 1024

/**
 * The closed ledgers of one node in LevelDB, with certificates, configs, outputs and small values of the node. Reads
 * answer null for what is not stored and throw LedgerStoreError 'damaged' for what contradicts itself. Writes are done
 * one after another. A 1,000-user list is stored once for all ledgers that share it.
 */
export class LedgerStore extends LedgerReader {
  readonly #log: Logger
  readonly #history: number
  #writes: Promise<unknown> = Promise.resolve()
  #pruning: Promise<void> | null = null
  #heldFrom = Number.POSITIVE_INFINITY
  #pins = 0
  #closing: Promise<void> | null = null

  private constructor(db: LedgerDb, options: LedgerStoreOptions) {
    super(db, new LedgerTable(db))
    const { history = 'full' } = options
    assert.ok(history === 'full' || (Number.isSafeInteger(history) && history >= 1), 'history: "full" or at least 1')
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
      await checkLayout(db, store.table)
      store.chain = await loadChain(db, store.table)
      await store.#openGenesis()
      const repaired = store.chain?.repaired ?? null
      if (repaired !== null) {
        options.log.warn(repaired, 'The ledger files were damaged: ledgers were dropped and must be fetched again')
      }
      return store
    } catch (error) {
      await db.close()
      throw error
    }
  }

  /** Keeps the genesis beside the database; an empty one whose network is known from there goes on with that network. */
  async #openGenesis(): Promise<void> {
    const { path } = this.db
    if (this.chain !== null) return await writeGenesisFile(path, this.chain.genesis)
    const known = await readGenesisFile(path)
    if (known === null) return
    this.#log.warn(`The ledger store ${path} is empty: the ledgers of its network must be fetched from peers`)
    await this.putGenesis(known)
  }

  /**
   * Makes this the store of the network of `genesis`; with the same genesis again it does nothing.
   *
   * @throws LedgerStoreError 'other-network' when the store has another genesis
   */
  async putGenesis(genesis: Genesis): Promise<void> {
    await this.#exclusive(async () => {
      const networkId = networkIdOf(genesis)
      if (this.chain !== null) {
        const stored = this.chain.genesisLedger.header.networkId
        if (stored === networkId) return
        const message = `The ledger store ${this.db.path} belongs to network ${stored}, the configuration makes ${networkId}. Restore the configuration or move the store away.`
        throw new LedgerStoreError('other-network', message)
      }
      await writeGenesisFile(this.db.path, genesis)
      const ledger = genesisLedger(genesis)
      const { configHash } = ledger.header.result
      const config = encodeConsensusConfig(genesis.config)
      const ops = [
        { type: 'put' as const, key: KEYS.genesis, value: encodeGenesis(genesis) },
        { type: 'put' as const, key: KEYS.tip, value: encodeSeq(0, ledger.hash) },
        { type: 'put' as const, key: KEYS.hash(ledger.hash), value: encodeSeq(0) },
        { type: 'put' as const, key: KEYS.config(configHash), value: config }
      ]
      await this.db.write(ops, { sync: true })
      this.chain = { genesis, genesisLedger: ledger, tip: ledger, first: 1, repaired: null }
    })
  }

  /**
   * Starts without the ledgers before: the link record `base` becomes the tip, proven by those of all `milestones`
   * before it, and `append` goes on from there. Ledgers up to the base are as if pruned. Bounded memory however many
   * milestones there are; all or nothing, also when the process dies on the way.
   *
   * @throws LedgerStoreError 'not-empty' when the store has ledgers, 'not-proven' when a record is none or does not
   * follow from the genesis
   */
  async startFrom(start: Start): Promise<void> {
    await this.#exclusive(async () => {
      const chain = this.started()
      if (chain.tip.header.seq > 0) {
        const message = `The ledger store ${this.db.path} has ledgers already: move the directory away to start without history.`
        throw new LedgerStoreError('not-empty', message)
      }
      const { header, hash } = await writeStart(this.db, chain, start)
      chain.tip = { header, hash }
      chain.first = header.seq + 1
    })
  }

  /**
   * Goes on from a later ledger, for a store that fell behind what anybody keeps: as `startFrom`, and the ledgers up to
   * now are dropped, milestones apart. A start that contradicts a ledger that is here is refused.
   *
   * @throws LedgerStoreError 'not-proven', also when the base is not above the tip
   */
  async skipTo(start: { milestones: Uint8Array[]; base: Uint8Array }): Promise<void> {
    await this.#pruning
    await this.#exclusive(async () => {
      const chain = this.started()
      const { header: last, hash: lastHash } = chain.tip
      const { seq } = last
      await checkStart(chain, start, (at) => this.link(at))
      if (decodeLinkRecord(start.base).header.seq <= seq) {
        throw new LedgerStoreError(
          'not-proven',
          `The ledger to go on from is not after ledger ${seq}, the last one here.`
        )
      }
      while (chain.first <= seq) {
        const to = Math.min(chain.first + PRUNE_BATCH - 1, seq)
        await this.db.write(await pruneOps((at) => this.table.entry(at), chain.first, to), { sync: false })
        chain.first = to + 1
      }
      const isMilestone = seq === 0 || (await this.table.entry(seq))?.config !== null
      const drop = [
        { type: 'del' as const, key: KEYS.ledger(seq) },
        { type: 'del' as const, key: KEYS.hash(lastHash) }
      ]
      const { header, hash } = await writeStart(this.db, chain, start, isMilestone ? [] : drop)
      chain.tip = { header, hash }
      chain.first = header.seq + 1
    })
  }

  /**
   * Adds the next ledger. By default it is on disk when this returns.
   *
   * @throws AssertionError when it is not exactly the next ledger with its own certificate
   */
  async append(ledger: Ledger, certificate: Certificate, options: WriteOptions = { sync: true }): Promise<void> {
    await this.#exclusive(async () => {
      const chain = this.started()
      assertNext(ledger, certificate, chain.tip)
      const config = await this.configOf(chain.tip.header.result.configHash)
      const to = { previous: chain.tip, config, first: chain.first }
      await this.db.write(await appendOps(this.db, ledger, certificate, to), options)
      chain.tip = { header: ledger.header, hash: ledger.hash }
    })
    this.#pruneLater()
  }

  /** Returns once all that was written before is on disk. */
  async sync(): Promise<void> {
    await this.#exclusive(async () => {
      const { header, hash } = this.started().tip
      await this.db.write([{ type: 'put', key: KEYS.tip, value: encodeSeq(header.seq, hash) }], { sync: true })
    })
  }

  /** Outputs of the execution of `seq`, replacing earlier ones; kept as long as the ledger. */
  async putOutputs(seq: number, outputs: UserOutput[], options: WriteOptions = { sync: false }): Promise<void> {
    await this.#exclusive(async () => {
      const { first, tip } = this.started()
      if (seq < first) return
      assert.ok(seq <= tip.header.seq, `putOutputs: ledger ${seq} is not closed, the tip is ${tip.header.seq}`)
      await this.db.write([{ type: 'put', key: KEYS.outputs(seq), value: encodeOutputList(outputs) }], options)
    })
  }

  /** Keeps a small value (at most 64 KiB) under a name of a-z, 0-9, dot and dash. On disk when this returns. */
  async putMeta(name: string, value: Uint8Array, options: WriteOptions = { sync: true }): Promise<void> {
    assert.match(name, META_NAME, `putMeta: name ${name}`)
    assert.ok(value.length <= META_BYTES, `putMeta: ${value.length} bytes for ${name}, at most ${META_BYTES}`)
    await this.#exclusive(() => this.db.write([{ type: 'put', key: KEYS.meta(name), value }], options))
  }

  /** Ledgers from `seq` on are still needed (to be executed), pruning leaves them; Infinity lets go. */
  holdFrom(seq: number): void {
    this.#heldFrom = seq
  }

  /** Nothing is pruned while anybody who reads a long range has not called what this returns. */
  pin(): () => void {
    let isPinned = true
    this.#pins += 1
    return () => {
      if (isPinned) this.#pins -= 1
      isPinned = false
    }
  }

  /**
   * Drops ledgers below `keepFrom`, in small batches between which other work goes on. The newest `KEPT_MIN` always
   * stay, and of those that changed the config header, certificate and config.
   */
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
    const target = Math.min(keepFrom, this.tip().seq - KEPT_MIN + 1, this.#heldFrom)
    while (this.first() < target && this.#mayPrune()) {
      await this.#exclusive(async () => {
        const chain = this.started()
        if (!this.#mayPrune()) return
        const last = Math.min(chain.first + PRUNE_BATCH, target) - 1
        await this.db.write(await pruneOps((seq) => this.table.entry(seq), chain.first, last), { sync: false })
        chain.first = last + 1
      })
      await nextTurn()
    }
    const first = this.first()
    if (!this.#mayPrune()) return
    for (const hash of await usersBefore(this.db, first)) {
      if (!this.#mayPrune()) return
      await this.#exclusive(async () => this.db.write(await dropUsersOps(this.db, hash, first), { sync: false }))
      await nextTurn()
    }
  }

  #mayPrune(): boolean {
    return this.#closing === null && this.#pins === 0
  }

  #pruneLater(): void {
    if (this.#pruning !== null || !this.#mayPrune()) return
    const keepFrom = Math.min(this.tip().seq - this.#history + 1, this.#heldFrom)
    if (keepFrom < this.first() + PRUNE_SLACK) return
    this.prune(keepFrom).catch((error: unknown) => this.#log.error({ err: error }, 'Old ledgers could not be pruned'))
  }

  /** Ends pruning, waits for writes under way and closes the files. */
  async close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.#pruning
      await this.#writes.catch(() => {})
      await this.db.close()
    })()
    await this.#closing
  }

  /** Runs one write at a time, in the order of the calls. */
  async #exclusive<T>(write: () => Promise<T>): Promise<T> {
    if (this.#closing !== null) throw new LedgerStoreError('closed', `The ledger store ${this.db.path} is closed.`)
    const result = this.#writes.then(write)
    this.#writes = result.catch(() => {})
    return await result
  }
}
