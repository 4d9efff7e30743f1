/** The connections of this node: hello on each of them, one connection for each peer, and cutting peers off. */
import './shim.js'
import type { Connection, Stream } from '@libp2p/interface'
import type { Logger } from 'pino'
import { Goodbye } from '../codec/pb/network.js'
import type { PublicKey } from '../consensus/types.js'
import { ipOf } from './addresses.js'
import { Deadline, raceAbort } from './deadline.js'
import { FRAME_MESSAGE, FrameReader, finishStream, writeFrame } from './frames.js'
import { exchangeHello, GOODBYE_PROTOCOL, HELLO_PROTOCOL, type HelloVerdict, judgeHello } from './hello.js'
import type { NetworkLimits } from './limits.js'
import { toPublicKey } from './peer-id.js'
import type { PeerScores, ScoreRule } from './scores.js'
import type { HelloInfo, PeerStatus } from './types.js'

export interface Peer {
  publicKey: PublicKey
  hello: HelloInfo
  status: PeerStatus
  /** The one that gossip and requests use. */
  primary: Link
  links: Link[]
  connectedSinceMs: number
  latencyMs: number | null
  lastHeardMs: number
  /** Both gossip topics were seen subscribed. */
  ready: boolean
}

/** One connection. */
export interface Link {
  connection: Connection
  publicKey: PublicKey
  /** Times of a clock that nobody puts back, save connectedSinceMs. */
  openedMs: number
  verifiedMs: number | null
  helloStarted: boolean
  admitted: Promise<PublicKey | null>
  settle: (key: PublicKey | null) => void
  timer: NodeJS.Timeout | null
}

export interface PeersHost {
  self: PublicKey
  limits: NetworkLimits
  log: Logger
  scores: PeerScores
  describe: (alone: boolean) => HelloInfo
  isWelcome: (peer: PublicKey) => boolean
  onConnect(peer: Peer): void
  /** The primary connection is another one now. */
  onRebind(peer: Peer): void
  onDisconnect(peer: Peer, reason: string): void
  onRefused(peer: PublicKey, verdict: HelloVerdict, by: 'us' | 'peer'): void
  onBanned(peer: PublicKey, reason: string): void
  onGoodbye(peer: PublicKey, code: string, reason: string): void
}

/** Two connections that begin within this time are taken for simultaneous dials. */
const SIMULTANEOUS_MS = 3000
const GOODBYE_TIMEOUT_MS = 1000
const MAX_GOODBYE_BYTES = 1024
const MAX_TOLD_REASONS = 1000

/** How the last error of a refused peer begins. */
const REFUSED = 'refused'

export class Peers {
  readonly #host: PeersHost
  readonly #links = new Map<string, Link>()
  readonly #peers = new Map<PublicKey, Peer>()
  /** Bytes by peer; kept while the peer is known, so that a reconnect does not set them to zero. */
  readonly #bytes = new Map<PublicKey, { in: number; out: number }>()
  readonly #lastErrors = new Map<PublicKey, string>()
  readonly #told = new Set<string>()
  readonly #running = new Set<Promise<void>>()
  #stopped = false

