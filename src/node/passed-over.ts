import type { Logger } from 'pino'
import { EMPTY_OUTPUTS_ROOT } from '../codec/index.js'
import type { Hash, Ledger, LedgerHeader, UserOutput } from '../consensus/types.js'
import { LedgerStoreError } from '../ledger/index.js'

/** What is told about an agreed execution to the users who are connected here. */
export type Settlement =
  | { status: 'ok'; ledger: Ledger; outputs: UserOutput[] }
  | { status: 'failed'; ledger: Ledger; reason: string }
  | { status: 'void'; ledger: Ledger }

export interface PassedOverOptions {
  log: Logger
  /** Reads a closed ledger back; null when it is not kept. */
  readLedger: (seq: number) => Promise<Ledger | null>
  readHeader: (seq: number) => Promise<LedgerHeader | null>
  /** Outputs of the ledger are kept here. */
  hasOutputs: (seq: number) => Promise<boolean>
  /** Gets the agreed outputs of a ledger that was not executed here; null when nobody has them now, or when `signal` ends it. */
  fetchOutputs: (seq: number, root: Hash, signal: AbortSignal) => Promise<UserOutput[] | null>
  /** Keeps the outputs of an execution with its ledger. */
  keepOutputs: (seq: number, outputs: UserOutput[]) => Promise<void>
  /** Somebody is there to be told: only then the next execution waits for the answers before it. */
  hasUsers: () => boolean
  /** @param isLate later ledgers were settled before this one */
  onSettled: (settlement: Settlement, isLate: boolean) => void
  /** What cannot be read or written here. */
  onFatal: (error: Error) => void
}

/** Ledgers whose outputs are still wanted after their execution was passed over, the newest ones. */
export const PASSED_OVER_MAX = 1024
const FETCHED_AT_ONCE = 8
/** Time in which outputs are fetched before the next execution, in their order, ms; the others come later. */
const IN_ORDER_MS = 2000
/** Time for those that are fetched at once later, ms: peers that do not answer must not keep the others from being asked. */
const LATE_MS = 30_000
/** Rounds in which no peer had anything follow each other at this distance, which doubles up to the longest, ms. */
const RETRY_MS = 1000
const RETRY_MAX_MS = 60_000
/** Rounds in vain after which the outputs are given up: more than ten minutes. */
const ROUNDS_IN_VAIN_MAX = 16

/**
 * The outcome of executions that did not take place here because the state after them was copied: it is learnt from peers,
 * kept, and told to the users who are connected here. What nobody has now is asked for again.
 */
export class PassedOver {
  readonly #options: PassedOverOptions
  /** Ledgers whose outcome is still to be learnt, oldest first, at most PASSED_OVER_MAX. */
  #late: number[] = []
  #running: Promise<void> | null = null
  #resuming: Promise<void> | null = null
  #stopped = false
  /** Ends what is being fetched. */
  #fetching = new Set<AbortController>()
  #wake: (() => void) | null = null

  constructor(options: PassedOverOptions) {
    this.#options = options
  }

  /** Ledgers whose outcome is not known here yet. */
  get waiting(): number {
    return this.#late.length
  }

