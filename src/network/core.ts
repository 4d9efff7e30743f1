import './shim.js'
import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Connection, PeerInfo as DiscoveredPeer, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { LevelDatastore } from 'datastore-level'
import type { PublicKey } from '../consensus/types.js'
import { AddressBook } from './address-book.js'
import { isLoopback, isRelayed, needsRelay, parseAddress } from './addresses.js'
import { startAwakeClock } from './awake.js'
import { BanStore } from './ban-store.js'
import type { Contacts } from './contacts.js'
import { createStopper, Deadline, raceAbort } from './deadline.js'
import { type Dialer, parseConfigured } from './dialer.js'
import { Emitter } from './emitter.js'
import { NetworkError } from './errors.js'
import type { Exchanges } from './exchanges.js'
import { chooseForwards } from './forwarding.js'
import type { Gossip } from './gossip.js'
import type { HalfOpenSockets } from './half-open.js'
import { GOODBYE_PROTOCOL, HELLO_PROTOCOL, type HelloVerdict } from './hello.js'
import { Inviter, JOIN_PROTOCOL } from './invitation.js'
import { checkPort, createNode, type HotPocketLibp2p, hardenListeners } from './libp2p.js'
import { DEFAULT_LIMITS, type NetworkLimits } from './limits.js'
import type { Peer } from './link.js'
import { toPeerId, toPrivateKey, toPublicKey } from './peer-id.js'
import { describePeer } from './peer-rows.js'
import type { Peers } from './peers.js'
import type { PortMapper } from './port-mapping.js'
import type { Reachability } from './reachability.js'
import type { Relays } from './relays.js'
import type { RequestResponse } from './request-response.js'
import { PeerScores } from './scores.js'
import {
  type HelloInfo,
  type NetworkEvents,
  type NetworkOptions,
  type PeerInfo,
  type PeerStatus,
  PROTOCOL_VERSION,
  type ReachabilityInfo
} from './types.js'
import type { Upgrades } from './upgrades.js'
import type { Upkeep } from './upkeep.js'

const MAINTENANCE_INTERVAL_MS = 1000
/** After the start, peers are asked for missing members every second. */
const EAGER_MS = 15_000
/** Peers that are asked at one time while members are missing. */
const ASKED_WHILE_MISSING = 3

/** Makes the parts; handed in, since a part knows the core that it is for. */
export interface PartMakers {
  createContacts(core: Core): Contacts
  createDialer(core: Core): Dialer
  createExchanges(core: Core): Exchanges
  createGossip(core: Core): Gossip
  createPeers(core: Core): Peers
  createPortMapper(core: Core): PortMapper
  createReachability(core: Core): Reachability
  createRelays(core: Core): Relays
  createRequests(core: Core): RequestResponse
  createUpgrades(core: Core): Upgrades
  createUpkeep(core: Core): Upkeep
  describeReachability(core: Core): ReachabilityInfo
}

/** The parts of a node put together, and what each does at the word of another. */
export class Core {
  readonly publicKey: PublicKey
  readonly peerId: string
  readonly limits: NetworkLimits
  readonly options: NetworkOptions
  readonly #instance = randomBytes(16).toString('hex')
  readonly events: Emitter<NetworkEvents>
  readonly #store: LevelDatastore
  readonly scores: PeerScores
  readonly peers: Peers
  readonly book: AddressBook
  readonly dialer: Dialer
  readonly gossip: Gossip
  readonly requests: RequestResponse
  readonly exchanges: Exchanges
  readonly bans: BanStore
  readonly contacts: Contacts
  readonly relays: Relays
  readonly reachability: Reachability
  readonly upgrades: Upgrades
  readonly upkeep: Upkeep
  readonly portMapper: PortMapper
  readonly #stopping = createStopper()
  /** Keys of the UNL in force, once `setMembers` was called. */
  members: PublicKey[] | null = null
  /** Transports of the relays that the operator named. */
  readonly namedRelays = new Set<string>()
  /** Some connected peer cannot reach another connected peer. */
  #hasCuts = false
  node: HotPocketLibp2p | null = null
  readonly #startedMs = performance.now()
  #askedMs = 0
  #halfOpen: HalfOpenSockets | null = null
  #stopClock: () => void = () => {}
  #timers: NodeJS.Timeout[] = []
  #background = new Set<Promise<unknown>>()
  stopped: Promise<void> | null = null