  constructor(host: PeersHost) {
    this.#host = host
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

  /** Peers that were refused at hello, by us or by them, and have not passed it since. */
  refused(): PublicKey[] {
    return [...this.#lastErrors].flatMap(([peer, error]) => (error.startsWith(REFUSED) ? [peer] : []))
  }

  lastError(peer: PublicKey): string | null {
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
    if (peer !== undefined) peer.lastHeardMs = performance.now()
  }

  /** Of one IP address, hello complete or not. */
  countFrom(remote: string): number {
    const ip = ipOf(remote)
    let count = 0
    for (const { connection } of this.#links.values()) if (ipOf(connection.remoteAddr.toString()) === ip) count++
    return count
  }

  /** The peer's key once hello is complete on this connection; null when it is refused or closed before. */
  admit(connection: Connection): Promise<PublicKey | null> {
    return this.#links.get(connection.id)?.admitted ?? Promise.resolve(null)
  }

  onOpen(connection: Connection): void {
    const publicKey = toPublicKey(connection.remotePeer)
    if (this.#stopped || publicKey === null || this.#links.has(connection.id)) {
      if (!this.#links.has(connection.id)) connection.abort(new Error('only ed25519 peers are welcome'))
      return
    }
    const links = [...this.#links.values()].filter((link) => link.publicKey === publicKey)
    if (links.length >= this.#host.limits.maxConnectionsPerPeer || this.#host.scores.isBanned(publicKey)) {
      connection.abort(new Error('the peer has too many connections or is banned'))
      return
    }
    let settle!: Link['settle']
    const admitted = new Promise<PublicKey | null>((resolve) => {
      settle = resolve
    })
    const link: Link = {
      connection,
      publicKey,
      openedMs: performance.now(),
      verifiedMs: null,
      helloStarted: false,
      admitted,
      settle,
      timer: null
    }
    link.timer = setTimeout(() => {
      this.#remember(publicKey, 'the peer did not complete hello in time')
      this.#host.log.info({ peer: publicKey }, 'a peer did not complete hello in time; cut')
      connection.abort(new Error('no hello in time'))
    }, this.#host.limits.helloTimeoutMs)
    this.#links.set(connection.id, link)
    if (connection.direction === 'outbound') this.#track(this.#dialHello(link))
  }

  onClose(connection: Connection): void {
    const link = this.#links.get(connection.id)
    if (link === undefined) return
    this.#links.delete(connection.id)
    if (link.timer !== null) clearTimeout(link.timer)
    link.settle(null)
    const peer = this.#peers.get(link.publicKey)
    if (peer === undefined || !peer.links.includes(link)) return
    peer.links = peer.links.filter((each) => each !== link)
    const [other] = peer.links
    if (other === undefined) {
      this.#peers.delete(link.publicKey)
      this.#host.onDisconnect(peer, this.#lastErrors.get(link.publicKey) ?? 'the connection was closed')
      return
    }
    if (peer.primary === link) peer.primary = other
    this.#host.onRebind(peer)
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

  /** Says goodbye with a reason, then closes every connection of the peer. */
  disconnect(publicKey: PublicKey, code: string, reason: string): void {
    this.#remember(publicKey, reason)
    for (const link of this.#links.values()) {
      if (link.publicKey === publicKey) this.#track(this.#cut(link, code, reason))
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const link of this.#links.values()) {
      if (link.timer !== null) clearTimeout(link.timer)
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
    this.#lastErrors.set(peer, error)
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
      const alone = (): boolean => !this.#peers.has(publicKey)
      const { theirs, given, received } = await exchangeHello(
        stream,
        dialled,
        () => this.#host.describe(alone()),
        publicKey,
        (ours, theirs) => this.#decide(ours, theirs),
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
    if (!this.#peers.has(theirs.publicKey) && !this.#host.isWelcome(theirs.publicKey)) {
      return { accepted: false, code: 'full', reason: 'this node has all the observers that it takes' }
    }
    return { accepted: true, code: 'ok', reason: '' }
  }

  #failHello(link: Link, error: unknown): void {
    const words = error instanceof Error ? error.message : String(error)
    this.#remember(link.publicKey, `hello failed: ${words}`)
    if (link.connection.status !== 'open') return
    this.#host.log.info({ peer: link.publicKey }, `hello with a peer failed: ${words}; the connection is closed`)
    link.connection.abort(new Error('hello failed'))
  }

  #refused(publicKey: PublicKey, verdict: HelloVerdict, by: 'us' | 'peer'): void {
    const reason = verdict.reason === '' ? verdict.code : verdict.reason
    this.#remember(publicKey, by === 'us' ? `${REFUSED} by us: ${reason}` : `${REFUSED} by the peer: ${reason}`)
    const mark = `${publicKey} ${by} ${reason}`
    const isNew = !this.#told.has(mark)
    if (isNew) {
      if (this.#told.size >= MAX_TOLD_REASONS) this.#told.clear()
      this.#told.add(mark)
      const peer = publicKey
      if (by === 'us') this.#host.log.warn({ peer, reason }, `peer ${short(peer)} is refused; we tell it: ${reason}`)
      else this.#host.log.warn({ peer, reason }, `peer ${short(peer)} refuses us; it says: ${reason}`)
    }
    this.#host.onRefused(publicKey, verdict, by)
  }

  #verify(link: Link, hello: HelloInfo): void {
    if (this.#stopped || link.connection.status !== 'open' || !this.#links.has(link.connection.id)) return
    if (link.timer !== null) clearTimeout(link.timer)
    link.timer = null
    link.verifiedMs = performance.now()
    const known = this.#peers.get(link.publicKey)
    const status: PeerStatus = { seq: hello.seq, lcl: hello.lcl, role: hello.role, agent: hello.agent }
    if (known !== undefined) {
      this.#addLink(known, link, hello)
      known.status = status
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
      lastHeardMs: link.verifiedMs,
      ready: false
    }
    this.#peers.set(link.publicKey, peer)
    this.#lastErrors.delete(link.publicKey)
    this.#host.onConnect(peer)
    link.settle(link.publicKey)
  }

  /**
   * A second connection. When the old ones are of an earlier start of the peer, or the peer knows nothing of them, they
   * are dead. Else both have dialled at one time, and the node of the lower key alone closes one of the two: were both
   * to close one, they might close both, or one each way of gossip.
   */
  #addLink(peer: Peer, link: Link, hello: HelloInfo): void {
    const restarted = peer.hello.instance !== hello.instance
    const old = peer.links.filter(
      (each) => restarted || (hello.alone && link.openedMs - (each.verifiedMs ?? 0) > SIMULTANEOUS_MS)
    )
    peer.hello = hello
    peer.links.push(link)
    if (old.length > 0) {
      peer.ready = false
      if (old.includes(peer.primary)) peer.primary = link
      for (const each of old) each.connection.abort(new Error('replaced by a newer connection'))
      return
    }
    if (this.#host.self < peer.publicKey) {
      link.connection.close().catch(() => link.connection.abort(new Error('a second connection')))
    }
  }

  async #cut(link: Link, code: string, reason: string): Promise<void> {
    const deadline = new Deadline(GOODBYE_TIMEOUT_MS, undefined, true)
    try {
      const stream = await link.connection.newStream(GOODBYE_PROTOCOL, { signal: deadline.signal })
      await writeFrame(stream, FRAME_MESSAGE, Goodbye.encode({ code, reason }), deadline)
      await raceAbort(finishStream(stream), deadline.signal)
    } catch {
      // It is cut all the same.
    } finally {
      deadline.clear()
      link.connection.abort(new Error(reason))
    }
  }

  async #readGoodbye(publicKey: PublicKey, stream: Stream): Promise<void> {
    const deadline = new Deadline(GOODBYE_TIMEOUT_MS, undefined, true)
    try {
      const frame = await new FrameReader(stream).read(MAX_GOODBYE_BYTES, deadline)
      if (frame === null) return
      const goodbye = Goodbye.decode(frame.body)
      const reason = goodbye.reason.slice(0, 256).replace(/[^\x20-\x7e]/g, '?')
      this.#remember(publicKey, `the peer said goodbye: ${reason}`)
      this.#host.log.info({ peer: publicKey, reason }, `peer ${short(publicKey)} says goodbye: ${reason}`)
      this.#host.onGoodbye(publicKey, goodbye.code.slice(0, 32), reason)
    } finally {
      deadline.clear()
      void finishStream(stream)
    }
  }
}

function short(key: PublicKey): string {
  return key.slice(0, 16)
}
