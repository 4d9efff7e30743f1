/** A signal that ends after a time or with its parent, and leaves no timer or listener behind once cleared. */
export class Deadline {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout | undefined
  readonly #parent: AbortSignal | undefined
  readonly #onParent = (): void => this.#controller.abort(this.#parent?.reason)
  timedOut = false

  readonly #fixed: boolean

  /** `timeoutMs` may be Infinity. A fixed deadline is not moved by `refresh`. */
  constructor(timeoutMs: number, parent?: AbortSignal, fixed = false) {
    this.#parent = parent
    this.#fixed = fixed
    if (parent?.aborted === true) this.#controller.abort(parent.reason)
    else parent?.addEventListener('abort', this.#onParent, { once: true })
    if (timeoutMs === Number.POSITIVE_INFINITY) return
    this.#timer = setTimeout(() => {
      this.timedOut = true
      this.#controller.abort(new Error(`no answer in ${timeoutMs} ms`))
    }, timeoutMs)
    this.#timer.unref()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Starts the time anew: something arrived or left. */
  refresh(): void {
    if (!this.#fixed && !this.signal.aborted) this.#timer?.refresh()
  }

  clear(): void {
    clearTimeout(this.#timer)
    this.#parent?.removeEventListener('abort', this.#onParent)
  }
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
