import { createInterface } from 'node:readline'
import { printable, printLines } from './output.js'
import type { Answer, UserSession } from './session.js'

/** Longest line taken from a pipe; more is a mistake or an attack, and no node takes it. */
const MAX_LINE_BYTES = 64 * 1024 * 1024
/** Inputs sent and not answered: more wait in the pipe. */
const MAX_OUTSTANDING = 256

/** An answer for scripts: outputs on stdout, notices on stderr. */
export function showPlain(answer: Answer): void {
  const text = process.stdout.isTTY === true ? printLines(answer.text) : answer.text
  if (answer.kind === 'output') process.stdout.write(`${text}\n`)
  else process.stderr.write(`hp-p2p: ${printable(answer.text)}\n`)
}

/** The lines of a stream, read no faster than they are taken. */
async function* readLines(input: NodeJS.ReadableStream): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of input) {
    rest += decoder.decode(chunk as Uint8Array, { stream: true })
    let start = 0
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', start)) {
      yield rest.slice(start, end).replace(/\r$/, '')
      start = end + 1
    }
    rest = rest.slice(start)
    if (rest.length > MAX_LINE_BYTES) throw new Error(`a line is longer than ${MAX_LINE_BYTES} characters`)
  }
  if (rest !== '') yield rest
}

export interface LinesResult {
  sent: number
  unanswered: number
}

/** Sends every line of the stream, then waits for what is not answered yet. */
export async function sendLines(
  session: UserSession,
  input: NodeJS.ReadableStream,
  timeoutMs: number
): Promise<LinesResult> {
  let sent = 0
  for await (const line of readLines(input)) {
    if (line === '') continue
    // An answer that never comes holds back the next lines for a while, not for ever.
    await session.waitForAnswers(timeoutMs, MAX_OUTSTANDING - 1)
    session.sendLine(line)
    sent++
  }
  await session.waitForAnswers(timeoutMs)
  return { sent, unanswered: session.outstanding }
}

/** Sends one input at a time and waits for its answer before the next. */
export async function sendOneByOne(session: UserSession, lines: string[], timeoutMs: number): Promise<LinesResult> {
  let sent = 0
  for (const line of lines) {
    session.sendLine(line)
    sent++
    if (!(await session.waitForAnswers(timeoutMs))) break
  }
  return { sent, unanswered: session.outstanding + lines.length - sent }
}

export interface Prompt {
  /** Writes above the line that is being typed. */
  show(text: string): void
  /** Resolves when the user leaves (Ctrl-C, Ctrl-D). */
  ended: Promise<void>
  close(): void
}

/** A prompt in the terminal; each line typed is handed to `onLine`. */
export function openPrompt(onLine: (line: string) => void): Prompt {
  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' })
  const ended = new Promise<void>((resolve) => terminal.once('close', resolve))
  terminal.on('line', (line) => {
    if (line !== '') onLine(line)
    terminal.prompt()
  })
  terminal.on('SIGINT', () => terminal.close())
  terminal.prompt()
  return {
    show: (text) => {
      process.stdout.write(`\r\x1b[K${text}\n`)
      terminal.prompt(true)
    },
    ended,
    close: () => terminal.close()
  }
}
