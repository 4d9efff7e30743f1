import './shim.js'
import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Connection, PeerInfo as DiscoveredPeer, PeerId } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { LevelDatastore } from 'datastore-level'
import type { PublicKey } from '../consensus/types.js'
import { AddressBook } from './address-book.js'
import { isLoopback, isRelayed, needsRelay, parseAddress } from './addresses.js'
import { BanStore } from './ban-store.js'
import { Contacts } from './contacts.js'
import { raceAbort } from './deadline.js'
import { Dialer, parseConfigured } from './dialer.js'
import { Emitter } from './emitter.js'
import { NetworkError } from './errors.js'
import { Exchanges } from './exchanges.js'
import { chooseForwards } from './forwarding.js'
import { Gossip } from './gossip.js'
import { GOODBYE_PROTOCOL, HELLO_PROTOCOL, type HelloVerdict } from './hello.js'
import { Inviter, JOIN_PROTOCOL } from './invitation.js'
import { checkPort, createNode, type HotPocketLibp2p, hardenListeners } from './libp2p.js'
import { DEFAULT_LIMITS, type NetworkLimits } from './limits.js'
import type { Peer } from './link.js'
import { toPeerId, toPrivateKey, toPublicKey } from './peer-id.js'
import { describePeer } from './peer-rows.js'
import { Peers } from './peers.js'
import { PortMapper } from './port-mapping.js'
import { Reachability } from './reachability.js'
import { Relays } from './relays.js'
import { type HandlerOptions, type RequestHandler, type RequestOptions, RequestResponse } from './request-response.js'
import { PeerScores, type ScoreRule } from './scores.js'
import {
  type Ban,
  type GossipHandler,
  type HelloInfo,
  type NetworkEvents,
  type NetworkOptions,
  type PeerInfo,
  type PeerStatus,
  PROTOCOL_VERSION,
  type ReachabilityInfo,
  type Topic
} from './types.js'
import { Upgrades } from './upgrades.js'
import { Upkeep } from './upkeep.js'

