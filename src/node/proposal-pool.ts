import type { Logger } from 'pino'
import {
  CodecError,
  decodeInputList,
  decodeProposalPayload,
  decodeUserList,
  encodeInputList,
  encodeProposalPayload,
  encodeUserList,
  isSignatureValid,
  LIMITS,
  PROPOSAL_LIMITS,
  type ProposalMessage,
  type ProposalPayload,
  partHashOf,
  proposalHashOf,
  SIGNING_DOMAINS,
  signPayload
} from '../codec/index.js'
import type {
  ConfigWish,
  ExecutionResult,
  Hash,
  Proposal,
  ProposalInput,
  ProposalUser,
  PublicKey
} from '../consensus/types.js'
import type { Signer } from '../crypto/index.js'
import { challengeOf, inputIdOf, type Selection } from '../users/index.js'
import { BatchBook, type ForwardedBatch, isInTime } from './forwarding/batches.js'
import type { ProposalContent } from './forwarding/composer.js'
import { UserProofs } from './user-proofs.js'

/** Parts up to this size travel with a proposal; larger ones are fetched, so that gossip stays quick. */
const INLINE_BYTES = 256 * 1024
/** A user list above this size travels only when it has changed. */
const USERS_ALWAYS_BYTES = 2048
/** Proposals of one validator for one seq that are looked at: two are enough to prove that it cheats. */
const PROPOSALS_PER_VALIDATOR = 3
/** What frames the content of the inputs in all forward batches of a proposal, with their users. */
const FORWARD_FRAMING_BYTES = 4 * 1024 * 1024

interface KnownUsers {
  hash: Hash
  part: Uint8Array
  users: ProposalUser[]
}

export interface ProposalPoolOptions {
  networkId: Hash
  signer: Signer
  log: Logger
  /** Input bytes of a ledger: no honest proposal has more. */
  inputBytes: () => number
  /** Gets whole proposals by hash from the first of `from` that has them; may reject. */
  fetch: (hashes: Hash[], from: PublicKey[], signal: AbortSignal) => Promise<ProposalMessage[]>
}

export interface ProposalDraft {
  seq: number
  lcl: Hash
  timeMs: number
  result: ExecutionResult
  selection: ProposalContent
  /** What the operator wishes to be changed in the config. */
  wishes: ConfigWish[]
}

export interface OwnProposal {
  proposal: Proposal
  /** With all parts, as it is journaled and served. */
  whole: ProposalMessage
  /** As it is sent. */
  gossip: ProposalMessage
}

/** Proposals of the seqs around the one being decided: makes own ones, completes and checks those of others. */
export class ProposalPool {
  readonly #options: ProposalPoolOptions
  readonly #whole = new Map<Hash, ProposalMessage>()
  readonly #done = new Map<Hash, Proposal>()
  readonly #working = new Map<Hash, Promise<Proposal | null>>()
  readonly #seqOf = new Map<Hash, number>()
  /** Hashes seen, by seq and validator. */
  readonly #seen = new Map<string, Set<Hash>>()
  /** The two newest user lists of each validator. */
  readonly #userLists = new Map<PublicKey, KnownUsers[]>()
  readonly #proofs: UserProofs
  /** What is being fetched, by the seq it is for. */
  readonly #fetches = new Map<AbortController, number>()
  /** Proposals that were looked at because a vote needs them, by seq and validator. */
  readonly #wanted = new Map<string, number>()
  #lastUsersSent: Hash | null = null
  /** Ledgers before this are closed: their proposals are dropped. */
  #oldest = 0
  /** Batches that have travelled with an own proposal, with the last ledger that may take each. */
  readonly #batchesSent = new Map<Hash, number>()
  /** What observers have signed, checked. */
  readonly batches: BatchBook

