import type { Ledger } from '../../src/consensus/types.js'
import type { Manifest } from './manifest.js'
import type { Heard, Sent } from './traffic.js'
import { Violation } from './violation.js'

/** A chain as one node keeps it. */
export interface PlayedChain {
  name: string
  ledgers: Map<number, Ledger>
  tip: number
}

/** The home connection of a user just before the nodes were stopped. */
export interface ConnectionEnd {
  connection: number
  isConnected: boolean
}

/** What a user has sent and heard. */
export interface Told {
  readonly name: string
  readonly sent: Sent[]
  readonly heard: Heard[]
}

export interface Played {
  /** What state/book must hold. */
  book: string
  /** Id of each executed input -> its one right answer, a line. */
  answers: Map<string, string>
  inputs: number
  undone: number
}

/** What the contract must have made of the inputs of a chain, worked out anew. */
export function replay(
  contract: Manifest['contract'],
  { name, ledgers, tip }: PlayedChain,
  sent: Map<string, Sent>
): Played {
  const answers = new Map<string, string>()
  const seen = new Map<string, number>()
  const book: string[] = []
  let undone = 0
  for (let seq = 1; seq <= tip; seq++) {
    const ledger = ledgers.get(seq)
    if (ledger === undefined) throw new Violation(`ledger ${seq} is missing at ${name}`)
    for (const { id, user, content } of ledger.inputs) {
      const before = seen.get(id)
      if (before !== undefined) throw new Violation(`an input of ledger ${seq} was in ledger ${before} already`)
      seen.set(id, seq)
      const known = sent.get(id)
      const isTrue = known?.user === user && `${known.text}\n` === Buffer.from(content).toString('latin1')
      if (!isTrue) throw new Violation(`an input of ledger ${seq} was sent by nobody: ${user} ${id}`)
      if (known.isRefused) throw new Violation(`input ${known.text} of ledger ${seq} had been refused`)
    }
    // The newest ledger's result is not agreed yet; the network had nothing to do when it stopped.
    const status = ledgers.get(seq + 1)?.header.result.status ?? 'ok'
    if (status !== 'ok') {
      undone += ledger.inputs.length
      continue
    }
    for (const { id, text } of inOrder(ledger, sent)) {
      const line = contract === 'book' ? `${book.length + 1} ${text}` : text.toUpperCase()
      book.push(line)
      answers.set(id, line)
    }
  }
  return { book: book.map((line) => `${line}\n`).join(''), answers, inputs: seen.size, undone }
}

/** As the contract is given them: user by user. */
function inOrder(ledger: Ledger, sent: Map<string, Sent>): Sent[] {
  return ledger.users.flatMap((user) =>
    ledger.inputs.flatMap((input) => (input.user === user ? [sent.get(input.id) as Sent] : []))
  )
}

/** @returns how many answers the user got */
export function checkAnswers(user: Told, end: ConnectionEnd, right: Map<string, string>): number {
  const own = new Set(user.sent.flatMap(({ id }) => right.get(id) ?? []))
  let answers = 0
  const told = new Set<string>()
  for (const { node, lines } of user.heard) {
    const heard = new Set<string>()
    for (const line of lines) {
      const shown = `${user.name} was told "${line.slice(0, 60)}" by node ${node}`
      if (!own.has(line)) throw new Violation(`${shown}, which is no right answer to anything this user sent`)
      if (heard.has(line)) throw new Violation(`${shown} twice`)
      heard.add(line)
      told.add(line)
    }
    answers += heard.size
  }
  // A connection that stood to the end has brought every answer.
  for (const { id, text, connection } of user.sent) {
    const answer = right.get(id)
    if (!end.isConnected || connection !== end.connection || answer === undefined || told.has(answer)) continue
    throw new Violation(`${user.name} was never told the answer to "${text.slice(0, 60)}", and its connection stood`)
  }
  return answers
}
