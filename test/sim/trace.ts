/** Folds everything that happens into one hash (FNV-1a, two lanes), and keeps readable lines when wanted. */
export class Trace {
  #low = 0x811c9dc5
  #high = 0x9dc5811c
  readonly #lines: string[] | null
  readonly #linesMax: number

  constructor(keepLines: boolean, linesMax = 4000) {
    this.#lines = keepLines ? [] : null
    this.#linesMax = linesMax
  }

  fold(value: number): void {
    this.#low = Math.imul(this.#low ^ (value & 0xffffffff), 0x01000193)
    this.#high = Math.imul(this.#high ^ (this.#low >>> 7) ^ value, 0x01000197)
  }

  foldHash(hash: string | null): void {
    this.fold(hash === null ? 0 : Number.parseInt(hash.slice(0, 8), 16))
  }

  /** `line` is called only when lines are kept. */
  note(line: () => string): void {
    if (this.#lines === null) return
    this.#lines.push(line())
    if (this.#lines.length > this.#linesMax * 2) this.#lines.splice(0, this.#linesMax)
  }

  get lines(): string[] {
    return this.#lines?.slice(-this.#linesMax) ?? []
  }

  get hash(): string {
    const hex = (lane: number) => (lane >>> 0).toString(16).padStart(8, '0')
    return hex(this.#low) + hex(this.#high)
  }
}
