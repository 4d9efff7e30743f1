import type { PublicKey } from '../../../src/consensus/types.js'
import type { RequestHandler, Topic } from '../../../src/network/index.js'
import type { Clock } from '../clock.js'
import type { Random } from '../random.js'
import type { SimNetwork } from './sim-network.js'

/** A peer that has gone is noticed after at most this. */
const GONE_MS = 1000

export interface LinkFaults {
  lossRate: number
  duplicateRate: number
  delayMs: number
  /** Probability that a request comes to nothing. */
  requestLossRate: number
}

const NO_FAULTS: LinkFaults = { lossRate: 0, duplicateRate: 0, delayMs: 20, requestLossRate: 0 }

export interface HubEvents {
  onPublished: (from: PublicKey, topic: Topic, bytes: Uint8Array) => void
  onDelivered: (to: PublicKey, from: PublicKey, bytes: Uint8Array) => void
  /** A node says that another one broke a rule. */
  onBlamed: (by: PublicKey, who: PublicKey, what: string) => void
  onRequest: (from: PublicKey, to: PublicKey, name: string) => void
}

/** What a Byzantine node makes of what its software sends and answers. */
export interface Manners {
  /** False: this message does not go to that peer. */
  sends(to: PublicKey, topic: Topic): boolean
  /** What answers requests for `name` in place of the software. */
  handler(name: string, honest: RequestHandler): RequestHandler
  /** The last ledger that it says it has closed. */
  claims(seq: number): number
}

/** The wires between all nodes. */
export class Hub {
  readonly clock: Clock
  readonly random: Random
  readonly events: HubEvents
  readonly nodes = new Map<PublicKey, SimNetwork>()
  /** Of the Byzantine nodes. */
  readonly manners = new Map<PublicKey, Manners>()
  #faults: LinkFaults
  /** `from>to` of the links that are cut. */
  #cut = new Set<string>()

  constructor(clock: Clock, random: Random, faults: LinkFaults, events: HubEvents) {
    this.clock = clock
    this.random = random
    this.#faults = faults
    this.events = events
  }

  join(node: SimNetwork): void {
    this.nodes.set(node.publicKey, node)
    for (const other of this.nodes.values()) {
      if (other === node) continue
      this.clock.schedule(this.random.between(5, 500), () => connect(this, node, other))
    }
  }

  leave(node: SimNetwork, isClean: boolean): void {
    if (this.nodes.get(node.publicKey) === node) this.nodes.delete(node.publicKey)
    for (const other of this.nodes.values()) {
      const noticeMs = isClean ? this.random.between(1, 20) : this.random.between(5, GONE_MS)
      other.process.after(noticeMs, () => other.lose(node))
    }
  }

  /** Calls `arrive` for each copy of a message that arrives. */
  send(from: PublicKey, to: PublicKey, arrive: () => void): void {
    if (this.isCut(from, to) || this.random.chance(this.#faults.lossRate)) return
    const copies = this.random.chance(this.#faults.duplicateRate) ? 2 : 1
    for (let copy = 0; copy < copies; copy++) this.clock.schedule(this.delay() * (1 + 2 * copy), arrive)
  }

  /** A message of a Byzantine node for one peer alone. */
  whisper(from: PublicKey, to: PublicKey, topic: Topic, bytes: Buffer): void {
    this.send(from, to, () => {
      const sender = this.nodes.get(from)
      const receiver = this.nodes.get(to)
      if (sender !== undefined && receiver?.isConnected(sender)) receiver.receive(topic, bytes, from, true)
    })
  }

  /** Cubed: most are fast, some are very late. */
  delay(): number {
    return 0.2 + this.random.fraction() ** 3 * this.#faults.delayMs
  }

  isCut(from: PublicKey, to: PublicKey): boolean {
    return this.#cut.has(`${from}>${to}`)
  }

  losesRequest(): boolean {
    return this.random.chance(this.#faults.requestLossRate)
  }

  /** Draws a new partition: none, two sides, one node deaf or dumb, single directions, one-way sides, a bridge, a pair. */
  partition(keys: readonly PublicKey[]): number {
    const { random } = this
    this.#cut = new Set()
    const kind = random.between(0, 7)
    const side = new Map(keys.map((key) => [key, random.chance(0.5)]))
    const lone = random.pick(keys)
    const other = random.pick(keys)
    for (const from of keys) {
      for (const to of keys) {
        const isCut =
          (kind === 1 && side.get(from) !== side.get(to)) ||
          (kind === 2 && from === lone) ||
          (kind === 3 && to === lone) ||
          (kind === 4 && random.chance(0.3)) ||
          (kind === 5 && side.get(from) === true && side.get(to) === false) ||
          (kind === 6 && side.get(from) !== side.get(to) && from !== lone && to !== lone) ||
          (kind === 7 && ((from === lone && to === other) || (from === other && to === lone)))
        if (isCut && from !== to) this.#cut.add(`${from}>${to}`)
      }
    }
    return kind
  }

  heal(): void {
    this.#cut = new Set()
    this.#faults = NO_FAULTS
  }
}

function connect(hub: Hub, a: SimNetwork, b: SimNetwork): void {
  if (!a.isOpen || !b.isOpen || a.isConnected(b) || b.isConnected(a)) return
  if (hub.isCut(a.publicKey, b.publicKey) || hub.isCut(b.publicKey, a.publicKey)) {
    hub.clock.schedule(hub.random.between(250, 2000), () => connect(hub, a, b))
    return
  }
  a.meet(b)
  b.meet(a)
}
