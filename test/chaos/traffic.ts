import { setTimeout as delay } from 'node:timers/promises'
import { HotPocketClient, type Notice } from '../../src/client/node.js'
import { createKeyPair, type KeyPair } from '../../src/crypto/index.js'
import { inputIdOf } from '../../src/users/proof.js'
import type { UserPlan } from './manifest.js'

/** What a user sent, and what became of it as far as the user was told. */
export interface Sent {
  id: string
  user: string
  text: string
  /** Number of the home connection that it went over, and its place among the inputs of that one. */
  connection: number
  ordinal: number
  isRefused: boolean
}

/** What one node told one user. */
export interface Heard {
  node: number
  user: string
  /** Lines of outputs, in the order they came. */
  lines: string[]
  notices: Notice[]
}

/** An answer is waited for so long before the next input goes out all the same. */
const ANSWER_MS = 15_000
const CONNECT_AGAIN_MS = 200

/** One user: sends numbered lines to one node, hears answers from that one and maybe from another. */
export class ChaosUser {
  readonly sent: Sent[] = []
  readonly heard: Heard[] = []
  readonly keyPair: KeyPair = createKeyPair()
  /** Answered lines, whoever answered. */
  readonly #answers = new Map<string, number>()
  readonly #clients: HotPocketClient[] = []
  readonly #abort = new AbortController()
  /** Home connections so far; the current one has this number. */
  #connection = 0
  #isConnected = false
  #stopped = false
  #talking: Promise<void> = Promise.resolve()
  #next = 0

  constructor(
    readonly name: string,
    readonly plan: UserPlan,
    /** By node. */
    private readonly urls: string[],
    /** The part of an answer that is the line it answers. */
    private readonly lineOf: (answer: string) => string
  ) {}

  get isConnected(): boolean {
    return this.#isConnected
  }
  /** Number of the home connection, and whether it still stands. */
  get connection(): number {
    return this.#connection
  }
  get answered(): number {
    return this.#answers.size
  }

  async connect(): Promise<void> {
    const { home, listens } = this.plan
    this.#clients.push(await this.#join(home, true))
    if (listens !== null) this.#clients.push(await this.#join(listens, false))
  }

  start(): void {
    this.#talking = this.#talk()
  }

  /** No further inputs; the connections stay. */
  async quiet(): Promise<void> {
    this.#stopped = true
    await this.#talking
  }

  async close(): Promise<void> {
    this.#stopped = true
    this.#abort.abort()
    await this.#talking
    await Promise.all(this.#clients.map((client) => client.close()))
  }

  /** Sends one line and waits until it is answered; false when that takes longer than `timeoutMs`. */
  async ask(timeoutMs: number): Promise<boolean> {
    const endMs = performance.now() + timeoutMs
    while (performance.now() < endMs) {
      const connection = this.#connection
      const text = this.#isConnected ? this.#send() : null
      if (text === null) {
        await delay(CONNECT_AGAIN_MS)
        continue
      }
      while (performance.now() < endMs && this.#connection === connection && this.#isConnected) {
        if (this.#answers.has(text)) return true
        await delay(10)
      }
    }
    return false
  }

  async #join(node: number, isHome: boolean): Promise<HotPocketClient> {
    const heard: Heard = { node, user: this.keyPair.publicKey, lines: [], notices: [] }
    this.heard.push(heard)
    const client = await HotPocketClient.connect([this.urls[node] as string], {
      keyPair: this.keyPair,
      reconnect: true,
      minDelayMs: CONNECT_AGAIN_MS,
      maxDelayMs: 500,
      signal: this.#abort.signal
    })
    if (isHome) this.#isConnected = true
    client.on('open', () => {
      if (isHome && !this.#isConnected) {
        this.#connection++
        this.#isConnected = true
      }
    })
    client.on('close', () => {
      if (isHome) this.#isConnected = false
    })
    client.on('error', () => {})
    client.on('output', ({ bytes }) => {
      const lines = Buffer.from(bytes).toString('latin1').split('\n').slice(0, -1)
      heard.lines.push(...lines)
      for (const line of lines) {
        const text = this.lineOf(line)
        this.#answers.set(text, (this.#answers.get(text) ?? 0) + 1)
      }
    })
    client.on('notice', (notice) => {
      heard.notices.push(notice)
      if (!isHome || notice.notice !== 'input_refused') return
      const { challenge } = client
      const refused = this.sent.find(
        ({ connection, ordinal }) => connection === this.#connection && ordinal === notice.input
      )
      if (challenge !== null && refused !== undefined) refused.isRefused = true
    })
    return client
  }

  /** Null when the connection has just gone. */
  #send(): string | null {
    const client = this.#clients[0] as HotPocketClient
    const { challenge } = client
    if (challenge === null) return null
    const head = `${this.name}-${this.#next} `
    const text = head.padEnd(this.plan.bytes, 'abcdefghij')
    const bytes = Buffer.from(`${text}\n`)
    let ordinal: number
    try {
      ordinal = client.send(`${text}\n`)
    } catch {
      return null
    }
    this.#next++
    const user = this.keyPair.publicKey
    const id = inputIdOf(user, challenge, ordinal, bytes)
    this.sent.push({ id, user, text, connection: this.#connection, ordinal, isRefused: false })
    return text
  }

  async #talk(): Promise<void> {
    while (!this.#stopped) {
      const connection = this.#connection
      const texts: string[] = []
      for (let count = 0; count < this.plan.burst; count++) {
        const text = this.#isConnected ? this.#send() : null
        if (text !== null) texts.push(text)
      }
      if (texts.length === 0) {
        await delay(CONNECT_AGAIN_MS)
        continue
      }
      const endMs = performance.now() + ANSWER_MS
      while (!this.#stopped && performance.now() < endMs && this.#connection === connection && this.#isConnected) {
        if (texts.every((text) => this.#answers.has(text))) break
        await delay(10)
      }
      if (this.plan.pauseMs > 0) await delay(this.plan.pauseMs)
    }
  }
}
