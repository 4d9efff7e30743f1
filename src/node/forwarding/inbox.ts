import type { Logger } from 'pino'
import { CodecError, LIMITS, PROPOSAL_LIMITS, partHashOf } from '../../codec/index.js'
import type { LedgerTip } from '../../consensus/close-ledger.js'
import type { Hash, Ledger, PublicKey } from '../../consensus/types.js'
import { type BatchBook, type ForwardedBatch, isInTime, type OpenedBatch } from './batches.js'
import type { ForwardAnswer, ForwardRequest } from './wire.js'

/** How much may wait for a ledger. */
export interface InboxLimits {
  observerBatches: number
  observerBytes: number
  observerUsers: number
  batches: number
  bytes: number
  /** User entries: a user who is in several batches counts in each. */
  users: number
  /** Large batches that are being fetched at one time. */
  fetches: number
}

export const DEFAULT_INBOX_LIMITS: Readonly<InboxLimits> = {
  observerBatches: 64,
  observerBytes: 32 * 1024 * 1024,
  observerUsers: PROPOSAL_LIMITS.forwardUserEntries,
  batches: 1024,
  bytes: 128 * 1024 * 1024,
  users: 8 * PROPOSAL_LIMITS.forwardUserEntries,
  fetches: 8
}

export interface InboxOptions {
  book: BatchBook
  log: Logger
  limits?: Partial<InboxLimits>
  /** This node is a validator, and votes. */
  proposes: () => boolean
  tip: () => LedgerTip
  /** Input bytes of a ledger. */
  inputBytes: () => number
  /** Gets a batch that an observer has named; rejects when it does not come. */
  fetch: (observer: PublicKey, hash: Hash, bytes: number) => Promise<Uint8Array>
  /** There are inputs to propose. */
  onInputs: () => void
  /** An observer sent what no honest one sends. */
  onBadBatch: (observer: PublicKey, detail: string) => void
}

/** Room that a proposal has for forwarded batches. */
export interface ForwardRoom {
  bytes: number
  inputs: number
}

/** Content bytes and inputs of batches. */
export function sizeOf(batches: readonly ForwardedBatch[]): ForwardRoom {
  return {
    bytes: batches.reduce((sum, { bytes }) => sum + bytes, 0),
    inputs: batches.reduce((sum, { inputs }) => sum + inputs.length, 0)
  }
}

interface Waiting {
  batch: ForwardedBatch
  /** Of its inputs, those that no ledger has. */
  missing: Set<Hash>
}

interface Observer {
  /** In order of arrival. */
  batches: Map<Hash, Waiting>
  /** Users without inputs: the newest list of the observer's. */
  presence: Waiting | null
  bytes: number
  users: number
}

const NO_PROPOSALS = 'this node is no validator, or does not vote now'
const TAKEN: ForwardAnswer = { verdict: 'taken', reason: '' }
const KNOWN: ForwardAnswer = { verdict: 'known', reason: '' }

function refuse(reason: string): ForwardAnswer {
  return { verdict: 'refused', reason }
}

/** What observers have handed to this validator and no ledger has yet. */
export class ForwardInbox {
  readonly #options: InboxOptions
  readonly #limits: InboxLimits
  /** The first one has waited longest for its turn. */
  readonly #observers = new Map<PublicKey, Observer>()
  /** Which batch lacks an input. */
  readonly #missing = new Map<Hash, Set<Waiting>>()
  readonly #fetching = new Set<PublicKey>()
  #batches = 0
  #bytes = 0
  #users = 0

