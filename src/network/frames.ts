/**
 * Length-prefixed frames on a libp2p stream, with back-pressure both ways. The stream helpers of @libp2p/utils buffer
 * without telling the sender to wait, and `onDrain()` of its streams resolves only once; hence this module.
 *
 * Frame: unsigned varint of the length of what follows, one byte kind, body.
 */
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { type Deadline, raceAbort } from './deadline.js'
import { RequestError } from './errors.js'

export const FRAME_MESSAGE = 0
export const FRAME_END = 1
export const FRAME_ERROR = 2

export interface Frame {
  kind: number
  body: Uint8Array
}

/** More unread bytes than this, beyond the frame being read, and the sender is told to wait. */
const PAUSE_ABOVE_BYTES = 256 * 1024
/** Of the stream: what may be under way when we pause is one window of yamux, at most 16 MiB. */
const STREAM_BUFFER_BYTES = 20 * 1024 * 1024
const SEND_SLICE_BYTES = 256 * 1024
const MAX_LENGTH_BYTES = 5

/** Reads frames; what is not read stays with the sender. */
export class FrameReader {
  readonly #stream: Stream
  readonly #buffer = new Uint8ArrayList()
  #needBytes = 0
  #deadline: Deadline | null = null
  #failure: Error | null = null
  #wake: (() => void) | null = null

