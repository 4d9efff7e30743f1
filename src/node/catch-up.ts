import type { Logger } from 'pino'
import { CodecError, decodeLedgerRecord } from '../codec/index.js'
import * as pb from '../codec/pb/sync.js'
import type { LedgerTip } from '../consensus/close-ledger.js'
import type { Certificate, ConsensusConfig, Ledger, PublicKey } from '../consensus/types.js'
import { findLedgerProblem, type LedgerLink } from '../ledger/index.js'

/** Ledgers asked for in one request. */
export const LEDGERS_PER_REQUEST = 256
/** Messages of the next ledger often come before the last votes of this one: wait this long before asking for it. */
const PATIENCE_MS = 300
const RETRY_MS = 1000
/** Ledgers closed and not yet executed beyond which no more are fetched. */
const BACKLOG_MAX = 512

export interface CatchUpOptions {
  log: Logger
  tip: () => LedgerTip
  /** The tip with its header, and the config that it agreed on. */
  link: () => Promise<{ link: LedgerLink; config: ConsensusConfig }>
  /** Peers that may have the ledger `seq`, best first. */
  peersAt: (seq: number) => PublicKey[]
  /** Encoded ledger records from a peer, ascending from `from`. */
  fetch: (peer: PublicKey, request: Uint8Array, signal: AbortSignal) => AsyncIterable<Uint8Array>
  /** Hands a checked ledger to consensus; resolves once it is in place. */
  adopt: (ledger: Ledger, certificate: Certificate) => Promise<void>
  /** The peer sent what no honest node sends. */
  onBadLedger: (peer: PublicKey, detail: string) => void
  /** Ledgers that wait for their execution. */
  backlog: () => number
}

/** Fetches the ledgers that this node has missed, each checked against the UNL that was agreed before it. */
export class CatchUp {
  readonly #options: CatchUpOptions
  readonly #stopping = new AbortController()
  #target = 0
  #sources = new Set<PublicKey>()
  #running: Promise<void> | null = null

  constructor(options: CatchUpOptions) {
    this.#options = options
  }

  /** True while ledgers are being fetched. */
  get active(): boolean {
    return this.#running !== null && this.#target > this.#options.tip().seq
  }

  /** The newest ledger that is known to be closed somewhere. */
  get target(): number {
    return this.#target
  }

  /** A peer has closed ledger `seq`, as far as it says. */
  hear(seq: number, peer: PublicKey): void {
    if (this.#stopping.signal.aborted || seq <= this.#options.tip().seq) return
    this.#target = Math.max(this.#target, seq)
    this.#sources.add(peer)
    this.#running ??= this.#run().finally(() => {
      this.#running = null
    })
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { log, tip } = this.#options
    await this.#sleep(PATIENCE_MS)
    let idle = 0
    // A peer may have claimed a ledger that does not exist: without any progress the claim is forgotten.
    while (!this.#stopping.signal.aborted && tip().seq < this.#target && idle < 5) {
      const before = tip().seq
      await this.#fetchFromSomebody()
      if (tip().seq > before) {
        idle = 0
        log.debug(`caught up to ledger ${tip().seq} of ${this.#target}`)
      } else {
        idle += 1
        await this.#sleep(RETRY_MS)
      }
    }
    this.#target = 0
    this.#sources.clear()
  }

  async #fetchFromSomebody(): Promise<void> {
    const { tip, peersAt, backlog } = this.#options
    while (backlog() > BACKLOG_MAX && !this.#stopping.signal.aborted) await this.#sleep(RETRY_MS)
    const next = tip().seq + 1
    const peers = new Set([...peersAt(next), ...this.#sources])
    for (const peer of peers) {
      if (this.#stopping.signal.aborted) return
      await this.#fetchFrom(peer, next)
      if (tip().seq >= next) return
    }
  }

  async #fetchFrom(peer: PublicKey, from: number): Promise<void> {
    const { fetch, log, onBadLedger } = this.#options
    const request = pb.LedgersRequest.encode({ from, count: LEDGERS_PER_REQUEST })
    try {
      let count = 0
      for await (const record of fetch(peer, request, this.#stopping.signal)) {
        const problem = await this.#take(record)
        if (problem !== null) {
          onBadLedger(peer, problem)
          return
        }
        count += 1
        if (count >= LEDGERS_PER_REQUEST) return
      }
    } catch (error) {
      log.debug(`ledgers from ${from} on could not be fetched from ${peer}: ${(error as Error).message}`)
    }
  }

  /** @returns why the record is not the next ledger, or null */
  async #take(record: Uint8Array): Promise<string | null> {
    const { link, config } = await this.#options.link()
    let decoded: { ledger: Ledger; certificate: Certificate }
    try {
      decoded = decodeLedgerRecord(record, [...config.unl].sort())
    } catch (error) {
      if (error instanceof CodecError) return error.message
      throw error
    }
    const { ledger, certificate } = decoded
    // Consensus may have closed it meanwhile.
    if (ledger.header.seq <= link.header.seq) return null
    const problem = findLedgerProblem(ledger, certificate, link, config)
    if (problem === null) await this.#options.adopt(ledger, certificate)
    return problem
  }

  #sleep(ms: number): Promise<void> {
    const { signal } = this.#stopping
    return new Promise((resolve) => {
      if (signal.aborted) return resolve()
      const done = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal.addEventListener('abort', done)
    })
  }
}
