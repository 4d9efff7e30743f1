import { setTimeout as delay } from 'node:timers/promises'
import type { User } from './user.js'

/**
 * Sends notes to the contract obedient.sh, one after another, each unlike any other, through losses of the connection.
 * What is not answered when a connection ends stays open: it may be in a ledger or not.
 */
export class Talker {
  readonly sent: string[] = []
  readonly answered = new Set<string>()
  #stopped = false
  readonly #done: Promise<void>

  constructor(
    readonly user: User,
    readonly name: string,
    /** Between an answer and the next note. */
    private readonly pauseMs = 0
  ) {
    this.#done = this.#talk()
  }

  /** Ends after the current note. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
  }

  async #talk(): Promise<void> {
    for (let number = 0; !this.#stopped; number++) {
      const note = `${this.name}-${number}`
      const connections = this.user.closes.length
      try {
        this.user.send(`note ${note}\n`)
      } catch {
        await delay(20)
        continue
      }
      this.sent.push(note)
      while (this.user.closes.length === connections && !this.#isAnswered(note)) await delay(5)
      if (this.pauseMs > 0 && !this.#stopped) await delay(this.pauseMs)
    }
    for (const note of this.sent) this.#isAnswered(note)
  }

  #isAnswered(note: string): boolean {
    if (this.user.text.includes(`noted ${note}\n`)) this.answered.add(note)
    return this.answered.has(note)
  }
}
