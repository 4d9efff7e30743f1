import { setImmediate as nextTurn } from 'node:timers/promises'
import { CodecError, EMPTY_OUTPUTS_ROOT } from '../codec/index.js'
import type { ConsensusConfig, Genesis, Ledger, LedgerHeader } from '../consensus/types.js'
import { findLedgerProblem, type LedgerLink } from './check.js'
import { LedgerStoreError } from './errors.js'
import { decodeLinkRecord, type LedgerEntry } from './link-record.js'
import type { LedgerStore } from './store.js'
import { TrustChain } from './trust.js'

export interface VerifyOptions {
  /** Default: the oldest ledger kept. */
  from?: number
  /** Default: the tip. */
  to?: number
  /** Called now and then with the seq just checked. */
  onProgress?: (seq: number, lastSeq: number) => void
  /** Aborting ends with the signal's reason as error. */
  signal?: AbortSignal
}

export interface VerifyReport {
  ok: boolean
  /** Ledgers found good. */
  checked: number
  /** The range asked for, within what is kept. */
  firstSeq: number
  lastSeq: number
  /** Executions whose agreed outputs are not stored here, which is no fault: the node may have skipped them. */
  outputsMissing: number
  /** Ledgers found good that changed the config, also those of which no more is kept. */
  milestones: number
  problem: { seq: number; what: string } | null
}

const PROGRESS_EVERY = 256

/**
 * Checks the stored chain again, offline: the ledgers that changed the config, each against the config in force before
 * it, from the genesis on; then each header against its hash and the one before, rising time, users and inputs against
 * the header, the certificate against the UNL that the ledger before agreed on, stored outputs against the root that
 * the ledger after agreed on. Ends at the first problem.
 */
export async function verifyChain(store: LedgerStore, options: VerifyOptions = {}): Promise<VerifyReport> {
  const unpin = store.pin()
  try {
    return await new Verification(store, options).run()
  } finally {
    unpin()
  }
}

/** What is wrong, and with which ledger. */
class Fault extends Error {
  readonly seq: number

  constructor(seq: number, what: string) {
    super(what)
    this.seq = seq
  }
}

class Verification {
  readonly #store: LedgerStore
  readonly #options: VerifyOptions
  readonly #report: VerifyReport
  /** Numbers of the ledgers that change the config, from the genesis on. */
  readonly #milestones: AsyncGenerator<number>
  #milestone: LedgerEntry | null = null
  #trust: TrustChain
  /** The ledger looked at. */
  #seq = 0

  constructor(store: LedgerStore, options: VerifyOptions) {
    this.#store = store
    this.#options = options
    const tip = store.tip().seq
    const firstSeq = Math.max(options.from ?? 1, store.first())
    const lastSeq = Math.min(options.to ?? tip, tip)
    this.#report = { ok: true, checked: 0, firstSeq, lastSeq, outputsMissing: 0, milestones: 0, problem: null }
    this.#milestones = store.milestoneSeqs()
    this.#trust = new TrustChain(store.getGenesis() as Genesis)
  }

  async run(): Promise<VerifyReport> {
    const report = this.#report
    try {
      const base = await this.#checkBase()
      await this.#checkLedgers(base)
      return report
    } catch (error) {
      const isFault = error instanceof Fault || error instanceof CodecError
      const isDamage = error instanceof LedgerStoreError && error.code === 'damaged'
      if (!isFault && !isDamage) throw error
      const seq = error instanceof Fault ? error.seq : this.#seq
      return { ...report, ok: false, problem: { seq, what: (error as Error).message } }
    } finally {
      await this.#milestones.return(undefined)
    }
  }

  /** Follows the changes of the config up to the ledger before the first one checked, and checks its certificate. */
  async #checkBase(): Promise<LedgerLink> {
    const { firstSeq } = this.#report
    await this.#nextMilestone()
    while (this.#milestone !== null && this.#milestone.header.seq < firstSeq) {
      this.#options.signal?.throwIfAborted()
      this.#seq = this.#milestone.header.seq
      this.#refuse(this.#trust.advance(this.#milestone))
      this.#report.milestones += 1
      await this.#nextMilestone()
      await nextTurn()
    }
    this.#seq = firstSeq - 1
    if (this.#seq === 0) return (await this.#store.link(0)) as LedgerLink
    const base = await this.#readLink(this.#seq)
    this.#refuse(this.#trust.findProblem(base))
    return base
  }

  async #checkLedgers(base: LedgerLink): Promise<void> {
    const { onProgress, signal } = this.#options
    const report = this.#report
    const { firstSeq, lastSeq } = report
    let previous = base
    let { config } = this.#trust
    for (let seq = firstSeq; seq <= lastSeq; seq++) {
      signal?.throwIfAborted()
      this.#seq = seq
      const ledger = await this.#checkLedger(seq, previous, config)
      previous = { header: ledger.header, hash: ledger.hash }
      config = ledger.config ?? config
      await this.#checkOutputs(previous.header)
      await this.#checkMilestone(ledger)
      report.checked++
      if (seq % PROGRESS_EVERY === 0 || seq === lastSeq) {
        onProgress?.(seq, lastSeq)
        await nextTurn()
      }
    }
    const tip = this.#store.tip()
    if (lastSeq === tip.seq && previous.hash !== tip.hash) throw new Fault(lastSeq, `it is not the tip ${tip.hash}`)
  }

  async #checkLedger(seq: number, previous: LedgerLink, config: ConsensusConfig): Promise<Ledger> {
    const stored = await this.#store.get(seq)
    if (stored === null || stored.certificate === null) throw new Fault(seq, 'it is missing')
    this.#refuse(findLedgerProblem(stored.ledger, stored.certificate, previous, config))
    return stored.ledger
  }

  /** Outputs of the ledger before `header`, on which `header` agrees. */
  async #checkOutputs(header: LedgerHeader): Promise<void> {
    const seq = header.seq - 1
    if (seq < this.#store.first() || header.result.status !== 'ok') return
    this.#seq = seq
    const outputs = await this.#store.getOutputs(seq)
    const agreed = header.result.outputsRoot
    if (outputs === null) {
      if (agreed !== EMPTY_OUTPUTS_ROOT) this.#report.outputsMissing++
      return
    }
  }

  /** Those that others start from must be the ledgers that changed the config, and all of them. */
  async #checkMilestone({ header, hash, config }: Ledger): Promise<void> {
    const isListed = this.#milestone?.header.seq === header.seq && this.#milestone.hash === hash
    if (isListed !== (config !== null)) {
      throw new Fault(header.seq, `the list of ledgers that changed the config ${isListed ? 'has' : 'lacks'} it`)
    }
    if (!isListed) return
    this.#report.milestones += 1
    await this.#nextMilestone()
  }

  async #nextMilestone(): Promise<void> {
    const { value, done } = await this.#milestones.next()
    if (done === true) {
      this.#milestone = null
      return
    }
    this.#seq = value
    this.#milestone = await this.#readLink(value)
  }

  async #readLink(seq: number): Promise<LedgerEntry> {
    const bytes = await this.#store.linkRecord(seq)
    if (bytes === null) throw new Fault(seq, 'it is missing')
    const entry = decodeLinkRecord(bytes)
    if (entry.header.seq !== seq) throw new Fault(seq, `it says that it is ledger ${entry.header.seq}`)
    return entry
  }

  #refuse(problem: string | null): void {
    if (problem !== null) throw new Fault(this.#seq, problem)
  }
}
