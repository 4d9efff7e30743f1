import type { Logger } from 'pino'
import {
  encodeForwardBatch,
  encodeSignedForward,
  PROPOSAL_LIMITS,
  partHashOf,
  SIGNING_DOMAINS,
  signPayload
} from '../../codec/index.js'
import type { Hash, Ledger, ProposalUser, PublicKey } from '../../consensus/types.js'
import type { Signer } from '../../crypto/index.js'
import type { PendingInput, PendingInputs } from '../../users/index.js'
import { Delivery, type DeliveryOptions, type OutgoingBatch } from './delivery.js'
import { ValidatorChoice } from './validator-choice.js'

export interface ForwarderOptions {
  networkId: Hash
  signer: Signer
  log: Logger
  pending: PendingInputs
  /** The connected users; the same array until a change. */
  users: () => ProposalUser[]
  /** Input bytes of a ledger. */
  inputBytes: () => number
  /** A validator that does not vote proposes nothing: until it does, it hands inputs on as an observer. */
  isSilent: () => boolean
  /** Validators that can be reached and follow the network, this node included when it is one that votes; best first. */
  validators: () => PublicKey[]
  /** Most validators are far ahead: what is made for ledgers after the own last one would come too late. */
  isBehind: () => boolean
  send: DeliveryOptions['send']
}

/** A batch may be taken by the ledgers of this many after the last: less than the rules allow, as others may be behind. */
const WINDOW_LEDGERS = 48
/** Batches with inputs that are on their way at one time. */
const BATCHES_MAX = 32
/** Their bytes, without the last one. */
const BATCHES_BYTES_MAX = 16 * 1024 * 1024
/** What comes within this time goes into one batch. */
const GAP_MS = 20
/** Content of one batch, save that one larger input may go alone. */
const BATCH_BYTES = 1024 * 1024
/** The list of idle users is renewed so long before it runs out. */
const RENEW_LEDGERS = 16
/** A change of the users is told no sooner after the last one. */
const PRESENCE_GAP_LEDGERS = 4
const PRESENCE_GAP_MS = 1000

interface Live {
  batch: OutgoingBatch
  /** Of its inputs, those that no ledger has. */
  missing: Set<Hash>
  delivery: Delivery
}

/**
 * Hands the inputs of the users of an observer, or of a validator that does not vote, to validators, in batches that the observer signs, and the list of its
 * users. An input is in one batch that ledgers may take, or in none: only when the last ledger that might have taken it
 * is closed here, without it, does it go into another batch or, on a node that is a validator by then, into a proposal.
 * The inputs of one user are in one batch at a time, so that they keep their order whichever validators take them.
 */
export class Forwarder {
  readonly #options: ForwarderOptions
  readonly #choice: ValidatorChoice
  readonly #live = new Map<Hash, Live>()
  readonly #ending = new Set<Promise<void>>()
  #seq: number
  #unl: readonly PublicKey[]
  #presence: { live: Live | null; users: ProposalUser[]; seq: number; atMs: number } | null = null
  #timer: NodeJS.Timeout | null = null
  #lastTryMs = Number.NEGATIVE_INFINITY
  #stopped = false

  /**
   * @param seq of the last ledger
   * @param unl decides the next one
   */
  constructor(seq: number, unl: readonly PublicKey[], options: ForwarderOptions) {
    this.#seq = seq
    this.#unl = unl
    this.#options = options
    this.#choice = new ValidatorChoice(options.validators)
  }

  /** Batches with inputs that no ledger has. */
  get size(): number {
    return this.#live.size
  }

  /** Inputs were added to those that wait. */
  inputsWaiting(): void {
    this.#work()
  }

  usersChanged(): void {
    this.#work()
  }

