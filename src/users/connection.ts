import { WebSocket } from 'ws'
import type { PublicKey, UserProof } from '../consensus/types.js'
import { CloseCode } from './close-codes.js'
import type { UserLimits } from './limits.js'
import { TokenBucket } from './token-bucket.js'

/** Fewest pings a minute that every user may send. */
const PINGS_PER_MINUTE = 120
/** A WebSocket close reason holds 123 bytes. */
const REASON_BYTES = 123
/** What may arrive in one read together with the last handshake message. */
const READ_AHEAD_BYTES = 65_536

/** The `ws` socket with words for the closes that the library makes itself. */
export class WordedWebSocket extends WebSocket {
  /** Set by the server. */
  messageBytes = 0
  override close(code?: number, reason?: string | Buffer): void {
    super.close(code, reason ?? (code === undefined ? undefined : this.#reasonOf(code)))
  }

  #reasonOf(code: number): string | undefined {
    if (code === CloseCode.messageTooBig) return `a message may have at most ${this.messageBytes} bytes`
    if (code === CloseCode.invalidText) return 'a text message must be UTF-8'
    if (code === CloseCode.protocolError) return 'not a valid WebSocket frame'
    return undefined
  }
}

/** The code that the library closes with after its `error`; null when the socket broke. */
function closeCodeOf(error: NodeJS.ErrnoException): number | null {
  if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') return CloseCode.messageTooBig
  if (error.code === 'WS_ERR_INVALID_UTF8') return CloseCode.invalidText
  return error.code?.startsWith('WS_ERR_') ? CloseCode.protocolError : null
}

export interface ConnectionEvents {
  message(data: Buffer, binary: boolean): void
  /** The bytes waiting for this reader changed by so many. */
  buffered(change: number): void
  closing(): void
  /** False when the user has sent too many inputs, on whichever connections. */
  admit(user: PublicKey): boolean
  closed(): void
}

/** One user's WebSocket: bounded sending and reading, rate limits, signs of life, one way to close. */
export class Connection {
  readonly address: string
  readonly #ws: WordedWebSocket
  readonly #limits: UserLimits
  readonly #now: () => number
  readonly #events: ConnectionEvents
  readonly #inputs: TokenBucket
  readonly #pings: TokenBucket
  #bufferedBytes = 0
  #bytesRead: () => number
  #bytesReadBefore = 0
  /** Something waited for the reader at the last look, and it took some of it since. */
  #hadBacklog = false
  #flushed = false
  #silentSweeps = 0
  #isClosing = false
  #isHeld = false

  /** Null until the challenge is answered. */
  user: PublicKey | null = null
  proof: UserProof | null = null
  /** Inputs received so far. */
  inputs = 0
  /** The code with which this side closed; null while it did not. */
  closeCode: number | null = null

