import { isUtf8 } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import type { AddressInfo, Socket } from 'node:net'
import type { Logger } from 'pino'
import type { Hash, ProposalUser, PublicKey, UserProof } from '../consensus/types.js'
import { Admission } from './admission.js'
import { CloseCode } from './close-codes.js'
import { Connection, limitHandshakeBytes, type WordedWebSocket } from './connection.js'
import { checkUserLimits, type UserLimits } from './limits.js'
import { Listener, type TlsFiles } from './listener.js'
import { challengeOf, NONCE_BYTES, verifyUserProof } from './proof.js'
import { prototypeProtocol } from './prototype-protocol.js'
import { SessionTable } from './session-table.js'
import type { ProtocolSession, UserNotice, UserProtocol } from './user-protocol.js'
import { UserRates } from './user-rates.js'

const REFUSAL_LOG_MS = 60_000

/** Where an input comes from. */
export interface InputSource {
  user: PublicKey
  proof: UserProof
  /** The challenge that the user signed, 64 hex digits: names the connection everywhere. */
  sessionId: string
  /** How many inputs came on this connection before this one. */
  ordinal: number
}

/** Whether the node took an input; a reason is for the user to read. */
export type InputVerdict = { taken: true } | { taken: false; reason: string }

export interface UserServerOptions {
  host: string
  /** 0 takes a free port. */
  port: number
  /** Serves wss:// with these. */
  tls?: TlsFiles
  networkId: Hash
  nodeKey: PublicKey
  limits: UserLimits
  log: Logger
  onInput: (source: InputSource, content: Uint8Array) => InputVerdict
  /** True when so much of this user waits that nothing more is to be read of them, until `readOn`. */
  isCrowded?: (user: PublicKey) => boolean
  /** The list of `users()` changed. */
  onUsersChanged?: () => void
  /** Clock, ms since the epoch. */
  now?: () => number
  /** Default: the prototype's. */
  protocol?: UserProtocol
}

export interface UserServerStatus {
  protocol: string
  listening: boolean
  address: string | null
  /** Connections of known users. */
  connections: number
  users: number
  /** Users of whom nothing is read until a ledger has some of what they sent. */
  heldUsers: number
  pendingHandshakes: number
  bufferedBytes: number
  /** Since the start. */
  inputsTaken: number
  inputsRefused: number
  outputsSent: number
  /** Connections that came too soon after others. */
  connectionsRefused: number
  /** Connections closed by the server since the start, by close code. */
  closedByCode: Record<string, number>
}

interface Session {
  connection: Connection
  protocol: ProtocolSession
}

/** Serves users of one wire protocol on one port. */
export class UserServer {
  readonly #options: UserServerOptions
  readonly #limits: UserLimits
  readonly #protocol: UserProtocol
  readonly #log: Logger
  readonly #now: () => number
  readonly #listener: Listener
  readonly #table = new SessionTable<Session>()
  readonly #admission: Admission
  readonly #rates: UserRates
  /** Users of whom nothing is read for now. */
  readonly #held = new Set<PublicKey>()
  readonly #closedByCode: Record<string, number> = {}
  #bufferedBytes = 0
  #counts = { inputsTaken: 0, inputsRefused: 0, outputsSent: 0, connectionsRefused: 0 }
  #refusalLoggedMs = Number.NEGATIVE_INFINITY
  #pinger: NodeJS.Timeout | null = null
  #stopping: Promise<void> | null = null

