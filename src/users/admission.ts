import { CloseCode } from './close-codes.js'
import type { Connection } from './connection.js'
import type { UserLimits } from './limits.js'

/** Refused or closed connections that are still being told so; one more cuts the oldest. */
const FAREWELLS_MAX = 256

export interface Refusal {
  code: number
  reason: string
}

/** Who is in: counts connections by stage and by address against the limits. */
export class Admission {
  readonly #limits: UserLimits
  /** Every connection that is not closing. */
  readonly #active = new Set<Connection>()
  /** Those of them that have not answered the challenge, oldest first. */
  readonly #pending = new Set<Connection>()
  /** Closing ones. */
  readonly #farewells = new Set<Connection>()
  readonly #activeOf = new Map<string, number>()
  #isEmptying = false
  #onEmpty: (() => void) | null = null

  constructor(limits: UserLimits) {
    this.#limits = limits
  }

  /** Connections that are not closing. */
  get active(): ReadonlySet<Connection> {
    return this.#active
  }

  get pending(): number {
    return this.#pending.size
  }

  /** True when a further connection cannot even be told that there is no room. */
  get isFlooded(): boolean {
    return this.#farewells.size >= FAREWELLS_MAX && this.#active.size >= this.#limits.connections
  }

  /** Every connection, closing ones included. */
  *all(): Iterable<Connection> {
    yield* this.#active
    yield* this.#farewells
  }

  isPending(connection: Connection): boolean {
    return this.#pending.has(connection)
  }

  /** Counts a new connection; what to close it with when it is one too many. */
  enter(connection: Connection): Refusal | null {
    const { connections, connectionsPerAddress } = this.#limits
    const ofAddress = this.#activeOf.get(connection.address) ?? 0
    this.#active.add(connection)
    this.#activeOf.set(connection.address, ofAddress + 1)
    if (this.#active.size > connections) {
      const reason = `this node has its ${connections} connections: try another node or later`
      return { code: CloseCode.tooManyConnections, reason }
    }
    if (ofAddress >= connectionsPerAddress) {
      const reason = `more than ${connectionsPerAddress} connections from one address`
      return { code: CloseCode.tooManyFromAddress, reason }
    }
    this.#pending.add(connection)
    return null
  }

  /**
   * The connection to close because too many have not answered, null while there is room. It is the oldest: it had the
   * most time, and in a flood this keeps the door open for those who answer at once.
   */
  findOverdue(): Connection | null {
    if (this.#pending.size <= this.#limits.pendingHandshakes) return null
    const [oldest] = this.#pending
    return oldest ?? null
  }

  /** The challenge is answered. */
  confirm(connection: Connection): void {
    this.#pending.delete(connection)
  }

  /** The connection is closing: it counts no longer. False when that is known. */
  leave(connection: Connection): boolean {
    if (!this.#active.delete(connection)) return false
    this.#pending.delete(connection)
    const left = (this.#activeOf.get(connection.address) ?? 1) - 1
    if (left === 0) this.#activeOf.delete(connection.address)
    else this.#activeOf.set(connection.address, left)
    this.#farewells.add(connection)
    // When the node stops, all are closing at once and are given their time.
    if (this.#farewells.size > FAREWELLS_MAX && !this.#isEmptying) {
      const [oldest] = this.#farewells
      // It goes with its close event; until then it is not the oldest any more.
      this.#farewells.delete(oldest!)
      this.#farewells.add(oldest!)
      oldest!.terminate()
    }
    return true
  }

  /** The connection is gone. */
  forget(connection: Connection): void {
    this.#farewells.delete(connection)
    if (this.#active.size === 0 && this.#farewells.size === 0) this.#onEmpty?.()
  }

  /** From now on the number of closing connections is not bounded. */
  startEmptying(): void {
    this.#isEmptying = true
  }

  /** Resolves when no connection is left. */
  async waitUntilEmpty(): Promise<void> {
    if (this.#active.size === 0 && this.#farewells.size === 0) return
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve
    })
  }
}
