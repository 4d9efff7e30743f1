import './shim.js'
import { multiaddr } from '@multiformats/multiaddr'
import type { PublicKey } from '../consensus/types.js'
import { parseAddress } from './addresses.js'
import { Core } from './core.js'
import { NetworkError } from './errors.js'
import { checkPort } from './libp2p.js'
import type { NetworkLimits } from './limits.js'
import * as parts from './parts.js'
import { toPeerId } from './peer-id.js'
import { describeReachability } from './reachability-info.js'
import type { HandlerOptions, RequestHandler, RequestOptions } from './request-response.js'
import type { ScoreRule } from './scores.js'
import type {
  Ban,
  GossipHandler,
  NetworkEvents,
  NetworkOptions,
  PeerInfo,
  PeerStatus,
  ReachabilityInfo,
  Topic
} from './types.js'

const DEFAULT_BAN_MS = 24 * 3600 * 1000
const MAX_REASON = 200

/**
 * Starts a node on the network. Rejects with NetworkError: 'port-in-use' and 'listen-failed' name host and port,
 * 'bad-key', 'bad-address', 'store-failed'. Nothing is left running or open then.
 */
export async function createNetwork(options: NetworkOptions): Promise<Network> {
  const { host, wsPort, tcpPort } = options.listen
  if (wsPort !== null) await checkPort(host, wsPort)
  if (tcpPort !== null) await checkPort(host, tcpPort)
  const core = new Core(options, { ...parts, describeReachability })
  await core.start()
  return new Network(core)
}

/** One node's view of its peers. Made by `createNetwork`. */
export class Network {
  readonly publicKey: PublicKey
  readonly peerId: string
  readonly limits: NetworkLimits
  readonly #core: Core

  constructor(core: Core) {
    this.#core = core
    this.publicKey = core.publicKey
    this.peerId = core.peerId
    this.limits = core.limits
  }

  /** Closes every connection and the peer store. Idempotent; waits for what runs. */
  stop(): Promise<void> {
    return this.#core.stop()
  }

  /** Returns a function that removes the listener. */
  on<K extends keyof NetworkEvents>(name: K, listener: (event: NetworkEvents[K]) => void): () => void {
    return this.#core.events.on(name, listener)
  }

  off<K extends keyof NetworkEvents>(name: K, listener: (event: NetworkEvents[K]) => void): void {
    this.#core.events.off(name, listener)
  }

  /**
   * Sends to every peer subscribed now; who is not (see `subscribers` and 'peer:ready') misses it. The same content
   * is delivered once in two minutes, unless `resend` is set. Throws NetworkError 'too-large' or 'not-started'.
   */
  async publish(topic: Topic, content: Uint8Array, options: { resend?: boolean } = {}): Promise<void> {
    if (this.#core.stopped !== null) throw new NetworkError('not-started', 'the network has stopped')
    await this.#core.gossip.publish(topic, content, options.resend)
  }

  /** One handler a topic. 'reject' scores the sender down. Returns a function that removes it. */
  onGossip(topic: Topic, handler: GossipHandler): () => void {
    return this.#core.gossip.on(topic, handler)
  }

  /** Peers that a message published now is sent to. */
  subscribers(topic: Topic): PublicKey[] {
    return this.#core.gossip.subscribers(topic)
  }

  /** Serves `/hp/<network id>/<name>/<version>` to peers that have passed hello. */
  handle(
    name: string,
    version: number,
    options: HandlerOptions,
    handler: RequestHandler
  ): Promise<() => Promise<void>> {
    return this.#core.requests.handle(name, version, options, handler)
  }

  /** Throws RequestError. */
  request(peer: PublicKey, name: string, body: Uint8Array, options?: RequestOptions): Promise<Uint8Array> {
    return this.#core.requests.request(peer, name, body, options)
  }

  /** Many messages back, no faster than they are taken. Throws RequestError. */
  requestStream(
    peer: PublicKey,
    name: string,
    body: Uint8Array,
    options?: RequestOptions
  ): AsyncGenerator<Uint8Array, void, undefined> {
    return this.#core.requests.requestStream(peer, name, body, options)
  }

  /** Keys that two nodes use at once, as far as this one has met both. */
  twins(): PublicKey[] {
    return this.#core.peers.twins()
  }

  /** Asks the peer how far it is. Throws RequestError. */
  status(peer: PublicKey): Promise<PeerStatus> {
    return this.#core.exchanges.askStatus(peer)
  }

  /** Tells the peers seq, lcl and role as `describe()` gives them now; at most every `statusIntervalMs`. */
  updateSelf(): void {
    this.#core.tellStatus()
  }

  /** The peer broke a rule; see scores.ts for what that costs. */
  report(peer: PublicKey, rule: ScoreRule, detail: string): void {
    this.#core.peers.report(peer, rule, detail)
  }

  /** Full multiaddrs at which others can dial this node. */
  addresses(): string[] {
    return this.#core.contacts.own()
  }

  /** Keys of the connected peers. */
  connected(): PublicKey[] {
    return this.#core.connected()
  }

  /** Connected peers; members of the UNL and configured peers that are not; peers that were refused or are banned. */
  peers(): PeerInfo[] {
    const bans = this.#core.scores.bans().map(({ publicKey }) => publicKey)
    const absent = [
      ...this.#core.validators(),
      ...this.#core.dialer.configured(),
      ...this.#core.peers.refused(),
      ...bans
    ]
    const keys = new Set([...this.connected(), ...absent])
    keys.delete(this.publicKey)
    return [...keys].sort().map((key) => this.#core.describePeer(key))
  }

  /** One peer, known or not. */
  peer(key: PublicKey): PeerInfo {
    return this.#core.describePeer(key)
  }

  bans(): Ban[] {
    const nowMs = Date.now()
    return this.#core.scores.bans().map(({ publicKey, leftMs, reason }) => {
      return { publicKey, peerId: toPeerId(publicKey).toString(), until: Math.round(nowMs + leftMs), reason }
    })
  }

