/**
 * Gossip topics over gossipsub. gossipsub meets only peers that have passed hello, and only on the connection that the
 * peer table chose: it gets a registrar of ours instead of libp2p's, which would hand it every connection.
 */
import './shim.js'
import { randomBytes } from 'node:crypto'
import {
  type GossipSub,
  type GossipSubComponents,
  gossipsub,
  type Message,
  StrictNoSign,
  TopicValidatorResult
} from '@libp2p/gossipsub'
import type { Connection, PeerId, Stream, StreamHandler, StreamMessageEvent, Topology } from '@libp2p/interface'
import type { Logger } from 'pino'
import type { Hash, PublicKey } from '../consensus/types.js'
import { blake3 } from '../crypto/index.js'
import { NetworkError } from './errors.js'
import { gateRegistrar } from './gate.js'
import { MAX_GOSSIP_FRAME_BYTES, readGossip } from './gossip-reader.js'
import type { NetworkLimits } from './limits.js'
import { Outbox } from './outbox.js'
import { toPeerId, toPublicKey } from './peer-id.js'
import { TokenBucket } from './rate-limit.js'
import type { ScoreRule } from './scores.js'
import type { GossipHandler, Topic } from './types.js'

/** Tag and nonce before the content. */
const HEADER_BYTES = 5
const TOPIC_TAGS: Record<Topic, number> = { consensus: 1, npl: 2 }
export const TOPICS = Object.keys(TOPIC_TAGS) as Topic[]
const MAX_CONTENT_BYTES = 4 * 1024 * 1024 - 1024
const MESSAGE_ID_BYTES = 20
const FLOOD_REPORT_INTERVAL_MS = 100
const OPEN_TIMEOUT_MS = 10_000

export interface GossipHost {
  networkId: Hash
  limits: NetworkLimits
  log: Logger
  admit(connection: Connection): Promise<PublicKey | null>
  isValidator(peer: PublicKey): boolean
  report(peer: PublicKey, rule: ScoreRule, detail: string): void
  count(peer: PublicKey, direction: 'in' | 'out', bytes: number): void
  onSubscription(peer: PublicKey): void
  /** Whom to hand a message on to that came from this peer. */
  forwardTo(from: PublicKey, id: Uint8Array): PublicKey[]
}

interface Rpc {
  subscriptions?: unknown[]
  messages?: Array<{ topic?: string; data?: Uint8Array; from?: Uint8Array; signature?: Uint8Array; seqno?: Uint8Array }>
}

interface OutboundStream {
  close(): Promise<void>
}

interface RawStream {
  rawStream: Stream
}

/** What of gossipsub's own class is used beyond its interface. */
interface GossipInternals {
  protocols: string[]
  handleReceivedRpc(from: PeerId, rpc: Rpc): Promise<void>
  createOutboundStream(peerId: PeerId, connection: Connection): Promise<void>
  decodeRpc(bytes: Uint8Array): Rpc
  pipePeerReadStream(peerId: PeerId, frames: AsyncIterable<{ subarray(): Uint8Array }>): Promise<void>
  forwardMessage(id: string, message: unknown, source?: string, exclude?: Set<string>): void
  sendRpc(peer: string, rpc: { subscriptions: unknown[]; messages: unknown[] }): boolean
  streamsOutbound: Map<string, OutboundStream & RawStream>
  streamsInbound: Map<string, RawStream>
}

interface Budget {
  messages: TokenBucket
  bytes: TokenBucket
  /** Further bound on the messages of a peer outside of the UNL. */
  outsider: TokenBucket
}

interface GossipPeer {
  publicKey: PublicKey
  peerId: PeerId
  budget: Budget
  /** The connections of the streams in use. */
  inbound: Connection | null
  outbound: Connection | null
  moving: boolean
  pending: number
  lastFloodReportMs: number
}

export class Gossip {
  readonly #host: GossipHost
  readonly #peers = new Map<string, GossipPeer>()
  readonly #handlers = new Map<Topic, GossipHandler>()
  readonly #topics: Record<Topic, string>
  #pubsub: (GossipSub & GossipInternals) | null = null
  #topology: Topology | null = null
  /** Connections on which a stream is being opened, with the one that is next, by peer. */
  readonly #opening = new Map<string, { connection: Connection; next: Connection | null }>()
  readonly #forwards = new Outbox<unknown>((target, messages, bytes) => this.#sendForwards(target, messages, bytes))
  /** Kept for a while beyond a connection, so that a reconnect does not fill them. */
  readonly #budgets = new Map<PublicKey, Budget>()

