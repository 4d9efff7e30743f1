/** The connections of this node: hello on each of them, one connection for each peer, and cutting peers off. */
import './shim.js'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection, Stream } from '@libp2p/interface'
import type { Logger } from 'pino'
import type { PublicKey } from '../consensus/types.js'
import { ipOf, isRelayed } from './addresses.js'
import { awakeNow, setAwakeTimeout } from './awake.js'
import { createStopper, Deadline } from './deadline.js'
import { finishStream } from './frames.js'
import { readGoodbye, sayGoodbye } from './goodbye.js'
import { describeHelloFailure, exchangeHello, HELLO_PROTOCOL, type HelloVerdict, judgeHello } from './hello.js'
import type { NetworkLimits } from './limits.js'
import { createLink, type Link, type Peer, statusOf } from './link.js'
import { localAddressOf } from './local-address.js'
import { toPublicKey } from './peer-id.js'
import type { PeerScores, ScoreRule } from './scores.js'
import { Twins } from './twins.js'
import type { HelloInfo } from './types.js'

export interface PeersHost {
  self: PublicKey
  limits: NetworkLimits
  log: Logger
  scores: PeerScores
  /** Our hello on a connection from or to this address. */
  describe: (alone: boolean, remote: string) => HelloInfo
  /** Why a peer of this network may not stay, or null. */
  refuse: (peer: PublicKey) => HelloVerdict | null
  onConnect(peer: Peer): void
  /** The primary connection is another one now, since the old one has gone. */
  onRebind(peer: Peer): void
  /** The primary connection is a direct one now; the relayed one is still open. */
  onUpgrade(peer: Peer): void
  /** Gossip goes over this connection both ways. */
  carriesGossip(peer: PublicKey, connection: Connection): boolean
  onDisconnect(peer: Peer, reason: string): void
  onRefused(peer: PublicKey, verdict: HelloVerdict, by: 'us' | 'peer'): void
  onBanned(peer: PublicKey, reason: string): void
  onGoodbye(peer: PublicKey, code: string, reason: string): void
}

/** Two connections that begin within this time are taken for simultaneous dials. */
const SIMULTANEOUS_MS = 3000
/** How long a relayed connection may take to end what is under way on it once a direct one is there. */
const RETIRE_LIMIT_MS = 60_000
const RETIRE_CHECK_MS = 200
/** Checks in a row that find nothing under way on the old connection. */
const QUIET_CHECKS = 3
const MAX_TOLD_REASONS = 1000
/** Streams of one connection that may come before its hello is complete: each can hold a window of unread bytes. */
const MAX_EARLY_STREAMS = 8

/** How the last error of a refused peer begins. */
const REFUSED = 'refused'

export class Peers {
  readonly #host: PeersHost
  readonly #links = new Map<string, Link>()
  readonly #peers = new Map<PublicKey, Peer>()
  /** Bytes by peer; kept while the peer is known, so that a reconnect does not set them to zero. */
  readonly #bytes = new Map<PublicKey, { in: number; out: number }>()
  readonly #lastErrors = new Map<PublicKey, { text: string; atMs: number }>()
  readonly #told = new Set<string>()
  readonly #twins: Twins
  /** Connections that are being closed: nothing more is taken from them. */
  readonly #leaving = new WeakSet<Link>()
  readonly #stopping = createStopper()
  /** Connections opened to find out whether an address works; by their remote address. */
  readonly probes = new Set<string>()
  readonly #running = new Set<Promise<void>>()

  constructor(host: PeersHost) {
    this.#host = host
    this.#twins = new Twins(host.limits.maxKnownPeers)
  }

  get(peer: PublicKey): Peer | undefined {
    return this.#peers.get(peer)
  }