  validatorFound(validator: PublicKey): void {
    for (const { delivery } of this.#deliveries()) delivery.validatorFound(validator)
    this.#work()
  }

  validatorLost(validator: PublicKey): void {
    for (const { delivery } of this.#deliveries()) delivery.validatorLost(validator)
  }

  /** A ledger is on disk, and what it holds no longer waits. `unl` decides the next one. */
  ledgerClosed({ header: { seq }, inputs }: Ledger, unl: readonly PublicKey[]): void {
    this.#seq = seq
    this.#unl = unl
    const taken = new Set(inputs.filter(({ untilSeq }) => untilSeq > 0).map(({ id }) => id))
    for (const live of [...this.#live.values()]) {
      for (const id of live.missing) if (taken.has(id)) live.missing.delete(id)
      if (live.missing.size === 0) this.#end(live)
      else if (live.batch.untilSeq > seq) live.delivery.ledgerClosed(seq, unl)
      else this.#expire(live)
    }
    const presence = this.#presence?.live ?? null
    if (presence !== null) {
      if (presence.batch.untilSeq <= seq || this.#proposes) this.#endPresence()
      else presence.delivery.ledgerClosed(seq, unl)
    }
    this.#work()
  }

  /** The bytes of a batch that is on its way, for the validator that it was named to. */
  batch(hash: Hash): Uint8Array | undefined {
    return this.#live.get(hash)?.batch.part ?? this.#presenceOf(hash)?.batch.part
  }

  async stop(): Promise<void> {
    this.#stopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#endPresence()
    for (const live of [...this.#live.values()]) this.#end(live)
    await Promise.all(this.#ending)
  }

  /** Own inputs go into own proposals. */
  get #proposes(): boolean {
    return this.#unl.includes(this.#options.signer.publicKey) && !this.#options.isSilent()
  }

  #deliveries(): Live[] {
    const presence = this.#presence?.live ?? null
    return presence === null ? [...this.#live.values()] : [...this.#live.values(), presence]
  }

  #presenceOf(hash: Hash): Live | null {
    const live = this.#presence?.live ?? null
    return live?.batch.hash === hash ? live : null
  }

  /** Makes what batches can be made now, and sees to it that the rest is made later. */
  #work(): void {
    if (this.#stopped || this.#proposes) return
    const nowMs = performance.now()
    if (this.#isPresenceDue(nowMs) && this.#canSend()) this.#renewPresence(nowMs)
    const { pending } = this.#options
    if (this.#timer !== null || !pending.hasSelectable || this.#isFull()) return
    const waitMs = this.#lastTryMs + GAP_MS - nowMs
    if (waitMs > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = null
        this.#work()
      }, waitMs)
      return
    }
    this.#lastTryMs = nowMs
    if (!this.#canSend()) return
    const { users, inputs } = this.#select()
    if (inputs.length === 0) return
    pending.hold(inputs.map(({ id }) => id))
    const live = this.#send(users, inputs)
    this.#live.set(live.batch.hash, live)
    if (pending.hasSelectable) this.#work()
  }

  #canSend(): boolean {
    return this.#options.validators().length > 0 && !this.#options.isBehind()
  }

  #isFull(): boolean {
    const bytes = [...this.#live.values()].reduce((sum, { batch }) => sum + batch.part.length, 0)
    return this.#live.size >= BATCHES_MAX || bytes > BATCHES_BYTES_MAX
  }

  #select(): { users: ProposalUser[]; inputs: PendingInput[] } {
    const { pending, inputBytes } = this.#options
    const { users: usersMax, forwardInputs, forwardContentBytes } = PROPOSAL_LIMITS
    let selection = pending.select(Math.min(BATCH_BYTES, inputBytes()), [], forwardInputs, usersMax)
    // Nobody's next input is small enough: the one who has waited longest gets a batch for one.
    if (selection.inputs.length === 0) {
      selection = pending.select(Math.min(forwardContentBytes, inputBytes()), [], 1, 1)
    }
    const named = new Set(selection.inputs.map(({ user }) => user))
    return { users: selection.users.filter(({ key }) => named.has(key)), inputs: selection.inputs }
  }

  #isPresenceDue(nowMs: number): boolean {
    const users = this.#options.users()
    const last = this.#presence
    if (last === null) return users.length > 0
    const isOld = this.#seq >= last.seq + WINDOW_LEDGERS - RENEW_LEDGERS
    if (areEqual(last.users, users)) return users.length > 0 && isOld
    return this.#seq >= last.seq + PRESENCE_GAP_LEDGERS && nowMs >= last.atMs + PRESENCE_GAP_MS
  }

  #renewPresence(nowMs: number): void {
    this.#endPresence()
    const users = this.#options.users()
    const live = this.#send(users.slice(0, PROPOSAL_LIMITS.users), [])
    this.#presence = { live, users, seq: this.#seq, atMs: nowMs }
  }

  #send(users: ProposalUser[], inputs: PendingInput[]): Live {
    const { networkId, signer, log, send } = this.#options
    const untilSeq = this.#seq + WINDOW_LEDGERS
    const index = new Map(users.map(({ key }, position) => [key, position]))
    const payload = encodeForwardBatch({
      networkId,
      untilSeq,
      users,
      inputs: inputs.map(({ user, ordinal, content }) => ({ user: index.get(user) as number, ordinal, content }))
    })
    const part = encodeSignedForward(signPayload(SIGNING_DOMAINS.forward, payload, signer))
    const batch = { hash: partHashOf(part), part, untilSeq, hasInputs: inputs.length > 0 }
    const delivery = new Delivery(batch, this.#seq, {
      log,
      validators: () => this.#choice.ordered(),
      send,
      onTaken: (validator) => {
        if (this.#choice.noteTaken(validator)) log.info({ validator }, 'a validator takes what users of this node send')
      },
      onSilent: (validator) => this.#choice.noteSilent(validator)
    })
    return { batch, missing: new Set(inputs.map(({ id }) => id)), delivery }
  }

  /** No ledger will take it any more: what none has may be offered anew. */
  #expire(live: Live): void {
    const { log, pending } = this.#options
    this.#end(live)
    log.debug(`${live.missing.size} inputs got into no ledger up to ${live.batch.untilSeq}: they are offered again`)
    pending.release(live.missing)
  }

  #end(live: Live): void {
    this.#live.delete(live.batch.hash)
    this.#finish(live)
  }

  #endPresence(): void {
    if (this.#presence === null) return
    const { live } = this.#presence
    this.#presence = { ...this.#presence, live: null }
    if (live !== null) this.#finish(live)
    if (this.#proposes) this.#presence = null
  }

  #finish({ delivery }: Live): void {
    const ending = delivery.stop().finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
  }
}

function areEqual(a: readonly ProposalUser[], b: readonly ProposalUser[]): boolean {
  if (a === b) return true
  return a.length === b.length && a.every(({ key, proof }, index) => key === b[index]?.key && proof === b[index]?.proof)
}