const MAINTENANCE_INTERVAL_MS = 1000
const DEFAULT_RELAYS = 3
const DEFAULT_BAN_MS = 24 * 3600 * 1000
const MAX_REASON = 200
/** After the start, peers are asked for missing members every second. */
const EAGER_MS = 15_000
/** Peers that are asked at one time while members are missing. */
const ASKED_WHILE_MISSING = 3

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
  readonly #bans: BanStore
  readonly #contacts: Contacts
  readonly #relays: Relays
  readonly #reachability: Reachability
  readonly #upgrades: Upgrades
  readonly #upkeep: Upkeep
  readonly #portMapper: PortMapper
  readonly #stopping = new AbortController()
  /** Keys of the UNL in force, once `setMembers` was called. */
  #members: PublicKey[] | null = null
  /** Transports of the relays that the operator named. */
  readonly #namedRelays = new Set<string>()
  /** Some connected peer cannot reach another connected peer. */
  #hasCuts = false
  #node: HotPocketLibp2p | null = null
  readonly #startedMs = performance.now()
  #askedMs = 0
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
    this.#bans = new BanStore(this.#store, this.#scores, log)
    this.#book = new AddressBook(this.#store, this.limits, log)
    this.#contacts = this.#createContacts()
    this.#peers = this.#createPeers()
    this.#gossip = this.#createGossip()
    this.#requests = this.#createRequests()
    this.#dialer = this.#createDialer()
    this.#exchanges = this.#createExchanges()
    this.#relays = this.#createRelays()
    this.#reachability = this.#createReachability()
    this.#upgrades = this.#createUpgrades()
    this.#upkeep = this.#createUpkeep()
    this.#portMapper = new PortMapper({
      log,
      description: `hp-p2p ${this.publicKey.slice(0, 16)}`,
      host: options.listen.host,
      ports: () => this.#listenPorts(),
      onChange: () => {
        this.#reachability.reset()
        this.#onWhereaboutsChange()
      }
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
        mayConnect: (peerId) => this.#mayConnect(peerId),
        mayConnectFrom: (remote) => this.#peers.countFrom(remote) < this.limits.maxConnectionsPerAddress,
        gate: this.#peers,
        relays: this.#relays,
        offersRelay: () => this.#offersRelay()
      })
      this.#node.addEventListener('peer:discovery', this.#onDiscovery)
      this.#node.addEventListener('connection:open', this.#onOpen)
      this.#node.addEventListener('connection:close', this.#onClose)
      await this.#node.handle(HELLO_PROTOCOL, this.#peers.onHelloStream, { maxInboundStreams: 4 })
      await this.#node.handle(GOODBYE_PROTOCOL, this.#peers.onGoodbyeStream, { maxInboundStreams: 4 })
      if (this.#options.invitation !== undefined) {
        const inviter = new Inviter(this.#options.invitation, log)
        await this.#node.handle(JOIN_PROTOCOL, inviter.onStream, { maxInboundStreams: 4 })
      }
      await this.#exchanges.start()
      await this.#reachability.start()
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
    this.#begin()
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
    return this.#contacts.own()
  }

  /** Keys of the connected peers. */
  connected(): PublicKey[] {
    return this.#peers.all().map((peer) => peer.publicKey)
  }

  /** Connected peers; members of the UNL and configured peers that are not; peers that were refused or are banned. */
  peers(): PeerInfo[] {
    const bans = this.#scores.bans().map(({ publicKey }) => publicKey)
    const absent = [...this.#validators(), ...this.#dialer.configured(), ...this.#peers.refused(), ...bans]
    const keys = new Set([...this.connected(), ...absent])
    keys.delete(this.publicKey)
    return [...keys].sort().map((key) => this.#describePeer(key))
  }

  /** One peer, known or not. */
  peer(key: PublicKey): PeerInfo {
    return this.#describePeer(key)
  }

  bans(): Ban[] {
    const nowMs = Date.now()
    return this.#scores.bans().map(({ publicKey, leftMs, reason }) => {
      return { publicKey, peerId: toPeerId(publicKey).toString(), until: Math.round(nowMs + leftMs), reason }
    })
  }

  /** Whether others can dial this node, and how it is reached otherwise. */
  reachability(): ReachabilityInfo {
    const { reachability = 'auto', announce = [] } = this.#options
    const suffix = `/p2p/${this.peerId}`
    return {
      state: this.#reachability.state,
      source: reachability !== 'auto' ? 'config' : announce.length > 0 ? 'announce' : 'peers',
      observed: this.#reachability.observed(),
      natKind: this.#reachability.natKind(),
      addresses: this.addresses(),
      relays: this.#relays.held().map(({ publicKey, since, addresses }) => ({
        publicKey,
        peerId: toPeerId(publicKey).toString(),
        since,
        addresses: addresses.map((address) => address + suffix)
      })),
      offersRelay: this.#offersRelay(),
      portMappings: this.#portMapper.mappings,
      portMappingError: this.#portMapper.error
    }
  }

  /**
   * Dials an address now and remembers it as if configured. Throws NetworkError 'bad-address', 'refused', or
   * 'unreachable' with what went wrong.
   */
  async connect(address: string): Promise<PublicKey> {
    const node = this.#requireNode()
    const parsed = parseAddress(address, this.limits.maxAddressLength)
    const target = parsed.peerId === null ? parsed.transport : `${parsed.transport}/p2p/${parsed.peerId}`
    let key: PublicKey | null
    try {
      key = await this.#peers.admit(await node.dial(multiaddr(target), { signal: this.#dialSignal() }))
    } catch (error) {
      const words = `cannot connect to ${address}: ${(error as Error).message}`
      throw new NetworkError('unreachable', words, { cause: error })
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

  /** Cuts the peer and keeps it out, also over restarts of this node. Throws NetworkError 'bad-key'. */
  ban(peer: PublicKey, reason = 'banned by the operator', durationMs = DEFAULT_BAN_MS): void {
    toPeerId(peer)
    if (!(durationMs > 0)) throw new RangeError('a ban must last longer than 0 ms')
    const words = reason.slice(0, MAX_REASON)
    this.#scores.ban(peer, durationMs, words)
    this.#bans.add(peer, durationMs, words)
    this.#peers.disconnect(peer, 'banned', words)
    this.#onBanned(peer, words, durationMs)
  }

  /** Lets the peer in again and dials it. False when it was not banned. */
  unban(peer: PublicKey): boolean {
    const wasBanned = this.#scores.unban(peer)
    this.#bans.remove(peer)
    if (wasBanned) this.#dialer.pardon(peer)
    return wasBanned
  }

  /** ms of a round trip to a connected peer. Throws NetworkError 'not-connected' and 'unreachable'. */
  async ping(peer: PublicKey): Promise<number> {
    const found = this.#peers.get(peer)
    if (found === undefined) throw new NetworkError('not-connected', `peer ${peer.slice(0, 16)} is not connected`)
    try {
      return await this.#upkeep.ping(found)
    } catch (error) {
      const words = `peer ${peer.slice(0, 16)} does not answer: ${(error as Error).message}`
      throw new NetworkError('unreachable', words, { cause: error })
    }
  }

  /** The UNL has changed: new members are dialled, and with `restrict` those who may not stay are cut. */
  setMembers(unl: readonly PublicKey[]): void {
    this.#members = [...unl]
    for (const { publicKey } of this.#peers.all()) {
      if (this.#isRestricted(publicKey)) this.disconnect(publicKey, 'no longer on the list of this node')
    }
    for (const key of unl) this.#dialer.wake(key)
    this.updateSelf()
  }

  #validators(): PublicKey[] {
    return this.#members ?? this.#options.validators()
  }

  #requireNode(): HotPocketLibp2p {
    if (this.#node === null || this.#stopped !== null) {
      throw new NetworkError('not-started', 'the network is not running')
    }
    return this.#node
  }

  #begin(): void {
    const { log, peers, relays = [] } = this.#options
    this.#every(MAINTENANCE_INTERVAL_MS, () => this.#maintain())
    this.#every(this.limits.pingIntervalMs, () => this.#upkeep.pingAll())
    this.#every(this.limits.peersExchangeIntervalMs, () => {
      this.#exchanges.askAllForPeers()
      this.#dialer.wakeAll()
    })
    for (const address of parseConfigured(relays.map(withoutCircuit), log, this.limits.maxAddressLength)) {
      this.#namedRelays.add(address.transport)
      this.#dialer.addConfigured(address)
    }
    for (const address of parseConfigured(peers, log, this.limits.maxAddressLength)) {
      this.#dialer.addConfigured(address)
    }
    this.#dialer.wakeAll()
  }

  #createPeers(): Peers {
    return new Peers({
      self: this.publicKey,
      limits: this.limits,
      log: this.#options.log,
      scores: this.#scores,
      describe: (alone, remote) => this.#describe(alone, remote),
      refuse: (peer) => this.#refuse(peer),
      onConnect: (peer) => this.#onConnect(peer),
      onRebind: (peer) => {
        // After gossipsub has noticed the end of the stream on the old connection.
        setImmediate(() => {
          const current = this.#peers.get(peer.publicKey)
          if (current !== undefined) this.#gossip.attach(current.publicKey, current.primary.connection)
        })
      },
      onUpgrade: ({ publicKey, primary: { connection } }) => {
        this.#inBackground(this.#gossip.move(publicKey, connection))
        this.#events.emit('peer:direct', { publicKey, address: connection.remoteAddr.toString() })
      },
      carriesGossip: (peer, connection) => this.#gossip.isOn(peer, connection),
      onDisconnect: (peer, reason) => this.#onDisconnect(peer, reason),
      onRefused: (peer, verdict, by) => this.#onRefused(peer, verdict, by),
      onBanned: (peer, reason) => this.#onBanned(peer, reason, this.limits.banMs),
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
      onSubscription: (peer) => this.#upkeep.checkReady(peer),
      forwardTo: (from, id) => this.#forwardTo(from, id)
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
      isValidator: (peer) => this.#validators().includes(peer),
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
      validators: () => this.#validators(),
      dial: (address, signal) => this.#dial(address, signal, false),
      admit: (connection) => this.#peers.admit(connection),
      isConnected: (peer) => this.#peers.get(peer) !== undefined,
      isRelayAt: (peerId) => this.#isRelayAt(peerId),
      findByAddress: (transport) => this.#findByAddress(transport),
      countObservers: () => this.#countObservers()
    })
  }

  #createContacts(): Contacts {
    return new Contacts({
      self: this.publicKey,
      limits: this.limits,
      book: this.#book,
      isKept: (peer) => this.#isKept(peer) || this.#peers.get(peer) !== undefined,
      direct: () => this.#listening(),
      mapped: () => this.#portMapper.addresses(),
      relayed: () => this.#relays.addresses(),
      webrtc: this.#options.webrtc === true
    })
  }

  #createExchanges(): Exchanges {
    return new Exchanges({
      limits: this.limits,
      log: this.#options.log,
      requests: this.#requests,
      peers: () => this.#peers.all(),
      status: () => this.#ownStatus(),
      addressesOf: (peer) => this.#contacts.of(peer),
      onStatus: (peer, status) => this.#onStatus(peer, status),
      onTold: (teller, about, addresses) => this.#onTold(teller, about, addresses),
      report: (peer, rule, detail) => this.report(peer, rule, detail)
    })
  }

  #createRelays(): Relays {
    const { relays = [], relayCount = DEFAULT_RELAYS, log } = this.#options
    return new Relays({
      self: this.publicKey,
      limits: this.limits,
      log,
      count: relayCount,
      admit: (connection) => this.#peers.admit(connection),
      isWanted: () => this.#reachability.needsRelays,
      peers: () => this.#peers.all(),
      isValidator: (peer) => this.#validators().includes(peer),
      hasConfigured: relays.length > 0,
      isConfigured: (peer) => this.#dialer.configuredAddresses(peer).some((each) => this.#namedRelays.has(each)),
      addressesOf: (relay) => this.#contacts.ofRelay(relay),
      onChange: () => this.#onWhereaboutsChange()
    })
  }

  #createReachability(): Reachability {
    const { reachability = 'auto', announce = [], log } = this.#options
    return new Reachability({
      limits: this.limits,
      log,
      requests: this.#requests,
      policy: reachability,
      isAnnounced: announce.length > 0,
      peers: () => this.#peers.all(),
      peer: (key) => this.#peers.get(key),
      listening: () => [...this.#listening(), ...this.#portMapper.addresses()],
      probe: (address, signal) => this.#probe(address, signal),
      onChange: () => this.#onWhereaboutsChange()
    })
  }

  #createUpgrades(): Upgrades {
    return new Upgrades({
      self: this.publicKey,
      limits: this.limits,
      log: this.#options.log,
      peers: () => this.#peers.all(),
      directOf: (peer) => this.#contacts.directOf(peer),
      dial: (address, signal) => this.#dial(address, signal, true),
      admit: (connection) => this.#peers.admit(connection),
      worked: (peer, transport) => this.#book.worked(peer, transport),
      failed: (peer, transport) => this.#book.failed(peer, transport)
    })
  }

  #createUpkeep(): Upkeep {
    return new Upkeep({
      self: this.publicKey,
      limits: this.limits,
      log: this.#options.log,
      peers: this.#peers,
      gossip: this.#gossip,
      validators: () => this.#validators(),
      onReady: (peer) => {
        this.#events.emit('peer:ready', { publicKey: peer })
        this.#relays.check()
      },
      onReachChange: () => this.updateSelf()
    })
  }

  async #dial(address: Multiaddr, signal: AbortSignal, isUpgrade: boolean): Promise<Connection> {
    const dialled = this.#requireNode().dial(address, { signal: this.#dialSignal(), force: isUpgrade })
    return await raceAbort(dialled, signal)
  }

  /** Whether the address leads to the node that it names; the connection is closed at once. */
  async #probe(address: Multiaddr, signal: AbortSignal): Promise<boolean> {
    const text = address.toString()
    this.#peers.probes.add(text)
    try {
      const connection = await this.#requireNode().dial(address, { signal, force: true })
      if (connection.remoteAddr.toString() !== text) return false
      await connection.close().catch((error: Error) => connection.abort(error))
      return true
    } finally {
      this.#peers.probes.delete(text)
    }
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
    await this.#bans.load()
  }

  async #stop(): Promise<void> {
    this.#stopping.abort(new Error('the node stops'))
    for (const timer of this.#timers) clearInterval(timer)
    this.#exchanges.stop()
    await Promise.all([this.#dialer.stop(), this.#upgrades.stop(), this.#relays.stop(), this.#reachability.stop()])
    await Promise.all([this.#upkeep.stop(), this.#portMapper.stop()])
    await this.#requests.stop()
    await this.#peers.stop()
    this.#endWaiting()
    await this.#node?.stop()
    await Promise.allSettled(this.#background)
    await this.#book.close()
    await this.#bans.close()
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

  readonly #onDiscovery = (event: CustomEvent<DiscoveredPeer>): void => {
    const { id, multiaddrs } = event.detail
    const key = toPublicKey(id)
    if (key === null || key === this.publicKey || this.#scores.isBanned(key)) return
    const addresses = multiaddrs.map((address) => address.toString()).filter((address) => !isLoopback(address))
    this.#contacts.remember(key, '', addresses)
    this.#dialer.wake(key)
  }

  #describe(alone: boolean, remote: string): HelloInfo {
    return {
      ...this.#options.describe(),
      protocolVersion: PROTOCOL_VERSION,
      agent: this.#options.agentVersion,
      networkId: this.#options.networkId,
      publicKey: this.publicKey,
      addresses: this.addresses(),
      timeMs: Date.now(),
      instance: this.#instance,
      alone,
      relay: this.#offersRelay(),
      observed: isRelayed(remote) ? '' : remote
    }
  }

  #ownStatus(): PeerStatus {
    const { seq, lcl, role } = this.#options.describe()
    return {
      seq,
      lcl,
      role,
      agent: this.#options.agentVersion,
      addresses: this.addresses(),
      relay: this.#offersRelay(),
      unreached: this.#upkeep.unreached
    }
  }

  #describePeer(key: PublicKey): PeerInfo {
    return describePeer(key, {
      peers: this.#peers,
      dialer: this.#dialer,
      scores: this.#scores,
      contacts: this.#contacts,
      isMember: (peer) => this.#validators().includes(peer)
    })
  }

  /** Without those through relays. */
  #listening(): string[] {
    const all = this.#node?.getMultiaddrs().map((address) => address.toString()) ?? []
    return all.filter((address) => !needsRelay(address))
  }

  #listenPorts(): { port: number; suffix: '' | '/ws' }[] {
    const ports = this.#listening().flatMap((address) => {
      const match = /\/tcp\/(\d+)(\/ws)?(?=\/p2p|$)/.exec(address)
      return match === null ? [] : [[Number(match[1]), match[2] === undefined ? '' : '/ws'] as const]
    })
    return [...new Map(ports)].map(([port, suffix]) => ({ port, suffix }))
  }

  #offersRelay(): boolean {
    const { relay = 'auto' } = this.#options
    return relay === 'on' || (relay === 'auto' && this.#reachability.state === 'public')
  }

  #isRelayAt(peerId: string): boolean {
    return this.#peers.all().some(({ publicKey, primary }) => {
      return !primary.relayed && toPeerId(publicKey).toString() === peerId
    })
  }

  #mayConnect(peerId: PeerId): boolean {
    const key = toPublicKey(peerId)
    return key !== null && !this.#scores.isBanned(key)
  }

  #isKept(peer: PublicKey): boolean {
    return this.#validators().includes(peer) || this.#dialer.isConfigured(peer)
  }

  #isRestricted(peer: PublicKey): boolean {
    const { restrict = false, observers = [] } = this.#options
    return restrict && !this.#validators().includes(peer) && !observers.includes(peer)
  }

  #refuse(peer: PublicKey): HelloVerdict | null {
    if (this.#isRestricted(peer)) {
      const reason = 'this node takes only validators and the observers on its list'
      return { accepted: false, code: 'restricted', reason }
    }
    if (this.#isKept(peer) || this.#countObservers() < this.limits.maxObservers) return null
    return { accepted: false, code: 'full', reason: 'this node has all the observers that it takes' }
  }

  #countObservers(): number {
    const unl = new Set(this.#validators())
    return this.#peers.all().filter((peer) => !unl.has(peer.publicKey)).length
  }

  #findByAddress(transport: string): PublicKey | null {
    for (const { publicKey, status } of this.#peers.all()) {
      if (status.addresses.some((address) => address === transport || address.startsWith(`${transport}/p2p/`))) {
        return publicKey
      }
    }
    return null
  }

  #forwardTo(from: PublicKey, id: Uint8Array): PublicKey[] {
    const source = this.#peers.get(from)
    if (!this.#hasCuts || source === undefined) return []
    const peers = this.#peers.all().map(reachOf)
    return chooseForwards(this.publicKey, reachOf(source), peers, this.#validators(), id)
  }

  /** Whether, as they say, some peer cannot reach another one that we do reach. */
  #findCuts(): void {
    this.#hasCuts = this.#peers.all().some(({ status }) => status.unreached.some((key) => this.#peers.get(key)))
  }

  #onConnect(peer: Peer): void {
    const { publicKey, primary, hello } = peer
    const { connection } = primary
    const remote = connection.remoteAddr.toString()
    this.#dialer.connected(publicKey)
    this.#contacts.remember(publicKey, remote, hello.addresses)
    if (connection.direction === 'outbound') this.#noteWorked(publicKey, remote)
    this.#gossip.attach(publicKey, connection)
    this.#options.log.info({ peer: publicKey, address: remote, role: hello.role }, 'a peer is connected')
    this.#inBackground(this.#exchanges.askForPeers(publicKey))
    this.#inBackground(this.#upkeep.ping(peer))
    this.#reachability.check()
    this.#relays.check()
    this.#events.emit('peer:connect', { publicKey, role: hello.role, address: remote })
  }

  #noteWorked(peer: PublicKey, remote: string): void {
    try {
      this.#book.worked(peer, parseAddress(remote, this.limits.maxAddressLength).transport)
    } catch {
      // A kind of address that is no good for dialling again, such as one of WebRTC.
    }
  }

  #onTold(teller: Peer, about: PublicKey, addresses: readonly string[]): void {
    if (about === this.publicKey || this.#scores.isBanned(about)) return
    if (!this.#contacts.hear(teller, about, addresses)) return
    this.#dialer.wake(about)
    this.#upgrades.retry(about)
  }

  #onDisconnect(peer: Peer, reason: string): void {
    this.#gossip.detach(peer.publicKey)
    this.#events.emit('peer:disconnect', { publicKey: peer.publicKey, reason })
    if (this.#stopped !== null) return
    this.#options.log.info({ peer: peer.publicKey, reason }, 'a peer is gone')
    this.#dialer.lost(peer.publicKey)
    this.#relays.check()
    this.#findCuts()
  }

  #onBanned(publicKey: PublicKey, reason: string, durationMs: number): void {
    this.#gossip.detach(publicKey)
    this.#dialer.postpone(publicKey, durationMs, reason)
    this.#events.emit('peer:banned', { publicKey, reason })
  }

  #onRefused(publicKey: PublicKey, verdict: HelloVerdict, by: 'us' | 'peer'): void {
    this.#dialer.postpone(publicKey, this.limits.mismatchRedialMs, verdict.reason)
    this.#events.emit('peer:refused', { publicKey, reason: verdict.reason, by })
  }

  #onStatus(publicKey: PublicKey, status: PeerStatus): void {
    const peer = this.#peers.get(publicKey)
    if (peer === undefined) return
    peer.status = status
    const remote = peer.primary.connection.remoteAddr.toString()
    if (this.#contacts.remember(publicKey, remote, status.addresses)) this.#upgrades.retry(publicKey)
    if (status.relay) this.#relays.check()
    this.#findCuts()
    this.#events.emit('peer:status', { publicKey, status })
  }

  /** Others are to be told of other addresses, or of another role as relay. */
  #onWhereaboutsChange(): void {
    if (this.#stopped !== null || this.#node === null) return
    this.updateSelf()
    this.#events.emit('reachability', this.reachability())
  }

  #maintain(): void {
    this.#upkeep.check()
    this.#reachability.check()
    this.#relays.check()
    this.#upgrades.check()
    if (this.#wantsPortMapping()) this.#portMapper.check()
    this.#askWhileMissing()
    // Members that joined the UNL since, and whoever has no dial pending.
    for (const key of this.#validators()) this.#dialer.wake(key)
  }

  #wantsPortMapping(): boolean {
    const { upnp = 'off', announce = [], listen } = this.#options
    if (upnp === 'off') return false
    if (this.#portMapper.mappings.length > 0) return true
    return upnp === 'on' || (announce.length === 0 && !listen.host.startsWith('127.') && this.#reachability.needsRelays)
  }

  #askWhileMissing(): void {
    const nowMs = performance.now()
    const intervalMs = nowMs - this.#startedMs < EAGER_MS ? MAINTENANCE_INTERVAL_MS : this.limits.missingPeersIntervalMs
    if (nowMs - this.#askedMs < intervalMs * 0.9) return
    this.#askedMs = nowMs
    const connected = this.connected()
    if (this.#validators().every((key) => key === this.publicKey || connected.includes(key))) return
    const asked = connected.sort(() => Math.random() - 0.5).slice(0, ASKED_WHILE_MISSING)
    for (const key of asked) this.#inBackground(this.#exchanges.askForPeers(key))
  }
}

function reachOf({ publicKey, status }: Peer) {
  return { publicKey, unreached: status.unreached }
}

/** The address of a relay itself, of one that was written as an address behind it. */
function withoutCircuit(address: string): string {
  return address.split('/p2p-circuit')[0] as string
}