  constructor(host: GossipHost) {
    this.#host = host
    this.#topics = { consensus: `/hp/${host.networkId}/consensus/1`, npl: `/hp/${host.networkId}/npl/1` }
  }

  /** The service to give to libp2p. */
  readonly createService = (components: GossipSubComponents): GossipSub => {
    const registrar = gateRegistrar(components.registrar, (handler, stream, connection) => {
      this.#acceptStream(handler, stream, connection)
    })
    const pubsub = gossipsub(this.#options())({
      privateKey: components.privateKey,
      peerId: components.peerId,
      peerStore: components.peerStore,
      connectionManager: components.connectionManager,
      logger: components.logger,
      // It would be told of every connection by libp2p's own.
      registrar: new Proxy(registrar, {
        get: (target, name) => {
          if (name === 'register')
            return async (protocol: string, topology: Topology) => this.#register(protocol, topology)
          if (name === 'unregister') return () => this.#register('', null)
          return Reflect.get(target, name, target)
        }
      })
    }) as GossipSub & GossipInternals
    const handleRpc = pubsub.handleReceivedRpc.bind(pubsub)
    pubsub.handleReceivedRpc = async (from, rpc) => {
      if (this.#checkRpc(from, rpc)) await handleRpc(from, rpc)
    }
    // Its own drops frames that do not decode without a word, and the peer with all its streams when one breaks.
    pubsub.pipePeerReadStream = (peerId, frames) => this.#read(pubsub, peerId, frames)
    const open = pubsub.createOutboundStream.bind(pubsub)
    pubsub.createOutboundStream = async (peerId, connection) => this.#openOnce(peerId, connection, open)
    pubsub.forwardMessage = (id, message, source) => this.#forward(id, message, source)
    this.#pubsub = pubsub
    return pubsub
  }

