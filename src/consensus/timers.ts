import type { ConsensusEffect, TimerKind } from './events.js'

/** Timers of a whole seq; the others are of one attempt. */
const LASTING = new Set<TimerKind>(['resend', 'min-pace', 'idle-pace'])

/** The timers of one seq: each is set once, those of an attempt once in it. */
export class Timers {
  readonly #seq: number
  readonly #emit: (effect: ConsensusEffect) => void
  readonly #set = new Set<TimerKind>()
  #attempt = 0

  constructor(seq: number, emit: (effect: ConsensusEffect) => void) {
    this.#seq = seq
    this.#emit = emit
  }

  set(kind: TimerKind, delayMs: number): void {
    if (this.#set.has(kind)) return
    this.#set.add(kind)
    this.#emit({ type: 'timer', timer: { kind, seq: this.#seq, attempt: this.#attempt }, delayMs })
  }

  setAgain(kind: TimerKind, delayMs: number): void {
    this.#set.delete(kind)
    this.set(kind, delayMs)
  }

  enterAttempt(attempt: number): void {
    this.#attempt = attempt
    for (const kind of this.#set) if (!LASTING.has(kind)) this.#set.delete(kind)
  }
}