  all(): Peer[] {
    return [...this.#peers.values()]
  }

  bytes(peer: PublicKey): { in: number; out: number } {
    return this.#bytes.get(peer) ?? { in: 0, out: 0 }
  }

  /** Keys that two nodes use at once. */
  twins(): PublicKey[] {
    return this.#twins.list()
  }

  /** Peers that were refused at hello, by us or by them, and have not passed it since. */
  refused(): PublicKey[] {
    return [...this.#lastErrors].flatMap(([peer, { text }]) => (text.startsWith(REFUSED) ? [peer] : []))
  }

  /** The words, and ms since the epoch. */
  lastError(peer: PublicKey): { text: string; atMs: number } | null {
    return this.#lastErrors.get(peer) ?? null
  }

  count(publicKey: PublicKey, direction: 'in' | 'out', bytes: number): void {
    let counted = this.#bytes.get(publicKey)
    if (counted === undefined) {
      counted = { in: 0, out: 0 }
      this.#bytes.set(publicKey, counted)
      this.#bound(this.#bytes)
    }
    counted[direction] += bytes
    if (direction !== 'in') return
    const peer = this.#peers.get(publicKey)
    if (peer !== undefined) peer.lastHeardMs = awakeNow()
  }

  /** So long was nothing heard of a connected peer that its connection may be dead. */
  isDoubtful(publicKey: PublicKey): boolean {
    const peer = this.#peers.get(publicKey)
    return peer !== undefined && awakeNow() - peer.lastHeardMs > this.#host.limits.doubtPeerAfterMs
  }

  /** Closes connections bound to an address of this machine that it no longer has: nothing comes or goes on them. */
  abortFrom(isGone: (localAddress: string) => boolean): void {
    for (const link of [...this.#links.values()]) {
      const local = link.relayed ? null : localAddressOf(link.connection)
      if (local === null || !isGone(local)) continue
      this.#host.log.info(
        { peer: link.publicKey, local },
        'this machine has lost the address of a connection; it is cut'
      )
      this.#remember(link.publicKey, 'the address of this machine has changed')
      this.#cut(link, new Error('the address of this machine has changed'))
    }
  }

  /** Of one IP address, hello complete or not. */
  countFrom(remote: string): number {
    const ip = ipOf(remote)
    let count = 0
    for (const { connection, relayed } of this.#links.values()) {
      if (!relayed && ipOf(connection.remoteAddr.toString()) === ip) count++
    }
    return count
  }

  /**
   * The peer's key once hello is complete on this connection; null when it is refused or closed before, and when more
   * streams wait for hello than an honest peer opens.
   */
  async admit(connection: Connection): Promise<PublicKey | null> {
    const link = this.#links.get(connection.id)
    if (link !== undefined && link.verifiedMs === null && ++link.earlyStreams > MAX_EARLY_STREAMS) return null
    const peer = (await link?.admitted) ?? null
    return link === undefined || this.#leaving.has(link) ? null : peer
  }

  onOpen(connection: Connection): void {
    if (connection.direction === 'outbound' && this.probes.has(connection.remoteAddr.toString())) return
    const publicKey = toPublicKey(connection.remotePeer)
    if (this.#stopping.signal.aborted || publicKey === null || this.#links.has(connection.id)) {
      if (!this.#links.has(connection.id)) connection.abort(new Error('only ed25519 peers are welcome'))
      return
    }
    if (connection.direction === 'inbound' && !this.#hasRoom(connection)) {
      connection.abort(new Error('there are too many connections'))
      return
    }
    const links = [...this.#links.values()].filter((link) => link.publicKey === publicKey)
    if (links.length >= this.#host.limits.maxConnectionsPerPeer || this.#host.scores.isBanned(publicKey)) {
      connection.abort(new Error('the peer has too many connections or is banned'))
      return
    }
    const link = createLink(connection, publicKey)
    link.cancelTimer = setAwakeTimeout(() => {
      this.#remember(publicKey, 'the peer did not complete hello in time')
      this.#host.log.info({ peer: publicKey }, 'a peer did not complete hello in time; cut')
      this.#cut(link, new Error('no hello in time'))
    }, this.#host.limits.helloTimeoutMs)
    this.#links.set(connection.id, link)
    if (connection.direction === 'outbound') this.#track(this.#dialHello(link))
  }

  onClose(connection: Connection): void {
    const link = this.#links.get(connection.id)
    if (link === undefined) return
    this.#links.delete(connection.id)
    link.cancelTimer()
    link.settle(null)
    const peer = this.#peers.get(link.publicKey)
    if (peer === undefined || !peer.links.includes(link)) return
    peer.links = peer.links.filter((each) => each !== link)
    const other = peer.links.find(({ relayed }) => !relayed) ?? peer.links[0]
    if (other === undefined) {
      this.#peers.delete(link.publicKey)
      this.#host.onDisconnect(peer, this.#lastErrors.get(link.publicKey)?.text ?? 'the connection was closed')
      return
    }
    if (peer.primary === link) peer.primary = other
    this.#host.onRebind(peer)
  }

  /** Counted again here, since connections that came at one time were counted before any of them was open. */
  #hasRoom({ remoteAddr }: Connection): boolean {
    const { maxConnections, maxConnectionsPerAddress } = this.#host.limits
    const remote = remoteAddr.toString()
    return this.#links.size < maxConnections && (isRelayed(remote) || this.countFrom(remote) < maxConnectionsPerAddress)
  }

  /** Handler of the hello protocol: the other side has dialled. */
  readonly onHelloStream = (stream: Stream, connection: Connection): void => {
    const link = this.#links.get(connection.id)
    if (link === undefined || link.helloStarted || connection.direction === 'outbound') {
      stream.abort(new Error('hello is not due'))
      return
    }
    this.#track(this.#hello(link, stream, false))
  }

  readonly onGoodbyeStream = (stream: Stream, connection: Connection): void => {
    const key = toPublicKey(connection.remotePeer)
    if (key === null) stream.abort(new Error('unknown peer'))
    else this.#track(this.#readGoodbye(key, stream))
  }

  /** Takes points off; cuts and bans the peer when they are used up. */
  report(publicKey: PublicKey, rule: ScoreRule, detail: string): void {
    const { scores, log } = this.#host
    const cut = scores.report(publicKey, rule)
    log.debug({ peer: publicKey, rule, detail, score: scores.get(publicKey) }, 'a peer misbehaved')
    if (!cut) return
    const reason = `banned: ${rule} (${detail})`.slice(0, 200)
    log.warn({ peer: publicKey, rule, detail }, 'a peer broke the rules too often; it is cut and banned for a while')
    this.disconnect(publicKey, 'banned', reason)
    this.#host.onBanned(publicKey, reason)
  }

  /** Says goodbye with a reason, then closes every connection of the peer; from now on nothing is taken from it. */
  disconnect(publicKey: PublicKey, code: string, reason: string): void {
    this.#remember(publicKey, reason)
    for (const link of this.#links.values()) {
      if (link.publicKey !== publicKey || this.#leaving.has(link)) continue
      this.#leaving.add(link)
      this.#track(sayGoodbye(link.connection, code, reason))
    }
    const peer = this.#peers.get(publicKey)
    if (peer === undefined) return
    this.#peers.delete(publicKey)
    peer.links = []
    this.#host.onDisconnect(peer, reason)
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node stops'))
    for (const link of this.#links.values()) {
      link.cancelTimer()
      link.settle(null)
    }
    await Promise.allSettled(this.#running)
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => this.#host.log.debug({ err: error }, 'an exchange with a peer broke off'))
      .finally(() => this.#running.delete(tracked))
    this.#running.add(tracked)
  }

  #bound(map: Map<PublicKey, unknown>): void {
    while (map.size > this.#host.limits.maxKnownPeers) map.delete(map.keys().next().value as PublicKey)
  }

  #remember(peer: PublicKey, error: string): void {
    this.#lastErrors.delete(peer)
    this.#lastErrors.set(peer, { text: error, atMs: Date.now() })
    this.#bound(this.#lastErrors)
  }

  async #dialHello(link: Link): Promise<void> {
    const deadline = new Deadline(this.#host.limits.helloTimeoutMs)
    try {
      const stream = await link.connection.newStream(HELLO_PROTOCOL, { signal: deadline.signal })
      await this.#hello(link, stream, true)
    } catch (error) {
      this.#failHello(link, error)
    } finally {
      deadline.clear()
    }
  }

  async #hello(link: Link, stream: Stream, dialled: boolean): Promise<void> {
    link.helloStarted = true
    const { publicKey } = link
    const deadline = new Deadline(this.#host.limits.helloTimeoutMs, undefined, true)
    try {
      const alone = (): boolean => {
        link.saidAlone = !this.#peers.has(publicKey) || this.isDoubtful(publicKey)
        return link.saidAlone
      }
      const { theirs, given, received } = await exchangeHello(
        stream,
        dialled,
        () => this.#host.describe(alone(), link.connection.remoteAddr.toString()),
        publicKey,
        (ours, theirs) => {
          link.clockOffsetMs = theirs.timeMs - Date.now()
          return this.#decide(ours, theirs)
        },
        deadline
      )
      const done = finishStream(stream)
      if (given.accepted && received.accepted) return this.#verify(link, theirs)
      if (!given.accepted) this.#refused(publicKey, given, 'us')
      if (!received.accepted) this.#refused(publicKey, received, 'peer')
      await done
      await link.connection.close().catch(() => link.connection.abort(new Error('refused at hello')))
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error('hello failed'))
      this.#failHello(link, error)
    } finally {
      deadline.clear()
    }
  }

  #decide(ours: HelloInfo, theirs: HelloInfo): HelloVerdict {
    const judged = judgeHello(ours, theirs)
    if (judged !== null) return judged
    const { scores } = this.#host
    if (scores.isBanned(theirs.publicKey))
      return { accepted: false, code: 'banned', reason: 'you are banned for a while' }
    if (this.#isSecondOfTwins(theirs)) {
      this.#twins.refuse(theirs.publicKey)
      const reason = 'another node with your key is connected: stop one of the two'
      return { accepted: false, code: 'twin', reason }
    }
    const refusal = this.#peers.has(theirs.publicKey) ? null : this.#host.refuse(theirs.publicKey)
    return refusal ?? { accepted: true, code: 'ok', reason: '' }
  }

  /** Once a key is known to be used twice, one of its nodes stays, so that they do not push each other out without end. */
  #isSecondOfTwins({ publicKey, instance }: HelloInfo): boolean {
    const peer = this.#peers.get(publicKey)
    return (
      peer !== undefined &&
      peer.hello.instance !== instance &&
      this.#twins.isTwin(publicKey) &&
      awakeNow() - peer.lastHeardMs < this.#host.limits.suspectPeerAfterMs
    )
  }

  #failHello(link: Link, error: unknown): void {
    const words = describeHelloFailure(error)
    this.#remember(link.publicKey, `hello failed: ${words}`)
    if (link.connection.status !== 'open') return
    const { publicKey: peer } = link
    const line = `hello with peer ${short(peer)} failed: ${words}; the connection is closed`
    // A member of the UNL that cannot be talked with is missing until its operator does something: said once.
    if (error instanceof Error && error.name === 'UnsupportedProtocolError' && this.#isNews(`${peer} ${words}`)) {
      this.#host.log.warn({ peer }, line)
    } else this.#host.log.info({ peer }, line)
    this.#cut(link, new Error('hello failed'))
  }

  /** Does not wait for libp2p to tell of the end: whoever waits for hello goes on at once. */
  #cut(link: Link, reason: Error): void {
    link.connection.abort(reason)
    this.onClose(link.connection)
  }

  #refused(publicKey: PublicKey, verdict: HelloVerdict, by: 'us' | 'peer'): void {
    const reason = verdict.reason === '' ? verdict.code : verdict.reason
    this.#remember(publicKey, by === 'us' ? `${REFUSED} by us: ${reason}` : `${REFUSED} by the peer: ${reason}`)
    if (this.#isNews(`${publicKey} ${by} ${reason}`)) {
      const peer = publicKey
      if (by === 'us') this.#host.log.warn({ peer, reason }, `peer ${short(peer)} is refused; we tell it: ${reason}`)
      else this.#host.log.warn({ peer, reason }, `peer ${short(peer)} refuses us; it says: ${reason}`)
    }
    this.#host.onRefused(publicKey, verdict, by)
  }

