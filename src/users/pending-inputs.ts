import type { Hash, ProposalUser, PublicKey, UserProof } from '../consensus/types.js'
import { Listing } from './listing.js'
import { inputIdOf } from './proof.js'

/** How much may wait for a ledger. Whole numbers of at least 1. */
export interface PendingLimits {
  /** Bytes of one input. */
  inputBytes: number
  userInputs: number
  userBytes: number
  inputs: number
  bytes: number
}

export const DEFAULT_PENDING_LIMITS: Readonly<PendingLimits> = {
  inputBytes: 4 * 1024 * 1024,
  userInputs: 1_024,
  userBytes: 16 * 1024 * 1024,
  inputs: 65_536,
  bytes: 256 * 1024 * 1024
}

/**
 * What a proposal takes beyond one input of each user while several users speak. A ledger takes the longer the more is in
 * it, and everybody waits for it: without this the pace of all is that of the one who sends most.
 */
export interface FairShare {
  userInputs: number
  userBytes: number
  inputs: number
  bytes: number
}

export const FAIR_SHARE: Readonly<FairShare> = {
  userInputs: 32,
  userBytes: 32 * 1024,
  inputs: 256,
  bytes: 128 * 1024
}

/** Up to this number of connected users the list of a proposal has everybody who is connected at that moment. */
const LONG_LIST_USERS = 256
/** Ledgers for which somebody who spoke counts as one of those who speak. */
const SPEAKERS_LEDGERS = 64
/** Inputs that each user may have waiting when half of what a node holds is taken. */
const CROWDED_INPUTS = 16

/** One input as it goes into a proposal; the same object until it is in a ledger. */
export interface PendingInput {
  readonly user: PublicKey
  readonly ordinal: number
  readonly id: Hash
  readonly content: Uint8Array
}

/** Where an input came from. */
export interface PendingSource {
  user: PublicKey
  proof: UserProof
  /** The challenge that the user signed. */
  sessionId: string
  /** Its place on the connection. */
  ordinal: number
}

export type PendingVerdict = { taken: true; id: Hash } | { taken: false; reason: string }

/** Users ascending by key; inputs grouped by user in that order, each user's in their own order. */
export interface Selection {
  users: ProposalUser[]
  inputs: PendingInput[]
}

interface Entry {
  input: PendingInput
  sessionId: string
  proof: UserProof
}

interface UserQueue {
  /** In order of arrival. */
  entries: Map<Hash, Entry>
  bytes: number
  /** Of the entries, those that are held. */
  held: number
}

/** Inputs taken from the users of this node that are in no ledger yet. */
export class PendingInputs {
  #limits: PendingLimits
  /** Users who got an input into a ledger last come last: the first one has waited longest and is served first. */
  readonly #queues = new Map<PublicKey, UserQueue>()
  readonly #userOf = new Map<Hash, PublicKey>()
  readonly #held = new Set<Hash>()
  /** Users of whom something is held. */
  #heldUsers = 0
  #bytes = 0
  readonly #share: FairShare
  /** Users with inputs in each of the last ledgers, two of each at most. */
  readonly #speakers: PublicKey[][] = []
  #isShared = false

  readonly #listing: Listing

