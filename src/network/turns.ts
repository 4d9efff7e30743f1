/** At most so many at one time; the others wait in the order in which they came. */
export class Turns {
  readonly #max: number
  readonly #waiting: (() => void)[] = []
  #active = 0

  constructor(max: number) {
    this.#max = max
  }

  get isIdle(): boolean {
    return this.#active === 0 && this.#waiting.length === 0
  }

  /** Resolves with the function that ends the turn (once, whatever it is called). Rejects with the signal's reason. */
  async take(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    if (this.#active >= this.#max) await this.#wait(signal)
    else this.#active += 1
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      // Handed on without being given up, so that nobody who comes now gets in between.
      const next = this.#waiting.shift()
      if (next === undefined) this.#active -= 1
      else next()
    }
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const start = (): void => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(start), 1)
        reject(signal.reason)
      }
      signal.addEventListener('abort', leave, { once: true })
      this.#waiting.push(start)
    })
  }
}
