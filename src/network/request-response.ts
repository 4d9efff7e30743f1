/**
 * Requests between nodes: `/hp/<network id>/<name>/<version>`, one stream for each request. network.md has the wire
 * format. The caller and the handler see bytes; what is in them belongs to the protocol named.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection, Stream } from '@libp2p/interface'
import type { Logger } from 'pino'
import { Failure } from '../codec/pb/network.js'
import type { Hash, PublicKey } from '../consensus/types.js'
import { createStopper, Deadline, raceAbort } from './deadline.js'
import { isRequestErrorCode, RequestError } from './errors.js'
import { FRAME_END, FRAME_ERROR, FRAME_MESSAGE, type Frame, FrameReader, finishStream, writeFrame } from './frames.js'
import type { NetworkLimits } from './limits.js'
import { PeerRates } from './peer-rates.js'
import type { ScoreRule } from './scores.js'
import { Turns } from './turns.js'

/** Answers with one message, or with many; throws RequestError 'refused' with words that the peer may read. */
export type RequestHandler = (
  request: Uint8Array,
  from: PublicKey,
  signal: AbortSignal
) => Promise<Uint8Array> | AsyncIterable<Uint8Array>

export interface HandlerOptions {
  maxRequestBytes?: number
  /** Of one message of the answer. */
  maxResponseBytes?: number
  /** Requests of one peer. */
  rateLimit?: { perSecond: number; burst: number }
  /** Time the handler may take for each message of its answer. */
  handlerTimeoutMs?: number
  /**
   * Requests that are answered at one time, for answers that take much memory: of one peer, and of all peers outside
   * the UNL together. The others wait. Without it only the limits of the network hold.
   */
  parallel?: { perPeer: number; observers: number }
}

export interface RequestOptions {
  version?: number
  timeouts?: {
    /** Opening the stream. */
    dialMs?: number
    /** From then to the first message of the answer. */
    firstByteMs?: number
    /** The whole; for a stream of messages without limit unless given. */
    totalMs?: number
  }
  /** Of one message of the answer. */
  maxResponseBytes?: number
  signal?: AbortSignal
}

export interface RequestHost {
  networkId: Hash
  limits: NetworkLimits
  log: Logger
  handle(
    protocol: string,
    onStream: (stream: Stream, connection: Connection) => void,
    maxStreams: number
  ): Promise<void>
  unhandle(protocol: string): Promise<void>
  /** The connection of a peer that has passed hello. */
  connectionOf(peer: PublicKey): Connection | null
  /** Waits until the peer has passed hello; null when it does not. */
  admit(connection: Connection): Promise<PublicKey | null>
  isValidator(peer: PublicKey): boolean
  report(peer: PublicKey, rule: ScoreRule, detail: string): void
  count(peer: PublicKey, direction: 'in' | 'out', bytes: number): void
}

interface Registration {
  protocol: string
  handler: RequestHandler
  options: Required<HandlerOptions>
  rates: PeerRates
  turns: Map<PublicKey, Turns>
  observers: Turns
}

/** So that a peer which reads a byte now and then does not hold a turn for ever. */
const TURN_TIMEOUT_MS = 180_000

/** libp2p's own count of open streams for one protocol and connection; our own limit is lower and answers in words. */
const MAX_STREAMS = 256
const MAX_WORDS = 300
/** In which a connection is gone of which the streams have ended. */
const CLOSING_MS = 200

export class RequestResponse {
  readonly #host: RequestHost
  readonly #registrations = new Map<string, Registration>()
  readonly #active = new Map<PublicKey, number>()
  readonly #stopping = createStopper()
  readonly #running = new Set<Promise<void>>()

  constructor(host: RequestHost) {
    this.#host = host
  }

  protocolId(name: string, version: number): string {
    if (!/^[a-z][a-z0-9-]{0,31}$/.test(name)) throw new Error(`${name} cannot be the name of a protocol`)
    return `/hp/${this.#host.networkId}/${name}/${version}`
  }

