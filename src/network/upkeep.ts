/** What is looked after every second: peers that are silent or have no gossip, and what others are told of it. */
import type { Logger } from 'pino'
import type { PublicKey } from '../consensus/types.js'
import { awakeNow } from './awake.js'
import { createStopper, Deadline } from './deadline.js'
import { type Gossip, TOPICS } from './gossip.js'
import type { NetworkLimits } from './limits.js'
import type { Link, Peer } from './link.js'
import { LocalAddresses } from './local-address.js'
import type { Peers } from './peers.js'
import { pingConnection } from './ping.js'

export interface UpkeepHost {
  self: PublicKey
  limits: NetworkLimits
  log: Logger
  peers: Peers
  gossip: Gossip
  validators(): PublicKey[]
  /** Dials a connected peer beside a connection that may be dead. */
  doubt(peer: PublicKey): void
  lastError(peer: PublicKey): { text: string } | null
  onReady(peer: PublicKey): void
  /** Members that this node cannot reach are others than before. */
  onReachChange(): void
  /** The addresses of this machine are others than before. */
  onAddressChange(): void
}

/** Of `noGossipTimeoutMs`, until the gossip streams are opened anew, and again. */
const REOPEN_AFTER = 1 / 3
const MAX_DOUBLINGS = 3
/** Between two replacements of a connection that may be dead; doubled each time, begun anew after `CALM_MS`. */
const DOUBT_INTERVAL_MS = 10_000
const CALM_MS = 120_000
/** How often a missing member of the UNL is told of, and how long it must be missing for that. */
const TELL_MISSING_MS = 60_000
const TELL_MISSING_AFTER_MS = 10_000

interface Mute {
  link: Link
  sinceMs: number
  reopened: number
}

interface Doubt {
  sinceMs: number
  nextMs: number
  count: number
}

export class Upkeep {
  readonly #host: UpkeepHost
  readonly #stopping = createStopper()
  readonly #pinging = new Map<PublicKey, Promise<number>>()
  #unreached: PublicKey[] = []
  #isLooking = false
  readonly #addresses = new LocalAddresses()
  /** Connected peers that are not subscribed to gossip. */
  readonly #mute = new Map<PublicKey, Mute>()
  /** How often peers were cut for that; bounded. */
  readonly #muteCuts = new Map<PublicKey, number>()
  readonly #doubts = new Map<PublicKey, Doubt>()
  /** When to tell of members that are missing. */
  readonly #tellMs = new Map<PublicKey, number>()

  constructor(host: UpkeepHost) {
    this.#host = host
  }

  /** Members of the UNL to which there is no working connection. */
  get unreached(): PublicKey[] {
    return this.#unreached
  }

