import type { ProposalUser, PublicKey } from '../consensus/types.js'
import type { Connection } from './connection.js'

/** Which connections belong to which user; gives the sorted user list of the next proposal. */
export class SessionTable<T extends { connection: Connection }> {
  readonly #sessions = new Map<PublicKey, Set<T>>()
  #list: ProposalUser[] | null = []
  #version = 0

  /** Rises whenever the list changes. */
  get version(): number {
    return this.#version
  }

  get users(): number {
    return this.#sessions.size
  }

  countOf(user: PublicKey): number {
    return this.#sessions.get(user)?.size ?? 0
  }

  /** Oldest first. */
  sessionsOf(user: PublicKey): Iterable<T> {
    return this.#sessions.get(user) ?? []
  }

  /** True when the user list changed. */
  add(user: PublicKey, session: T): boolean {
    const sessions = this.#sessions.get(user)
    if (sessions !== undefined) {
      sessions.add(session)
      return false
    }
    this.#sessions.set(user, new Set([session]))
    return this.#change()
  }

  /** True when the user list changed: the user is gone, or their proof is now that of another connection. */
  remove(user: PublicKey, session: T): boolean {
    const sessions = this.#sessions.get(user)
    if (sessions === undefined) return false
    const [oldest] = sessions
    if (!sessions.delete(session)) return false
    if (sessions.size === 0) this.#sessions.delete(user)
    return oldest === session ? this.#change() : false
  }

  /** One entry per user, ascending by key, with the proof of the oldest connection; the same array until a change. */
  list(): ProposalUser[] {
    this.#list ??= [...this.#sessions]
      .map(([key, sessions]) => {
        const [oldest] = sessions
        return { key, proof: oldest!.connection.proof! }
      })
      .sort((a, b) => (a.key < b.key ? -1 : 1))
    return this.#list
  }

  #change(): true {
    this.#list = null
    this.#version += 1
    return true
  }
}