  #register(protocol: string, topology: Topology | null): string {
    this.#topology = topology
    return protocol
  }

  /** gossipsub itself opens one stream after another, so that one slow peer would hold up the streams to all. */
  #openOnce(peerId: PeerId, connection: Connection, open: GossipInternals['createOutboundStream']): void {
    const id = peerId.toString()
    const running = this.#opening.get(id)
    if (running !== undefined) {
      if (running.connection !== connection) running.next = connection
      return
    }
    const work: { connection: Connection; next: Connection | null } = { connection, next: null }
    this.#opening.set(id, work)
    void open(peerId, connection).finally(() => {
      this.#opening.delete(id)
      if (work.next !== null) this.#openOnce(peerId, work.next, open)
    })
  }

  /** Hands a message on to those whom its sender cannot reach. */
  #forward(id: string, message: unknown, source: string | undefined): void {
    const from = source === undefined ? undefined : this.#peers.get(source)
    if (from === undefined) return
    for (const publicKey of this.#host.forwardTo(from.publicKey, Buffer.from(id, 'latin1'))) {
      const target = toPeerId(publicKey).toString()
      const { data } = message as { data?: Uint8Array }
      this.#forwards.add(target, message, data?.byteLength ?? 0)
    }
  }

  #sendForwards(target: string, messages: unknown[], bytes: number): void {
    const peer = this.#peers.get(target)
    if (peer === undefined || this.#pubsub?.streamsOutbound.has(target) !== true) return
    if (this.#pubsub.sendRpc(target, { subscriptions: [], messages })) this.#host.count(peer.publicKey, 'out', bytes)
  }

  #options(): Parameters<typeof gossipsub>[0] {
    const { limits } = this.#host
    const degree = limits.meshDegree
    const mesh =
      degree === 0
        ? { D: 0, Dlo: 0, Dhi: 0, Dout: 0, Dscore: 0 }
        : { D: degree, Dlo: Math.max(1, degree - 2), Dhi: degree * 2, Dout: Math.floor(degree / 3), Dscore: 1 }
    return {
      ...mesh,
      globalSignaturePolicy: StrictNoSign,
      floodPublish: true,
      batchPublish: true,
      emitSelf: false,
      fallbackToFloodsub: false,
      allowPublishToZeroTopicPeers: true,
      ignoreDuplicatePublishError: true,
      idontwantMinDataSize: Number.MAX_SAFE_INTEGER,
      tagMeshPeers: false,
      allowedTopics: Object.values(this.#topics),
      maxInboundDataLength: MAX_GOSSIP_FRAME_BYTES,
      maxOutboundBufferSize: limits.maxGossipBacklogBytes,
      mcacheLength: 3,
      mcacheGossip: 2,
      msgIdFn: (message: Message) => blake3(message.data).subarray(0, MESSAGE_ID_BYTES),
      msgIdToStrFn: (id: Uint8Array) => Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1'),
      // Peers are scored by scores.ts alone; gossipsub would score down whoever shares an address with ten others.
      scoreParams: { IPColocationFactorWeight: 0, behaviourPenaltyWeight: 0 }
    }
  }

  /** After libp2p has started. */
  start(): void {
    const pubsub = this.#requirePubsub()
    for (const topic of TOPICS) {
      pubsub.topicValidators.set(this.#topics[topic], (peerId, message) => this.#validate(topic, peerId, message))
      pubsub.subscribe(this.#topics[topic])
    }
    pubsub.addEventListener('subscription-change', (event) => {
      const peer = this.#peers.get(event.detail.peerId.toString())
      if (peer !== undefined) this.#host.onSubscription(peer.publicKey)
    })
  }

  /** One handler for each topic; its verdict decides whether the sender is scored down. */
  on(topic: Topic, handler: GossipHandler): () => void {
    if (this.#handlers.has(topic)) throw new Error(`the topic ${topic} has a handler already`)
    this.#handlers.set(topic, handler)
    return () => void (this.#handlers.get(topic) === handler && this.#handlers.delete(topic))
  }

  /**
   * Sends to every subscriber. The same content reaches a node once in two minutes, unless `resend` is set. Throws
   * NetworkError 'too-large'.
   */
  async publish(topic: Topic, content: Uint8Array, resend = false): Promise<void> {
    const max = Math.min(this.#host.limits.maxGossipBytes, MAX_CONTENT_BYTES)
    if (content.byteLength > max) {
      throw new NetworkError('too-large', `a gossip message may have ${max} bytes; this one has ${content.byteLength}`)
    }
    const data = new Uint8Array(HEADER_BYTES + content.byteLength)
    data[0] = TOPIC_TAGS[topic]
    if (resend) data.set(randomBytes(HEADER_BYTES - 1), 1)
    data.set(content, HEADER_BYTES)
    const { recipients } = await this.#requirePubsub().publish(this.#topics[topic], data)
    for (const recipient of recipients) {
      const peer = this.#peers.get(recipient.toString())
      if (peer !== undefined) this.#host.count(peer.publicKey, 'out', data.byteLength)
    }
  }

  subscribers(topic: Topic): PublicKey[] {
    const subscribed = this.#pubsub?.getSubscribers(this.#topics[topic]) ?? []
    return subscribed.flatMap((peerId) => {
      const id = peerId.toString()
      const peer = this.#peers.get(id)
      // Only with a stream of ours does a message reach it.
      return peer !== undefined && this.#pubsub?.streamsOutbound.has(id) === true ? [peer.publicKey] : []
    })
  }

  isReady(peer: PublicKey): boolean {
    return TOPICS.every((topic) => this.subscribers(topic).includes(peer))
  }

  hasStream(peer: PublicKey): boolean {
    return this.#pubsub?.streamsOutbound.has(toPeerId(peer).toString()) === true
  }

  /** Makes the connection the peer's way to us and back; may be called again when the old one has gone. */
  attach(publicKey: PublicKey, connection: Connection): void {
    const peerId = connection.remotePeer
    let peer = this.#peers.get(peerId.toString())
    if (peer === undefined) {
      peer = {
        publicKey,
        peerId,
        budget: this.#budget(publicKey),
        inbound: null,
        outbound: null,
        moving: false,
        pending: 0,
        lastFloodReportMs: Number.NEGATIVE_INFINITY
      }
      this.#peers.set(peerId.toString(), peer)
    }
    if (!this.hasStream(publicKey)) peer.outbound = connection
    void this.#topology?.onConnect?.(peerId, connection)
  }

  /**
   * What is published from now on goes over this connection; what was published before is still sent over the old one.
   * Should the new stream not open, all stays as it is.
   */
  async move(publicKey: PublicKey, connection: Connection): Promise<void> {
    const id = toPeerId(publicKey).toString()
    const peer = this.#peers.get(id)
    const pubsub = this.#requirePubsub()
    const old = pubsub.streamsOutbound.get(id)
    if (peer === undefined || peer.moving || (peer.outbound === connection && old !== undefined)) return
    if (old === undefined) return this.attach(publicKey, connection)
    peer.moving = true
    try {
      const stream = await connection.newStream(pubsub.protocols, { signal: AbortSignal.timeout(OPEN_TIMEOUT_MS) })
      if (this.#peers.get(id) !== peer || pubsub.streamsOutbound.get(id) !== old) {
        stream.abort(new Error('the peer has another stream'))
        return
      }
      // gossipsub does not export the class.
      const OutboundStream = old.constructor as new (
        raw: Stream,
        onError: () => void,
        options: object
      ) => OutboundStream & RawStream
      const next = new OutboundStream(stream, () => {}, { maxBufferSize: this.#host.limits.maxGossipBacklogBytes })
      stream.addEventListener('close', () => {
        if (pubsub.streamsOutbound.get(id) === next) pubsub.streamsOutbound.delete(id)
      })
      pubsub.streamsOutbound.set(id, next)
      peer.outbound = connection
      await old.close()
    } catch (error) {
      this.#host.log.debug({ err: error, peer: publicKey }, 'gossip could not move to another connection yet')
    } finally {
      peer.moving = false
    }
  }

  /** Both ways. */
  isOn(publicKey: PublicKey, connection: Connection): boolean {
    const peer = this.#peers.get(toPeerId(publicKey).toString())
    return (
      peer !== undefined && peer.inbound === connection && peer.outbound === connection && this.hasStream(publicKey)
    )
  }

  /** Ends the peer's gossip streams, at which the other side opens its own anew, and opens ours. */
  reopen(publicKey: PublicKey, connection: Connection): void {
    const id = toPeerId(publicKey).toString()
    const reason = new Error('no gossip comes; the stream is opened anew')
    const { streamsInbound, streamsOutbound } = this.#requirePubsub()
    streamsInbound.get(id)?.rawStream.abort(reason)
    streamsOutbound.get(id)?.rawStream.abort(reason)
    // After gossipsub has noticed.
    setImmediate(() => {
      if (this.#peers.has(id) && connection.status === 'open') this.attach(publicKey, connection)
    })
  }

  detach(publicKey: PublicKey): void {
    const peerId = toPeerId(publicKey)
    if (this.#peers.delete(peerId.toString())) void this.#topology?.onDisconnect?.(peerId)
  }

  #budget(publicKey: PublicKey): Budget {
    const { limits } = this.#host
    const budget = this.#budgets.get(publicKey) ?? {
      messages: new TokenBucket(limits.gossipMessagesPerSecond, limits.gossipMessagesBurst),
      bytes: new TokenBucket(limits.gossipBytesPerSecond, limits.gossipBytesBurst),
      outsider: new TokenBucket(limits.outsiderMessagesPerSecond, limits.outsiderMessagesBurst)
    }
    this.#budgets.delete(publicKey)
    this.#budgets.set(publicKey, budget)
    if (this.#budgets.size > limits.maxKnownPeers) this.#budgets.delete(this.#budgets.keys().next().value as PublicKey)
    return budget
  }

  #requirePubsub(): GossipSub & GossipInternals {
    if (this.#pubsub === null) throw new NetworkError('not-started', 'the network has not started')
    return this.#pubsub
  }

  #acceptStream(handler: StreamHandler, stream: Stream, connection: Connection): void {
    this.#host
      .admit(connection)
      .then((publicKey) => {
        const peer = this.#peers.get(connection.remotePeer.toString())
        if (publicKey === null || peer === undefined) throw new Error('the peer has not passed hello')
        void handler(stream, connection)
        peer.inbound = connection
        // After gossipsub has set its own listener, which it does at once: the first bytes go to both.
        this.#watch(stream, peer)
      })
      .catch((error: unknown) => stream.abort(error instanceof Error ? error : new Error('refused')))
  }

  /** Counts bytes, whether or not they decode. */
  #watch(stream: Stream, peer: GossipPeer): void {
    stream.addEventListener('message', ({ data }: StreamMessageEvent) => {
      this.#host.count(peer.publicKey, 'in', data.byteLength)
      if (!peer.budget.bytes.take(data.byteLength)) this.#reportFlood(peer, 'too many bytes of gossip')
    })
  }

  #read(pubsub: GossipInternals, peerId: PeerId, frames: AsyncIterable<{ subarray(): Uint8Array }>): Promise<void> {
    const { log } = this.#host
    const id = peerId.toString()
    const peer = this.#peers.get(id)
    // Nothing counts any more on a connection that was cut.
    const report = (rule: ScoreRule, detail: string): void => {
      if (peer !== undefined && this.#peers.get(id) === peer) this.#host.report(peer.publicKey, rule, detail)
    }
    return readGossip(frames, pubsub.streamsInbound.get(id)?.rawStream, {
      decode: (frame) => pubsub.decodeRpc(frame),
      take: (rpc) => {
        pubsub.handleReceivedRpc(peerId, rpc).catch((error: unknown) => {
          log.debug({ err: error, peer: id }, 'gossip could not be handled')
        })
      },
      onGarbage: (error) => report('garbage', `a gossip frame does not decode: ${error.message}`),
      onOversized: (error) => report('oversized-message', `a gossip frame is too large: ${error.message}`),
      onBroken: (error) => log.debug({ err: error, peer: id }, 'a gossip stream broke off')
    })
  }

  #reportFlood(peer: GossipPeer, detail: string): void {
    const nowMs = performance.now()
    if (nowMs - peer.lastFloodReportMs < FLOOD_REPORT_INTERVAL_MS) return
    peer.lastFloodReportMs = nowMs
    this.#host.report(peer.publicKey, 'gossip-flood', detail)
  }

  /** False when nothing in it is to be processed. */
  #checkRpc(from: PeerId, rpc: Rpc): boolean {
    const peer = this.#peers.get(from.toString())
    if (peer === undefined) return false
    const messages = rpc.messages ?? []
    if (messages.length > 0 && !peer.budget.messages.take(messages.length)) {
      this.#reportFlood(peer, 'too many gossip messages')
      return false
    }
    // Dropped without a penalty: it may be of a UNL that this node does not know yet.
    const isOutsider = messages.length > 0 && !this.#host.isValidator(peer.publicKey)
    if (isOutsider && !peer.budget.outsider.take(messages.length)) return false
    for (const message of messages) {
      const known = TOPICS.some((topic) => this.#topics[topic] === message.topic)
      const signed = message.from !== undefined || message.signature !== undefined || message.seqno !== undefined
      if (!known || signed || message.data === undefined || message.data.byteLength < HEADER_BYTES) {
        this.#host.report(peer.publicKey, 'garbage', 'a gossip message is not of our form')
        return false
      }
      if (message.data.byteLength - HEADER_BYTES > this.#host.limits.maxGossipBytes) {
        this.#host.report(peer.publicKey, 'oversized-message', `${message.data.byteLength} bytes of gossip`)
        return false
      }
    }
    return true
  }

  async #validate(topic: Topic, peerId: PeerId, message: Message): Promise<TopicValidatorResult> {
    const peer = this.#peers.get(peerId.toString())
    const handler = this.#handlers.get(topic)
    if (peer === undefined || toPublicKey(peerId) === null) return TopicValidatorResult.Reject
    if (message.data[0] !== TOPIC_TAGS[topic]) {
      this.#host.report(peer.publicKey, 'garbage', 'a gossip message is on the wrong topic')
      return TopicValidatorResult.Reject
    }
    if (handler === undefined) return TopicValidatorResult.Ignore
    if (peer.pending >= this.#host.limits.maxPendingGossipPerPeer) {
      this.#reportFlood(peer, 'gossip comes faster than it can be handled')
      return TopicValidatorResult.Ignore
    }
    peer.pending++
    try {
      const verdict = await handler(message.data.subarray(HEADER_BYTES), peer.publicKey)
      if (verdict === 'reject') this.#host.report(peer.publicKey, 'rejected-message', `on ${topic}`)
      if (verdict === 'accept') return TopicValidatorResult.Accept
      return verdict === 'reject' ? TopicValidatorResult.Reject : TopicValidatorResult.Ignore
    } catch (error) {
      this.#host.log.error({ err: error, topic }, 'a gossip handler failed')
      return TopicValidatorResult.Ignore
    } finally {
      peer.pending--
    }
  }
}
