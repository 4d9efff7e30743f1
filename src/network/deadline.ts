import { setMaxListeners } from 'node:events'
import { awakeNow } from './awake.js'

/**
 * A signal that ends after a time (in which this process could run) or with its parent, and leaves no timer or listener
 * behind once cleared.
 */
export class Deadline {
  readonly #controller = new AbortController()
  readonly #timeoutMs: number
  readonly #parent: AbortSignal | undefined
  readonly #onParent = (): void => this.#controller.abort(this.#parent?.reason)
  readonly #fixed: boolean
  #timer: NodeJS.Timeout | undefined
  #dueMs = Number.POSITIVE_INFINITY
  timedOut = false

  /** `timeoutMs` may be Infinity. A fixed deadline is not moved by `refresh`. */
  constructor(timeoutMs: number, parent?: AbortSignal, fixed = false) {
    this.#timeoutMs = timeoutMs
    this.#parent = parent
    this.#fixed = fixed
    if (parent?.aborted === true) this.#controller.abort(parent.reason)
    else parent?.addEventListener('abort', this.#onParent, { once: true })
    if (timeoutMs === Number.POSITIVE_INFINITY) return
    this.#dueMs = awakeNow() + timeoutMs
    this.#wait(timeoutMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Starts the time anew: something arrived or left. */
  refresh(): void {
    if (this.#fixed || this.signal.aborted || this.#timer === undefined) return
    this.#dueMs = awakeNow() + this.#timeoutMs
    this.#timer.refresh()
  }

  clear(): void {
    clearTimeout(this.#timer)
    this.#parent?.removeEventListener('abort', this.#onParent)
  }

  #wait(waitMs: number): void {
    this.#timer = setTimeout(() => {
      const leftMs = this.#dueMs - awakeNow()
      if (leftMs > 1) return this.#wait(leftMs)
      this.timedOut = true
      this.#controller.abort(new Error(`no answer in ${this.#timeoutMs} ms`))
    }, waitMs)
    this.#timer.unref()
  }
}

/** For a part that stops once: as many as wait for its end may listen, and all of them are bounded elsewhere. */
export function createStopper(): AbortController {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  return controller
}

/** Settles as `work` does, or rejects with the signal's reason as soon as the signal ends. */
export function raceAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
