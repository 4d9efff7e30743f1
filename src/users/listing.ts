import type { ProposalUser, PublicKey } from '../consensus/types.js'

/** It follows those who come and go, and have no input, no sooner than after this time. */
const REFRESH_MS = 1000

/**
 * A long user list for proposals. It is kept as it is for as long as it will do: whenever it changes every
 * validator has to fetch it, check it and make descriptors for those in it.
 */
export class Listing {
  readonly #now: () => number
  /** In the order in which they came into the list. */
  #listed = new Map<PublicKey, ProposalUser>()
  #list: ProposalUser[] = []
  #connected: ProposalUser[] | null = null
  #refreshedMs = Number.NEGATIVE_INFINITY

  /** @param now a clock that only goes forward, ms */
  constructor(now: () => number) {
    this.#now = now
  }

  /**
   * A list with everybody in `speakers`, with the proofs that stand there, and of those in `connected` as many as there is
   * room for: those who were in it already come first. Ascending by key; the same array until it changes.
   *
   * @param connected ascending by key; the same array until it changes
   * @param speakers users whose inputs are in the proposal, at most `max`
   */
  update(connected: ProposalUser[], speakers: ReadonlyMap<PublicKey, ProposalUser>, max: number): ProposalUser[] {
    let next = this.#isDue(connected) ? this.#follow(connected, max) : null
    for (const [key, user] of speakers) {
      const listed = (next ?? this.#listed).get(key)
      if (listed?.proof !== user.proof) next ??= new Map(this.#listed)
      const users = next ?? this.#listed
      // To the end: who speaks is the last to make room.
      users.delete(key)
      users.set(key, listed?.proof === user.proof ? listed : user)
    }
    if (next === null) return this.#list
    for (const key of next.keys()) {
      if (next.size <= max) break
      if (!speakers.has(key)) next.delete(key)
    }
    const isOther =
      next.size !== this.#listed.size || [...next].some(([key, { proof }]) => this.#proofOf(key) !== proof)
    this.#listed = next
    if (isOther) this.#list = [...next.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
    return this.#list
  }

  #isDue(connected: ProposalUser[]): boolean {
    if (connected === this.#connected) return false
    const nowMs = this.#now()
    if (nowMs - this.#refreshedMs < REFRESH_MS) return false
    this.#connected = connected
    this.#refreshedMs = nowMs
    return true
  }

  /** Without those who have left, with as many new ones as there is room for. */
  #follow(connected: ProposalUser[], max: number): Map<PublicKey, ProposalUser> {
    const present = new Map(connected.map((user) => [user.key, user]))
    const next = new Map<PublicKey, ProposalUser>()
    for (const key of this.#listed.keys()) {
      const user = present.get(key)
      if (user !== undefined) next.set(key, user)
    }
    for (const user of connected) {
      if (next.size >= max) break
      if (!next.has(user.key)) next.set(user.key, user)
    }
    return next
  }

  #proofOf(key: PublicKey): ProposalUser['proof'] | undefined {
    return this.#listed.get(key)?.proof
  }
}