  /** @param now a clock that only goes forward, ms */
  constructor(
    limits: Partial<PendingLimits> = {},
    share: FairShare = FAIR_SHARE,
    now: () => number = () => performance.now()
  ) {
    this.#share = share
    this.#listing = new Listing(now)
    this.#limits = { ...DEFAULT_PENDING_LIMITS, ...limits }
    for (const [name, value] of Object.entries(this.#limits)) {
      if (!Number.isSafeInteger(value) || value < 1) {
        throw new RangeError(`pending input limit ${name} must be a whole number of at least 1, not ${value}`)
      }
    }
  }

  /** Inputs waiting. */
  get size(): number {
    return this.#userOf.size
  }

  /** Content bytes waiting. */
  get bytes(): number {
    return this.#bytes
  }

  /** True when somebody has an input waiting and none that is held. */
  get hasSelectable(): boolean {
    return this.#queues.size > this.#heldUsers
  }

  has(id: Hash): boolean {
    return this.#userOf.has(id)
  }

  /** Takes an input, or says for the user why not. Keeps `content` without a copy. */
  add(source: PendingSource, content: Uint8Array): PendingVerdict {
    const { user, sessionId, ordinal, proof } = source
    const queue = this.#queues.get(user)
    const reason = this.#reasonToRefuse(queue, content.length)
    if (reason !== null) return { taken: false, reason }
    const id = inputIdOf(user, sessionId, ordinal, content)
    if (this.#userOf.has(id)) return { taken: false, reason: 'this input is waiting already' }
    const entry: Entry = { input: { user, ordinal, id, content }, sessionId, proof }
    if (queue === undefined) {
      this.#queues.set(user, { entries: new Map([[id, entry]]), bytes: content.length, held: 0 })
    } else {
      queue.entries.set(id, entry)
      queue.bytes += content.length
    }
    this.#userOf.set(id, user)
    this.#bytes += content.length
    return { taken: true, id }
  }

  /**
   * Inputs for the next proposal: one of each user in turn, until `maxBytes` of content or `maxInputs` are reached.
   * A proposal carries one proof per user, so a user's inputs are all of one session, that of their oldest input;
   * those of a later session follow when these are in a ledger. Nothing is removed: what gets into no ledger is
   * selected again, in the same order. A user whose next input does not fit waits, and comes nearer to the front
   * with every ledger that serves others. A user of whom something is held waits too, so that their inputs keep
   * their order. While several users speak, here or in the last ledgers, nobody gets more than a fair share.
   *
   * Of more than 256 connected users the list is a second old at most, and has no more than `maxUsers`: those with inputs
   * in the proposal, and those who have been in the list before.
   *
   * @param connected the connected users, ascending by key; the same array until it changes
   * @param maxUsers users with inputs in it: those who have waited longest
   */
  select(
    maxBytes: number,
    connected: ProposalUser[],
    maxInputs = Number.POSITIVE_INFINITY,
    maxUsers = Number.POSITIVE_INFINITY
  ): Selection {
    const chosen = this.#takeTurns(maxBytes, maxInputs, maxUsers)
    const isLong = connected.length > LONG_LIST_USERS
    const users = isLong ? this.#listUsers(connected, chosen, maxUsers) : this.#mergeUsers(connected)
    const inputs: PendingInput[] = []
    for (const { key } of users) inputs.push(...(chosen.get(key) ?? []))
    return { users, inputs }
  }

  /**
   * Holds inputs back: they are on their way into a ledger by another road, and must not go by two. Ids that are not
   * here are ignored.
   */
  hold(ids: Iterable<Hash>): void {
    for (const id of ids) {
      const queue = this.#queues.get(this.#userOf.get(id) ?? '')
      if (queue === undefined || this.#held.has(id)) continue
      this.#held.add(id)
      queue.held += 1
      if (queue.held === 1) this.#heldUsers += 1
    }
  }

  /** Holds them back no longer. */
  release(ids: Iterable<Hash>): void {
    for (const id of ids) {
      const queue = this.#queues.get(this.#userOf.get(id) ?? '')
      if (queue === undefined || !this.#held.delete(id)) continue
      queue.held -= 1
      if (queue.held === 0) this.#heldUsers -= 1
    }
  }

  /** Removes those that are in a ledger; ids that are not here are ignored. Returns how many were here. */
  confirm(ids: Iterable<Hash>): number {
    let confirmed = 0
    const served = new Set<PublicKey>()
    for (const id of ids) {
      const user = this.#remove(id)
      if (user === null) continue
      served.add(user)
      confirmed += 1
    }
    for (const user of served) {
      const queue = this.#queues.get(user)
      if (queue === undefined) continue
      this.#queues.delete(user)
      this.#queues.set(user, queue)
    }
    return confirmed
  }

  /** A ledger is closed, with inputs of these users, of this node or others. */
  noteSpeakers(users: Iterable<PublicKey>): void {
    const heard = new Set<PublicKey>()
    for (const user of users) {
      heard.add(user)
      if (heard.size === 2) break
    }
    this.#speakers.push([...heard])
    if (this.#speakers.length > SPEAKERS_LEDGERS) this.#speakers.shift()
    this.#isShared = new Set(this.#speakers.flat()).size > 1
  }

  /** True when so much of this user waits that no more should be read: it would have to be refused soon. */
  isCrowded(user: PublicKey): boolean {
    const queue = this.#queues.get(user)
    if (queue === undefined) return false
    return queue.entries.size > this.#inputsAtEase() || queue.bytes > this.#limits.userBytes / 2
  }

  /** True when half of what makes a user crowded is gone. */
  isRelieved(user: PublicKey): boolean {
    const queue = this.#queues.get(user)
    if (queue === undefined) return true
    return queue.entries.size <= this.#inputsAtEase() / 2 && queue.bytes <= this.#limits.userBytes / 4
  }

  /** From now on an input may have `maxBytes`. Removes and returns those that are larger. */
  setInputBytes(maxBytes: number): PendingInput[] {
    this.#limits = { ...this.#limits, inputBytes: maxBytes }
    const dropped: PendingInput[] = []
    for (const { entries } of this.#queues.values()) {
      for (const { input } of entries.values()) if (input.content.length > maxBytes) dropped.push(input)
    }
    for (const { id } of dropped) this.#remove(id)
    return dropped
  }

  /** Users with inputs waiting, connected or not, ascending by key, each with the proof of their oldest input. */
  usersWithPending(): ProposalUser[] {
    return [...this.#queues].map(([key, queue]) => ({ key, proof: oldestOf(queue).proof })).sort(compareKeys)
  }

  #reasonToRefuse(queue: UserQueue | undefined, size: number): string | null {
    const { inputBytes, userInputs, userBytes, inputs, bytes } = this.#limits
    if (size > inputBytes) return `an input may have at most ${inputBytes} bytes`
    if ((queue?.entries.size ?? 0) >= userInputs) return `${userInputs} inputs of this user wait for a ledger already`
    if ((queue?.bytes ?? 0) + size > userBytes)
      return `more than ${userBytes} bytes of this user would wait for a ledger`
    if (this.size >= inputs || this.#bytes + size > bytes) return 'too many inputs wait for a ledger at this node'
    return null
  }

  #inputsAtEase(): number {
    const { inputs, bytes, userInputs } = this.#limits
    const isFilling = this.size > inputs / 2 || this.#bytes > bytes / 2
    return isFilling ? Math.min(CROWDED_INPUTS, userInputs / 2) : userInputs / 2
  }

  #takeTurns(maxBytes: number, maxInputs: number, maxUsers: number): Map<PublicKey, PendingInput[]> {
    const chosen = new Map<PublicKey, PendingInput[]>()
    const fits = this.#isShared || this.#queues.size > 1 ? fairly(this.#share) : () => true
    let bytesLeft = maxBytes
    let inputsLeft = maxInputs
    let turns = [...this.#queues]
      .filter(([, { held }]) => held === 0)
      .slice(0, maxUsers)
      .map(([user, queue]) => ({ user, next: inputsOfOldestSession(queue) }))
    while (turns.length > 0 && inputsLeft > 0) {
      turns = turns.filter(({ user, next }) => {
        const { value: input } = next.next()
        if (input === undefined || input.content.length > bytesLeft || inputsLeft < 1 || !fits(input)) return false
        const list = chosen.get(user)
        if (list === undefined) chosen.set(user, [input])
        else list.push(input)
        bytesLeft -= input.content.length
        inputsLeft -= 1
        return true
      })
    }
    return chosen
  }

  #listUsers(
    connected: ProposalUser[],
    chosen: ReadonlyMap<PublicKey, PendingInput[]>,
    maxUsers: number
  ): ProposalUser[] {
    const speakers = new Map<PublicKey, ProposalUser>()
    for (const user of chosen.keys()) {
      const { proof } = oldestOf(this.#queues.get(user) as UserQueue)
      speakers.set(user, { key: user, proof })
    }
    return this.#listing.update(connected, speakers, maxUsers)
  }

  /** The connected users and those with inputs waiting; the latter with the proof that their inputs need. */
  #mergeUsers(connected: ProposalUser[]): ProposalUser[] {
    if (this.#queues.size === 0) return connected
    const users = new Map(connected.map((user) => [user.key, user]))
    let changed = false
    for (const user of this.usersWithPending()) {
      if (users.get(user.key)?.proof === user.proof) continue
      users.set(user.key, user)
      changed = true
    }
    return changed ? [...users.values()].sort(compareKeys) : connected
  }

  #remove(id: Hash): PublicKey | null {
    const user = this.#userOf.get(id)
    const queue = user === undefined ? undefined : this.#queues.get(user)
    const entry = queue?.entries.get(id)
    if (user === undefined || queue === undefined || entry === undefined) return null
    this.release([id])
    this.#userOf.delete(id)
    queue.entries.delete(id)
    queue.bytes -= entry.input.content.length
    this.#bytes -= entry.input.content.length
    if (queue.entries.size === 0) this.#queues.delete(user)
    return user
  }
}

function compareKeys(a: ProposalUser, b: ProposalUser): number {
  return a.key < b.key ? -1 : 1
}

/** A queue is never empty: it goes with its last input. */
function oldestOf(queue: UserQueue): Entry {
  return queue.entries.values().next().value as Entry
}

function* inputsOfOldestSession(queue: UserQueue): Generator<PendingInput, undefined> {
  const { sessionId } = oldestOf(queue)
  for (const entry of queue.entries.values()) if (entry.sessionId === sessionId) yield entry.input
}

/** Takes the first input of each user, and then what is within the share. */
function fairly(share: FairShare): (input: PendingInput) => boolean {
  const taken = new Map<PublicKey, { inputs: number; bytes: number }>()
  const all = { inputs: 0, bytes: 0 }
  return ({ user, content }) => {
    const own = taken.get(user)
    const inputs = (own?.inputs ?? 0) + 1
    const bytes = (own?.bytes ?? 0) + content.length
    const isWithin =
      inputs <= share.userInputs &&
      bytes <= share.userBytes &&
      all.inputs < share.inputs &&
      all.bytes + content.length <= share.bytes
    if (own !== undefined && !isWithin) return false
    taken.set(user, { inputs, bytes })
    all.inputs += 1
    all.bytes += content.length
    return true
  }
}