  /** False when this was said before. */
  #isNews(mark: string): boolean {
    if (this.#told.has(mark)) return false
    if (this.#told.size >= MAX_TOLD_REASONS) this.#told.clear()
    this.#told.add(mark)
    return true
  }

  #verify(link: Link, hello: HelloInfo): void {
    if (this.#stopping.signal.aborted || link.connection.status !== 'open' || !this.#links.has(link.connection.id))
      return
    if (this.#leaving.has(link)) return
    link.cancelTimer()
    link.verifiedMs = awakeNow()
    if (this.#twins.meet(link.publicKey, hello.instance)) {
      const peer = link.publicKey
      this.#host.log.error(
        { peer },
        `two nodes use the key ${peer} at once: it was copied, or stolen; stop one of the two`
      )
    }
    const known = this.#peers.get(link.publicKey)
    const status = statusOf(hello)
    if (known !== undefined) {
      this.#addLink(known, link, hello)
      known.status = { ...status, unreached: known.status.unreached }
      link.settle(link.publicKey)
      return
    }
    const peer: Peer = {
      publicKey: link.publicKey,
      hello,
      status,
      primary: link,
      links: [link],
      connectedSinceMs: Date.now(),
      latencyMs: null,
      clockOffsetMs: link.clockOffsetMs,
      lastHeardMs: link.verifiedMs,
      ready: false
    }
    this.#peers.set(link.publicKey, peer)
    this.#lastErrors.delete(link.publicKey)
    this.#host.onConnect(peer)
    link.settle(link.publicKey)
  }

  /**
   * A second connection. When the old ones are of an earlier start of the peer, or one of the two knows nothing of them
   * or has long heard nothing on them, they are dead. Else both have dialled at one time, and the node of the lower key alone closes one of the two: were both
   * to close one, they might close both, or one each way of gossip.
   */
  #addLink(peer: Peer, link: Link, hello: HelloInfo): void {
    const restarted = peer.hello.instance !== hello.instance
    const alone = hello.alone || link.saidAlone
    const old = peer.links.filter(
      (each) => restarted || (alone && link.openedMs - (each.verifiedMs ?? 0) > SIMULTANEOUS_MS)
    )
    peer.hello = hello
    peer.links.push(link)
    if (old.length > 0) {
      peer.ready = false
      if (old.includes(peer.primary)) peer.primary = link
      peer.lastHeardMs = awakeNow()
      for (const each of old) this.#cut(each, new Error('replaced by a newer connection'))
      return
    }
    if (peer.primary.relayed && !link.relayed) {
      const relayed = peer.primary
      peer.primary = link
      this.#host.onUpgrade(peer)
      this.#track(this.#retire(peer, relayed))
    } else if (this.#host.self < peer.publicKey) {
      link.connection.close().catch(() => link.connection.abort(new Error('a second connection')))
    }
  }