  constructor(
    ws: WordedWebSocket,
    address: string,
    bytesRead: () => number,
    limits: UserLimits,
    now: () => number,
    events: ConnectionEvents
  ) {
    this.#ws = ws
    this.address = address
    this.#bytesRead = bytesRead
    this.#limits = limits
    this.#now = now
    this.#events = events
    this.#inputs = new TokenBucket(limits.messagesPerMinute, now())
    this.#pings = new TokenBucket(PINGS_PER_MINUTE, now())
    ws.messageBytes = limits.messageBytes
    ws.on('message', (data, binary) => {
      if (!this.isClosing) events.message(data as Buffer, binary)
    })
    ws.on('ping', (data) => this.#answerPing(data))
    // The library closes the connection itself after an error, with a code.
    ws.on('error', (error: NodeJS.ErrnoException) => {
      this.closeCode ??= closeCodeOf(error)
      this.#startClosing()
    })
    ws.on('close', () => this.#finish())
  }

  get isClosing(): boolean {
    return this.#isClosing || this.#ws.readyState !== WebSocket.OPEN
  }

  /** Bytes that the reader has not taken yet. */
  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  /** Counts one input; false when the connection was closed because it sends too many. */
  admitInput(): boolean {
    const isOwn = this.#inputs.take(this.#now())
    if (isOwn && (this.user === null || this.#events.admit(this.user))) return true
    this.close(CloseCode.rateExceeded, `more than ${this.#limits.messagesPerMinute} messages a minute`)
    return false
  }

  /** Sends one message; false when it is closed or was closed now because its reader is too slow. */
  send(data: Uint8Array, binary: boolean): boolean {
    if (this.isClosing) return false
    const size = data.length
    if (this.#bufferedBytes > 0 && this.#bufferedBytes + size > this.#limits.bufferedBytes) {
      this.close(CloseCode.slowReader, `more than ${this.#limits.bufferedBytes} bytes wait to be read`)
      return false
    }
    this.#addBuffered(size)
    this.#ws.send(data, { binary, compress: false }, () => {
      this.#flushed = true
      this.#addBuffered(-Math.min(size, this.#bufferedBytes))
    })
    return true
  }

  /** Closes with a code and a reason of at most 123 bytes. */
  close(code: CloseCode | number, reason: string): void {
    if (this.isClosing) return
    this.closeCode = code
    // Its own close frame is to be read.
    this.release()
    this.#startClosing()
    this.#ws.close(code, Buffer.from(reason).subarray(0, REASON_BYTES))
  }

  /** Reads nothing more of it for now: the user's own system then makes them wait. */
  hold(): void {
    if (this.#isHeld || this.isClosing) return
    this.#isHeld = true
    this.#ws.pause()
  }

  /** Reads on. */
  release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#silentSweeps = 0
    this.#ws.resume()
  }

  /** Cuts the connection at once. */
  terminate(): void {
    this.#ws.terminate()
  }

  /** Pings; closes a connection of which nothing was heard for two calls. */
  checkAlive(): void {
    // Of a held one nothing is heard because nothing is read.
    if (this.isClosing || this.#isHeld) return
    const bytesRead = this.#bytesRead()
    // A kernel takes bytes for a dead peer as well, so only a backlog that shrinks is a sign of life.
    const heard = bytesRead !== this.#bytesReadBefore || (this.#hadBacklog && this.#flushed)
    this.#bytesReadBefore = bytesRead
    this.#hadBacklog = this.#bufferedBytes > 0
    this.#flushed = false
    this.#silentSweeps = heard ? 0 : this.#silentSweeps + 1
    if (this.#silentSweeps >= 2) this.close(CloseCode.noAnswer, 'no answer to pings')
    else this.#ws.ping()
  }

  #answerPing(data: Buffer): void {
    if (this.isClosing) return
    if (this.#pings.take(this.#now())) this.#ws.pong(data)
    else this.close(CloseCode.rateExceeded, `more than ${PINGS_PER_MINUTE} pings a minute`)
  }

  #addBuffered(change: number): void {
    if (change === 0) return
    this.#bufferedBytes += change
    this.#events.buffered(change)
  }

  #startClosing(): void {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#events.closing()
  }

  #finish(): void {
    this.#startClosing()
    this.#addBuffered(-this.#bufferedBytes)
    this.#events.closed()
  }
}

/**
 * Calls `tooMuch` when more arrives before the handshake is done than one handshake message and one read; the socket
 * could otherwise hold a whole input of a stranger. Returns a function that stops counting.
 */
export function limitHandshakeBytes(
  socket: NodeJS.ReadableStream,
  handshakeBytes: number,
  tooMuch: () => void
): () => void {
  let received = 0
  const count = (chunk: Buffer | string): void => {
    received += chunk.length
    if (received > handshakeBytes + READ_AHEAD_BYTES) {
      stop()
      tooMuch()
    }
  }
  const stop = (): void => void socket.removeListener('data', count)
  socket.on('data', count)
  return stop
}
