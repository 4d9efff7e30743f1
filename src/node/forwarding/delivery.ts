import type { Logger } from 'pino'
import type { Hash, PublicKey } from '../../consensus/types.js'
import type { ForwardAnswer } from './wire.js'

/** A signed batch that ledgers may still take. */
export interface OutgoingBatch {
  hash: Hash
  /** As it travels. */
  part: Uint8Array
  untilSeq: number
  /** Ledgers show whether they have all of it; of a list of users they do not. */
  hasInputs: boolean
}

export interface DeliveryOptions {
  log: Logger
  /** Validators that can be reached, best first. */
  validators: () => PublicKey[]
  /** Hands a batch over; rejects when no answer comes. */
  send: (validator: PublicKey, batch: OutgoingBatch, signal: AbortSignal) => Promise<ForwardAnswer>
  /** A validator has it. */
  onTaken: (validator: PublicKey) => void
  /** A validator did not answer. */
  onSilent: (validator: PublicKey) => void
}

/** Before all validators are asked again that have refused or not answered; doubled each time. */
const RETRY_MS = 250
const RETRY_MAX_MS = 4000
/** Ledgers without all of a batch before a second validator gets it; doubled each time. */
const PATIENCE_LEDGERS = 3

/**
 * Brings one batch to a validator and sees that one keeps it. The same bytes may go to any number of validators: ledgers
 * take what is in them once.
 */
export class Delivery {
  readonly #options: DeliveryOptions
  readonly #batch: OutgoingBatch
  readonly #stopping = new AbortController()
  /** Validators that have it. */
  readonly #carriers = new Set<PublicKey>()
  /** Those that have refused it or not answered. */
  readonly #tried = new Set<PublicKey>()
  #running: Promise<void> | null = null
  /** How many shall have it. */
  #wanted = 1
  #retryMs = RETRY_MS
  #timer: NodeJS.Timeout | null = null
  #patience = PATIENCE_LEDGERS
  #again: number

  /** @param seq the last ledger */
  constructor(batch: OutgoingBatch, seq: number, options: DeliveryOptions) {
    this.#batch = batch
    this.#options = options
    this.#again = seq + PATIENCE_LEDGERS
    this.#push()
  }

  /** A validator has become reachable. */
  validatorFound(validator: PublicKey): void {
    this.#tried.delete(validator)
    this.#push()
  }

  /** A validator is gone: what it has may be lost. */
  validatorLost(validator: PublicKey): void {
    this.#tried.delete(validator)
    if (this.#carriers.delete(validator)) this.#push()
  }

  /** Ledger `seq` has closed without all of it; `unl` decides the next one. */
  ledgerClosed(seq: number, unl: readonly PublicKey[]): void {
    for (const carrier of this.#carriers) if (!unl.includes(carrier)) this.#carriers.delete(carrier)
    // Only ledgers that closed after a validator had it say anything about that validator.
    if (this.#carriers.size === 0) this.#again = seq + this.#patience
    else if (this.#batch.hasInputs && seq >= this.#again) {
      this.#wanted = this.#carriers.size + 1
      this.#patience *= 2
      this.#again = seq + this.#patience
    }
    this.#push()
  }

  /** Ends what is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the batch needs no validator any more'))
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    await this.#running
  }

  #push(): void {
    if (this.#stopping.signal.aborted || this.#running !== null || this.#carriers.size >= this.#wanted) return
    this.#running = this.#deliver().finally(() => {
      this.#running = null
      if (this.#carriers.size < this.#wanted) this.#retryLater()
    })
  }

  async #deliver(): Promise<void> {
    const { validators, onTaken, log } = this.#options
    const { signal } = this.#stopping
    while (!signal.aborted && this.#carriers.size < this.#wanted) {
      const target = validators().find((key) => !this.#carriers.has(key) && !this.#tried.has(key))
      if (target === undefined) return
      const { verdict, reason } = await this.#offer(target)
      if (signal.aborted) return
      if (verdict === 'refused') {
        this.#tried.add(target)
        log.debug(`validator ${target} does not take inputs of users of this node: ${reason}`)
        continue
      }
      this.#carriers.add(target)
      this.#retryMs = RETRY_MS
      onTaken(target)
    }
  }

  async #offer(target: PublicKey): Promise<ForwardAnswer> {
    try {
      return await this.#options.send(target, this.#batch, this.#stopping.signal)
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#options.onSilent(target)
      return { verdict: 'refused', reason: error instanceof Error ? error.message : String(error) }
    }
  }

  #retryLater(): void {
    if (this.#stopping.signal.aborted || this.#timer !== null) return
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#tried.clear()
      this.#push()
    }, this.#retryMs)
    this.#retryMs = Math.min(RETRY_MAX_MS, 2 * this.#retryMs)
  }
}
