import { type Datastore, Key } from 'interface-datastore'
import type { Logger } from 'pino'
import * as v from 'valibot'
import type { PublicKey } from '../consensus/types.js'
import type { PeerScores } from './scores.js'

const PREFIX = '/hp/bans/'
const Stored = v.object({ reason: v.pipe(v.string(), v.maxLength(256)), untilMs: v.number() })

/** The bans that the operator spoke, over restarts. Those for broken rules are short and not kept. */
export class BanStore {
  readonly #store: Datastore
  readonly #scores: PeerScores
  readonly #log: Logger
  #writing: Promise<void> = Promise.resolve()

  constructor(store: Datastore, scores: PeerScores, log: Logger) {
    this.#store = store
    this.#scores = scores
    this.#log = log
  }

  async load(): Promise<void> {
    for await (const { key, value } of this.#store.query({ prefix: PREFIX })) {
      const peer = key.toString().slice(PREFIX.length)
      try {
        const { reason, untilMs } = v.parse(Stored, JSON.parse(Buffer.from(value).toString()))
        const leftMs = untilMs - Date.now()
        if (/^[0-9a-f]{64}$/.test(peer) && leftMs > 0) this.#scores.ban(peer, leftMs, reason)
        else this.remove(peer)
      } catch (error) {
        this.#log.warn({ err: error, entry: key.toString() }, 'a ban in the peer store is not readable; dropped')
        this.remove(peer)
      }
    }
  }

  add(peer: PublicKey, durationMs: number, reason: string): void {
    const value = JSON.stringify({ reason, untilMs: Date.now() + durationMs })
    this.#write(() => this.#store.put(new Key(PREFIX + peer), Buffer.from(value)))
  }

  remove(peer: PublicKey): void {
    this.#write(() => this.#store.delete(new Key(PREFIX + peer)))
  }

  /** Waits for what is being written. */
  async close(): Promise<void> {
    await this.#writing
  }

  #write(work: () => unknown): void {
    this.#writing = this.#writing
      .then(async () => void (await work()))
      .catch((error: unknown) => this.#log.warn({ err: error }, 'the peer store could not be written'))
  }
}