  /** Serves a protocol; throws when it is served already. Returns a function that ends it. */
  async handle(
    name: string,
    version: number,
    options: HandlerOptions,
    handler: RequestHandler
  ): Promise<() => Promise<void>> {
    const protocol = this.protocolId(name, version)
    const { limits } = this.#host
    const rateLimit = options.rateLimit ?? { perSecond: limits.requestsPerSecond, burst: limits.requestsBurst }
    const registration: Registration = {
      protocol,
      handler,
      options: {
        maxRequestBytes: options.maxRequestBytes ?? limits.maxRequestBytes,
        maxResponseBytes: options.maxResponseBytes ?? limits.maxResponseBytes,
        rateLimit,
        handlerTimeoutMs: options.handlerTimeoutMs ?? limits.handlerTimeoutMs,
        parallel: options.parallel ?? { perPeer: Number.POSITIVE_INFINITY, observers: Number.POSITIVE_INFINITY }
      },
      rates: new PeerRates(rateLimit, limits.maxKnownPeers),
      turns: new Map(),
      observers: new Turns(options.parallel?.observers ?? Number.POSITIVE_INFINITY)
    }
    if (this.#registrations.has(protocol)) throw new Error(`${protocol} is served already`)
    this.#registrations.set(protocol, registration)
    await this.#host.handle(
      protocol,
      (stream, connection) => this.#accept(registration, stream, connection),
      MAX_STREAMS
    )
    return async () => {
      if (this.#registrations.delete(protocol)) await this.#host.unhandle(protocol)
    }
  }

  /** One message out, one back. Throws RequestError. */
  async request(peer: PublicKey, name: string, body: Uint8Array, options: RequestOptions = {}): Promise<Uint8Array> {
    let answer: Uint8Array | null = null
    const totalMs = options.timeouts?.totalMs ?? this.#host.limits.totalTimeoutMs
    for await (const message of this.requestStream(peer, name, body, {
      ...options,
      timeouts: { ...options.timeouts, totalMs }
    })) {
      if (answer !== null) throw new RequestError('bad-response', 'the peer sent more than one message')
      answer = message
    }
    if (answer === null) throw new RequestError('bad-response', 'the peer sent an empty answer')
    return answer
  }

  /**
   * One message out, many back. The peer sends only as fast as the messages are taken; leaving the loop ends the
   * request. A request whose connection breaks before the first message of the answer is sent once more, if the peer
   * has another connection. Throws RequestError.
   */
  async *requestStream(
    peer: PublicKey,
    name: string,
    body: Uint8Array,
    options: RequestOptions = {}
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const connection = this.#host.connectionOf(peer)
    let isAnswered = false
    try {
      for await (const message of this.#requestOnce(peer, name, body, options)) {
        isAnswered = true
        yield message
      }
      return
    } catch (error) {
      const next = this.#host.connectionOf(peer)
      const isBroken = error instanceof RequestError && error.code === 'closed' && connection?.status !== 'open'
      if (!isBroken || isAnswered || next === null || next === connection || options.signal?.aborted === true) {
        throw error
      }
    }
    yield* this.#requestOnce(peer, name, body, options)
  }

  async *#requestOnce(
    peer: PublicKey,
    name: string,
    body: Uint8Array,
    options: RequestOptions
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { limits } = this.#host
    const { timeouts = {} } = options
    const whole = new Deadline(timeouts.totalMs ?? Number.POSITIVE_INFINITY, options.signal)
    let stream: Stream | null = null
    let finished = false
    try {
      stream = await this.#open(peer, this.protocolId(name, options.version ?? 1), timeouts.dialMs, whole)
      const reader = new FrameReader(stream)
      const writing = this.#sendRequest(stream, peer, body, whole.signal)
      writing.catch(() => {})
      let waitMs = timeouts.firstByteMs ?? limits.firstByteTimeoutMs
      while (true) {
        const maxBytes = options.maxResponseBytes ?? limits.maxResponseBytes
        const frame = await this.#readAnswer(reader, maxBytes, waitMs, whole)
        this.#host.count(peer, 'in', frame.body.byteLength)
        if (frame.kind === FRAME_END) break
        yield frame.body
        waitMs = limits.stallTimeoutMs
      }
      finished = true
    } catch (error) {
      const failure = toRequestError(error, whole)
      if (failure.code === 'bad-response' || failure.code === 'too-large') this.#reportAnswer(peer, name, failure)
      throw failure
    } finally {
      whole.clear()
      if (stream !== null) {
        if (finished) void finishStream(stream)
        else stream.abort(new Error('the request was given up'))
      }
    }
  }

