import type { Hash, PublicKey } from '../../../src/consensus/types.js'
import { blake3Hex } from '../../../src/crypto/index.js'
import type { RequestError } from '../../../src/network/errors.js'
import type {
  GossipHandler,
  HandlerOptions,
  NetworkEvents,
  NetworkOptions,
  PeerInfo,
  RequestHandler,
  RequestOptions,
  Topic
} from '../../../src/network/index.js'
import { Exchange } from './exchange.js'
import type { Hub } from './hub.js'
import type { SimProcess } from './sim-process.js'

const STATUS_INTERVAL_MS = 2000
/** Gossip does not deliver the same bytes again for so long, unless they are sent as new ones. */
const SEEN_MS = 120_000

type Listener = (event: never) => void
interface Service {
  handler: RequestHandler
  options: HandlerOptions
}
interface Known {
  node: SimNetwork
  seq: number
  lcl: Hash
}

/** What createNetwork makes in a simulated process: the part of Network that the node uses. */
export class SimNetwork {
  readonly process: SimProcess
  readonly publicKey: PublicKey
  readonly peerId: string
  isOpen = true
  readonly #hub: Hub
  readonly #options: NetworkOptions
  readonly #makeError: (code: RequestError['code'], message: string) => Error
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #gossip = new Map<Topic, GossipHandler>()
  readonly #services = new Map<string, Service>()
  readonly #peers = new Map<PublicKey, Known>()
  readonly #seen = new Map<string, number>()
  readonly #exchanges = new Map<SimNetwork, Set<Exchange>>()
  #lastStatusMs = Number.NEGATIVE_INFINITY
  #isStatusDue = false

  constructor(
    hub: Hub,
    process: SimProcess,
    options: NetworkOptions,
    makeError: (code: RequestError['code'], message: string) => Error
  ) {
    this.#hub = hub
    this.process = process
    this.#options = options
    this.#makeError = makeError
    this.publicKey = options.keyPair.publicKey
    this.peerId = `peer ${this.publicKey.slice(0, 8)}`
    hub.join(this)
  }

  async stop(): Promise<void> {
    if (!this.isOpen) return
    this.isOpen = false
    this.#hub.leave(this, true)
  }

  /** Its process was killed. */
  vanish(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.#hub.leave(this, false)
  }