  constructor(options: UserServerOptions) {
    this.#options = options
    this.#limits = checkUserLimits({ ...options.limits })
    this.#protocol = options.protocol ?? prototypeProtocol
    this.#log = options.log
    this.#now = options.now ?? Date.now
    this.#admission = new Admission(this.#limits)
    this.#rates = new UserRates(this.#limits.messagesPerMinute, this.#now)
    this.#listener = new Listener({
      host: options.host,
      port: options.port,
      tls: options.tls,
      limits: this.#limits,
      now: this.#now,
      onSocket: (ws, socket, group, isOneTooMany) => this.#open(ws, socket, group, isOneTooMany),
      onRefused: (group) => this.#noteRefused(group),
      isFlooded: () => this.#admission.isFlooded
    })
  }

  /** Listens; rejects with a ListenError that says what to do. */
  async start(): Promise<void> {
    if (this.#stopping !== null) throw new Error('a user server that was stopped cannot be started again')
    await this.#listener.start()
    this.#pinger = setInterval(() => this.#checkAlive(), this.#limits.pingMs)
    this.#log.info({ address: this.status().address }, 'Listening for users.')
  }

  /** Closes every connection with 1001, waits for them, frees the port. May be called more than once. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  address(): AddressInfo | null {
    return this.#listener.address()
  }

  /** Rises whenever `users()` changes. */
  get version(): number {
    return this.#table.version
  }

  /** Every connected user once, ascending by key, each with a proof; the same array until a change. */
  users(): ProposalUser[] {
    return this.#table.list()
  }

  /** Sends an output to each connection of the user; returns to how many. */
  deliver(user: PublicKey, output: Uint8Array): number {
    const isText = isUtf8(output)
    let sent = 0
    for (const session of this.#table.sessionsOf(user)) if (session.protocol.sendOutput(output, isText)) sent += 1
    this.#counts.outputsSent += sent
    return sent
  }

  /** Sends a notice to each connection of the user; returns to how many. */
  notify(user: PublicKey, notice: UserNotice): number {
    let sent = 0
    for (const session of this.#table.sessionsOf(user)) if (session.protocol.sendNotice(notice)) sent += 1
    return sent
  }

  /** Reads again what held users send of whom `isRelieved` says that there is room. */
  readOn(isRelieved: (user: PublicKey) => boolean): void {
    for (const user of this.#held) {
      if (!isRelieved(user)) continue
      this.#held.delete(user)
      for (const { connection } of this.#table.sessionsOf(user)) connection.release()
    }
  }

  status(): UserServerStatus {
    const address = this.address()
    const scheme = this.#options.tls === undefined ? 'ws' : 'wss'
    const host = address?.family === 'IPv6' ? `[${address.address}]` : address?.address
    return {
      protocol: this.#protocol.name,
      listening: this.#listener.isListening,
      address: address === null ? null : `${scheme}://${host}:${address.port}`,
      connections: this.#admission.active.size - this.#admission.pending,
      users: this.#table.users,
      heldUsers: this.#held.size,
      pendingHandshakes: this.#admission.pending,
      bufferedBytes: this.#bufferedBytes,
      ...this.#counts,
      closedByCode: { ...this.#closedByCode }
    }
  }

  async #stop(): Promise<void> {
    if (this.#pinger !== null) clearInterval(this.#pinger)
    this.#pinger = null
    this.#listener.closeDoor()
    this.#admission.startEmptying()
    for (const connection of [...this.#admission.active]) this.#close(connection, CloseCode.goingAway, 'the node stops')
    // The library cuts what has not gone after closeMs.
    await this.#admission.waitUntilEmpty()
    await this.#listener.stop()
    this.#log.info('Stopped serving users.')
  }

  /** An attack is told once a minute. */
  #noteRefused(address: string): void {
    this.#counts.connectionsRefused += 1
    const nowMs = this.#now()
    if (nowMs - this.#refusalLoggedMs < REFUSAL_LOG_MS) return
    this.#refusalLoggedMs = nowMs
    const { connectionsRefused: refused } = this.#counts
    this.#log.warn(
      { address, refused },
      'New connections of users come faster than pubmaxconnrate or pubmaxaddrconnrate.'
    )
  }

  #open(ws: WordedWebSocket, socket: Socket, group: string, isOneTooMany: boolean): void {
    const nonce = randomBytes(NONCE_BYTES)
    const expiryMs = Math.trunc(this.#now()) + this.#limits.handshakeMs
    const challenge = challengeOf(this.#options.networkId, this.#options.nodeKey, expiryMs, nonce)
    let stopWaiting = (): void => {}
    const connection = new Connection(ws, group, () => socket.bytesRead, this.#limits, this.#now, {
      message: (data, binary) => this.#receive(session, data, binary),
      buffered: (change) => this.#addBuffered(change),
      closing: () => {
        stopWaiting()
        this.#leave(session)
      },
      closed: () => this.#forget(connection),
      admit: (user) => this.#rates.admit(user)
    })
    const session: Session = {
      connection,
      protocol: this.#protocol.open({
        challenge,
        authenticate: (user, signature) => {
          const isKnown = this.#authenticate(session, user, { expiryMs, nonce, signature })
          if (isKnown) stopWaiting()
          return isKnown
        },
        takeInput: (content) => this.#takeInput(session, challenge, content),
        send: (data, binary) => connection.send(data, binary),
        close: (code, reason) => this.#close(connection, code, reason)
      })
    }
    if (!this.#admit(connection, isOneTooMany)) return
    stopWaiting = this.#limitHandshake(connection, socket)
    session.protocol.start()
  }

  /** Applies the limits on connections; false when it was refused. */
  #admit(connection: Connection, isOneTooMany: boolean): boolean {
    const refusal = this.#admission.enter(connection)
    if (this.#stopping !== null) return this.#close(connection, CloseCode.goingAway, 'the node stops')
    if (isOneTooMany) {
      const reason = 'too many new connections in a short time: try again in some seconds'
      return this.#close(connection, CloseCode.tooManyNew, reason)
    }
    if (refusal !== null) return this.#close(connection, refusal.code, refusal.reason)
    const overdue = this.#admission.findOverdue()
    if (overdue !== null) {
      this.#close(overdue, CloseCode.tooManyHandshakes, 'too many unanswered challenges: try again')
    }
    return true
  }

  /** Bounds the time and the bytes until the challenge is answered. */
  #limitHandshake(connection: Connection, socket: Socket): () => void {
    const { handshakeMs } = this.#limits
    const expire = (): void =>
      void this.#close(connection, CloseCode.handshakeTimeout, `the challenge was not answered in ${handshakeMs} ms`)
    // One turn of the loop more: an answer that came in time may wait in the socket of a busy node.
    const timer = setTimeout(() => setImmediate(expireIfPending), handshakeMs)
    const expireIfPending = (): void => {
      if (this.#admission.isPending(connection)) expire()
    }
    const stopCounting = limitHandshakeBytes(socket, this.#protocol.handshakeBytes, () =>
      this.#close(connection, CloseCode.malformedHelo, 'too many bytes before the challenge is answered')
    )
    return () => {
      clearTimeout(timer)
      stopCounting()
    }
  }

  #receive(session: Session, data: Buffer, binary: boolean): void {
    if (session.connection.user !== null) {
      session.protocol.receive(data, binary)
    } else if (data.length > this.#protocol.handshakeBytes) {
      const reason = `a handshake message may have at most ${this.#protocol.handshakeBytes} bytes`
      this.#close(session.connection, CloseCode.malformedHelo, reason)
    } else {
      session.protocol.receiveHandshake(data, binary)
    }
  }

  #authenticate(session: Session, user: PublicKey, proof: UserProof): boolean {
    const { connection } = session
    if (!this.#admission.isPending(connection)) return false
    if (this.#now() > proof.expiryMs) {
      return this.#close(connection, CloseCode.handshakeTimeout, 'the challenge has expired: connect again')
    }
    if (this.#rates.isSpent(user)) {
      const reason = `more than ${this.#limits.messagesPerMinute} messages a minute`
      return this.#close(connection, CloseCode.rateExceeded, reason)
    }
    if (!verifyUserProof(this.#options.networkId, this.#options.nodeKey, user, proof)) {
      return this.#close(connection, CloseCode.badSignature, 'sig is not the signature of pubkey over the challenge')
    }
    if (this.#table.countOf(user) >= this.#limits.connectionsPerUser) {
      const reason = `more than ${this.#limits.connectionsPerUser} connections of one user`
      return this.#close(connection, CloseCode.tooManyOfUser, reason)
    }
    this.#admission.confirm(connection)
    connection.user = user
    connection.proof = proof
    if (this.#held.has(user)) connection.hold()
    if (this.#table.add(user, session)) this.#options.onUsersChanged?.()
    return true
  }

  #takeInput(session: Session, sessionId: string, content: Uint8Array): void {
    const { connection } = session
    if (connection.user === null || connection.proof === null || !connection.admitInput()) return
    const ordinal = connection.inputs
    connection.inputs += 1
    let verdict: InputVerdict
    try {
      const source = { user: connection.user, proof: connection.proof, sessionId, ordinal }
      verdict = this.#options.onInput(source, ownBytes(content))
    } catch (error) {
      this.#log.error({ err: error }, 'An input could not be handled.')
      this.#close(connection, CloseCode.internalError, `the node failed to take input ${ordinal}`)
      return
    }
    if (this.#options.isCrowded?.(connection.user) === true) this.#hold(connection.user)
    if (verdict.taken) {
      this.#counts.inputsTaken += 1
      return
    }
    this.#counts.inputsRefused += 1
    session.protocol.sendNotice({ notice: 'input_refused', input: ordinal, reason: verdict.reason })
  }

  #hold(user: PublicKey): void {
    if (this.#held.has(user)) return
    this.#held.add(user)
    for (const { connection } of this.#table.sessionsOf(user)) connection.hold()
  }

  #addBuffered(change: number): void {
    this.#bufferedBytes += change
    if (change <= 0 || this.#bufferedBytes <= this.#limits.totalBufferedBytes) return
    let slowest: Connection | null = null
    for (const connection of this.#admission.all()) {
      if (connection.bufferedBytes > (slowest?.bufferedBytes ?? 0)) slowest = connection
    }
    if (slowest === null) return
    if (slowest.isClosing) slowest.terminate()
    else this.#close(slowest, CloseCode.outOfMemory, 'too many bytes wait for slow readers of this node')
  }

  /** Closes a connection and counts it; false, for its callers to return. */
  #close(connection: Connection, code: number, reason: string): false {
    if (connection.isClosing) return false
    connection.close(code, reason)
    this.#log.debug({ code, reason, address: connection.address, user: connection.user }, 'Closed a user connection.')
    return false
  }

  /** The connection is closing: it no longer counts, serves or is served. */
  #leave(session: Session): void {
    const { connection } = session
    if (!this.#admission.leave(connection)) return
    if (connection.user !== null && this.#table.remove(connection.user, session)) this.#options.onUsersChanged?.()
  }

  #forget(connection: Connection): void {
    if (connection.closeCode !== null) {
      this.#closedByCode[connection.closeCode] = (this.#closedByCode[connection.closeCode] ?? 0) + 1
    }
    this.#admission.forget(connection)
  }

  #checkAlive(): void {
    for (const connection of [...this.#admission.active]) connection.checkAlive()
  }
}

/** The bytes alone: a small message is a window into a whole read of the socket, which a waiting input would keep. */
function ownBytes(content: Uint8Array): Uint8Array {
  return content.buffer.byteLength > 2 * content.length ? new Uint8Array(content) : content
}
