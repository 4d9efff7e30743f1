import { Emitter } from './emitter.js'
import { HotPocketClientError } from './errors.js'
import { closedError, discard, type OpenConnection, openConnection } from './handshake.js'
import { type KeyPair, type KeyTools, webKeyTools } from './keys.js'
import { type Notice, readNotice } from './messages.js'
import { OPEN, type OpenWebSocket, openGlobalWebSocket } from './web-socket.js'

export interface ClientOptions {
  /** Default: a new key pair, a user whom nobody knows. */
  keyPair?: KeyPair
  /** Ends the client when aborted. */
  signal?: AbortSignal
  /** False: the client ends with the first connection that is lost. Default true. */
  reconnect?: boolean
  /** First and longest wait before a new attempt, ms; it doubles in between. Default 250 and 30,000. */
  minDelayMs?: number
  maxDelayMs?: number
  /** Time for a node to send its challenge, ms. Default 10,000. */
  connectTimeoutMs?: number
  /** `send` refuses when more bytes than this wait to be sent. Default 64 MiB. */
  maxUnsentBytes?: number
  openWebSocket?: OpenWebSocket
  keyTools?: KeyTools
}

export interface Output {
  bytes: Uint8Array
  /** The output as text when the node sent it as text, else null. */
  text: string | null
}

export interface ClientEvents {
  /** Connected, and the challenge is answered: inputs may be sent. */
  open: { url: string; challenge: string }
  output: Output
  /** Why an input is in no ledger, or what became of a ledger. */
  notice: Notice
  /** A connection ended. What was sent on it and not answered may or may not be in a ledger. */
  close: { url: string; code: number; reason: string; willReconnect: boolean }
  /** An attempt to connect failed, or the client gave up. */
  error: HotPocketClientError
}

/** A connection that lasted this long was a good one: the next wait starts small again. */
const GOOD_CONNECTION_MS = 5_000

/**
 * A user of a Hot Pocket network. It connects to one of several nodes and moves on to the next when that is lost.
 * It never sends an input twice: whether an input on a lost connection got into a ledger only the contract knows.
 */
export class HotPocketClient {
  readonly publicKey: string
  readonly #urls: string[]
  readonly #keyPair: KeyPair
  readonly #options: Required<Omit<ClientOptions, 'keyPair' | 'signal'>>
  readonly #emitter = new Emitter<ClientEvents>()
  readonly #abort = new AbortController()
  readonly #detachSignal: () => void
  readonly on: Emitter<ClientEvents>['on']
  readonly off: Emitter<ClientEvents>['off']
  #connection: OpenConnection | null = null
  #urlIndex = 0
  #attempts = 0
  #openedAtMs = 0
  #sent = 0
  #onClosed: (() => void) | null = null

  private constructor(urls: string[], keyPair: KeyPair, options: ClientOptions) {
    this.#urls = urls
    this.#keyPair = keyPair
    this.publicKey = keyPair.publicKey
    this.#options = withDefaults(options)
    this.on = this.#emitter.on.bind(this.#emitter)
    this.off = this.#emitter.off.bind(this.#emitter)
    const { signal } = options
    const end = (): void => void this.close()
    signal?.addEventListener('abort', end)
    if (signal?.aborted) this.#abort.abort()
    this.#detachSignal = () => signal?.removeEventListener('abort', end)
  }

  /**
   * Tries each URL once, in order, and resolves with the first that sent a challenge; rejects with a
   * HotPocketClientError when none did. A node that then does not accept the answer closes: see `close` and `error`.
   */
  static async connect(urls: string | string[], options: ClientOptions = {}): Promise<HotPocketClient> {
    const list = checkUrls(urls)
    if (options.signal?.aborted) throw new HotPocketClientError('aborted', 'connecting was aborted')
    const keyPair = options.keyPair ?? (await (options.keyTools ?? webKeyTools).createKeyPair())
    checkKeyPair(keyPair)
    const client = new HotPocketClient(list, keyPair, options)
    await client.#connectFirst()
    return client
  }

  /** The node that the client is connected to, null while it is not. */
  get url(): string | null {
    return this.#connection?.url ?? null
  }

  /** The challenge of this connection, null while there is none: part of the ids of its inputs. */
  get challenge(): string | null {
    return this.#connection?.challenge ?? null
  }

  /**
   * Sends an input. Returns its number on this connection, by which a notice names it. Throws `not_connected` or
   * `too_much_unsent`; nothing is kept for later.
   */
  send(input: string | Uint8Array): number {
    const socket = this.#connection?.socket
    if (socket === undefined || socket.readyState !== OPEN) {
      throw new HotPocketClientError('not_connected', 'not connected to a node: wait for the event "open"')
    }
    if (socket.bufferedAmount > this.#options.maxUnsentBytes) {
      throw new HotPocketClientError('too_much_unsent', `${socket.bufferedAmount} bytes wait to be sent: slow down`)
    }
    socket.send(typeof input === 'string' ? input : (input as Uint8Array<ArrayBuffer>))
    return this.#sent++
  }