  constructor(stream: Stream) {
    this.#stream = stream
    stream.maxReadBufferLength = STREAM_BUFFER_BYTES
    stream.addEventListener('message', this.#onMessage)
    stream.addEventListener('close', this.#onClose)
    stream.addEventListener('remoteCloseWrite', this.#onRemoteEnd)
  }

  /** Bytes received and not yet read, here and in the stream. */
  get bufferedBytes(): number {
    return this.#buffer.byteLength + this.#stream.readBufferLength
  }

  /**
   * The next frame; null when the peer ended its side between two frames. Throws RequestError 'too-large' as soon as a
   * length above `maxBytes` is read, 'closed' when the stream ends inside a frame or is reset, 'bad-response' for a
   * broken length, and the reason of the deadline as it is. Every byte that arrives starts the deadline anew.
   */
  async read(maxBytes: number, deadline: Deadline): Promise<Frame | null> {
    this.#deadline = deadline
    try {
      return await this.#readFrame(maxBytes, deadline.signal)
    } finally {
      this.#deadline = null
    }
  }

  async #readFrame(maxBytes: number, signal: AbortSignal): Promise<Frame | null> {
    const length = await this.#readLength(signal)
    if (length === null) return null
    if (length === 0) throw new RequestError('bad-response', 'the peer sent an empty frame')
    if (length - 1 > maxBytes) {
      throw new RequestError('too-large', `the peer sent a message of ${length - 1} bytes; ${maxBytes} are allowed`)
    }
    if (!(await this.#fill(length, signal))) throw new RequestError('closed', 'the stream ended inside a message')
    const kind = this.#buffer.get(0)
    const body = this.#buffer.slice(1, length)
    this.#buffer.consume(length)
    return { kind, body }
  }

  detach(): void {
    this.#stream.removeEventListener('message', this.#onMessage)
    this.#stream.removeEventListener('close', this.#onClose)
    this.#stream.removeEventListener('remoteCloseWrite', this.#onRemoteEnd)
  }

  async #readLength(signal: AbortSignal): Promise<number | null> {
    let length = 0
    for (let index = 0; index < MAX_LENGTH_BYTES; index++) {
      if (!(await this.#fill(index + 1, signal))) {
        if (index === 0) return null
        throw new RequestError('closed', 'the stream ended inside a length')
      }
      const byte = this.#buffer.get(index)
      length += (byte & 0x7f) * 2 ** (7 * index)
      if (byte < 0x80) {
        this.#buffer.consume(index + 1)
        return length
      }
    }
    throw new RequestError('bad-response', 'the peer sent a length that is no varint')
  }

  /** Waits until `count` bytes are here; false when the stream ends before. */
  async #fill(count: number, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted()
    this.#needBytes = count
    while (this.#buffer.byteLength < count) {
      if (this.#failure !== null) throw this.#failure
      if (this.#stream.readStatus === 'paused') {
        this.#stream.resume()
        continue
      }
      if (this.#ended()) return false
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      await raceAbort(woken, signal)
    }
    return true
  }

  #ended(): boolean {
    const { remoteWriteStatus, readBufferLength, status } = this.#stream
    return (remoteWriteStatus === 'closed' || status !== 'open') && readBufferLength === 0
  }

  readonly #onMessage = (event: StreamMessageEvent): void => {
    this.#buffer.append(event.data)
    this.#deadline?.refresh()
    if (this.#buffer.byteLength > this.#needBytes + PAUSE_ABOVE_BYTES && this.#stream.readStatus === 'readable') {
      this.#stream.pause()
    }
    this.#wake?.()
  }

  readonly #onClose = (event: StreamCloseEvent): void => {
    if (event.error !== undefined) this.#failure = new RequestError('closed', 'the peer reset the stream', event.error)
    this.#wake?.()
  }

  // Data may follow in the same frame as the end, hence one turn later.
  readonly #onRemoteEnd = (): void => queueMicrotask(() => this.#wake?.())
}

function encodeHeader(bodyLength: number, kind: number): Uint8Array {
  const header: number[] = []
  let rest = bodyLength + 1
  while (rest >= 0x80) {
    header.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  header.push(rest, kind)
  return Uint8Array.from(header)
}

async function waitWritable(stream: Stream, signal: AbortSignal): Promise<void> {
  while (stream.writableNeedsDrain) {
    let onEvent: (() => void) | undefined
    const drained = new Promise<void>((resolve) => {
      onEvent = resolve
      stream.addEventListener('drain', onEvent, { once: true })
      stream.addEventListener('close', onEvent, { once: true })
    })
    try {
      await raceAbort(drained, signal)
    } finally {
      stream.removeEventListener('drain', onEvent as () => void)
      stream.removeEventListener('close', onEvent as () => void)
    }
    if (stream.status !== 'open') throw new RequestError('closed', 'the stream was closed by the peer')
  }
}

/**
 * Sends one frame and waits for the peer to take it, save one window. Throws RequestError 'closed', or the reason of the
 * deadline, which starts anew with every piece that the peer takes.
 */
export async function writeFrame(stream: Stream, kind: number, body: Uint8Array, deadline: Deadline): Promise<void> {
  const { signal } = deadline
  signal.throwIfAborted()
  try {
    const header = encodeHeader(body.byteLength, kind)
    const first = body.subarray(0, SEND_SLICE_BYTES)
    stream.send(new Uint8ArrayList(header, first))
    await waitWritable(stream, signal)
    for (let offset = first.byteLength; offset < body.byteLength; offset += SEND_SLICE_BYTES) {
      stream.send(body.subarray(offset, offset + SEND_SLICE_BYTES))
      await waitWritable(stream, signal)
      deadline.refresh()
    }
  } catch (error) {
    if (error instanceof RequestError || signal.aborted) throw error
    throw new RequestError('closed', 'the stream is closed', error)
  }
}

const CLOSE_WAIT_MS = 2000

/**
 * Ends our side and waits shortly for the other one; then aborts. A stream of which one side stays open counts
 * towards the 64 that libp2p allows for each protocol.
 */
export async function finishStream(stream: Stream): Promise<void> {
  const signal = AbortSignal.timeout(CLOSE_WAIT_MS)
  try {
    await stream.close({ signal })
    if (stream.status !== 'open' || stream.remoteWriteStatus === 'closed') return
    await raceAbort(
      new Promise<void>((resolve) => {
        stream.addEventListener('close', () => resolve(), { once: true })
      }),
      signal
    )
  } catch {
    stream.abort(new Error('the peer did not end the stream'))
  }
}
