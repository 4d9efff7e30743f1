/** Where and why a text is not the JSON that is wanted; line and column count from 1. */
export interface JsonProblem {
  kind: 'syntax' | 'duplicate-key'
  line: number
  column: number
  reason: string
  /** The repeated key. */
  key?: string
}

class Stop extends Error {
  constructor(
    readonly at: number,
    readonly reason: string,
    readonly key?: string
  ) {
    super(reason)
  }
}

/** Nothing in a configuration nests deeper; the bound keeps a hostile file from exhausting the stack. */
const MAX_DEPTH = 32
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const WORD = /true|false|null/y
const BLANK = /[ \t\r\n]*/y

/**
 * Walks over JSON (RFC 8259) to tell where it is wrong: the message of JSON.parse differs between Node versions and
 * often has no position, and it lets a repeated key pass.
 */
class Scanner {
  #at = 0

  constructor(readonly text: string) {}

  scan(): void {
    this.#blank()
    this.#value(0)
    this.#blank()
    if (this.#at < this.text.length) throw new Stop(this.#at, 'there is something after the end of the object')
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.text)
    if (found === null) return null
    this.#at += found[0].length
    return found[0]
  }

  #blank(): void {
    this.#match(BLANK)
  }

  #value(depth: number): void {
    if (depth > MAX_DEPTH) throw new Stop(this.#at, 'it nests too deeply')
    const character = this.text[this.#at]
    if (character === undefined) throw new Stop(this.#at, 'the text ends too early')
    if (character === '{') this.#members(depth, '}', true)
    else if (character === '[') this.#members(depth, ']', false)
    else if (character === '"') this.#string()
    else if (this.#match(NUMBER) === null && this.#match(WORD) === null) {
      throw new Stop(this.#at, `a value is expected, not ${JSON.stringify(character)}`)
    }
  }

  #string(): string {
    const start = this.#at
    if (this.text[start] !== '"') throw new Stop(start, 'a key in double quotes is expected')
    let end = start + 1
    while (end < this.text.length && this.text[end] !== '"') {
      if (this.text.charCodeAt(end) < 32)
        throw new Stop(end, 'a string holds a line break or another control character')
      end += this.text[end] === '\\' ? 2 : 1
    }
    if (end >= this.text.length) throw new Stop(start, 'the string is not closed')
    this.#at = end + 1
    try {
      return JSON.parse(this.text.slice(start, end + 1)) as string
    } catch {
      throw new Stop(start, 'the string holds a bad escape')
    }
  }

  #members(depth: number, end: string, keyed: boolean): void {
    const seen = new Set<string>()
    this.#at++
    this.#blank()
    if (this.text[this.#at] === end) {
      this.#at++
      return
    }
    for (;;) {
      this.#blank()
      if (this.text[this.#at] === end) throw new Stop(this.#at, 'there is a comma too many before it')
      if (keyed) this.#key(seen)
      this.#value(depth + 1)
      this.#blank()
      const next = this.text[this.#at]
      if (next !== ',' && next !== end) {
        throw new Stop(
          this.#at,
          next === undefined ? 'the text ends too early' : `a comma or ${end} is missing before it`
        )
      }
      this.#at++
      if (next === end) return
    }
  }

  #key(seen: Set<string>): void {
    const start = this.#at
    const key = this.#string()
    if (seen.has(key)) throw new Stop(start, 'is there twice: keep one of them', key)
    seen.add(key)
    this.#blank()
    if (this.text[this.#at] !== ':') throw new Stop(this.#at, 'a colon is missing')
    this.#at++
    this.#blank()
  }
}

/** The first fault of a JSON text, or null when it is sound and no object repeats a key. */
export function findJsonProblem(text: string): JsonProblem | null {
  try {
    new Scanner(text).scan()
    return null
  } catch (error) {
    if (!(error instanceof Stop)) throw error
    const before = text.slice(0, error.at)
    const line = before.split('\n').length
    const column = error.at - (before.lastIndexOf('\n') + 1) + 1
    const problem = { line, column, reason: error.reason }
    return error.key === undefined
      ? { kind: 'syntax', ...problem }
      : { kind: 'duplicate-key', ...problem, key: error.key }
  }
}
