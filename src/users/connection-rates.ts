import type { UserLimits } from './limits.js'
import { TokenBucket } from './token-bucket.js'

/** Addresses whose rates are remembered, those that came last: with more, the rate of all together is what holds. */
const ADDRESSES_MAX = 65_536
/** Refusals a second that are told in words, which costs as much as letting somebody in: of one address, and in all. */
const TOLD_PER_SECOND = { address: 1, all: 50 }
const TOLD_BURST = { address: 8, all: 200 }

/** What becomes of a new socket: let in, let in so far that it hears why it is refused, or dropped. */
export type Arrival = 'in' | 'told' | 'dropped'

/** A limit by rate, and one on the words about it. */
class Gate {
  readonly #connections: TokenBucket
  readonly #told: TokenBucket

  constructor(perSecond: number, burst: number, told: { perSecond: number; burst: number }, nowMs: number) {
    this.#connections = new TokenBucket(60 * perSecond, nowMs, burst)
    this.#told = new TokenBucket(60 * told.perSecond, nowMs, told.burst)
  }

  enter(nowMs: number): boolean {
    return this.#connections.take(nowMs)
  }

  tell(nowMs: number): boolean {
    return this.#told.take(nowMs)
  }
}

/** How often new connections may come: from one address, and in all. */
export class ConnectionRates {
  readonly #limits: UserLimits
  readonly #now: () => number
  readonly #all: Gate
  /** Last used last. */
  readonly #gates = new Map<string, Gate>()

  constructor(limits: UserLimits, now: () => number) {
    this.#limits = limits
    this.#now = now
    const told = { perSecond: TOLD_PER_SECOND.all, burst: TOLD_BURST.all }
    const { connectionsPerSecond, connections } = limits
    this.#all = new Gate(connectionsPerSecond, Math.max(connectionsPerSecond, connections), told, now())
  }

  /** Counts a new socket. What one address has too many takes nothing from the others. */
  arrive(address: string): Arrival {
    const nowMs = this.#now()
    const gate = this.#gateOf(address, nowMs)
    if (gate.enter(nowMs) && this.#all.enter(nowMs)) return 'in'
    return gate.tell(nowMs) && this.#all.tell(nowMs) ? 'told' : 'dropped'
  }

  #gateOf(address: string, nowMs: number): Gate {
    const { addressConnectionsPerSecond, connectionsPerAddress } = this.#limits
    const told = { perSecond: TOLD_PER_SECOND.address, burst: TOLD_BURST.address }
    const burst = Math.max(addressConnectionsPerSecond, connectionsPerAddress)
    const gate = this.#gates.get(address) ?? new Gate(addressConnectionsPerSecond, burst, told, nowMs)
    this.#gates.delete(address)
    if (this.#gates.size >= ADDRESSES_MAX) this.#gates.delete(this.#gates.keys().next().value as string)
    this.#gates.set(address, gate)
    return gate
  }
}
