import { EMPTY_OUTPUTS_ROOT } from '../codec/ledger.js'
import type { Timers } from './timers.js'
import type { ConsensusConfig, ExecutionResult } from './types.js'

/** When this node proposes: once the last ledger is executed, at once when somebody waits, else at leisure. */
export class Pace {
  #config: ConsensusConfig
  /** Of the last ledger; null until it is executed. */
  #result: ExecutionResult | null = null
  #lastInputCount: number
  /** The proposal was asked for. */
  #asked = false
  #inputsWaiting = false
  #minPaceOver = false
  #idlePaceOver = false

  /** @param lastInputCount inputs in the last ledger */
  constructor(config: ConsensusConfig, lastInputCount: number) {
    this.#config = config
    this.#lastInputCount = lastInputCount
  }

  /** A ledger is closed: the next seq begins. */
  reset(lastInputCount: number, config: ConsensusConfig): void {
    this.#config = config
    this.#lastInputCount = lastInputCount
    this.#result = null
    this.#asked = false
    this.#idlePaceOver = false
  }

  setTimers(timers: Timers): void {
    this.#minPaceOver = this.#config.minRoundtimeMs === 0
    if (!this.#minPaceOver) timers.set('min-pace', this.#config.minRoundtimeMs)
    timers.set('idle-pace', this.#config.roundtimeMs)
  }

  noteResult(result: ExecutionResult): void {
    this.#result = result
  }
  noteInputs(): void {
    this.#inputsWaiting = true
  }
  /** A proposal for this seq was made before a restart. */
  noteProposal(): void {
    this.#asked = true
  }
  noteTimer(kind: 'min-pace' | 'idle-pace'): void {
    if (kind === 'min-pace') this.#minPaceOver = true
    else this.#idlePaceOver = true
  }

  /**
   * @param othersProposed somebody's proposal for this seq has come
   * @returns the result to propose when it is time; once in each seq
   */
  takeTurn(othersProposed: boolean): ExecutionResult | null {
    const isDue = this.#idlePaceOver || this.#inputsWaiting || this.#outputsWaiting() || othersProposed
    if (this.#asked || this.#result === null || !this.#minPaceOver || !isDue) return null
    this.#asked = true
    this.#inputsWaiting = false
    return this.#result
  }

  /** True when users wait for what the last ledger's inputs led to. */
  #outputsWaiting(): boolean {
    if (this.#result === null || this.#lastInputCount === 0) return false
    return this.#result.status === 'failed' || this.#result.outputsRoot !== EMPTY_OUTPUTS_ROOT
  }
}