  constructor(options: InboxOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_INBOX_LIMITS, ...options.limits }
  }

  /** Batches that wait. */
  get size(): number {
    return this.#batches
  }

  /** True when an input waits. */
  get hasInputs(): boolean {
    return this.#missing.size > 0
  }

  /** A batch, or the name of one, from `observer` itself. */
  async receive(observer: PublicKey, request: ForwardRequest): Promise<ForwardAnswer> {
    if (!this.#options.proposes()) return refuse(NO_PROPOSALS)
    try {
      const part = 'batch' in request ? request.batch : await this.#fetch(observer, request)
      return part === null ? refuse('too many large batches are on their way here') : await this.#take(observer, part)
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      this.#options.onBadBatch(observer, error.message)
      return refuse(error.message)
    }
  }

  /**
   * Batches for a proposal for ledger `seq`: of each observer one in turn, in the order in which they came, as long as
   * there is room; the lists of users without inputs come last. Nothing is removed.
   */
  select(seq: number, room: ForwardRoom): ForwardedBatch[] {
    const choice = new Choice(seq, room)
    let turns = [...this.#observers.values()].map(({ batches }) => batches.values())
    while (turns.length > 0) {
      turns = turns.filter((waiting) => {
        const { value } = waiting.next()
        if (value !== undefined) choice.add(value.batch)
        return value !== undefined
      })
    }
    for (const { presence } of this.#observers.values()) if (presence !== null) choice.add(presence.batch)
    this.#rotate()
    return choice.batches
  }

  /** Drops what the ledger has taken, and what no later one may take. */
  ledgerClosed({ header: { seq }, inputs }: Ledger): void {
    for (const { id } of inputs) {
      for (const waiting of this.#missing.get(id) ?? []) {
        waiting.missing.delete(id)
        if (waiting.missing.size === 0) this.#drop(waiting)
      }
      this.#missing.delete(id)
    }
    for (const { batches, presence } of this.#observers.values()) {
      for (const waiting of batches.values()) if (waiting.batch.untilSeq <= seq) this.#drop(waiting)
      if (presence !== null && presence.batch.untilSeq <= seq) this.#drop(presence)
    }
  }

  async #fetch(observer: PublicKey, request: { hash: Hash; bytes: number }): Promise<Uint8Array | null> {
    if (request.bytes > PROPOSAL_LIMITS.forwardBytes) {
      throw new CodecError('too-large', `forward batch: ${request.bytes} bytes`)
    }
    const known = this.#observers.get(observer)?.batches.get(request.hash)
    if (known !== undefined) return known.batch.part
    if (this.#fetching.has(observer) || this.#fetching.size >= this.#limits.fetches) return null
    this.#fetching.add(observer)
    try {
      const part = await this.#options.fetch(observer, request.hash, request.bytes)
      if (partHashOf(part) !== request.hash) throw new CodecError('malformed', 'forward batch: not the one named')
      return part
    } finally {
      this.#fetching.delete(observer)
    }
  }

  /** The cheap checks come first, and again once the signatures are checked: ledgers close meanwhile. */
  async #take(observer: PublicKey, part: Uint8Array): Promise<ForwardAnswer> {
    const { book, onInputs } = this.#options
    const opened = book.open(part)
    if (opened.signed.key !== observer) {
      throw new CodecError('malformed', 'forward batch: signed by another node than the one that sends it')
    }
    if (this.#observers.get(observer)?.batches.has(opened.hash) === true) return KNOWN
    const before = this.#reasonToRefuse(observer, opened)
    if (before !== null) return refuse(before)
    const batch = await book.check(opened)
    const reason = this.#reasonToRefuse(observer, opened, batch.bytes)
    if (reason !== null) return refuse(reason)
    if (batch.inputs.length === 0) return this.#addPresence(observer, batch)
    if (this.#observers.get(observer)?.batches.has(batch.hash) === true) return KNOWN
    const { forwarded } = this.#options.tip()
    const missing = batch.inputs.map(({ id }) => id).filter((id) => !forwarded.has(id))
    if (missing.length === 0) return KNOWN
    const waiting: Waiting = { batch, missing: new Set(missing) }
    for (const id of missing) this.#missing.set(id, (this.#missing.get(id) ?? new Set()).add(waiting))
    const of = this.#observerOf(observer)
    of.batches.set(batch.hash, waiting)
    this.#count(of, batch, 1)
    onInputs()
    return TAKEN
  }

  #addPresence(observer: PublicKey, batch: ForwardedBatch): ForwardAnswer {
    const of = this.#observerOf(observer)
    if (of.presence !== null) {
      if (of.presence.batch.untilSeq > batch.untilSeq || of.presence.batch.hash === batch.hash) return KNOWN
      this.#drop(of.presence)
    }
    // Nobody is there: that ends the list before, and is not worth a place in proposals.
    if (batch.users.length > 0) {
      const kept = this.#observerOf(observer)
      kept.presence = { batch, missing: new Set() }
      this.#count(kept, batch, 1)
    } else this.#forgetIdle(observer)
    return TAKEN
  }

  #reasonToRefuse(observer: PublicKey, { part, batch }: OpenedBatch, contentBytes = 0): string | null {
    const { tip, inputBytes, proposes } = this.#options
    const { seq } = tip()
    const limits = this.#limits
    const of = this.#observers.get(observer)
    if (!proposes()) return NO_PROPOSALS
    if (batch.untilSeq <= seq) return `ledger ${batch.untilSeq}, the last that might take it, is closed: ${seq} is`
    if (!isInTime(batch, seq + 1)) {
      return `ledger ${batch.untilSeq} is too far ahead of ${seq}: at most ${LIMITS.forwardLedgers} ledgers`
    }
    if (contentBytes > inputBytes()) return `more than the ${inputBytes()} bytes of inputs that fit in a ledger`
    if (
      (of?.batches.size ?? 0) >= limits.observerBatches ||
      (of?.bytes ?? 0) + part.length > limits.observerBytes ||
      (of?.users ?? 0) + batch.users.length > limits.observerUsers
    ) {
      return 'too much of this observer waits for a ledger here'
    }
    if (
      this.#batches >= limits.batches ||
      this.#bytes + part.length > limits.bytes ||
      this.#users + batch.users.length > limits.users
    ) {
      return 'too much of all observers waits for a ledger here'
    }
    return null
  }

  #observerOf(key: PublicKey): Observer {
    const known = this.#observers.get(key)
    if (known !== undefined) return known
    const observer: Observer = { batches: new Map(), presence: null, bytes: 0, users: 0 }
    this.#observers.set(key, observer)
    return observer
  }

  #count(observer: Observer, batch: ForwardedBatch, sign: 1 | -1): void {
    observer.bytes += sign * batch.part.length
    observer.users += sign * batch.users.length
    this.#batches += sign
    this.#bytes += sign * batch.part.length
    this.#users += sign * batch.users.length
  }

  #drop(waiting: Waiting): void {
    const { batch, missing } = waiting
    const observer = this.#observers.get(batch.observer)
    if (observer === undefined) return
    for (const id of missing) {
      const lacking = this.#missing.get(id)
      lacking?.delete(waiting)
      if (lacking?.size === 0) this.#missing.delete(id)
    }
    if (observer.presence === waiting) observer.presence = null
    else observer.batches.delete(batch.hash)
    this.#count(observer, batch, -1)
    this.#forgetIdle(batch.observer)
  }

  #forgetIdle(key: PublicKey): void {
    const observer = this.#observers.get(key)
    if (observer !== undefined && observer.presence === null && observer.batches.size === 0) {
      this.#observers.delete(key)
    }
  }

  /** Where there is no room for all, another observer comes first in the next proposal. */
  #rotate(): void {
    for (const [key, observer] of this.#observers) {
      this.#observers.delete(key)
      this.#observers.set(key, observer)
      return
    }
  }
}

/** Batches chosen for one proposal, within what a proposal may hold. */
class Choice {
  readonly batches: ForwardedBatch[] = []
  readonly #seq: number
  readonly #users = new Set<PublicKey>()
  #entries = 0
  #bytes: number
  #inputs: number

  constructor(seq: number, { bytes, inputs }: ForwardRoom) {
    this.#seq = seq
    this.#bytes = bytes
    this.#inputs = inputs
  }

  add(batch: ForwardedBatch): void {
    const { bytes, inputs, users } = batch
    if (!isInTime(batch, this.#seq) || this.batches.length >= PROPOSAL_LIMITS.forwards) return
    if (bytes > this.#bytes || inputs.length > this.#inputs) return
    const fresh = users.filter(({ key }) => !this.#users.has(key))
    if (this.#users.size + fresh.length > PROPOSAL_LIMITS.users) return
    if (this.#entries + users.length > PROPOSAL_LIMITS.forwardUserEntries) return
    for (const { key } of fresh) this.#users.add(key)
    this.#entries += users.length
    this.#bytes -= bytes
    this.#inputs -= inputs.length
    this.batches.push(batch)
  }
}
