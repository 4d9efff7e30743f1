import type { HotPocketClient, Notice, Output } from '../client/node.js'
import { CliError } from './errors.js'

/** Notices that stand for the outputs of a whole ledger. */
const LEDGER_NOTICES = new Set(['ledger_void', 'execution_failed'])

export interface Answer {
  kind: 'output' | 'notice'
  /** What to show, without the last line end. */
  text: string
  bytes: number
}

function textOf(output: Output): string {
  const text = output.text ?? Buffer.from(output.bytes).toString('utf8')
  const isText = output.text !== null || Buffer.from(text).equals(Buffer.from(output.bytes))
  return isText ? text.replace(/\r?\n$/, '') : `0x${Buffer.from(output.bytes).toString('hex')}`
}

/** How many inputs an output answers at most: a contract that is sent several lines at once answers in lines. */
function countLines(output: Output): number {
  let lines = 0
  for (const byte of output.bytes) if (byte === 10) lines++
  return Math.max(1, lines)
}

function describeNotice(notice: Notice): string {
  const { notice: what, reason, seq } = notice
  const where = seq === undefined ? '' : ` in ledger ${seq}`
  return `${what.replaceAll('_', ' ')}${where}${reason === undefined ? '' : `: ${reason}`}`
}

/**
 * A user who sends lines and counts the answers. An output counts for as many inputs as it has lines, since inputs that
 * fall into one ledger are answered by one output.
 */
export class UserSession {
  /** Inputs that are not answered yet. */
  outstanding = 0
  #refused = 0
  #failure: Error | null = null
  #wake = new Set<() => void>()

  constructor(
    readonly client: HotPocketClient,
    readonly show: (answer: Answer) => void
  ) {
    client.on('output', (output) => this.#take(output))
    client.on('notice', (notice) => this.#notice(notice))
    client.on('error', (error) => this.#fail(error))
    client.on('close', ({ reason, code, willReconnect }) => {
      const error = new CliError(`the node closed the connection (${code}${reason === '' ? '' : `: ${reason}`})`)
      if (!willReconnect) this.#fail(error)
    })
  }

  /** Inputs that the node refused and ledgers whose execution brought nothing. */
  get refused(): number {
    return this.#refused
  }

  get failure(): Error | null {
    return this.#failure
  }

  /** Sends one line as an input; the line end goes with it, so that a contract can tell inputs apart. */
  sendLine(line: string): void {
    if (this.#failure !== null) throw this.#failure
    this.outstanding++
    try {
      this.client.send(`${line}\n`)
    } catch (error) {
      this.outstanding--
      throw error
    }
  }

  /** True when no more than `left` inputs lack their answer in time. Throws when the connection fails. */
  async waitForAnswers(timeoutMs: number, left = 0): Promise<boolean> {
    const endMs = Date.now() + timeoutMs
    while (this.outstanding > left) {
      if (this.#failure !== null) throw this.#failure
      const leftMs = endMs - Date.now()
      if (leftMs <= 0) return false
      await this.#change(leftMs)
    }
    return true
  }

  #change(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#wake.delete(done)
        resolve()
      }
      const timer = setTimeout(done, timeoutMs)
      this.#wake.add(done)
    })
  }

  #take(output: Output): void {
    this.outstanding = Math.max(0, this.outstanding - countLines(output))
    this.show({ kind: 'output', text: textOf(output), bytes: output.bytes.length })
    this.#notify()
  }

  #notice(notice: Notice): void {
    if (notice.notice === 'input_refused') this.outstanding = Math.max(0, this.outstanding - 1)
    else if (LEDGER_NOTICES.has(notice.notice)) this.outstanding = 0
    if (notice.notice === 'input_refused' || LEDGER_NOTICES.has(notice.notice)) this.#refused++
    this.show({ kind: 'notice', text: describeNotice(notice), bytes: 0 })
    this.#notify()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#notify()
  }

  #notify(): void {
    for (const wake of [...this.#wake]) wake()
  }
}
