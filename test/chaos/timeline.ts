/** What was done to a network and what it did, in words, with the time since the start. */
export class Timeline {
  readonly lines: string[] = []
  readonly #startMs = performance.now()

  constructor(private readonly onLine?: (line: string) => void) {}

  tell(what: string): void {
    const line = `${((performance.now() - this.#startMs) / 1000).toFixed(1).padStart(7)} s  ${what}`
    this.lines.push(line)
    this.onLine?.(line)
  }
}
