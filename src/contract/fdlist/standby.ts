import type { Logger } from 'pino'
import type { RunMarker } from '../process/run-marker.js'
import { OWN_INPUTS_MAX } from './channels.js'
import { FdListStart, type StartFacts, type StartOptions } from './start.js'

/** After many that could not be used in a row, one is made this seldom, in executions. */
const PAUSE_MAX = 31

export interface StandbyOptions {
  /** What a start needs beside the facts. */
  tools: Omit<StartOptions, keyof StartFacts>
  marker: RunMarker
  log: Logger
}

/** How the executions in a sandbox began. */
export interface StartCounts {
  /** In one that was made ahead. */
  ahead: number
  /** That were made ahead and could not be used. */
  discarded: number
  /** Why the last one could not. */
  lastReason: string | null
}

/**
 * The start of the next execution, made while nothing else is to be done: its sandbox stands, its descriptors are open,
 * and it waits for content. At most one. It is only ever used when it is what a new one would be; else it is ended, and
 * the execution starts as it would have without.
 */
export class Standby {
  readonly counts: StartCounts = { ahead: 0, discarded: 0, lastReason: null }
  readonly #options: StandbyOptions
  #start: FdListStart | null = null
  #timer: NodeJS.Timeout | null = null
  /** In a row. */
  #misses = 0
  /** Executions to let pass. */
  #pause = 0
  #ending: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(options: StandbyOptions) {
    this.#options = options
  }

  /** Makes one for the same facts in `delayMs`, unless `take` comes before. `facts` is asked then; null makes none. */
  prepare(delayMs: number, facts: () => StartFacts | null): void {
    if (this.#isStopped || this.#start !== null || this.#timer !== null || !this.#options.tools.sandbox.canWait) return
    if (this.#pause > 0) {
      this.#pause--
      return
    }
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#make(facts)
    }, delayMs)
    this.#timer.unref()
  }

  /** The one that was made, for the caller to run and to close; null when there is none for these facts. */
  async take(facts: StartFacts): Promise<FdListStart | null> {
    this.#cancel()
    const start = this.#start
    const reason = await start?.findDifference(facts).catch((error: Error) => error.message)
    if (start === null || this.#start !== start) {
      // One that was ended, perhaps meanwhile.
      await this.#ending
      return null
    }
    if (reason === null) {
      this.#start = null
      this.#misses = 0
      this.counts.ahead++
      return start
    }
    this.#options.log.debug(`The sandbox made ahead is not used: ${reason}.`)
    this.counts.discarded++
    this.counts.lastReason = reason ?? null
    this.#pause = Math.min(PAUSE_MAX, 2 ** this.#misses - 1)
    this.#misses++
    await this.discard()
    return null
  }

  /** Ends the one that was made, and waits until it is gone. Idempotent. */
  discard(): Promise<void> {
    this.#cancel()
    const start = this.#start
    this.#start = null
    if (start !== null) this.#ending = this.#ending.then(() => this.#end(start))
    return this.#ending
  }

  /** As discard, and none is made any more. */
  stop(): Promise<void> {
    this.#isStopped = true
    return this.discard()
  }

  #make(facts: () => StartFacts | null): void {
    const { tools, marker } = this.#options
    try {
      const wanted = facts()
      if (wanted === null || wanted.userCount > OWN_INPUTS_MAX) return
      const start = new FdListStart({ ...tools, ...wanted }, null)
      this.#start = start
      start.start().catch((error: Error) => this.#giveUp(error))
      const pid = start.child?.pid ?? null
      if (pid !== null) marker.set(pid)
    } catch (error) {
      this.#giveUp(error as Error)
    }
  }

  async #end(start: FdListStart): Promise<void> {
    try {
      await start.discard()
      this.#options.marker.clear()
    } catch (error) {
      this.#options.log.warn(`A sandbox that was made ahead could not be ended in order: ${(error as Error).message}`)
    }
  }

  /** The execution will say what is wrong, if it still is then. */
  #giveUp(error: Error): void {
    this.#options.log.debug(`No sandbox could be made ahead: ${error.message}`)
    this.#pause = PAUSE_MAX
    void this.discard()
  }

  #cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }
}
