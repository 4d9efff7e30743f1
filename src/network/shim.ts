/**
 * Must be the first import of every entry point that starts a libp2p node.
 *
 * - Node 20 lacks `Promise.withResolvers` and a global `WebSocket`; libp2p 3 needs both.
 * - On every Node version two faults of @libp2p/websockets 10 are mended here. Its dialer hands the `ErrorEvent` of a
 *   failed dial on as if it were an Error, at which the reconnect queue gives up at once. Its `abort()` closes with the
 *   code 1006, which a WebSocket refuses, so that the socket stays open for ever.
 * - A WebSocket without an error listener ends the process when its peer sends an invalid frame; ours has one.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer } from 'ws'

/** Noise frames are 64 KiB; anything much larger in one WebSocket message does not come from a libp2p node. */
export const MAX_WEBSOCKET_MESSAGE_BYTES = 1024 * 1024

/** The code that @libp2p/websockets closes with to abort; it may not be sent on the wire (RFC 6455, 7.4.1). */
const ABNORMAL_CLOSURE = 1006

type ErrorListener = (event: unknown) => void
type AnyListener = ErrorListener | { handleEvent: ErrorListener }

function toError(event: unknown): Error {
  const cause = event instanceof Error ? event : (event as { error?: unknown } | null)?.error
  if (cause instanceof AggregateError && cause.message === '') {
    return new Error(cause.errors.map((each) => (each instanceof Error ? each.message : String(each))).join(', '))
  }
  return cause instanceof Error ? cause : new Error('WebSocket connection failed')
}

/** The `WebSocket` of ws with the two mends; used for dialled and for accepted connections. */
export class MendedWebSocket extends WebSocket {
  // Set up on first use: the base constructor may already add listeners.
  #wrapped?: Map<AnyListener, ErrorListener>

  constructor(address: string | URL, protocols?: string | string[] | object, options?: object) {
    const dialled = address !== null
    super(
      address,
      protocols as string[] | undefined,
      dialled ? { maxPayload: MAX_WEBSOCKET_MESSAGE_BYTES, perMessageDeflate: false, ...options } : options
    )
    this.on('error', () => {})
  }

  override addEventListener(type: string, listener: unknown, options?: unknown): void {
    const add = super.addEventListener as (type: string, listener: unknown, options?: unknown) => void
    if (type !== 'error' || listener === null || listener === undefined) {
      add.call(this, type, listener, options)
      return
    }
    this.#wrapped ??= new Map()
    const given = listener as AnyListener
    if (this.#wrapped.has(given)) return
    const wrapped: ErrorListener = (event) => {
      const error = toError(event)
      if (typeof given === 'function') given.call(this, error)
      else given.handleEvent(error)
    }
    this.#wrapped.set(given, wrapped)
    add.call(this, type, wrapped, options)
  }

  override removeEventListener(type: string, listener: unknown): void {
    const remove = super.removeEventListener as (type: string, listener: unknown) => void
    const given = listener as AnyListener
    const wrapped = type === 'error' ? this.#wrapped?.get(given) : undefined
    if (wrapped !== undefined) this.#wrapped?.delete(given)
    remove.call(this, type, wrapped ?? listener)
  }

  override close(code?: number, reason?: string | Buffer): void {
    if (code === ABNORMAL_CLOSURE) this.terminate()
    else super.close(code, reason)
  }
}

interface Resolvers<T> {
  promise: Promise<T>
  resolve: (value: T | PromiseLike<T>) => void
  reject: (reason?: unknown) => void
}

function withResolvers<T>(this: PromiseConstructor): Resolvers<T> {
  let resolve!: Resolvers<T>['resolve']
  let reject!: Resolvers<T>['reject']
  const promise = new this<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}

function installShim(): void {
  if (!('withResolvers' in Promise)) {
    Object.defineProperty(Promise, 'withResolvers', { value: withResolvers, writable: true, configurable: true })
  }
  if ((globalThis.WebSocket as unknown) === MendedWebSocket) return
  Object.defineProperty(globalThis, 'WebSocket', { value: MendedWebSocket, writable: true, configurable: true })

  // The listener of @libp2p/websockets makes its own server and offers no way to name the class of its sockets.
  const upgrade = WebSocketServer.prototype.handleUpgrade
  type UpgradeDone = (client: WebSocket, request: IncomingMessage) => void
  WebSocketServer.prototype.handleUpgrade = function (
    this: WebSocketServer,
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    done: UpgradeDone
  ): void {
    const options = this.options as { WebSocket?: unknown }
    if (options.WebSocket === undefined || options.WebSocket === WebSocket) options.WebSocket = MendedWebSocket
    upgrade.call(this, request, socket, head, done)
  }
}

installShim()