  on<K extends keyof NetworkEvents>(name: K, listener: (event: NetworkEvents[K]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    listeners.add(listener as Listener)
    return () => void listeners.delete(listener as Listener)
  }

  #emit<K extends keyof NetworkEvents>(name: K, event: NetworkEvents[K]): void {
    for (const listener of this.#listeners.get(name) ?? []) listener(event as never)
  }

  onGossip(topic: Topic, handler: GossipHandler): () => void {
    this.#gossip.set(topic, handler)
    return () => void this.#gossip.delete(topic)
  }

  async publish(topic: Topic, content: Uint8Array, { resend = false } = {}): Promise<void> {
    if (!this.isOpen) return
    const bytes = Buffer.from(content)
    this.#hub.events.onPublished(this.publicKey, topic, bytes)
    const manners = this.#hub.manners.get(this.publicKey)
    for (const { node } of this.#peers.values()) {
      if (manners?.sends(node.publicKey, topic) === false) continue
      this.#hub.send(this.publicKey, node.publicKey, () => node.receive(topic, bytes, this.publicKey, resend))
    }
  }

  receive(topic: Topic, bytes: Buffer, from: PublicKey, resend: boolean): void {
    if (!this.isOpen || !this.process.isAlive) return
    const nowMs = this.#hub.clock.nowMs
    const id = blake3Hex(bytes)
    if (!resend && (this.#seen.get(id) ?? Number.NEGATIVE_INFINITY) > nowMs - SEEN_MS) return
    this.#seen.set(id, nowMs)
    this.#hub.events.onDelivered(this.publicKey, from, bytes)
    const verdict = this.#gossip.get(topic)?.(bytes, from)
    void Promise.resolve(verdict).then((given) => {
      if (given === 'reject') this.#hub.events.onBlamed(this.publicKey, from, `its ${topic} message was rejected`)
    })
  }

  async handle(
    name: string,
    _: number,
    options: HandlerOptions,
    handler: RequestHandler
  ): Promise<() => Promise<void>> {
    this.#services.set(name, { handler, options })
    return async () => void this.#services.delete(name)
  }

  async request(peer: PublicKey, name: string, body: Uint8Array, options: RequestOptions = {}): Promise<Uint8Array> {
    for await (const answer of this.requestStream(peer, name, body, options)) return answer
    throw this.#makeError('bad-response', 'an answer without a message')
  }

  async *requestStream(
    peer: PublicKey,
    name: string,
    body: Uint8Array,
    options: RequestOptions = {}
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const node = this.#peers.get(peer)?.node
    if (node === undefined) throw this.#makeError('not-connected', `${peer} is not connected`)
    this.#hub.events.onRequest(this.publicKey, peer, name)
    const exchange = new Exchange(this.#hub, this, node, options, this.#makeError)
    const exchanges = this.#exchanges.get(node) ?? new Set()
    this.#exchanges.set(node, exchanges.add(exchange))
    exchange.begin(name, Buffer.from(body))
    try {
      for (;;) {
        const next = await exchange.next()
        if (next === null) return
        yield next
      }
    } finally {
      exchange.end()
      exchanges.delete(exchange)
    }
  }

  /** The service that answers a request here; null when there is none. */
  service(name: string): Service | null {
    const service = this.isOpen && this.process.isAlive ? this.#services.get(name) : undefined
    if (service === undefined) return null
    const handler = this.#hub.manners.get(this.publicKey)?.handler(name, service.handler) ?? service.handler
    return { ...service, handler }
  }

  report(peer: PublicKey, rule: string, detail: string): void {
    this.#hub.events.onBlamed(this.publicKey, peer, `${rule}: ${detail}`)
  }

  connected(): PublicKey[] {
    return [...this.#peers.keys()].sort()
  }

  peers(): PeerInfo[] {
    const unl = this.#options.validators()
    const keys = new Set([...unl, ...this.#peers.keys()])
    keys.delete(this.publicKey)
    return [...keys].sort().map((publicKey) => {
      const known = this.#peers.get(publicKey)
      const info: Partial<PeerInfo> = {
        publicKey,
        inUnl: unl.includes(publicKey),
        connected: known !== undefined,
        address: known === undefined ? null : `/sim/${publicKey.slice(0, 8)}`,
        latencyMs: known === undefined ? null : 1,
        seq: known?.seq ?? null,
        lcl: known?.lcl ?? null,
        unreached: []
      }
      return info as PeerInfo
    })
  }

  setMembers(): void {}

  addresses(): string[] {
    return []
  }

  /** Tells the peers how far this node is; now or as soon as the interval allows. */
  updateSelf(): void {
    if (this.#isStatusDue || !this.isOpen) return
    this.#isStatusDue = true
    const waitMs = Math.max(0, this.#lastStatusMs + STATUS_INTERVAL_MS - this.#hub.clock.nowMs)
    this.process.after(waitMs, () => {
      this.#isStatusDue = false
      this.#lastStatusMs = this.#hub.clock.nowMs
      if (!this.isOpen) return
      for (const { node } of this.#peers.values()) this.#tell(node)
    })
  }

  /** How far this node is, as it says. */
  get #place(): { seq: number; lcl: Hash } {
    const { seq, lcl } = this.#options.describe()
    return { seq: this.#hub.manners.get(this.publicKey)?.claims(seq) ?? seq, lcl }
  }

  #tell(node: SimNetwork): void {
    const { seq, lcl } = this.#place
    this.#hub.send(this.publicKey, node.publicKey, () => node.#hear(this, seq, lcl))
  }

  #hear(from: SimNetwork, seq: number, lcl: Hash): void {
    const known = this.#peers.get(from.publicKey)
    if (!this.isOpen || !this.process.isAlive || known?.node !== from) return
    known.seq = seq
    known.lcl = lcl
    this.#emit('peer:status', { publicKey: from.publicKey, status: { seq, lcl } } as NetworkEvents['peer:status'])
  }

  isConnected(other: SimNetwork): boolean {
    return this.#peers.get(other.publicKey)?.node === other
  }

  meet(other: SimNetwork): void {
    const { seq, lcl } = other.#place
    this.#peers.set(other.publicKey, { node: other, seq, lcl })
    this.#emit('peer:connect', { publicKey: other.publicKey, role: 'validator', address: '/sim' })
    this.#emit('peer:status', { publicKey: other.publicKey, status: { seq, lcl } } as NetworkEvents['peer:status'])
  }

  lose(other: SimNetwork): void {
    if (!this.isConnected(other)) return
    this.#peers.delete(other.publicKey)
    for (const exchange of this.#exchanges.get(other) ?? []) exchange.cut()
    this.#exchanges.delete(other)
    this.#emit('peer:disconnect', { publicKey: other.publicKey, reason: 'gone' })
  }
}
