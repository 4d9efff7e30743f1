import { HotPocketClient, type Notice } from '../../src/client/node.js'
import { createKeyPair, type KeyPair } from '../../src/crypto/index.js'
import { waitUntil } from './wait.js'

/** A user of the network, with everything that the nodes told them. */
export class User {
  readonly outputs: Uint8Array[] = []
  readonly notices: Notice[] = []
  /** Reasons of connections that ended. */
  readonly closes: string[] = []
  #text = ''

  private constructor(
    readonly client: HotPocketClient,
    readonly keyPair: KeyPair,
    /** What the failure of a wait shows beside what the user saw. */
    private readonly context: () => Promise<string>
  ) {
    client.on('output', ({ bytes }) => {
      this.outputs.push(bytes)
      this.#text += Buffer.from(bytes).toString('latin1')
    })
    client.on('notice', (notice) => this.notices.push(notice))
    client.on('close', ({ code, reason }) => this.closes.push(`${code} ${reason}`))
    client.on('error', () => {})
  }

  static async connect(
    urls: string[],
    options: { keyPair?: KeyPair; reconnect?: boolean; context?: () => Promise<string> } = {}
  ): Promise<User> {
    const { keyPair = createKeyPair(), reconnect = false, context = async () => '' } = options
    const client = await HotPocketClient.connect(urls, { keyPair, reconnect, maxDelayMs: 500 })
    return new User(client, keyPair, context)
  }

  get key(): string {
    return this.client.publicKey
  }
  /** All outputs joined, each byte one character. */
  get text(): string {
    return this.#text
  }

  send(input: string | Uint8Array): void {
    this.client.send(input)
  }

  /** Waits until the outputs hold `text`. */
  async waitForText(text: string, timeoutMs?: number): Promise<void> {
    await waitUntil(`output ${JSON.stringify(text)}`, () => this.#text.includes(text), {
      everyMs: 2,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      describe: () => this.describe()
    })
  }

  async waitForNotice(kind: string, timeoutMs?: number): Promise<Notice> {
    return waitUntil(`notice ${kind}`, () => this.notices.find(({ notice }) => notice === kind), {
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      describe: () => this.describe()
    })
  }

  /** Sends a line to a contract that answers every input, and waits for the next output. */
  async ask(input: string, timeoutMs?: number): Promise<string> {
    const before = this.outputs.length
    this.send(input)
    await waitUntil(`an output for ${JSON.stringify(input)}`, () => this.outputs.length > before, {
      everyMs: 2,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      describe: () => this.describe()
    })
    return Buffer.from(this.outputs[before] as Uint8Array).toString()
  }

  async describe(): Promise<string> {
    const last = this.#text.slice(-300)
    return `outputs end with ${JSON.stringify(last)}, notices ${JSON.stringify(this.notices.slice(-5))}, closes ${JSON.stringify(this.closes)}\n${await this.context()}`
  }

  async close(): Promise<void> {
    await this.client.close()
  }
}