  readonly #makers: PartMakers

  constructor(options: NetworkOptions, makers: PartMakers) {
    this.#makers = makers
    const { log, keyPair } = options
    this.options = options
    this.limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.publicKey = keyPair.publicKey
    toPrivateKey(keyPair)
    this.peerId = toPeerId(keyPair.publicKey).toString()
    this.events = new Emitter((error, name) => log.error({ err: error }, `a listener of ${name} failed`))
    this.#store = new LevelDatastore(join(options.dataDir, 'peers'))
    this.scores = new PeerScores(this.limits)
    this.bans = new BanStore(this.#store, this.scores, log)
    this.book = new AddressBook(this.#store, this.limits, log)
    this.contacts = makers.createContacts(this)
    this.peers = makers.createPeers(this)
    this.gossip = makers.createGossip(this)
    this.requests = makers.createRequests(this)
    this.dialer = makers.createDialer(this)
    this.exchanges = makers.createExchanges(this)
    this.relays = makers.createRelays(this)
    this.reachability = makers.createReachability(this)
    this.upgrades = makers.createUpgrades(this)
    this.upkeep = makers.createUpkeep(this)
    this.portMapper = makers.createPortMapper(this)
  }

  /** Called once, by `createNetwork`. */
  async start(): Promise<void> {
    const { log, listen } = this.options
    try {
      await this.#openStore()
      this.node = await createNode(this.options, {
        privateKey: toPrivateKey(this.options.keyPair),
        datastore: this.#store,
        limits: this.limits,
        pubsub: this.gossip.createService,
        mayConnect: (peerId) => this.#mayConnect(peerId),
        mayConnectFrom: (remote) => this.peers.countFrom(remote) < this.limits.maxConnectionsPerAddress,
        gate: this.peers,
        relays: this.relays,
        offersRelay: () => this.offersRelay()
      })
      this.node.addEventListener('peer:discovery', this.#onDiscovery)
      this.node.addEventListener('connection:open', this.#onOpen)
      this.node.addEventListener('connection:close', this.#onClose)
      await this.node.handle(HELLO_PROTOCOL, this.peers.onHelloStream, { maxInboundStreams: 4 })
      await this.node.handle(GOODBYE_PROTOCOL, this.peers.onGoodbyeStream, { maxInboundStreams: 4 })
      if (this.options.invitation !== undefined) {
        const inviter = new Inviter(this.options.invitation, log)
        await this.node.handle(JOIN_PROTOCOL, inviter.onStream, { maxInboundStreams: 4 })
      }
      await this.exchanges.start()
      await this.reachability.start()
      await this.node.start()
      this.#halfOpen = hardenListeners(this.node, this.limits)
      this.gossip.start()
    } catch (error) {
      await this.stop()
      if (error instanceof NetworkError) throw error
      if (listen.wsPort !== null) await checkPort(listen.host, listen.wsPort)
      if (listen.tcpPort !== null) await checkPort(listen.host, listen.tcpPort)
      const words = error instanceof Error ? error.message : String(error)
      throw new NetworkError('listen-failed', `the network could not start: ${words}`, { cause: error })
    }
    this.#stopClock = startAwakeClock()
    this.#begin()
    log.info({ addresses: this.contacts.own(), peerId: this.peerId }, 'the peer port is open')
  }

  /** Closes every connection and the peer store. Idempotent; waits for what runs. */
  stop(): Promise<void> {
    this.stopped ??= this.#stopAll()
    return this.stopped
  }

  /** Tells the peers the own status; at most every `statusIntervalMs`. */
  tellStatus(): void {
    if (this.stopped === null) this.exchanges.announceStatus()
  }

  connected(): PublicKey[] {
    return this.peers.all().map((peer) => peer.publicKey)
  }

  validators(): PublicKey[] {
    return this.members ?? this.options.validators()
  }

  requireNode(): HotPocketLibp2p {
    if (this.node === null || this.stopped !== null) {
      throw new NetworkError('not-started', 'the network is not running')
    }
    return this.node
  }

  #begin(): void {
    const { log, peers, relays = [] } = this.options
    this.#every(MAINTENANCE_INTERVAL_MS, () => this.#maintain())
    this.#every(this.limits.pingIntervalMs, () => this.upkeep.pingAll())
    this.#every(this.limits.peersExchangeIntervalMs, () => {
      this.exchanges.askAllForPeers()
      this.dialer.wakeAll()
    })
    for (const address of parseConfigured(relays.map(withoutCircuit), log, this.limits.maxAddressLength)) {
      this.namedRelays.add(address.transport)
      this.dialer.addConfigured(address)
    }
    for (const address of parseConfigured(peers, log, this.limits.maxAddressLength)) {
      this.dialer.addConfigured(address)
    }
    this.dialer.wakeAll()
  }

  /** `isUpgrade`: also when the peer has a connection. */
  async dial(address: Multiaddr, signal: AbortSignal, isUpgrade: boolean): Promise<Connection> {
    const deadline = new Deadline(this.limits.dialTimeoutMs, signal, true)
    try {
      const dialled = this.requireNode().dial(address, { signal: deadline.signal, force: isUpgrade })
      return await raceAbort(dialled, deadline.signal)
    } finally {
      deadline.clear()
    }
  }

  /** Whether the address leads to the node that it names; the connection is closed at once. */
  async probe(address: Multiaddr, signal: AbortSignal): Promise<boolean> {
    const text = address.toString()
    this.peers.probes.add(text)
    try {
      const connection = await this.requireNode().dial(address, { signal, force: true })
      if (connection.remoteAddr.toString() !== text) return false
      await connection.close().catch((error: Error) => connection.abort(error))
      return true
    } finally {
      this.peers.probes.delete(text)
    }
  }

  /** Ends when the node stops. */
  get stopSignal(): AbortSignal {
    return this.#stopping.signal
  }

  async #openStore(): Promise<void> {
    const { dataDir } = this.options
    try {
      await mkdir(dataDir, { recursive: true })
      await this.#store.open()
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error)
      throw new NetworkError('store-failed', `cannot open the peer store in ${dataDir}: ${words}`, { cause: error })
    }
    await this.book.load()
    await this.bans.load()
  }

