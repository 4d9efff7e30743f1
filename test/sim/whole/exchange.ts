import type { RequestError } from '../../../src/network/errors.js'
import type { RequestOptions } from '../../../src/network/index.js'
import type { Hub } from './hub.js'
import type { SimNetwork } from './sim-network.js'

const FIRST_BYTE_MS = 10_000
/** What is on a way that is cut tries again so often. */
const CUT_RETRY_MS = 200

/** One request and its answer, message by message, in order; the peer may be gone or cut off on the way. */
export class Exchange {
  readonly #hub: Hub
  readonly #from: SimNetwork
  readonly #to: SimNetwork
  readonly #options: RequestOptions
  readonly #makeError: (code: RequestError['code'], message: string) => Error
  readonly #sent: (Buffer | Error | null)[] = []
  readonly #arrived: (Buffer | Error | null)[] = []
  readonly #stop = new AbortController()
  #wake: (() => void) | null = null
  #isOver = false
  #hasAnswer = false

  constructor(
    hub: Hub,
    from: SimNetwork,
    to: SimNetwork,
    options: RequestOptions,
    makeError: (code: RequestError['code'], message: string) => Error
  ) {
    this.#hub = hub
    this.#from = from
    this.#to = to
    this.#options = options
    this.#makeError = makeError
  }

  begin(name: string, body: Buffer): void {
    const { firstByteMs = FIRST_BYTE_MS, totalMs } = this.#options.timeouts ?? {}
    this.#options.signal?.addEventListener('abort', this.#onAbort)
    if (this.#options.signal?.aborted === true) this.#onAbort()
    const late = (): void => this.#put(this.#makeError('timeout', 'no answer in time'))
    this.#from.process.after(firstByteMs, () => {
      if (!this.#hasAnswer) late()
    })
    if (totalMs !== undefined) this.#from.process.after(totalMs, late)
    if (this.#hub.losesRequest()) return
    this.#carry(this.#from, this.#to, () => void this.#serve(name, body))
  }

  readonly #onAbort = (): void => this.#put(this.#makeError('closed', 'the request was given up'))

  /** A stream waits until its way is free again, or for ever. */
  #carry(from: SimNetwork, to: SimNetwork, arrive: () => void): void {
    if (this.#isOver) return
    if (this.#hub.isCut(from.publicKey, to.publicKey)) {
      this.#hub.clock.schedule(CUT_RETRY_MS, () => this.#carry(from, to, arrive))
      return
    }
    this.#hub.clock.schedule(this.#hub.delay(), () => {
      if (to.process.isAlive) arrive()
    })
  }

  async #serve(name: string, body: Buffer): Promise<void> {
    const to = this.#to
    try {
      const service = to.service(name)
      if (service === null) throw this.#makeError(to.isOpen ? 'unsupported' : 'closed', `no ${name} there`)
      const answer = service.handler(body, this.#from.publicKey, this.#stop.signal)
      if (answer instanceof Promise) this.#answer(Buffer.from(await answer))
      else {
        for await (const message of answer) {
          if (this.#isOver) break
          this.#answer(Buffer.from(message))
        }
      }
      this.#answer(null)
    } catch (error) {
      const { code, message } = error as RequestError
      this.#answer(this.#makeError(code === 'refused' || code === 'closed' ? code : 'failed', message))
    }
  }

  /** In order: none overtakes the one before. */
  #answer(item: Buffer | Error | null): void {
    this.#sent.push(item)
    if (this.#sent.length === 1) this.#hub.clock.schedule(this.#hub.delay(), () => this.#carryBack())
  }

  #carryBack(): void {
    if (this.#isOver || !this.#from.process.isAlive) return
    if (this.#hub.isCut(this.#to.publicKey, this.#from.publicKey)) {
      this.#hub.clock.schedule(CUT_RETRY_MS, () => this.#carryBack())
      return
    }
    const item = this.#sent.shift() as Buffer | Error | null
    const isTooLarge = Buffer.isBuffer(item) && item.length > (this.#options.maxResponseBytes ?? item.length)
    this.#put(isTooLarge ? this.#makeError('too-large', 'the answer is too large') : item)
    if (this.#sent.length > 0) this.#hub.clock.schedule(0.05, () => this.#carryBack())
  }

  /** The connection is gone. */
  cut(): void {
    this.#put(this.#makeError('closed', 'the peer is gone'))
  }

  #put(item: Buffer | Error | null): void {
    this.#hasAnswer = true
    this.#arrived.push(item)
    this.#wake?.()
  }

  /** The next message; null at the end. Throws what the request ended with. */
  async next(): Promise<Buffer | null> {
    while (this.#arrived.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const item = this.#arrived.shift() as Buffer | Error | null
    if (item instanceof Error) throw item
    return item
  }

  end(): void {
    this.#isOver = true
    this.#stop.abort()
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
  }
}