  /** Ends what is under way and waits for it. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node stops'))
    await Promise.allSettled(this.#running)
    for (const protocol of this.#registrations.keys()) await this.#host.unhandle(protocol).catch(() => {})
    this.#registrations.clear()
  }

  #reportAnswer(peer: PublicKey, name: string, failure: RequestError): void {
    const remote = failure.cause === REMOTE
    if (!remote) this.#host.report(peer, 'wrong-answer', `${name}: ${failure.message}`)
  }

  async #open(peer: PublicKey, protocol: string, dialMs: number | undefined, whole: Deadline): Promise<Stream> {
    const connection = this.#host.connectionOf(peer)
    if (connection === null) throw new RequestError('not-connected', `peer ${peer.slice(0, 16)} is not connected`)
    const deadline = new Deadline(dialMs ?? this.#host.limits.dialTimeoutMs, whole.signal)
    try {
      return await connection.newStream(protocol, { signal: deadline.signal, maxOutboundStreams: MAX_STREAMS })
    } catch (error) {
      if (deadline.timedOut) throw new RequestError('timeout', 'the stream was not opened in time', error)
      const name = error instanceof Error ? error.name : ''
      if (name === 'UnsupportedProtocolError') {
        throw new RequestError('unsupported', `the peer does not serve ${protocol}`, error)
      }
      if (name.startsWith('TooMany')) throw new RequestError('rate-limited', 'too many requests are open', error)
      throw error
    } finally {
      deadline.clear()
    }
  }

  async #sendRequest(stream: Stream, peer: PublicKey, body: Uint8Array, signal: AbortSignal): Promise<void> {
    await this.#send(stream, peer, FRAME_MESSAGE, body, signal)
    await stream.close({ signal })
  }

  async #readAnswer(reader: FrameReader, maxBytes: number, waitMs: number, whole: Deadline): Promise<Frame> {
    const deadline = new Deadline(waitMs, whole.signal)
    try {
      const frame = await reader.read(maxBytes, deadline)
      if (frame === null) throw new RequestError('closed', 'the peer ended the stream before its answer was complete')
      if (frame.kind === FRAME_ERROR) throw decodeFailure(frame.body)
      if (frame.kind !== FRAME_MESSAGE && frame.kind !== FRAME_END) {
        throw new RequestError('bad-response', `the peer sent a frame of the unknown kind ${frame.kind}`)
      }
      return frame
    } catch (error) {
      if (deadline.timedOut) throw new RequestError('timeout', `no answer in ${waitMs} ms`, error)
      throw error
    } finally {
      deadline.clear()
    }
  }

  #accept(registration: Registration, stream: Stream, connection: Connection): void {
    const work = this.#serve(registration, stream, connection)
      .catch((error: unknown) => {
        this.#host.log.debug({ err: error, protocol: registration.protocol }, 'a request was not answered')
        stream.abort(error instanceof Error ? error : new Error('the request failed'))
      })
      .finally(() => this.#running.delete(work))
    this.#running.add(work)
  }

  async #serve(registration: Registration, stream: Stream, connection: Connection): Promise<void> {
    const { log, limits } = this.#host
    const ended = new AbortController()
    stream.addEventListener('close', () => ended.abort(new RequestError('closed', 'the peer closed')), { once: true })
    const reader = new FrameReader(stream)
    // What a stranger sends, or a peer that has too much under way already, stays with it.
    stream.pause()
    const peer = await this.#host.admit(connection)
    if (peer === null) throw new RequestError('refused', 'the peer has not passed hello')
    const active = this.#active.get(peer) ?? 0
    this.#active.set(peer, active + 1)
    const onStop = (): void => ended.abort(this.#stopping.signal.reason)
    this.#stopping.signal.addEventListener('abort', onStop, { once: true })
    if (this.#stopping.signal.aborted) onStop()
    try {
      if (!registration.rates.take(peer)) {
        this.#host.report(peer, 'request-flood', registration.protocol)
        throw new RequestError('rate-limited', 'too many requests; wait and ask again')
      }
      if (active >= limits.maxParallelRequestsPerPeer) {
        throw new RequestError('rate-limited', 'too many requests at one time; wait and ask again')
      }
      const request = await this.#readRequest(registration, { connection, reader }, peer, ended.signal)
      await this.#answerInTurn(registration, stream, peer, request, ended.signal)
      await this.#send(stream, peer, FRAME_END, new Uint8Array(), ended.signal)
    } catch (error) {
      if (ended.signal.aborted) throw error
      const failure = error instanceof RequestError ? error : new RequestError('failed', 'the peer could not answer')
      if (failure.code === 'failed')
        log.warn({ err: error, protocol: registration.protocol }, 'a request handler failed')
      const body = Failure.encode({ code: failure.code, message: failure.message.slice(0, MAX_WORDS) })
      await this.#send(stream, peer, FRAME_ERROR, body, ended.signal)
      // Of a request that was refused unread, its end is still to be seen.
      if (stream.readStatus === 'paused') stream.resume()
    } finally {
      this.#stopping.signal.removeEventListener('abort', onStop)
      const left = (this.#active.get(peer) ?? 1) - 1
      if (left > 0) this.#active.set(peer, left)
      else this.#active.delete(peer)
    }
    await finishStream(stream)
  }

  async #readRequest(
    registration: Registration,
    { connection, reader }: { connection: Connection; reader: FrameReader },
    peer: PublicKey,
    signal: AbortSignal
  ): Promise<Uint8Array> {
    // Fixed: a peer that sends a byte now and then does not hold a place for ever.
    const deadline = new Deadline(this.#host.limits.firstByteTimeoutMs, signal, true)
    try {
      const frame = await reader.read(registration.options.maxRequestBytes, deadline)
      if (frame === null && (await isClosing(connection))) throw new RequestError('closed', 'the peer is gone')
      if (frame === null || frame.kind !== FRAME_MESSAGE) {
        this.#host.report(peer, 'bad-request', `${registration.protocol}: no request in the stream`)
        throw new RequestError('refused', 'the stream held no request')
      }
      this.#host.count(peer, 'in', frame.body.byteLength)
      return frame.body
    } catch (error) {
      if (deadline.timedOut) throw new RequestError('timeout', 'the request did not arrive in time', error)
      if (error instanceof RequestError && error.code === 'too-large') {
        this.#host.report(peer, 'oversized-request', error.message)
        const { maxRequestBytes } = registration.options
        throw new RequestError('too-large', `a request may have ${maxRequestBytes} bytes`, error)
      }
      if (error instanceof RequestError && error.code === 'bad-response') {
        this.#host.report(peer, 'garbage', `${registration.protocol}: ${error.message}`)
        throw new RequestError('refused', 'the request is not a frame', error)
      }
      throw error
    } finally {
      deadline.clear()
    }
  }

  async #answerInTurn(
    registration: Registration,
    stream: Stream,
    peer: PublicKey,
    request: Uint8Array,
    signal: AbortSignal
  ): Promise<void> {
    if (registration.options.parallel.perPeer === Number.POSITIVE_INFINITY) {
      return await this.#answer(registration, stream, peer, request, signal)
    }
    const deadline = new Deadline(TURN_TIMEOUT_MS, signal, true)
    const ends: (() => void)[] = []
    try {
      const turns = registration.turns.get(peer) ?? new Turns(registration.options.parallel.perPeer)
      registration.turns.set(peer, turns)
      ends.push(await turns.take(deadline.signal))
      ends.push(() => void (turns.isIdle && registration.turns.delete(peer)))
      if (!this.#host.isValidator(peer)) ends.push(await registration.observers.take(deadline.signal))
      await this.#answer(registration, stream, peer, request, deadline.signal)
    } catch (error) {
      if (deadline.timedOut) throw new RequestError('timeout', 'the answer was not taken in time', error)
      throw error
    } finally {
      deadline.clear()
      for (const end of ends) end()
    }
  }

  async #answer(
    registration: Registration,
    stream: Stream,
    peer: PublicKey,
    request: Uint8Array,
    signal: AbortSignal
  ): Promise<void> {
    const { handlerTimeoutMs, maxResponseBytes } = registration.options
    const controller = new AbortController()
    const onEnd = (): void => controller.abort(signal.reason)
    signal.addEventListener('abort', onEnd, { once: true })
    const timed = async <T>(work: Promise<T>): Promise<T> => {
      const deadline = new Deadline(handlerTimeoutMs, signal)
      try {
        return await raceAbort(work, deadline.signal)
      } catch (error) {
        if (deadline.timedOut) throw new RequestError('timeout', 'the peer took too long to answer', error)
        throw error
      } finally {
        deadline.clear()
      }
    }
    const send = async (body: Uint8Array): Promise<void> => {
      if (body.byteLength > maxResponseBytes) {
        throw new RequestError('too-large', `the answer has ${body.byteLength} bytes; ${maxResponseBytes} are allowed`)
      }
      await this.#send(stream, peer, FRAME_MESSAGE, body, signal)
    }
    try {
      const result = registration.handler(request, peer, controller.signal)
      if (!(Symbol.asyncIterator in result)) return await send(await timed(result))
      const iterator = result[Symbol.asyncIterator]()
      try {
        for (let next = await timed(iterator.next()); next.done !== true; next = await timed(iterator.next())) {
          await send(next.value)
        }
      } finally {
        // Not awaited: a generator that hangs in its own await would never come back.
        iterator.return?.()?.catch(() => {})
      }
    } finally {
      signal.removeEventListener('abort', onEnd)
      controller.abort(new Error('the request is over'))
    }
  }

  async #send(stream: Stream, peer: PublicKey, kind: number, body: Uint8Array, signal: AbortSignal): Promise<void> {
    const deadline = new Deadline(this.#host.limits.stallTimeoutMs, signal)
    try {
      await writeFrame(stream, kind, body, deadline)
      this.#host.count(peer, 'out', body.byteLength)
    } finally {
      deadline.clear()
    }
  }
}

/** Marks an error that the peer itself reported: its code says nothing against the peer. */
const REMOTE = Symbol('reported by the peer')

function decodeFailure(body: Uint8Array): RequestError {
  try {
    const { code, message } = Failure.decode(body)
    const words = message.slice(0, MAX_WORDS).replace(/[^\x20-\x7e]/g, '?')
    return new RequestError(isRequestErrorCode(code) ? code : 'failed', words, REMOTE)
  } catch (error) {
    return new RequestError('bad-response', 'the peer sent an error that does not decode', error)
  }
}

function toRequestError(error: unknown, whole: Deadline): RequestError {
  if (whole.timedOut) return new RequestError('timeout', 'the request took too long', error)
  if (error instanceof RequestError) return error
  if (whole.signal.aborted) return new RequestError('closed', 'the request was given up', error)
  return new RequestError('closed', error instanceof Error ? error.message : 'the stream failed', error)
}

/** A connection that ends takes with it streams whose request has not come, the streams first. */
async function isClosing(connection: Connection): Promise<boolean> {
  if (connection.status === 'open') await sleep(CLOSING_MS)
  return connection.status !== 'open'
}
