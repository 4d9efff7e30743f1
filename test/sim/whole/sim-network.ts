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
import type { Clock } from '../clock.js'
import type { Random } from '../random.js'
import type { SimProcess } from './sim-process.js'

const STATUS_INTERVAL_MS = 2000
/** Gossip does not deliver the same bytes again for so long, unless they are sent as new ones. */
const SEEN_MS = 120_000
const FIRST_BYTE_MS = 10_000
/** What is on a way that is cut tries again so often. */
const CUT_RETRY_MS = 200
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

/** The wires between all nodes. */
export class Hub {
  readonly clock: Clock
  readonly random: Random
  readonly events: HubEvents
  readonly nodes = new Map<PublicKey, SimNetwork>()
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
    for (const { node } of this.#peers.values()) {
      this.#hub.send(this.publicKey, node.publicKey, () => node.#receive(topic, bytes, this.publicKey, resend))
    }
  }

  #receive(topic: Topic, bytes: Buffer, from: PublicKey, resend: boolean): void {
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
    return this.isOpen && this.process.isAlive ? (this.#services.get(name) ?? null) : null
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

  #tell(node: SimNetwork): void {
    const { seq, lcl } = this.#options.describe()
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
    const { seq, lcl } = other.#options.describe()
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

/** One request and its answer, message by message, in order; the peer may be gone or cut off on the way. */
class Exchange {
  readonly #hub: Hub
  readonly #from: SimNetwork
  readonly #to: SimNetwork
  readonly #options: RequestOptions
  readonly #makeError: (code: RequestError['code'], message: string) => Error
  readonly #sent: (Buffer | Error | null)[] = []
  readonly #arrived: (Buffer | Error | null)[] = []
  readonly #stop = new AbortController()
  #wake: (() => void) | null = null
  #isOver = false
  #hasAnswer = false

  constructor(
    hub: Hub,
    from: SimNetwork,
    to: SimNetwork,
    options: RequestOptions,
    makeError: (code: RequestError['code'], message: string) => Error
  ) {
    this.#hub = hub
    this.#from = from
    this.#to = to
    this.#options = options
    this.#makeError = makeError
  }

  begin(name: string, body: Buffer): void {
    const { firstByteMs = FIRST_BYTE_MS, totalMs } = this.#options.timeouts ?? {}
    this.#options.signal?.addEventListener('abort', this.#onAbort)
    if (this.#options.signal?.aborted === true) this.#onAbort()
    const late = (): void => this.#put(this.#makeError('timeout', 'no answer in time'))
    this.#from.process.after(firstByteMs, () => {
      if (!this.#hasAnswer) late()
    })
    if (totalMs !== undefined) this.#from.process.after(totalMs, late)
    if (this.#hub.losesRequest()) return
    this.#carry(this.#from, this.#to, () => void this.#serve(name, body))
  }

  readonly #onAbort = (): void => this.#put(this.#makeError('closed', 'the request was given up'))

  /** A stream waits until its way is free again, or for ever. */
  #carry(from: SimNetwork, to: SimNetwork, arrive: () => void): void {
    if (this.#isOver) return
    if (this.#hub.isCut(from.publicKey, to.publicKey)) {
      this.#hub.clock.schedule(CUT_RETRY_MS, () => this.#carry(from, to, arrive))
      return
    }
    this.#hub.clock.schedule(this.#hub.delay(), () => {
      if (to.process.isAlive) arrive()
    })
  }

  async #serve(name: string, body: Buffer): Promise<void> {
    const to = this.#to
    try {
      const service = to.service(name)
      if (service === null) throw this.#makeError(to.isOpen ? 'unsupported' : 'closed', `no ${name} there`)
      const answer = service.handler(body, this.#from.publicKey, this.#stop.signal)
      if (answer instanceof Promise) this.#answer(Buffer.from(await answer))
      else {
        for await (const message of answer) {
          if (this.#isOver) break
          this.#answer(Buffer.from(message))
        }
      }
      this.#answer(null)
    } catch (error) {
      const { code, message } = error as RequestError
      this.#answer(this.#makeError(code === 'refused' || code === 'closed' ? code : 'failed', message))
    }
  }

  /** In order: none overtakes the one before. */
  #answer(item: Buffer | Error | null): void {
    this.#sent.push(item)
    if (this.#sent.length === 1) this.#hub.clock.schedule(this.#hub.delay(), () => this.#carryBack())
  }

  #carryBack(): void {
    if (this.#isOver || !this.#from.process.isAlive) return
    if (this.#hub.isCut(this.#to.publicKey, this.#from.publicKey)) {
      this.#hub.clock.schedule(CUT_RETRY_MS, () => this.#carryBack())
      return
    }
    this.#put(this.#sent.shift() as Buffer | Error | null)
    if (this.#sent.length > 0) this.#hub.clock.schedule(0.05, () => this.#carryBack())
  }

  /** The connection is gone. */
  cut(): void {
    this.#put(this.#makeError('closed', 'the peer is gone'))
  }

  #put(item: Buffer | Error | null): void {
    this.#hasAnswer = true
    this.#arrived.push(item)
    this.#wake?.()
  }

  /** The next message; null at the end. Throws what the request ended with. */
  async next(): Promise<Buffer | null> {
    while (this.#arrived.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const item = this.#arrived.shift() as Buffer | Error | null
    if (item instanceof Error) throw item
    return item
  }

  end(): void {
    this.#isOver = true
    this.#stop.abort()
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
  }
}