  constructor(options: ProposalPoolOptions) {
    this.#options = options
    this.#proofs = new UserProofs(options.networkId)
    this.batches = new BatchBook(options.networkId, this.#proofs)
  }

  /** Makes and signs a proposal. */
  create(draft: ProposalDraft): OwnProposal {
    const { networkId, signer } = this.#options
    const { users, inputs } = capUsers(draft.selection)
    const { forwards = [] } = draft.selection
    const index = new Map(users.map((user, position) => [user.key, position]))
    const usersPart = this.#encodeUsers(signer.publicKey, users)
    const inputsPart = encodeInputList(
      inputs.map(({ user, ordinal, content }) => ({ user: index.get(user) as number, ordinal, content }))
    )
    const payload: ProposalPayload = {
      networkId,
      seq: draft.seq,
      lcl: draft.lcl,
      timeMs: draft.timeMs,
      usersHash: usersPart.hash,
      inputsHash: partHashOf(inputsPart),
      result: draft.result,
      wishes: draft.wishes,
      forwards: forwards.map(({ hash }) => hash)
    }
    const signed = signPayload(SIGNING_DOMAINS.proposal, encodeProposalPayload(payload), signer)
    const whole = { signed, parts: [usersPart.part, inputsPart, ...forwards.map(({ part }) => part)] }
    const own = inputs.map(({ user, id, content }) => ({ user, id, content, untilSeq: 0 }))
    const proposal = toProposal(payload, whole, users, own, forwards)
    this.#keep(proposal, whole)
    return { proposal, whole, gossip: this.#forGossip(whole, payload) }
  }

  /** An own proposal from the journal, as it is sent. */
  forGossip(whole: ProposalMessage): ProposalMessage {
    return this.#forGossip(whole, decodeProposalPayload(whole.signed.payload))
  }

  /**
   * A proposal from gossip, a peer or the journal, completed and checked.
   *
   * @param message its signature has been checked
   * @param wanted a vote needs it: it is looked at although its validator made others
   * @returns null when it cannot be completed or breaks a rule
   */
  take(
    message: ProposalMessage,
    payload: ProposalPayload,
    from: PublicKey[],
    wanted = false
  ): Promise<Proposal | null> {
    const hash = proposalHashOf(message.signed)
    const done = this.#done.get(hash)
    if (done !== undefined) return Promise.resolve(done)
    const working = this.#working.get(hash)
    if (working !== undefined) return working
    if (!wanted && !this.#isWorthALook(payload.seq, message.signed.key, hash)) return Promise.resolve(null)
    const work = this.#complete(message, payload, hash, from)
      .catch((error: unknown) => {
        this.#options.log.warn(
          `proposal of ${message.signed.key} for ledger ${payload.seq} left out: ${wordsOf(error)}`
        )
        return null
      })
      .finally(() => this.#working.delete(hash))
    this.#working.set(hash, work)
    return work
  }

  /**
   * Fetches proposals that votes name, and checks them.
   *
   * @returns those that were found and are in order
   */
  async fetch(hashes: Hash[], seq: number, unl: ReadonlySet<PublicKey>, from: PublicKey[]): Promise<Proposal[]> {
    const known = hashes.flatMap((hash) => this.#done.get(hash) ?? [])
    const missing = hashes.filter((hash) => !this.#done.has(hash))
    if (missing.length === 0) return known
    const messages = await this.#fetch(missing, seq, from)
    const taken = messages.map((message) => {
      const payload = openProposal(message, this.#options.networkId)
      const { key } = message.signed
      if (payload.seq !== seq || !unl.has(key) || !this.#mayBeWanted(seq, key, unl.size)) return null
      return this.take(message, payload, from, true)
    })
    const proposals = await Promise.all(taken)
    return [...known, ...proposals.filter((proposal) => proposal !== null)]
  }

  /** A whole proposal, for peers and for the journal. */
  whole(hash: Hash): ProposalMessage | undefined {
    return this.#whole.get(hash)
  }

  /** Drops what belongs to ledgers before `seq`. */
  forgetBefore(seq: number): void {
    this.#oldest = Math.max(this.#oldest, seq)
    for (const [hash, of] of this.#seqOf) {
      if (of >= seq) continue
      this.#seqOf.delete(hash)
      this.#whole.delete(hash)
      this.#done.delete(hash)
    }
    for (const key of this.#seen.keys()) if (Number.parseInt(key, 10) < seq) this.#seen.delete(key)
    for (const key of this.#wanted.keys()) if (Number.parseInt(key, 10) < seq) this.#wanted.delete(key)
    for (const [hash, until] of this.#batchesSent) if (until < seq) this.#batchesSent.delete(hash)
    this.batches.forgetBefore(seq)
    for (const [controller, of] of this.#fetches) if (of < seq) controller.abort(new Error('its ledger is closed'))
  }

  /** True when a further proposal of this validator would not be looked at: its signature need not be checked. */
  isFull(seq: number, validator: PublicKey, hash: Hash): boolean {
    const seen = this.#seen.get(`${seq} ${validator}`)
    return seen !== undefined && seen.size >= PROPOSALS_PER_VALIDATOR && !seen.has(hash)
  }

  /** Sends with the next proposal what others are thought to have, the user list and batches: they may have lost it. */
  sendPartsAgain(): void {
    this.#lastUsersSent = null
    this.#batchesSent.clear()
  }

  async #fetch(hashes: Hash[], seq: number, from: PublicKey[]): Promise<ProposalMessage[]> {
    const controller = new AbortController()
    this.#fetches.set(controller, seq)
    try {
      return await this.#options.fetch(hashes, from, controller.signal)
    } finally {
      this.#fetches.delete(controller)
    }
  }

  /** A validator may have shown every other one another proposal, and each of these may be voted on; no more. */
  #mayBeWanted(seq: number, validator: PublicKey, validators: number): boolean {
    const key = `${seq} ${validator}`
    const count = (this.#wanted.get(key) ?? 0) + 1
    this.#wanted.set(key, count)
    return count <= 2 * validators
  }

  #isWorthALook(seq: number, validator: PublicKey, hash: Hash): boolean {
    const key = `${seq} ${validator}`
    const seen = this.#seen.get(key) ?? new Set()
    this.#seen.set(key, seen)
    if (seen.size >= PROPOSALS_PER_VALIDATOR) return seen.has(hash)
    seen.add(hash)
    return true
  }

  #keep(proposal: Proposal, whole: ProposalMessage): void {
    this.#seqOf.set(proposal.hash, proposal.seq)
    this.#whole.set(proposal.hash, whole)
    this.#done.set(proposal.hash, proposal)
  }

  #encodeUsers(validator: PublicKey, users: ProposalUser[]): KnownUsers {
    const known = this.#userLists.get(validator)?.find((list) => list.users === users)
    if (known !== undefined) return known
    const part = encodeUserList(users)
    return this.#rememberUsers(validator, { hash: partHashOf(part), part, users })
  }

  #rememberUsers(validator: PublicKey, list: KnownUsers): KnownUsers {
    const lists = (this.#userLists.get(validator) ?? []).filter(({ hash }) => hash !== list.hash)
    this.#userLists.set(validator, [list, ...lists].slice(0, 2))
    return list
  }

  /** With the parts that are small and that others do not have. */
  #forGossip(whole: ProposalMessage, { usersHash, forwards, seq }: ProposalPayload): ProposalMessage {
    const [usersPart, inputsPart, ...batches] = whole.parts as [Uint8Array, Uint8Array, ...Uint8Array[]]
    const parts: Uint8Array[] = []
    const changed = usersHash !== this.#lastUsersSent || usersPart.length <= USERS_ALWAYS_BYTES
    if (changed && usersPart.length <= INLINE_BYTES) parts.push(usersPart)
    if (inputsPart.length <= INLINE_BYTES) parts.push(inputsPart)
    this.#lastUsersSent = usersHash
    let room = INLINE_BYTES
    for (const [index, batch] of batches.entries()) {
      const hash = forwards[index] as Hash
      if (this.#batchesSent.has(hash) || batch.length > room) continue
      room -= batch.length
      this.#batchesSent.set(hash, this.batches.get(hash)?.untilSeq ?? seq)
      parts.push(batch)
    }
    return { signed: whole.signed, parts }
  }

  async #complete(
    message: ProposalMessage,
    payload: ProposalPayload,
    hash: Hash,
    from: PublicKey[]
  ): Promise<Proposal | null> {
    const validator = message.signed.key
    const parts = new Map(message.parts.map((part) => [partHashOf(part), part]))
    const known = this.#userLists.get(validator)?.find((list) => list.hash === payload.usersHash)
    if (known !== undefined) parts.set(known.hash, known.part)
    for (const hash of payload.forwards) {
      const batch = this.batches.get(hash)
      if (batch !== undefined) parts.set(hash, batch.part)
    }
    const names = [payload.usersHash, payload.inputsHash, ...payload.forwards]
    if (names.some((name) => !parts.has(name))) {
      const sources = [validator, ...from.filter((peer) => peer !== validator)]
      const [fetched] = await this.#fetch([hash], payload.seq, sources)
      for (const part of fetched?.parts ?? []) parts.set(partHashOf(part), part)
    }
    const all = names.map((name) => parts.get(name)).filter((part) => part !== undefined)
    // Its ledger was closed meanwhile: nobody needs it, and those who had it may have dropped it.
    if (all.length < names.length && payload.seq < this.#oldest) return null
    if (all.length < names.length) throw new CodecError('malformed', 'nobody has all its parts')
    const [usersPart, inputsPart, ...batchParts] = all as [Uint8Array, Uint8Array, ...Uint8Array[]]
    const users = known?.users ?? (await this.#checkUsers(validator, decodeUserList(usersPart)))
    this.#rememberUsers(validator, { hash: payload.usersHash, part: usersPart, users })
    const inputs = this.#checkInputs(validator, users, inputsPart)
    const forwards = await this.#checkForwards(payload, inputs, batchParts)
    // Each batch in one copy, whoever proposes it.
    const whole = { signed: message.signed, parts: [usersPart, inputsPart, ...forwards.map(({ part }) => part)] }
    const proposal = toProposal(payload, whole, users, inputs, forwards)
    this.#keep(proposal, whole)
    return proposal
  }

  async #checkUsers(validator: PublicKey, users: ProposalUser[]): Promise<ProposalUser[]> {
    await this.#proofs.check(validator, users)
    return users
  }

  /** Batches whose time has come, and that leave the proposal no larger than an honest one: the cheap checks come first. */
  async #checkForwards(
    { seq }: ProposalPayload,
    own: readonly ProposalInput[],
    parts: readonly Uint8Array[]
  ): Promise<ForwardedBatch[]> {
    if (parts.length === 0) return []
    const room = this.#inputBytes() - own.reduce((sum, { content }) => sum + content.length, 0)
    if (parts.reduce((sum, part) => sum + part.length, 0) > room + FORWARD_FRAMING_BYTES) {
      throw new CodecError('too-large', 'its forward batches are larger than a ledger')
    }
    const opened = parts.map((part) => this.batches.open(part))
    const named = new Set<PublicKey>()
    let [bytes, entries, inputs] = [0, 0, own.length]
    for (const { batch } of opened) {
      if (!isInTime(batch, seq)) {
        throw new CodecError('out-of-range', `a forward batch for ledgers until ${batch.untilSeq}`)
      }
      for (const { key } of batch.users) named.add(key)
      for (const { content } of batch.inputs) bytes += content.length
      entries += batch.users.length
      inputs += batch.inputs.length
    }
    const { users, forwardUserEntries, inputs: inputsMax } = PROPOSAL_LIMITS
    if (bytes > room) throw new CodecError('too-large', `more than ${this.#inputBytes()} bytes of inputs`)
    if (inputs > inputsMax) throw new CodecError('too-large', `${inputs} inputs, at most ${inputsMax}`)
    if (named.size > users || entries > forwardUserEntries) {
      throw new CodecError('too-large', `its forward batches name ${named.size} users, ${entries} times`)
    }
    const checked: ForwardedBatch[] = []
    for (const batch of opened) checked.push(await this.batches.check(batch))
    return checked
  }

  #inputBytes(): number {
    return Math.min(this.#options.inputBytes(), LIMITS.inputBytesPerLedger)
  }

  #checkInputs(validator: PublicKey, users: ProposalUser[], part: Uint8Array): ProposalInput[] {
    const challenges = new Map<number, string>()
    const inputBytes = this.#inputBytes()
    let bytes = 0
    return decodeInputList(part, users.length).map(({ user: index, ordinal, content }) => {
      const user = users[index] as ProposalUser
      let challenge = challenges.get(index)
      if (challenge === undefined) {
        challenge = challengeOf(this.#options.networkId, validator, user.proof.expiryMs, user.proof.nonce)
        challenges.set(index, challenge)
      }
      bytes += content.length
      if (bytes > inputBytes) throw new CodecError('too-large', `more than ${inputBytes} bytes of inputs`)
      return { user: user.key, id: inputIdOf(user.key, challenge, ordinal, content), content, untilSeq: 0 }
    })
  }
}

/** No more users than a proposal may name: those with inputs in it first. What is left out waits for the next one. */
function capUsers(selection: Selection): Selection {
  const { users, inputs } = selection
  if (users.length <= PROPOSAL_LIMITS.users) return selection
  const withInputs = new Set(inputs.map((input) => input.user))
  const first = users.filter(({ key }) => withInputs.has(key))
  const others = users.filter(({ key }) => !withInputs.has(key))
  const kept = new Set([...first, ...others].slice(0, PROPOSAL_LIMITS.users).map(({ key }) => key))
  return { users: users.filter(({ key }) => kept.has(key)), inputs: inputs.filter(({ user }) => kept.has(user)) }
}

function toProposal(
  payload: ProposalPayload,
  { signed }: ProposalMessage,
  users: ProposalUser[],
  inputs: ProposalInput[],
  forwards: readonly ForwardedBatch[]
): Proposal {
  const { seq, lcl, timeMs, result, wishes } = payload
  const all = {
    users: uniteUsers(users, forwards),
    inputs: forwards.length === 0 ? inputs : [...inputs, ...forwards.flatMap((batch) => batch.inputs)]
  }
  return { hash: proposalHashOf(signed), validator: signed.key, seq, lcl, timeMs, result, ...all, wishes }
}

/** Each user once. */
function uniteUsers(users: ProposalUser[], forwards: readonly ForwardedBatch[]): ProposalUser[] {
  if (forwards.length === 0) return users
  const all = new Map(users.map((user) => [user.key, user]))
  for (const { users: forwarded } of forwards) {
    for (const user of forwarded) if (!all.has(user.key)) all.set(user.key, user)
  }
  return [...all.values()]
}

/**
 * The signed content of a proposal that came from outside.
 *
 * @throws CodecError when it is malformed, of another network, or not signed by its key
 */
export function openProposal(message: ProposalMessage, networkId: Hash): ProposalPayload {
  const payload = decodeProposalPayload(message.signed.payload)
  if (payload.networkId !== networkId) throw new CodecError('out-of-range', 'proposal: of another network')
  if (!isSignatureValid(SIGNING_DOMAINS.proposal, message.signed)) {
    throw new CodecError('malformed', 'proposal: the signature is not its validator’s')
  }
  return payload
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