  async #stopAll(): Promise<void> {
    this.#stopping.abort(new Error('the node stops'))
    for (const timer of this.#timers) clearInterval(timer)
    this.exchanges.stop()
    await Promise.all([this.dialer.stop(), this.upgrades.stop(), this.relays.stop(), this.reachability.stop()])
    await Promise.all([this.upkeep.stop(), this.portMapper.stop()])
    await this.requests.stop()
    await this.peers.stop()
    this.#halfOpen?.end()
    this.#stopClock()
    await this.node?.stop()
    await Promise.allSettled(this.#background)
    await this.book.close()
    await this.bans.close()
    await this.#store.close().catch(() => {})
    this.events.clear()
  }

  #every(intervalMs: number, work: () => void): void {
    this.#timers.push(setInterval(work, intervalMs))
  }

  inBackground(work: Promise<unknown>): void {
    const tracked: Promise<unknown> = work.catch(() => {}).finally(() => this.#background.delete(tracked))
    this.#background.add(tracked)
  }

  readonly #onOpen = (event: CustomEvent<Connection>): void => {
    this.#halfOpen?.release(event.detail.remoteAddr.toString())
    this.peers.onOpen(event.detail)
  }
  readonly #onClose = (event: CustomEvent<Connection>): void => this.peers.onClose(event.detail)

