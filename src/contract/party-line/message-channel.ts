import { once } from 'node:events'
import type { Readable } from 'node:stream'
import type { Libc } from '../libc.js'
import { closeQuietly } from '../temp-files.js'

/** While messages come, and for a while after. Longer waits later: a contract that is silent costs next to nothing. */
const BUSY_POLL_MS = 1
const IDLE_POLL_MS = 4
const BUSY_POLLS = 25
/** Messages taken before the rest of the node has its turn. */
const BATCH = 64
const STREAM_END_WAIT_MS = 200

export interface MessageEvents {
  /** The bytes are the receiver's to keep. `size` is larger when the message was too long for us. */
  onMessage: (data: Uint8Array, size: number) => void
  /** No more will come: the contract has closed every copy of its end. Called at most once. */
  onClosed: () => void
}

/** What the contract writes to the party line, message by message. */
export interface MessageChannel {
  /** For child_process's `stdio`. */
  readonly childEnd: number | 'pipe'
  /** Called when the contract was started; `stream` is our end when `childEnd` is 'pipe'. */
  start(events: MessageEvents, stream: Readable | null): void
  /** Called when the contract is gone: takes what still waits. */
  drain(): Promise<void>
  /** Idempotent. */
  close(): void
}

export function openMessageChannel(messageBytes: number, libc: Libc | null): MessageChannel {
  return libc === null ? new StreamChannel() : new SocketChannel(libc, messageBytes)
}

/**
 * A SOCK_SEQPACKET pair, looked at on a timer: Node cannot wait for such a socket, and a blocked thread for each
 * execution would take a large part of the small pool that the database and the file system need.
 */
class SocketChannel implements MessageChannel {
  readonly childEnd: number
  readonly #libc: Libc
  readonly #ours: number
  readonly #buffer: Uint8Array
  #events: MessageEvents | null = null
  #timer: NodeJS.Timeout | null = null
  #idlePolls = 0
  #isClosed = false

  constructor(libc: Libc, messageBytes: number) {
    this.#libc = libc
    this.#buffer = sharedBuffer(messageBytes)
    ;[this.#ours, this.childEnd] = libc.openMessageSockets()
  }

  start(events: MessageEvents): void {
    // Our copy would keep the socket open for ever.
    closeQuietly(this.childEnd)
    this.#events = events
    this.#schedule()
  }

  async drain(): Promise<void> {
    while (this.#take()) {
      // takes until nothing waits
    }
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#events === null) closeQuietly(this.childEnd)
    this.#events = null
    closeQuietly(this.#ours)
  }

  #schedule(): void {
    const waitMs = this.#idlePolls < BUSY_POLLS ? BUSY_POLL_MS : IDLE_POLL_MS
    this.#timer = setTimeout(() => {
      this.#idlePolls++
      for (let count = 0; count < BATCH && this.#take(); count++) this.#idlePolls = 0
      if (this.#events !== null) this.#schedule()
    }, waitMs)
  }

  /** True when there was a message, and there may be another. */
  #take(): boolean {
    if (this.#events === null) return false
    const received = this.#libc.receive(this.#ours, this.#buffer)
    if (received.kind === 'nothing') return false
    if (received.kind === 'closed') {
      const events = this.#events
      this.close()
      events.onClosed()
      return false
    }
    this.#events.onMessage(this.#buffer.slice(0, Math.min(received.size, this.#buffer.length)), received.size)
    return true
  }
}

/** Where messages cannot be had: each chunk that arrives is one. */
class StreamChannel implements MessageChannel {
  readonly childEnd = 'pipe'
  #stream: Readable | null = null
  #events: MessageEvents | null = null

  start(events: MessageEvents, stream: Readable | null): void {
    this.#events = events
    this.#stream = stream
    stream?.on('data', (chunk: Buffer) => this.#events?.onMessage(chunk, chunk.length))
    stream?.on('error', () => this.#end())
    stream?.on('end', () => this.#end())
  }

  /** Until the stream ends, unless a process that got away holds it open. */
  async drain(): Promise<void> {
    const stream = this.#stream
    if (stream === null) return
    await once(stream, 'end', { signal: AbortSignal.timeout(STREAM_END_WAIT_MS) }).catch(() => {})
  }

  close(): void {
    this.#events = null
    this.#stream?.destroy()
    this.#stream = null
  }

  #end(): void {
    const events = this.#events
    this.close()
    events?.onClosed()
  }
}

let buffer = new Uint8Array(0)

/** One buffer serves all: a message is copied out at once. */
function sharedBuffer(bytes: number): Uint8Array {
  if (buffer.length < bytes) buffer = new Uint8Array(bytes)
  return buffer.subarray(0, bytes)
}
