import { pipe } from 'it-pipe'
import type { Logger } from 'pino'
import { CodecError, decodeLedgerRecord } from '../codec/index.js'
import * as pb from '../codec/pb/sync.js'
import type { Certificate, ConsensusConfig, Ledger, PublicKey } from '../consensus/types.js'
import { findLedgerProblem, type LedgerLink } from '../ledger/index.js'
import { RequestError } from '../network/index.js'

/** Ledgers asked for in one request. */
export const LEDGERS_PER_REQUEST = 256
/** Messages of the next ledger often come before the last votes of this one: wait this long before asking for it. */
const PATIENCE_MS = 300
const RETRY_MS = 1000
/** Rounds follow each other no faster: far below the rate at which a peer would take it for a flood of requests. */
const ROUND_MIN_MS = 50
/** Longest that one peer is listened to without a break: a slow or hostile one must not keep the others from helping. */
const ANSWER_TIMEOUT_MS = 60_000
const FIRST_BYTE_TIMEOUT_MS = 5000
/** Peers whose claims are kept: more than may be connected and in the UNL. */
const CLAIMS_MAX = 1024
/** A peer that has the next ledger may just not answer: so often it is looked for before it is given up. */
const GAP_ROUNDS = 3

export interface CatchUpOptions {
  log: Logger
  /** seq of the last ledger that is durable here. */
  tip: () => number
  /** The last durable ledger, and the config that it agreed on. */
  link: () => Promise<{ link: LedgerLink; config: ConsensusConfig }>
  /** Peers that may have the ledger `seq`, best first. */
  peersAt: (seq: number) => PublicKey[]
  /** Encoded ledger records from a peer, ascending from `from`. */
  fetch: (
    peer: PublicKey,
    request: Uint8Array,
    timeouts: { firstByteMs: number; totalMs: number },
    signal: AbortSignal
  ) => AsyncIterable<Uint8Array>
  /** Hands a checked ledger to consensus; resolves once it is in place. */
  adopt: (ledger: Ledger, certificate: Certificate) => Promise<void>
  /** The peer sent what no honest node sends. */
  onBadLedger: (peer: PublicKey, detail: string) => void
  /** This peer is further and has the next ledger no more; called now and then as long as nobody has it. */
  onGap: (peer: PublicKey) => Promise<void>
}

/** Fetches the ledgers that this node has missed, each checked against the UNL that was agreed before it. */
export class CatchUp {
  readonly #options: CatchUpOptions
  readonly #stopping = new AbortController()
  /** The newest ledger that each peer has closed, as far as it says. One that could not show it has to say it again. */
  readonly #claims = new Map<PublicKey, number>()
  /** How often each peer was asked in vain: it is asked later than others. */
  readonly #failures = new Map<PublicKey, number>()
  /** Rounds in a row in which peers were further and nobody had the next ledger. */
  #gaps = 0
  #running: Promise<void> | null = null

  constructor(options: CatchUpOptions) {
    this.#options = options
  }

  /** True while ledgers are being fetched. */
  get active(): boolean {
    return this.#running !== null && this.target > this.#options.tip()
  }

  /** The newest ledger that somebody says is closed. */
  get target(): number {
    return Math.max(0, ...this.#claims.values())
  }

  /** A peer has closed ledger `seq`, as far as it says. */
  hear(seq: number, peer: PublicKey): void {
    if (this.#stopping.signal.aborted || seq <= this.#options.tip()) return
    if (!this.#claims.has(peer) && this.#claims.size >= CLAIMS_MAX) return
    this.#claims.set(peer, Math.max(seq, this.#claims.get(peer) ?? 0))
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
    while (!this.#stopping.signal.aborted && this.#isBehind()) {
      const startMs = performance.now()
      const before = tip()
      const adopted = await this.#fetchFromSomebody()
      if (adopted > 0) log.debug(`caught up from ledger ${before} to ${tip()}`)
      await this.#sleep(adopted > 0 ? Math.max(0, startMs + ROUND_MIN_MS - performance.now()) : RETRY_MS)
    }
    this.#claims.clear()
    this.#failures.clear()
  }

  #isBehind(): boolean {
    const seq = this.#options.tip()
    for (const [peer, claim] of this.#claims) if (claim <= seq) this.#claims.delete(peer)
    return this.#claims.size > 0
  }

  /** @returns how many ledgers were put in their place */
  async #fetchFromSomebody(): Promise<number> {
    const { tip, peersAt } = this.#options
    const next = tip() + 1
    const failures = (peer: PublicKey): number => this.#failures.get(peer) ?? 0
    const peers = [...new Set([...peersAt(next), ...this.#claims.keys()])]
    peers.sort((a, b) => failures(a) - failures(b))
    let hasGap: PublicKey | null = null
    for (const peer of peers) {
      if (this.#stopping.signal.aborted) return 0
      const { adopted, whole, isGap } = await this.#fetchFrom(peer, next)
      if (isGap && (this.#claims.get(peer) ?? 0) > next) hasGap = peer
      if (!whole) this.#failures.set(peer, failures(peer) + 1)
      if (adopted > 0) {
        this.#gaps = 0
        return adopted
      }
      // A ledger that a peer says it has and does not give is forgotten, until the peer says so again.
      this.#claims.delete(peer)
      if (tip() >= next) return 0
    }
    this.#gaps = hasGap === null ? 0 : this.#gaps + 1
    if (hasGap === null || this.#gaps < GAP_ROUNDS) return 0
    this.#gaps = 0
    await this.#options.onGap(hasGap)
    return 0
  }

  /** `isGap`: the peer answered in order that it has none of them. */
  async #fetchFrom(peer: PublicKey, from: number): Promise<{ adopted: number; whole: boolean; isGap: boolean }> {
    const { fetch, log, onBadLedger, tip } = this.#options
    const request = pb.LedgersRequest.encode({ from, count: LEDGERS_PER_REQUEST })
    const before = tip()
    const taken = { count: 0 }
    const adopted = (): number => (taken.count === 0 ? 0 : tip() - before)
    try {
      const timeouts = { firstByteMs: FIRST_BYTE_TIMEOUT_MS, totalMs: ANSWER_TIMEOUT_MS }
      const records = fetch(peer, request, timeouts, this.#stopping.signal)
      const problem = await pipe(records, (source) => this.#takeAll(source, taken))
      if (problem === null) return { adopted: adopted(), whole: taken.count > 0, isGap: taken.count === 0 }
      onBadLedger(peer, problem)
      return { adopted: 0, whole: false, isGap: false }
    } catch (error) {
      log.debug(`ledgers from ${from} on could not be fetched from ${peer}: ${(error as Error).message}`)
      // In words: these ledgers are not kept there.
      const isGap = error instanceof RequestError && error.code === 'refused'
      return { adopted: adopted(), whole: false, isGap }
    }
  }

  /** @returns why a record is not the next ledger, or null when all are in place */
  async #takeAll(records: AsyncIterable<Uint8Array>, taken: { count: number }): Promise<string | null> {
    for await (const record of records) {
      const problem = await this.#take(record)
      if (problem !== null) return problem
      taken.count += 1
      if (taken.count >= LEDGERS_PER_REQUEST) break
    }
    return null
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
    if (problem !== null) return problem
    await this.#options.adopt(ledger, certificate)
    // A node that is stopping or whose disk is full takes no more: the peer is not to blame for what follows.
    if (this.#options.tip() < ledger.header.seq) throw new Error(`ledger ${ledger.header.seq} was not taken`)
    return null
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