  readonly #onDiscovery = (event: CustomEvent<DiscoveredPeer>): void => {
    const { id, multiaddrs } = event.detail
    const key = toPublicKey(id)
    if (key === null || key === this.publicKey || this.scores.isBanned(key)) return
    const addresses = multiaddrs.map((address) => address.toString()).filter((address) => !isLoopback(address))
    this.contacts.remember(key, '', addresses)
    this.dialer.wake(key)
  }

  describe(alone: boolean, remote: string): HelloInfo {
    return {
      ...this.options.describe(),
      protocolVersion: PROTOCOL_VERSION,
      agent: this.options.agentVersion,
      networkId: this.options.networkId,
      publicKey: this.publicKey,
      addresses: this.contacts.own(),
      timeMs: Date.now(),
      instance: this.#instance,
      alone,
      relay: this.offersRelay(),
      observed: isRelayed(remote) ? '' : remote
    }
  }

  ownStatus(): PeerStatus {
    const { seq, lcl, role } = this.options.describe()
    return {
      seq,
      lcl,
      role,
      agent: this.options.agentVersion,
      addresses: this.contacts.own(),
      relay: this.offersRelay(),
      unreached: this.upkeep.unreached
    }
  }

  describePeer(key: PublicKey): PeerInfo {
    return describePeer(key, {
      peers: this.peers,
      dialer: this.dialer,
      scores: this.scores,
      contacts: this.contacts,
      isMember: (peer) => this.validators().includes(peer)
    })
  }

  /** Without those through relays. */
  listening(): string[] {
    const all = this.node?.getMultiaddrs().map((address) => address.toString()) ?? []
    return all.filter((address) => !needsRelay(address))
  }

  listenPorts(): { port: number; suffix: '' | '/ws' }[] {
    const ports = this.listening().flatMap((address) => {
      const match = /\/tcp\/(\d+)(\/ws)?(?=\/p2p|$)/.exec(address)
      return match === null ? [] : [[Number(match[1]), match[2] === undefined ? '' : '/ws'] as const]
    })
    return [...new Map(ports)].map(([port, suffix]) => ({ port, suffix }))
  }

  offersRelay(): boolean {
    const { relay = 'auto' } = this.options
    return relay === 'on' || (relay === 'auto' && this.reachability.state === 'public')
  }

  isRelayAt(peerId: string): boolean {
    return this.peers.all().some(({ publicKey, primary }) => {
      return !primary.relayed && toPeerId(publicKey).toString() === peerId
    })
  }

  #mayConnect(peerId: PeerId): boolean {
    const key = toPublicKey(peerId)
    return key !== null && !this.scores.isBanned(key)
  }

  isKept(peer: PublicKey): boolean {
    return this.validators().includes(peer) || this.dialer.isConfigured(peer)
  }

  isRestricted(peer: PublicKey): boolean {
    const { restrict = false, observers = [] } = this.options
    return restrict && !this.validators().includes(peer) && !observers.includes(peer)
  }

  refuse(peer: PublicKey): HelloVerdict | null {
    if (this.isRestricted(peer)) {
      const reason = 'this node takes only validators and the observers on its list'
      return { accepted: false, code: 'restricted', reason }
    }
    if (this.isKept(peer) || this.countObservers() < this.limits.maxObservers) return null
    return { accepted: false, code: 'full', reason: 'this node has all the observers that it takes' }
  }

  countObservers(): number {
    const unl = new Set(this.validators())
    return this.peers.all().filter((peer) => !unl.has(peer.publicKey)).length
  }

  findByAddress(transport: string): PublicKey | null {
    for (const { publicKey, status } of this.peers.all()) {
      if (status.addresses.some((address) => address === transport || address.startsWith(`${transport}/p2p/`))) {
        return publicKey
      }
    }
    return null
  }

  forwardTo(from: PublicKey, id: Uint8Array): PublicKey[] {
    const source = this.peers.get(from)
    if (!this.#hasCuts || source === undefined) return []
    const peers = this.peers.all().map(reachOf)
    return chooseForwards(this.publicKey, reachOf(source), peers, this.validators(), id)
  }

  /** Whether, as they say, some peer cannot reach another one that we do reach. */
  #findCuts(): void {
    this.#hasCuts = this.peers.all().some(({ status }) => status.unreached.some((key) => this.peers.get(key)))
  }

  onConnect(peer: Peer): void {
    const { publicKey, primary, hello } = peer
    const { connection } = primary
    const remote = connection.remoteAddr.toString()
    this.dialer.connected(publicKey)
    this.contacts.remember(publicKey, remote, hello.addresses)
    if (connection.direction === 'outbound') this.#noteWorked(publicKey, remote)
    this.gossip.attach(publicKey, connection)
    this.options.log.info({ peer: publicKey, address: remote, role: hello.role }, 'a peer is connected')
    this.inBackground(this.exchanges.askForPeers(publicKey))
    this.inBackground(this.upkeep.ping(peer))
    this.reachability.check()
    this.relays.check()
    this.dialer.relayAtHand()
    this.events.emit('peer:connect', { publicKey, role: hello.role, address: remote })
  }

  #noteWorked(peer: PublicKey, remote: string): void {
    try {
      this.book.worked(peer, parseAddress(remote, this.limits.maxAddressLength).transport)
    } catch {
      // A kind of address that is no good for dialling again, such as one of WebRTC.
    }
  }

  onTold(teller: Peer, about: PublicKey, addresses: readonly string[]): void {
    if (about === this.publicKey || this.scores.isBanned(about)) return
    const isNews = this.contacts.hear(teller, about, addresses)
    if (isNews === null) return
    this.dialer.hearOf(about, isNews)
    if (isNews) this.upgrades.retry(about)
  }

  onDisconnect(peer: Peer, reason: string): void {
    this.gossip.detach(peer.publicKey)
    this.events.emit('peer:disconnect', { publicKey: peer.publicKey, reason })
    if (this.stopped !== null) return
    this.options.log.info({ peer: peer.publicKey, reason }, 'a peer is gone')
    this.dialer.lost(peer.publicKey)
    this.relays.check()
    this.#findCuts()
  }

  onBanned(publicKey: PublicKey, reason: string, durationMs: number): void {
    this.gossip.detach(publicKey)
    this.dialer.postpone(publicKey, durationMs, reason)
    this.events.emit('peer:banned', { publicKey, reason })
  }

  onRefused(publicKey: PublicKey, verdict: HelloVerdict, by: 'us' | 'peer'): void {
    this.dialer.postpone(publicKey, this.limits.mismatchRedialMs, verdict.reason)
    this.events.emit('peer:refused', { publicKey, reason: verdict.reason, by })
  }

  /** This machine has other addresses than before. */
  onAddressChange(): void {
    this.portMapper.renewSoon()
    this.reachability.reset()
    this.onWhereaboutsChange()
  }

  onStatus(publicKey: PublicKey, status: PeerStatus): void {
    const peer = this.peers.get(publicKey)
    if (peer === undefined) return
    peer.status = status
    const remote = peer.primary.connection.remoteAddr.toString()
    if (this.contacts.remember(publicKey, remote, status.addresses)) this.upgrades.retry(publicKey)
    if (status.relay) this.relays.check()
    this.#findCuts()
    this.events.emit('peer:status', { publicKey, status })
  }

  /** Others are to be told of other addresses, or of another role as relay. */
  onWhereaboutsChange(): void {
    if (this.stopped !== null || this.node === null) return
    this.tellStatus()
    this.events.emit('reachability', this.#makers.describeReachability(this))
  }

  #maintain(): void {
    this.upkeep.check()
    this.reachability.check()
    this.relays.check()
    this.upgrades.check()
    if (this.#wantsPortMapping()) this.portMapper.check()
    this.#askWhileMissing()
    // Members that joined the UNL since, and whoever has no dial pending.
    for (const key of this.validators()) this.dialer.wake(key)
  }

  #wantsPortMapping(): boolean {
    const { upnp = 'off', announce = [], listen } = this.options
    if (upnp === 'off') return false
    if (this.portMapper.mappings.length > 0) return true
    return upnp === 'on' || (announce.length === 0 && !listen.host.startsWith('127.') && this.reachability.needsRelays)
  }

  #askWhileMissing(): void {
    const nowMs = performance.now()
    const intervalMs = nowMs - this.#startedMs < EAGER_MS ? MAINTENANCE_INTERVAL_MS : this.limits.missingPeersIntervalMs
    if (nowMs - this.#askedMs < intervalMs * 0.9) return
    this.#askedMs = nowMs
    const connected = this.connected()
    if (this.validators().every((key) => key === this.publicKey || connected.includes(key))) return
    const asked = connected.sort(() => Math.random() - 0.5).slice(0, ASKED_WHILE_MISSING)
    for (const key of asked) this.inBackground(this.exchanges.askForPeers(key))
  }
}

function reachOf({ publicKey, status }: Peer) {
  return { publicKey, unreached: status.unreached }
}

/** The address of a relay itself, of one that was written as an address behind it. */
function withoutCircuit(address: string): string {
  return address.split('/p2p-circuit')[0] as string
}