  /** Connects anew the peers whose gossip does not work and those that are silent. All times are of awake.ts. */
  check(): void {
    const { limits, peers, gossip } = this.#host
    const nowMs = awakeNow()
    if (this.#addresses.look() && this.#isLooking) this.#host.onAddressChange()
    this.#isLooking = true
    peers.abortFrom(this.#addresses.isGone)
    const subscribed = new Set(TOPICS.flatMap((topic) => gossip.subscribers(topic)))
    for (const peer of peers.all()) {
      if (!gossip.hasStream(peer.publicKey)) gossip.attach(peer.publicKey, peer.primary.connection)
      else void gossip.move(peer.publicKey, peer.primary.connection)
      this.checkReady(peer.publicKey)
      if (this.#isMuteTooLong(peer, subscribed.has(peer.publicKey), nowMs)) {
        this.#muteCuts.set(peer.publicKey, (this.#muteCuts.get(peer.publicKey) ?? 0) + 1)
        bound(this.#muteCuts, limits.maxKnownPeers)
        peers.disconnect(peer.publicKey, 'no-gossip', 'the connection carries no gossip')
      } else if (nowMs - peer.lastHeardMs > limits.silentPeerTimeoutMs) {
        peers.disconnect(peer.publicKey, 'silent', 'nothing was heard of the peer')
      } else this.#checkSilence(peer, nowMs)
    }
    for (const key of this.#mute.keys()) if (peers.get(key) === undefined) this.#mute.delete(key)
    this.#checkReach(nowMs)
    this.#tellMissing(nowMs)
  }

  /** Opens the gossip streams anew when they carry nothing; true when that has not helped. */
  #isMuteTooLong(peer: Peer, isSubscribed: boolean, nowMs: number): boolean {
    const { publicKey, primary } = peer
    if (isSubscribed) {
      this.#mute.delete(publicKey)
      if (nowMs - (primary.verifiedMs ?? nowMs) > CALM_MS) this.#muteCuts.delete(publicKey)
      return false
    }
    let mute = this.#mute.get(publicKey)
    if (mute === undefined || mute.link !== primary) {
      mute = { link: primary, sinceMs: Math.max(primary.verifiedMs ?? 0, peer.ready ? nowMs : 0), reopened: 0 }
      this.#mute.set(publicKey, mute)
    }
    const { noGossipTimeoutMs } = this.#host.limits
    const doublings = Math.min(this.#muteCuts.get(publicKey) ?? 0, MAX_DOUBLINGS)
    const muteMs = nowMs - mute.sinceMs
    if (muteMs > noGossipTimeoutMs * 2 ** doublings) return true
    if (muteMs > noGossipTimeoutMs * REOPEN_AFTER * (mute.reopened + 1)) {
      mute.reopened++
      this.#host.log.debug({ peer: publicKey }, 'the connection carries no gossip; its streams are opened anew')
      this.#host.gossip.reopen(publicKey, primary.connection)
    }
    return false
  }

  /** Pings a peer of which nothing is heard, then has a second connection tried. Cutting is left to the long time-out. */
  #checkSilence(peer: Peer, nowMs: number): void {
    const { limits, log } = this.#host
    const { publicKey } = peer
    const silentMs = nowMs - peer.lastHeardMs
    if (silentMs > limits.quietPeerAfterMs) void this.ping(peer).catch(() => {})
    const doubt = this.#doubts.get(publicKey)
    if (doubt !== undefined && nowMs - doubt.sinceMs > CALM_MS) this.#doubts.delete(publicKey)
    if (silentMs <= limits.doubtPeerAfterMs) {
      // Whatever comes next is another silence.
      if (doubt !== undefined && doubt.nextMs === 0) doubt.nextMs = nowMs + DOUBT_INTERVAL_MS * 2 ** (doubt.count - 1)
      return
    }
    if (doubt === undefined || (doubt.nextMs !== 0 && nowMs >= doubt.nextMs)) {
      log.info({ peer: publicKey }, 'a peer does not answer; another connection to it is tried')
      this.#doubts.set(publicKey, { sinceMs: nowMs, nextMs: 0, count: Math.min((doubt?.count ?? 0) + 1, 4) })
      bound(this.#doubts, limits.maxKnownPeers)
    } else if (doubt.nextMs !== 0) return
    this.#host.doubt(publicKey)
  }

  /** So that the operator knows why a member is not there. */
  #tellMissing(nowMs: number): void {
    const { self, log, peers } = this.#host
    const missing = this.#host.validators().filter((key) => key !== self && peers.get(key) === undefined)
    for (const key of this.#tellMs.keys()) if (!missing.includes(key)) this.#tellMs.delete(key)
    for (const key of missing) {
      const dueMs = this.#tellMs.get(key) ?? nowMs + TELL_MISSING_AFTER_MS
      this.#tellMs.set(key, dueMs)
      if (nowMs < dueMs) continue
      this.#tellMs.set(key, nowMs + TELL_MISSING_MS)
      const reason = this.#host.lastError(key)?.text ?? 'it was not dialled yet'
      log.info({ peer: key, reason }, `a member of the UNL is not connected: ${reason}`)
    }
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
      peer.lastHeardMs = awakeNow()
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

function bound(map: Map<PublicKey, unknown>, max: number): void {
  while (map.size > max) map.delete(map.keys().next().value as PublicKey)
}
