import './shim.js'
import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { LevelDatastore } from 'datastore-level'
import type { PublicKey } from '../consensus/types.js'
import { AddressBook } from './address-book.js'
import { checkToldAddresses, ipOf, parseAddress, withPeerId } from './addresses.js'
import { Deadline, raceAbort } from './deadline.js'
import { Dialer, parseConfigured } from './dialer.js'
import { Emitter } from './emitter.js'
import { NetworkError } from './errors.js'
import { Exchanges } from './exchanges.js'
import { Gossip, TOPICS } from './gossip.js'
import { GOODBYE_PROTOCOL, HELLO_PROTOCOL, type HelloVerdict } from './hello.js'
import { checkPort, createNode, type HotPocketLibp2p, hardenListeners } from './libp2p.js'
import { DEFAULT_LIMITS, type NetworkLimits } from './limits.js'
import { toPeerId, toPrivateKey } from './peer-id.js'
import { type Peer, Peers } from './peers.js'
import { type HandlerOptions, type RequestHandler, type RequestOptions, RequestResponse } from './request-response.js'
import { PeerScores, type ScoreRule } from './scores.js'
import {
  type GossipHandler,
  type HelloInfo,
  type NetworkEvents,
  type NetworkOptions,
  type PeerInfo,
  type PeerStatus,
  PROTOCOL_VERSION,
  type Topic
} from './types.js'

const MAINTENANCE_INTERVAL_MS = 1000
const MAX_OWN_ADDRESSES = 16

/**
 * Starts a node on the network. Rejects with NetworkError: 'port-in-use' and 'listen-failed' name host and port,
 * 'bad-key', 'bad-address', 'store-failed'. Nothing is left running or open then.
 */
export async function createNetwork(options: NetworkOptions): Promise<Network> {
  const { host, wsPort, tcpPort } = options.listen
  if (wsPort !== null) await checkPort(host, wsPort)
  if (tcpPort !== null) await checkPort(host, tcpPort)
  const network = new Network(options)
  await network.start()
  return network
}

/** One node's view of its peers. Made by `createNetwork`. */
export class Network {
  readonly publicKey: PublicKey
  readonly peerId: string
  readonly limits: NetworkLimits
  readonly #options: NetworkOptions
  readonly #instance = randomBytes(16).toString('hex')
  readonly #events: Emitter<NetworkEvents>
  readonly #store: LevelDatastore
  readonly #scores: PeerScores
  readonly #peers: Peers
  readonly #book: AddressBook
  readonly #dialer: Dialer
  readonly #gossip: Gossip
  readonly #requests: RequestResponse
  readonly #exchanges: Exchanges
  readonly #stopping = new AbortController()
  #node: HotPocketLibp2p | null = null
  #endWaiting: () => void = () => {}
  #timers: NodeJS.Timeout[] = []
  #background = new Set<Promise<unknown>>()
  #stopped: Promise<void> | null = null