  /**
   * Closes a relayed connection once a direct one carries gossip both ways and all streams of the old one have ended, so
   * that nothing on its way is lost. The node of the lower key does; the other one only after a longer time.
   */
  async #retire(peer: Peer, old: Link): Promise<void> {
    const leads = this.#host.self < peer.publicKey
    const endMs = performance.now() + (leads ? RETIRE_LIMIT_MS : RETIRE_LIMIT_MS * 2)
    let quiet = 0
    while (peer.links.includes(old) && peer.primary !== old) {
      await sleep(RETIRE_CHECK_MS, undefined, { signal: this.#stopping.signal })
      const isMoved = this.#host.carriesGossip(peer.publicKey, peer.primary.connection)
      quiet = leads && isMoved && old.connection.streams.length === 0 ? quiet + 1 : 0
      if (quiet < QUIET_CHECKS && performance.now() < endMs) continue
      await old.connection.close().catch(() => old.connection.abort(new Error('replaced by a direct connection')))
      return
    }
  }

  async #readGoodbye(publicKey: PublicKey, stream: Stream): Promise<void> {
    const goodbye = await readGoodbye(stream)
    if (goodbye === null) return
    const { code, reason } = goodbye
    this.#remember(publicKey, `the peer said goodbye: ${reason}`)
    this.#host.log.info({ peer: publicKey, reason }, `peer ${short(publicKey)} says goodbye: ${reason}`)
    this.#host.onGoodbye(publicKey, code, reason)
  }
}

function short(key: PublicKey): string {
  return key.slice(0, 16)
}