  /** Whether others can dial this node, and how it is reached otherwise. */
  reachability(): ReachabilityInfo {
    return describeReachability(this.#core)
  }

  /**
   * Dials an address now and remembers it as if configured. Throws NetworkError 'bad-address', 'refused', or
   * 'unreachable' with what went wrong.
   */
  async connect(address: string): Promise<PublicKey> {
    this.#core.requireNode()
    const parsed = parseAddress(address, this.limits.maxAddressLength)
    const target = parsed.peerId === null ? parsed.transport : `${parsed.transport}/p2p/${parsed.peerId}`
    let key: PublicKey | null
    try {
      key = await this.#core.peers.admit(await this.#core.dial(multiaddr(target), this.#core.stopSignal, false))
    } catch (error) {
      const words = `cannot connect to ${address}: ${(error as Error).message}`
      throw new NetworkError('unreachable', words, { cause: error })
    }
    if (key === null) throw new NetworkError('refused', `${address} did not accept this node`)
    this.#core.dialer.addConfigured({ ...parsed, peerId: toPeerId(key).toString() })
    return key
  }

  /** Closes the peer's connections and does not dial it for a while. */
  disconnect(peer: PublicKey, reason = 'disconnected by the operator'): void {
    this.#core.dialer.postpone(peer, this.limits.mismatchRedialMs, reason)
    this.#core.peers.disconnect(peer, 'disconnected', reason)
  }

  /** Cuts the peer and keeps it out, also over restarts of this node. Throws NetworkError 'bad-key'. */
  ban(peer: PublicKey, reason = 'banned by the operator', durationMs = DEFAULT_BAN_MS): void {
    toPeerId(peer)
    if (!(durationMs > 0)) throw new RangeError('a ban must last longer than 0 ms')
    const words = reason.slice(0, MAX_REASON)
    this.#core.scores.ban(peer, durationMs, words)
    this.#core.bans.add(peer, durationMs, words)
    this.#core.peers.disconnect(peer, 'banned', words)
    this.#core.onBanned(peer, words, durationMs)
  }

  /** Lets the peer in again and dials it. False when it was not banned. */
  unban(peer: PublicKey): boolean {
    const wasBanned = this.#core.scores.unban(peer)
    this.#core.bans.remove(peer)
    if (wasBanned) this.#core.dialer.pardon(peer)
    return wasBanned
  }

  /** ms of a round trip to a connected peer. Throws NetworkError 'not-connected' and 'unreachable'. */
  async ping(peer: PublicKey): Promise<number> {
    const found = this.#core.peers.get(peer)
    if (found === undefined) throw new NetworkError('not-connected', `peer ${peer.slice(0, 16)} is not connected`)
    try {
      return await this.#core.upkeep.ping(found)
    } catch (error) {
      const words = `peer ${peer.slice(0, 16)} does not answer: ${(error as Error).message}`
      throw new NetworkError('unreachable', words, { cause: error })
    }
  }

  /** The UNL has changed: new members are dialled, and with `restrict` those who may not stay are cut. */
  setMembers(unl: readonly PublicKey[]): void {
    this.#core.members = [...unl]
    for (const { publicKey } of this.#core.peers.all()) {
      if (this.#core.isRestricted(publicKey)) this.disconnect(publicKey, 'no longer on the list of this node')
    }
    for (const key of unl) this.#core.dialer.wake(key)
    this.updateSelf()
  }
}