  constructor(options: NetworkOptions) {
    const { log, keyPair } = options
    this.#options = options
    this.limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.publicKey = keyPair.publicKey
    toPrivateKey(keyPair)
    this.peerId = toPeerId(keyPair.publicKey).toString()
    this.#events = new Emitter((error, name) => log.error({ err: error }, `a listener of ${name} failed`))
    this.#store = new LevelDatastore(join(options.dataDir, 'peers'))
    this.#scores = new PeerScores(this.limits)
    this.#book = new AddressBook(this.#store, this.limits, log)
    this.#peers = this.#createPeers()
    this.#gossip = this.#createGossip()
    this.#requests = this.#createRequests()
    this.#dialer = this.#createDialer()
    this.#exchanges = new Exchanges({
      limits: this.limits,
      log,
      requests: this.#requests,
      peers: () => this.#peers.all(),
      status: () => this.#ownStatus(),
      addressesOf: (peer) => this.#knownAddresses(peer),
      onStatus: (peer, status) => this.#onStatus(peer, status),
      onTold: (teller, about, addresses) => this.#onTold(teller, about, addresses),
      report: (peer, rule, detail) => this.report(peer, rule, detail)
    })
  }

  /** Called once, by `createNetwork`. */
  async start(): Promise<void> {
    const { log, listen } = this.#options
    try {
      await this.#openStore()
      this.#node = await createNode(this.#options, {
        privateKey: toPrivateKey(this.#options.keyPair),
        datastore: this.#store,
        limits: this.limits,
        pubsub: this.#gossip.createService,
        mayConnect: (peerId) => !this.#scores.isBanned(Buffer.from(peerId.publicKey?.raw ?? []).toString('hex')),
        mayConnectFrom: (remote) => this.#peers.countFrom(remote) < this.limits.maxConnectionsPerAddress
      })
      this.#node.addEventListener('connection:open', this.#onOpen)
      this.#node.addEventListener('connection:close', this.#onClose)
      await this.#node.handle(HELLO_PROTOCOL, this.#peers.onHelloStream, { maxInboundStreams: 4 })
      await this.#node.handle(GOODBYE_PROTOCOL, this.#peers.onGoodbyeStream, { maxInboundStreams: 4 })
      await this.#exchanges.start()
      await this.#node.start()
      this.#endWaiting = hardenListeners(this.#node, this.limits)
      this.#gossip.start()
    } catch (error) {
      await this.stop()
      if (error instanceof NetworkError) throw error
      if (listen.wsPort !== null) await checkPort(listen.host, listen.wsPort)
      if (listen.tcpPort !== null) await checkPort(listen.host, listen.tcpPort)
      const words = error instanceof Error ? error.message : String(error)
      throw new NetworkError('listen-failed', `the network could not start: ${words}`, { cause: error })
    }
    this.#every(MAINTENANCE_INTERVAL_MS, () => this.#maintain())
    this.#every(this.limits.pingIntervalMs, () => this.#pingAll())
    this.#every(this.limits.peersExchangeIntervalMs, () => {
      this.#exchanges.askAllForPeers()
      this.#dialer.wakeAll()
    })
    for (const address of parseConfigured(this.#options.peers, log, this.limits.maxAddressLength)) {
      this.#dialer.addConfigured(address)
    }
    this.#dialer.wakeAll()
    log.info({ addresses: this.addresses(), peerId: this.peerId }, 'the peer port is open')
  }

  /** Closes every connection and the peer store. Idempotent; waits for what runs. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  /** Returns a function that removes the listener. */
  on<K extends keyof NetworkEvents>(name: K, listener: (event: NetworkEvents[K]) => void): () => void {
    return this.#events.on(name, listener)
  }

  off<K extends keyof NetworkEvents>(name: K, listener: (event: NetworkEvents[K]) => void): void {
    this.#events.off(name, listener)
  }

  /**
   * Sends to every peer subscribed now; who is not (see `subscribers` and 'peer:ready') misses it. The same content
   * is delivered once in two minutes, unless `resend` is set. Throws NetworkError 'too-large' or 'not-started'.
   */
  async publish(topic: Topic, content: Uint8Array, options: { resend?: boolean } = {}): Promise<void> {
    if (this.#stopped !== null) throw new NetworkError('not-started', 'the network has stopped')
    await this.#gossip.publish(topic, content, options.resend)
  }

  /** One handler a topic. 'reject' scores the sender down. Returns a function that removes it. */
  onGossip(topic: Topic, handler: GossipHandler): () => void {
    return this.#gossip.on(topic, handler)
  }

  /** Peers that a message published now is sent to. */
  subscribers(topic: Topic): PublicKey[] {
    return this.#gossip.subscribers(topic)
  }

  /** Serves `/hp/<network id>/<name>/<version>` to peers that have passed hello. */
  handle(
    name: string,
    version: number,
    options: HandlerOptions,
    handler: RequestHandler
  ): Promise<() => Promise<void>> {
    return this.#requests.handle(name, version, options, handler)
  }

  /** Throws RequestError. */
  request(peer: PublicKey, name: string, body: Uint8Array, options?: RequestOptions): Promise<Uint8Array> {
    return this.#requests.request(peer, name, body, options)
  }

  /** Many messages back, no faster than they are taken. Throws RequestError. */
  requestStream(
    peer: PublicKey,
    name: string,
    body: Uint8Array,
    options?: RequestOptions
  ): AsyncGenerator<Uint8Array, void, undefined> {
    return this.#requests.requestStream(peer, name, body, options)
  }

  /** Asks the peer how far it is. Throws RequestError. */
  status(peer: PublicKey): Promise<PeerStatus> {
    return this.#exchanges.askStatus(peer)
  }

  /** Tells the peers seq, lcl and role as `describe()` gives them now; at most every `statusIntervalMs`. */
  updateSelf(): void {
    if (this.#stopped === null) this.#exchanges.announceStatus()
  }

  /** The peer broke a rule; see scores.ts for what that costs. */
  report(peer: PublicKey, rule: ScoreRule, detail: string): void {
    this.#peers.report(peer, rule, detail)
  }

  /** Full multiaddrs at which others can dial this node. */
  addresses(): string[] {
    const own = this.#node?.getMultiaddrs().map((address) => address.toString()) ?? []
    const suffix = `/p2p/${this.peerId}`
    return own.slice(0, MAX_OWN_ADDRESSES).map((address) => (address.endsWith(suffix) ? address : address + suffix))
  }

  /** Keys of the connected peers. */
  connected(): PublicKey[] {
    return this.#peers.all().map((peer) => peer.publicKey)
  }

  /** Connected peers, members of the UNL that are not connected, and peers that were refused. */
  peers(): PeerInfo[] {
    const keys = new Set([...this.#options.validators(), ...this.connected(), ...this.#peers.refused()])
    keys.delete(this.publicKey)
    return [...keys].sort().map((key) => this.#peerInfo(key))
  }

  /** Dials an address now and remembers it as if configured. Throws NetworkError 'bad-address' or 'refused'. */
  async connect(address: string): Promise<PublicKey> {
    const node = this.#node
    if (node === null || this.#stopped !== null) throw new NetworkError('not-started', 'the network is not running')
    const parsed = parseAddress(address, this.limits.maxAddressLength)
    const target = parsed.peerId === null ? parsed.transport : `${parsed.transport}/p2p/${parsed.peerId}`
    let key: PublicKey | null
    try {
      key = await this.#peers.admit(await node.dial(multiaddr(target), { signal: this.#dialSignal() }))
    } catch (error) {
      throw new NetworkError('refused', `cannot connect to ${address}: ${(error as Error).message}`, { cause: error })
    }
    if (key === null) throw new NetworkError('refused', `${address} did not accept this node`)
    this.#dialer.addConfigured({ ...parsed, peerId: toPeerId(key).toString() })
    return key
  }

  /** Closes the peer's connections and does not dial it for a while. */
  disconnect(peer: PublicKey, reason = 'disconnected by the operator'): void {
    this.#dialer.postpone(peer, this.limits.mismatchRedialMs, reason)
    this.#peers.disconnect(peer, 'disconnected', reason)
  }

  #createPeers(): Peers {
    return new Peers({
      self: this.publicKey,
      limits: this.limits,
      log: this.#options.log,
      scores: this.#scores,
      describe: (alone) => this.#describe(alone),
      isWelcome: (peer) => this.#isKept(peer) || this.#countObservers() < this.limits.maxObservers,
      onConnect: (peer) => this.#onConnect(peer),
      onRebind: (peer) => {
        // After gossipsub has noticed the end of the stream on the old connection.
        setImmediate(() => {
          const current = this.#peers.get(peer.publicKey)
          if (current !== undefined) this.#gossip.attach(current.publicKey, current.primary.connection)
        })
      },
      onDisconnect: (peer, reason) => this.#onDisconnect(peer, reason),
      onRefused: (peer, verdict, by) => this.#onRefused(peer, verdict, by),
      onBanned: (peer, reason) => {
        this.#gossip.detach(peer)
        this.#dialer.postpone(peer, this.limits.banMs, reason)
        this.#events.emit('peer:banned', { publicKey: peer, reason })
      },
      onGoodbye: (peer, code, reason) => {
        if (code === 'banned' || code === 'disconnected') this.#dialer.postpone(peer, this.limits.banMs, reason)
      }
    })
  }

  #createGossip(): Gossip {
    return new Gossip({
      networkId: this.#options.networkId,
      limits: this.limits,
      log: this.#options.log,
      admit: (connection) => this.#peers.admit(connection),
      report: (peer, rule, detail) => this.report(peer, rule, detail),
      count: (peer, direction, bytes) => this.#peers.count(peer, direction, bytes),
      onSubscription: (peer) => this.#checkReady(peer)
    })
  }

  #createRequests(): RequestResponse {
    return new RequestResponse({
      networkId: this.#options.networkId,
      limits: this.limits,
      log: this.#options.log,
      handle: async (protocol, onStream, maxStreams) => {
        const streams = { maxInboundStreams: maxStreams, maxOutboundStreams: maxStreams }
        await this.#node?.handle(protocol, onStream, streams)
      },
      unhandle: async (protocol) => await this.#node?.unhandle(protocol),
      connectionOf: (peer) => this.#peers.get(peer)?.primary.connection ?? null,
      admit: (connection) => this.#peers.admit(connection),
      isValidator: (peer) => this.#options.validators().includes(peer),
      report: (peer, rule, detail) => this.report(peer, rule, detail),
      count: (peer, direction, bytes) => this.#peers.count(peer, direction, bytes)
    })
  }

  #createDialer(): Dialer {
    return new Dialer({
      self: this.publicKey,
      limits: this.limits,
      log: this.#options.log,
      book: this.#book,
      validators: this.#options.validators,
      dial: async (address, signal) => {
        if (this.#node === null) throw new NetworkError('not-started', 'the network is not running')
        return await raceAbort(this.#node.dial(address, { signal: this.#dialSignal() }), signal)
      },
      admit: (connection) => this.#peers.admit(connection),
      isConnected: (peer) => this.#peers.get(peer) !== undefined,
      findByAddress: (transport) => this.#findByAddress(transport),
      countObservers: () => this.#countObservers()
    })
  }

  #dialSignal(): AbortSignal {
    return AbortSignal.timeout(this.limits.dialTimeoutMs)
  }

  async #openStore(): Promise<void> {
    const { dataDir } = this.#options
    try {
      await mkdir(dataDir, { recursive: true })
      await this.#store.open()
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error)
      throw new NetworkError('store-failed', `cannot open the peer store in ${dataDir}: ${words}`, { cause: error })
    }
    await this.#book.load()
  }

  async #stop(): Promise<void> {
    this.#stopping.abort(new Error('the node stops'))
    for (const timer of this.#timers) clearInterval(timer)
    this.#exchanges.stop()
    await this.#dialer.stop()
    await this.#requests.stop()
    await this.#peers.stop()
    this.#endWaiting()
    await this.#node?.stop()
    await Promise.allSettled(this.#background)
    await this.#book.close()
    await this.#store.close().catch(() => {})
    this.#events.clear()
  }

  #every(intervalMs: number, work: () => void): void {
    this.#timers.push(setInterval(work, intervalMs))
  }

  #inBackground(work: Promise<unknown>): void {
    const tracked: Promise<unknown> = work.catch(() => {}).finally(() => this.#background.delete(tracked))
    this.#background.add(tracked)
  }

  readonly #onOpen = (event: CustomEvent<Connection>): void => this.#peers.onOpen(event.detail)
  readonly #onClose = (event: CustomEvent<Connection>): void => this.#peers.onClose(event.detail)

  #describe(alone: boolean): HelloInfo {
    return {
      ...this.#options.describe(),
      protocolVersion: PROTOCOL_VERSION,
      agent: this.#options.agentVersion,
      networkId: this.#options.networkId,
      publicKey: this.publicKey,
      addresses: this.addresses(),
      timeMs: Date.now(),
      instance: this.#instance,
      alone
    }
  }

  #ownStatus(): PeerStatus {
    const { seq, lcl, role } = this.#options.describe()
    return { seq, lcl, role, agent: this.#options.agentVersion }
  }

  #isKept(peer: PublicKey): boolean {
    return this.#options.validators().includes(peer) || this.#dialer.isConfigured(peer)
  }

  #countObservers(): number {
    const unl = new Set(this.#options.validators())
    return this.#peers.all().filter((peer) => !unl.has(peer.publicKey)).length
  }

  #findByAddress(transport: string): PublicKey | null {
    for (const { publicKey, hello } of this.#peers.all()) {
      if (hello.addresses.some((address) => address === transport || address.startsWith(`${transport}/p2p/`))) {
        return publicKey
      }
    }
    return null
  }

  /** Of a connected or known peer, those that worked first. */
  #knownAddresses(peer: PublicKey): string[] {
    return this.#book.addresses(peer).map((transport) => withPeerId(transport, peer).toString())
  }

  #onConnect(peer: Peer): void {
    const { publicKey, primary, hello } = peer
    const { connection } = primary
    const remote = connection.remoteAddr.toString()
    this.#dialer.connected(publicKey)
    if (connection.direction === 'outbound') this.#book.worked(publicKey, parseAddress(remote).transport)
    this.#remember(publicKey, remote, hello.addresses)
    this.#gossip.attach(publicKey, connection)
    this.#options.log.info({ peer: publicKey, address: remote, role: hello.role }, 'a peer is connected')
    this.#inBackground(this.#exchanges.askForPeers(publicKey))
    this.#inBackground(this.#ping(peer))
    this.#events.emit('peer:connect', { publicKey, role: hello.role, address: remote })
  }

  /** Addresses that a peer tells of itself, and its ports at the address from which it came. */
  #remember(peer: PublicKey, remote: string, told: readonly string[]): void {
    const { maxAddressesPerPeer, maxAddressLength } = this.limits
    const good = checkToldAddresses(told, peer, remote, maxAddressesPerPeer, maxAddressLength)
    const ip = ipOf(remote)
    const seen = told.slice(0, maxAddressesPerPeer).flatMap((address) => {
      const match = /^\/ip[46]\/[^/]+\/tcp\/(\d{1,5})(\/ws)?(\/p2p\/|$)/.exec(address)
      if (match === null || ip === null) return []
      return [`/ip${ip.includes(':') ? 6 : 4}/${ip}/tcp/${match[1]}${match[2] ?? ''}`]
    })
    const checked = checkToldAddresses(seen, peer, remote, 2, maxAddressLength)
    this.#book.add(peer, [...good, ...checked], (victim) => !this.#isKept(victim) && !this.#peers.get(victim))
  }

  #onTold(teller: Peer, about: PublicKey, addresses: readonly string[]): void {
    if (about === this.publicKey || this.#scores.isBanned(about)) return
    const remote = teller.primary.connection.remoteAddr.toString()
    const { maxAddressesPerPeer, maxAddressLength } = this.limits
    const good = checkToldAddresses(addresses, about, remote, maxAddressesPerPeer, maxAddressLength)
    if (good.length === 0) return
    this.#book.add(about, good, (victim) => !this.#isKept(victim) && !this.#peers.get(victim))
    if (this.#book.has(about)) this.#dialer.wake(about)
  }

  #onDisconnect(peer: Peer, reason: string): void {
    this.#gossip.detach(peer.publicKey)
    this.#requests.forget(peer.publicKey)
    this.#events.emit('peer:disconnect', { publicKey: peer.publicKey, reason })
    if (this.#stopped !== null) return
    this.#options.log.info({ peer: peer.publicKey, reason }, 'a peer is gone')
    this.#dialer.lost(peer.publicKey)
  }

  #onRefused(publicKey: PublicKey, verdict: HelloVerdict, by: 'us' | 'peer'): void {
    this.#dialer.postpone(publicKey, this.limits.mismatchRedialMs, verdict.reason)
    this.#events.emit('peer:refused', { publicKey, reason: verdict.reason, by })
  }

  #onStatus(publicKey: PublicKey, status: PeerStatus): void {
    const peer = this.#peers.get(publicKey)
    if (peer === undefined) return
    peer.status = status
    this.#events.emit('peer:status', { publicKey, status })
  }

  #checkReady(publicKey: PublicKey): void {
    const peer = this.#peers.get(publicKey)
    if (peer === undefined || peer.ready || !this.#gossip.isReady(publicKey)) return
    peer.ready = true
    this.#events.emit('peer:ready', { publicKey })
  }

  /** Finds peers whose gossip does not work and peers that are silent, and connects them anew. */
  #maintain(): void {
    const nowMs = performance.now()
    const subscribed = new Set(TOPICS.flatMap((topic) => this.#gossip.subscribers(topic)))
    for (const peer of this.#peers.all()) {
      const ageMs = nowMs - (peer.primary.verifiedMs ?? nowMs)
      if (!this.#gossip.hasStream(peer.publicKey)) this.#gossip.attach(peer.publicKey, peer.primary.connection)
      this.#checkReady(peer.publicKey)
      if (ageMs > this.limits.noGossipTimeoutMs && !subscribed.has(peer.publicKey)) {
        this.#peers.disconnect(peer.publicKey, 'no-gossip', 'the connection carries no gossip')
      } else if (nowMs - peer.lastHeardMs > this.limits.silentPeerTimeoutMs) {
        this.#peers.disconnect(peer.publicKey, 'silent', 'nothing was heard of the peer')
      }
    }
    // Members that joined the UNL since, and whoever has no dial pending.
    for (const key of this.#options.validators()) this.#dialer.wake(key)
  }

  #pingAll(): void {
    for (const peer of this.#peers.all()) this.#inBackground(this.#ping(peer))
  }

  async #ping(peer: Peer): Promise<void> {
    const deadline = new Deadline(this.limits.pingTimeoutMs, this.#stopping.signal)
    try {
      const { connection } = peer.primary
      if (connection.status !== 'open') return
      peer.latencyMs =
        (await this.#node?.services.ping.ping(connection.remotePeer, { signal: deadline.signal })) ?? null
      peer.lastHeardMs = performance.now()
    } finally {
      deadline.clear()
    }
  }

  #peerInfo(key: PublicKey): PeerInfo {
    const peer = this.#peers.get(key)
    const bytes = this.#peers.bytes(key)
    return {
      publicKey: key,
      peerId: toPeerId(key).toString(),
      inUnl: this.#options.validators().includes(key),
      connected: peer !== undefined,
      connections: peer?.links.length ?? 0,
      role: peer?.status.role ?? null,
      address: peer?.primary.connection.remoteAddr.toString() ?? this.#dialer.addressOf(key),
      direction: peer?.primary.connection.direction ?? null,
      latencyMs: peer?.latencyMs ?? null,
      agent: peer?.status.agent ?? null,
      seq: peer?.status.seq ?? null,
      lcl: peer?.status.lcl ?? null,
      score: Math.round(this.#scores.get(key)),
      bytesIn: bytes.in,
      bytesOut: bytes.out,
      connectedSince: peer?.connectedSinceMs ?? null,
      lastError: peer !== undefined ? null : (this.#peers.lastError(key) ?? this.#dialer.lastError(key))
    }
  }
}