  /** Learns what became of the ledgers `from` to `before` - 1: in their order as far as that is quick, else later. */
  async settle(from: number, before: number): Promise<void> {
    const { hasUsers } = this.#options
    const endMs = performance.now() + IN_ORDER_MS
    let seq = Math.max(from, before - PASSED_OVER_MAX)
    // Once one is late, those after it still come first: users wait for the newest answers most.
    for (; seq < before && hasUsers() && performance.now() < endMs; seq += FETCHED_AT_ONCE) {
      const seqs = rangeOf(seq, Math.min(before, seq + FETCHED_AT_ONCE))
      const missing = await this.#learnAll(seqs, false, endMs)
      if (this.#stopped) return
      this.#await(missing)
    }
    if (seq < before) this.#await(rangeOf(seq, before))
  }

  /** After a start: what was passed over from ledger `first` to `before` - 1 and not learnt before the end. */
  resume(first: number, before: number): void {
    this.#resuming = this.#findMissing(first, before).catch((error: unknown) => this.#fail(error))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#wake?.()
    for (const fetching of this.#fetching) fetching.abort()
    await Promise.all([this.#resuming, this.#running])
  }

  async #findMissing(first: number, before: number): Promise<void> {
    const missing: number[] = []
    for (const seq of rangeOf(Math.max(first, before - PASSED_OVER_MAX, 1), before)) {
      if (this.#stopped) return
      const agreed = (await this.#options.readHeader(seq + 1))?.result
      if (agreed?.status !== 'ok' || agreed.outputsRoot === EMPTY_OUTPUTS_ROOT) continue
      if (!(await this.#options.hasOutputs(seq))) missing.push(seq)
    }
    this.#await(missing)
  }

  #await(seqs: number[]): void {
    if (seqs.length === 0 || this.#stopped) return
    this.#late = [...new Set([...this.#late, ...seqs])].sort((a, b) => a - b).slice(-PASSED_OVER_MAX)
    this.#running ??= this.#learnLate()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#running = null
        this.#await(this.#late)
      })
  }

  /** An old ledger that is damaged keeps the node from nothing but its outputs. */
  #fail(error: unknown): void {
    this.#late = []
    if (error instanceof LedgerStoreError && error.code === 'damaged') {
      this.#options.log.warn(`outputs of ledgers that were passed over are not fetched: ${error.message}`)
    } else if (!this.#stopped) {
      this.#options.onFatal(error instanceof Error ? error : new Error(String(error)))
    }
  }

  async #learnLate(): Promise<void> {
    let inVain = 0
    while (!this.#stopped && this.#late.length > 0) {
      const seqs = this.#late.slice(0, FETCHED_AT_ONCE)
      const missing = await this.#learnAll(seqs, true, performance.now() + LATE_MS)
      this.#late = this.#late.filter((seq) => !seqs.includes(seq))
      if (missing.length < seqs.length) inVain = 0
      // Asked again after all others.
      this.#late.push(...missing)
      if (missing.length === 0) continue
      inVain += missing.length === seqs.length ? 1 : 0
      if (inVain > ROUNDS_IN_VAIN_MAX) return this.#giveUp()
      await this.#sleep(Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** inVain))
    }
  }

  #giveUp(): void {
    const { length } = this.#late
    const [first, last] = [Math.min(...this.#late), Math.max(...this.#late)]
    this.#options.log.warn(`outputs of ${length} ledgers from ${first} to ${last} are at no peer: they are given up`)
    this.#late = []
  }

  /** @returns those of `seqs` whose outcome nobody has now */
  async #learnAll(seqs: number[], isLate: boolean, untilMs: number): Promise<number[]> {
    const fetching = new AbortController()
    const timer = setTimeout(() => fetching.abort(), Math.max(0, untilMs - performance.now()))
    this.#fetching.add(fetching)
    const found = await Promise.all(seqs.map((seq) => this.#learn(seq, fetching.signal))).finally(() => {
      clearTimeout(timer)
      this.#fetching.delete(fetching)
    })
    if (this.#stopped) return []
    for (const settlement of found) {
      if (settlement !== 'missing' && settlement !== null) this.#options.onSettled(settlement, isLate)
    }
    return seqs.filter((_, index) => found[index] === 'missing')
  }

  /** How the execution of a ledger ended; null when that can never be found out. */
  async #learn(seq: number, signal: AbortSignal): Promise<Settlement | 'missing' | null> {
    const { readLedger, readHeader, fetchOutputs, keepOutputs } = this.#options
    const ledger = await readLedger(seq)
    const agreed = (await readHeader(seq + 1))?.result
    if (this.#stopped || ledger === null || agreed === undefined) return null
    const { status, outputsRoot } = agreed
    if (status === 'void') return { status, ledger }
    if (status === 'failed') return { status, ledger, reason: 'failed on most nodes' }
    if (outputsRoot === EMPTY_OUTPUTS_ROOT) return { status, ledger, outputs: [] }
    const outputs = await fetchOutputs(seq, outputsRoot, signal)
    if (this.#stopped) return null
    if (outputs === null) return 'missing'
    await keepOutputs(seq, outputs)
    return { status, ledger, outputs }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#stopped ? 0 : ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function rangeOf(from: number, before: number): number[] {
  return Array.from({ length: Math.max(0, before - from) }, (_, index) => from + index)
}
