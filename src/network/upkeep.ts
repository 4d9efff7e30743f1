/** What is looked after every second: peers that are silent or have no gossip, and what others are told of it. */
import type { Logger } from 'pino'
import type { PublicKey } from '../consensus/types.js'
import { Deadline } from './deadline.js'
import { type Gossip, TOPICS } from './gossip.js'
import type { NetworkLimits } from './limits.js'
import type { Peer } from './link.js'
import type { Peers } from './peers.js'
import { pingConnection } from './ping.js'

export interface UpkeepHost {
  self: PublicKey
  limits: NetworkLimits
  log: Logger
  peers: Peers
  gossip: Gossip
  validators(): PublicKey[]
  onReady(peer: PublicKey): void
  /** Members that this node cannot reach are others than before. */
  onReachChange(): void
}

/** After a pause of this process longer than this, silence says nothing about the peers. */
const OWN_PAUSE_MS = 5000

export class Upkeep {
  readonly #host: UpkeepHost
  readonly #stopping = new AbortController()
  readonly #pinging = new Map<PublicKey, Promise<number>>()
  #unreached: PublicKey[] = []
  #lastCheckMs = performance.now()
  #graceUntilMs = 0

  constructor(host: UpkeepHost) {
    this.#host = host
  }

  /** Members of the UNL to which there is no working connection. */
  get unreached(): PublicKey[] {
    return this.#unreached
  }

  /** Connects anew the peers whose gossip does not work and those that are silent. */
  check(): void {
    const { limits, peers, gossip } = this.#host
    const nowMs = performance.now()
    if (nowMs - this.#lastCheckMs > OWN_PAUSE_MS) this.#graceUntilMs = nowMs + limits.silentPeerTimeoutMs / 2
    this.#lastCheckMs = nowMs
    const subscribed = new Set(TOPICS.flatMap((topic) => gossip.subscribers(topic)))
    for (const peer of peers.all()) {
      const ageMs = nowMs - (peer.primary.verifiedMs ?? nowMs)
      if (!gossip.hasStream(peer.publicKey)) gossip.attach(peer.publicKey, peer.primary.connection)
      else void gossip.move(peer.publicKey, peer.primary.connection)
      this.checkReady(peer.publicKey)
      if (ageMs > limits.noGossipTimeoutMs && !subscribed.has(peer.publicKey)) {
        peers.disconnect(peer.publicKey, 'no-gossip', 'the connection carries no gossip')
      } else if (nowMs > this.#graceUntilMs && nowMs - peer.lastHeardMs > limits.silentPeerTimeoutMs) {
        peers.disconnect(peer.publicKey, 'silent', 'nothing was heard of the peer')
      }
    }
    this.#checkReach(nowMs)
  }

  checkReady(publicKey: PublicKey): void {
    const peer = this.#host.peers.get(publicKey)
    if (peer === undefined || peer.ready || !this.#host.gossip.isReady(publicKey)) return
    peer.ready = true
    this.#host.onReady(publicKey)
  }

  pingAll(): void {
    for (const peer of this.#host.peers.all()) void this.ping(peer).catch(() => {})
  }

  /** ms of a round trip; one ping for each peer at one time. Rejects when there is no answer in time. */
  ping(peer: Peer): Promise<number> {
    const running = this.#pinging.get(peer.publicKey)
    if (running !== undefined) return running
    const work = this.#ping(peer).finally(() => this.#pinging.delete(peer.publicKey))
    this.#pinging.set(peer.publicKey, work)
    return work
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node stops'))
    await Promise.allSettled(this.#pinging.values())
  }

  async #ping(peer: Peer): Promise<number> {
    const deadline = new Deadline(this.#host.limits.pingTimeoutMs, this.#stopping.signal)
    try {
      const { connection } = peer.primary
      peer.latencyMs = await pingConnection(connection, deadline.signal)
      peer.lastHeardMs = performance.now()
      return peer.latencyMs
    } finally {
      deadline.clear()
    }
  }

  #checkReach(nowMs: number): void {
    const { self, limits, peers } = this.#host
    const unreached = this.#host.validators().filter((key) => {
      if (key === self) return false
      const peer = peers.get(key)
      return peer === undefined || !peer.ready || nowMs - peer.lastHeardMs > limits.suspectPeerAfterMs
    })
    if (unreached.join() === this.#unreached.join()) return
    this.#unreached = unreached
    this.#host.onReachChange()
  }
}
