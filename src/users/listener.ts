import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ServerOptions, WebSocketServer } from 'ws'
import { addressGroupOf } from './address.js'
import { WordedWebSocket } from './connection.js'
import { ConnectionRates } from './connection-rates.js'
import type { UserLimits } from './limits.js'

export interface TlsFiles {
  /** PEM. */
  cert: Buffer | string
  /** PEM. */
  key: Buffer | string
}

export interface ListenerOptions {
  host: string
  /** 0 takes a free port. */
  port: number
  tls?: TlsFiles
  limits: UserLimits
  /** Clock, ms. */
  now: () => number
  /** A connection that speaks WebSocket; `isOneTooMany` when it came too soon after others and is to be told so. */
  onSocket: (ws: WordedWebSocket, socket: Socket, addressGroup: string, isOneTooMany: boolean) => void
  /** A new socket came too soon after others. */
  onRefused: (addressGroup: string) => void
  /** True when a refusal should be an HTTP 503 because too many are being told by close code already. */
  isFlooded: () => boolean
}

/** Why the server could not listen; `message` names the address and the remedy. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** Sockets beyond the limits that are let in far enough to hear why they are refused. */
const REFUSAL_SOCKETS = 64
const HEADER_BYTES = 8_192

/** The socket under all protocols: TCP or TLS, HTTP upgrade, and the caps on sockets that have not said anything. */
export class Listener {
  readonly #options: ListenerOptions
  readonly #sockets = new Set<Socket>()
  readonly #socketsOf = new Map<string, number>()
  /** By address and port: sockets that are to hear why they are refused. TLS hands on another object for the same socket. */
  readonly #toTell = new Set<string>()
  readonly #rates: ConnectionRates
  readonly #upgrader: WebSocketServer
  #server: Server | null = null

  constructor(options: ListenerOptions) {
    this.#options = options
    const { limits } = options
    this.#rates = new ConnectionRates(limits, options.now)
    const upgrade: ServerOptions<typeof WordedWebSocket> & { closeTimeout: number } = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      autoPong: false,
      // One message of each connection in a turn of the loop: who sends a thousand at once does not hold up the others.
      allowSynchronousEvents: false,
      maxPayload: limits.messageBytes,
      closeTimeout: limits.closeMs,
      WebSocket: WordedWebSocket
    }
    this.#upgrader = new WebSocketServer(upgrade as ServerOptions)
  }

  get isListening(): boolean {
    return this.#server?.listening ?? false
  }

  /** Sockets in any stage. */
  get sockets(): number {
    return this.#sockets.size
  }

  address(): AddressInfo | null {
    const address = this.#server?.address()
    return typeof address === 'object' ? (address ?? null) : null
  }

  /** Rejects with a ListenError: port taken, address not of this machine, bad certificate. */
  async start(): Promise<void> {
    const { host, port, limits } = this.#options
    const server = this.#createServer()
    server.maxConnections = limits.connections + limits.pendingHandshakes + REFUSAL_SOCKETS
    server.on('connection', (socket: Socket) => this.#admit(socket))
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        this.#server = null
        reject(describeListenError(error, host, port))
      })
      server.listen({ host, port }, () => {
        server.removeAllListeners('error')
        // Failing accepts (no file descriptors left) come here; the server goes on.
        server.on('error', () => {})
        resolve()
      })
    })
  }

  /** Takes no more connections; those that speak WebSocket already stay. */
  closeDoor(): void {
    this.#server?.close()
    this.#server?.closeAllConnections()
  }

  /** Cuts what is left and waits until the port is free. */
  async stop(): Promise<void> {
    const server = this.#server
    if (server === null) return
    this.#server = null
    const closed = server.listening ? new Promise<void>((resolve) => server.close(() => resolve())) : null
    const gone = [...this.#sockets].map(
      (socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()))
    )
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all([closed, ...gone])
    this.#upgrader.close()
  }

  #createServer(): Server {
    const { tls, limits } = this.#options
    const http = {
      maxHeaderSize: HEADER_BYTES,
      headersTimeout: limits.handshakeMs,
      requestTimeout: limits.handshakeMs,
      connectionsCheckingInterval: Math.min(1_000, limits.handshakeMs)
    }
    if (tls === undefined) return createServer(http, refuseRequest)
    try {
      return createTlsServer({ ...http, ...tls, handshakeTimeout: limits.handshakeMs }, refuseRequest)
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error)
      throw new ListenError('BAD_CERTIFICATE', `the TLS certificate or key of the user port is not usable: ${cause}`)
    }
  }

  /** A socket that could not even be told why it is refused is dropped; this bounds sockets that say nothing. */
  #admit(socket: Socket): void {
    const group = addressGroupOf(socket.remoteAddress ?? '')
    const count = this.#socketsOf.get(group) ?? 0
    if (count >= this.#options.limits.connectionsPerAddress + REFUSAL_SOCKETS) return void socket.destroy()
    const arrival = this.#rates.arrive(group)
    if (arrival !== 'in') this.#options.onRefused(group)
    if (arrival === 'dropped') return void socket.destroy()
    const name = nameOf(socket)
    if (arrival === 'told') this.#toTell.add(name)
    this.#socketsOf.set(group, count + 1)
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#toTell.delete(name)
      const left = (this.#socketsOf.get(group) ?? 1) - 1
      if (left === 0) this.#socketsOf.delete(group)
      else this.#socketsOf.set(group, left)
    })
  }

  #upgrade(request: IncomingMessage, duplex: Duplex, head: Buffer): void {
    // Node hands out the net.Socket, or the TLSSocket that extends it.
    const socket = duplex as Socket
    if (this.#options.isFlooded()) {
      socket.on('error', () => {})
      socket.end(
        'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\ntoo many connections\n'
      )
      setTimeout(() => socket.destroy(), this.#options.limits.closeMs).unref()
      return
    }
    const group = addressGroupOf(socket.remoteAddress ?? '')
    this.#upgrader.handleUpgrade(request, socket, head, (ws) =>
      this.#options.onSocket(ws as WordedWebSocket, socket, group, this.#toTell.has(nameOf(socket)))
    )
  }
}

function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

const refuseRequest: RequestListener = (_request, response) => {
  response.writeHead(426, { Connection: 'close', 'Content-Type': 'text/plain', Upgrade: 'websocket' })
  response.end('this port speaks WebSocket\n')
}

function describeListenError(error: NodeJS.ErrnoException, host: string, port: number): ListenError {
  const code = error.code ?? 'LISTEN_FAILED'
  const place = `${host}:${port}`
  if (code === 'EADDRINUSE') {
    return new ListenError(code, `user port ${place} is taken by another program: stop it or choose another pubport`)
  }
  if (code === 'EACCES') {
    return new ListenError(code, `no permission to listen on ${place}: choose a pubport of 1024 or more`)
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new ListenError(code, `${host} is not an address of this machine: set ip to one, or to 0.0.0.0`)
  }
  return new ListenError(code, `cannot listen on ${place}: ${error.message}`)
}
