import type { Clock } from './clock.js'
import type { Message, Peer } from './messages.js'
import type { Profile } from './profile.js'
import type { Random } from './random.js'

/** Links between nodes that lose, delay, reorder, repeat and cut, each direction for itself. */
export class Network {
  readonly #clock: Clock
  readonly #random: Random
  readonly #profile: Profile
  readonly #peers: readonly Peer[]
  readonly #deliver: (to: Peer, message: Message, from: number) => void
  /** `from * peers + to` of the links that are cut. */
  readonly #cut = new Set<number>()
  readonly #cutOffUntilMs = new Map<number, number>()
  /** Nodes among whom nothing is lost any more. */
  #healed = new Set<number>()

  constructor(
    clock: Clock,
    random: Random,
    profile: Profile,
    peers: readonly Peer[],
    deliver: (to: Peer, message: Message, from: number) => void
  ) {
    this.#clock = clock
    this.#random = random
    this.#profile = profile
    this.#peers = peers
    this.#deliver = deliver
  }

  send(from: number, to: number, message: Message): void {
    const delays = this.#delays(from, to, message)
    for (const delayMs of delays) {
      this.#clock.schedule(delayMs, () => {
        const peer = this.#peers[to]!
        if (peer.up) this.#deliver(peer, message, from)
      })
    }
  }

  /** Asks `to` and hands back its answer; nothing comes back when a message is lost or `to` has no answer. */
  ask<T>(from: number, to: number, question: (peer: Peer) => T | null, answered: (answer: T) => void): void {
    for (const delayMs of this.#delays(from, to).slice(0, 1)) {
      this.#clock.schedule(delayMs, () => {
        const peer = this.#peers[to]!
        const answer = peer.up ? question(peer) : null
        if (answer === null) return
        for (const backMs of this.#delays(to, from).slice(0, 1)) this.#clock.schedule(backMs, () => answered(answer))
      })
    }
  }

  /** Delays of the copies that arrive; none when the message is lost. */
  #delays(from: number, to: number, message?: Message): number[] {
    if (this.#healed.has(from) && this.#healed.has(to)) return [1 + this.#random.fraction() * 20]
    if (this.#cut.has(from * this.#peers.length + to)) return []
    if ((this.#cutOffUntilMs.get(from) ?? 0) > this.#clock.nowMs) return []
    const { lossRate, duplicateRate, delayMs } = this.#profile
    if (this.#random.chance(lossRate) || (message && this.#random.chance(this.#lossOf(from, to, message)))) return []
    // Cubed: most are fast, some are very late.
    const draw = () => 1 + this.#random.fraction() ** 3 * delayMs
    return this.#random.chance(duplicateRate) ? [draw(), draw() * 3] : [draw()]
  }

  #lossOf(from: number, to: number, message: Message): number {
    const { precommitLossRate, proposalLossRate, forkHunt, lucky, lone, byzantine } = this.#profile
    if (message.type === 'proposal') return forkHunt && from === lone ? 0.8 : proposalLossRate
    if (message.type === 'candidate') return 0
    // A Byzantine validator knows the network better than others.
    if (forkHunt && byzantine > 0 && (from === lone || to === lone)) return 0
    if (message.vote.kind === 'precommit') return forkHunt && to === lucky ? 0 : precommitLossRate
    return forkHunt && to === lone && message.vote.attempt === 0 ? 0.7 : 0
  }

  /** Nothing that `node` sends arrives for a while. */
  cutOff(node: number, forMs: number): void {
    this.#cutOffUntilMs.set(node, this.#clock.nowMs + forMs)
  }

  /**
   * Draws a new partition: none, two sides, one node deaf or dumb, single directions of links, two sides of which only one
   * hears the other, two sides that one node alone connects, or two nodes that do not reach each other.
   */
  partition(): void {
    this.#cut.clear()
    const size = this.#peers.length
    const kind = this.#random.between(0, 7)
    const side = this.#peers.map(() => this.#random.chance(0.5))
    const lone = this.#random.between(0, size - 1)
    const other = this.#random.between(0, size - 1)
    for (let from = 0; from < size; from++) {
      for (let to = 0; to < size; to++) {
        const cut =
          (kind === 1 && side[from] !== side[to]) ||
          (kind === 2 && from === lone) ||
          (kind === 3 && to === lone) ||
          (kind === 4 && this.#random.chance(0.3)) ||
          (kind === 5 && side[from] === true && side[to] === false) ||
          (kind === 6 && side[from] !== side[to] && from !== lone && to !== lone) ||
          (kind === 7 && ((from === lone && to === other) || (from === other && to === lone)))
        if (cut && from !== to) this.#cut.add(from * size + to)
      }
    }
  }

  heal(nodes: number[]): void {
    this.#healed = new Set(nodes)
    this.#cut.clear()
    this.#cutOffUntilMs.clear()
  }
}