  /** Ends the client and waits until the connection is closed. May be called more than once. */
  async close(): Promise<void> {
    this.#detachSignal()
    this.#abort.abort()
    const connection = this.#connection
    if (connection === null) return
    await new Promise<void>((resolve) => {
      const before = this.#onClosed
      this.#onClosed = () => {
        before?.()
        resolve()
      }
      connection.socket.close(1000, 'the user leaves')
    })
  }

  async #connectFirst(): Promise<void> {
    const failures: HotPocketClientError[] = []
    for (const _url of this.#urls) {
      try {
        const opened = await this.#open()
        // After `connect` has resolved, so that its caller can listen.
        setTimeout(() => {
          if (this.#connection === opened) this.#emitOpen(opened)
        })
        return
      } catch (error) {
        failures.push(error as HotPocketClientError)
        if (this.#abort.signal.aborted) break
      }
    }
    this.#detachSignal()
    const [first] = failures
    if (failures.length === 1 && first !== undefined) throw first
    const message = failures.map((failure) => failure.message).join('; ')
    throw new HotPocketClientError(first?.code ?? 'connect_failed', message, { cause: failures })
  }

  /** Connects to the URL whose turn it is; the next attempt is for the one after it. */
  async #open(): Promise<OpenConnection> {
    const url = this.#urls[this.#urlIndex % this.#urls.length] as string
    this.#urlIndex += 1
    const { keyTools, openWebSocket, connectTimeoutMs } = this.#options
    const connection = await openConnection(url, {
      keyPair: this.#keyPair,
      keyTools,
      openWebSocket,
      timeoutMs: connectTimeoutMs,
      signal: this.#abort.signal
    })
    if (this.#abort.signal.aborted) {
      discard(connection.socket)
      throw new HotPocketClientError('aborted', 'connecting was aborted', { url })
    }
    this.#connection = connection
    this.#sent = 0
    this.#openedAtMs = Date.now()
    const { socket } = connection
    socket.onmessage = (event: { data: unknown }) => this.#receive(event.data)
    socket.onerror = () => {}
    socket.onclose = (event: { code: number; reason: string }) => this.#lose(url, event.code, event.reason)
    return connection
  }

  #emitOpen({ url, challenge }: OpenConnection): void {
    this.#emitter.emit('open', { url, challenge })
  }

  #receive(data: unknown): void {
    if (typeof data === 'string') {
      const notice = readNotice(data)
      if (notice !== null) this.#emitter.emit('notice', notice)
      else this.#emitter.emit('output', { bytes: new TextEncoder().encode(data), text: data })
    } else if (data instanceof ArrayBuffer) {
      this.#emitter.emit('output', { bytes: new Uint8Array(data), text: null })
    }
  }

  #lose(url: string, code: number, reason: string): void {
    if (Date.now() - this.#openedAtMs >= GOOD_CONNECTION_MS) this.#attempts = 0
    this.#connection = null
    const error = closedError(url, code, reason)
    const isOver = this.#abort.signal.aborted
    const willReconnect = !isOver && this.#options.reconnect && error.code !== 'refused'
    this.#emitter.emit('close', { url, code, reason, willReconnect })
    this.#onClosed?.()
    this.#onClosed = null
    if (willReconnect) void this.#reconnect()
    else if (!isOver) {
      this.#detachSignal()
      this.#emitter.emit('error', error)
    }
  }

  async #reconnect(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      await this.#wait(this.#nextDelayMs())
      if (this.#abort.signal.aborted) return
      try {
        this.#emitOpen(await this.#open())
        return
      } catch (error) {
        if (this.#abort.signal.aborted) return
        this.#emitter.emit('error', error as HotPocketClientError)
      }
    }
  }

  /** Doubles with every attempt; half of it is random, so that a node's users do not all come back at once. */
  #nextDelayMs(): number {
    const { minDelayMs, maxDelayMs } = this.#options
    const delayMs = Math.min(maxDelayMs, minDelayMs * 2 ** Math.min(this.#attempts, 20))
    this.#attempts += 1
    return delayMs / 2 + (Math.random() * delayMs) / 2
  }

  #wait(delayMs: number): Promise<void> {
    const { signal } = this.#abort
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', finish)
        resolve()
      }
      const timer = setTimeout(finish, delayMs)
      signal.addEventListener('abort', finish)
    })
  }
}

const CLIENT_DEFAULTS: Required<Omit<ClientOptions, 'keyPair' | 'signal'>> = {
  reconnect: true,
  minDelayMs: 250,
  maxDelayMs: 30_000,
  connectTimeoutMs: 10_000,
  maxUnsentBytes: 64 * 1024 * 1024,
  openWebSocket: openGlobalWebSocket,
  keyTools: webKeyTools
}

function withDefaults(options: ClientOptions): typeof CLIENT_DEFAULTS {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return { ...CLIENT_DEFAULTS, ...Object.fromEntries(given) }
}

function checkUrls(urls: string | string[]): string[] {
  const list = typeof urls === 'string' ? [urls] : [...urls]
  if (list.length === 0) throw new HotPocketClientError('connect_failed', 'no URL to connect to')
  for (const url of list) {
    if (!/^wss?:\/\/./.test(url) || !URL.canParse(url)) {
      throw new HotPocketClientError('connect_failed', `"${url}" is not a ws:// or wss:// URL`, { url })
    }
  }
  return list
}

function checkKeyPair({ publicKey, secretKey }: KeyPair): void {
  if (!/^[0-9a-f]{64}$/.test(publicKey)) {
    throw new HotPocketClientError('bad_key', 'publicKey must be 64 lower-case hex digits')
  }
  if (secretKey.length !== 64) {
    throw new HotPocketClientError('bad_key', 'secretKey must be 64 bytes: the seed and the public key')
  }
}
