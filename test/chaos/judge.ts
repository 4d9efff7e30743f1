import { pino } from 'pino'
import { acquireNodeLock } from '../../src/admin/index.js'
import { contractPaths } from '../../src/config/index.js'
import type { Ledger, UserOutput } from '../../src/consensus/types.js'
import { LedgerStore } from '../../src/ledger/index.js'
import { runCli } from '../helpers/cli.js'
import type { NodeProcess } from '../helpers/node-process.js'
import { readState } from '../helpers/state-files.js'
import type { Manifest } from './manifest.js'
import type { ChaosUser } from './traffic.js'
import { type ConnectionEnd, checkAnswers, type PlayedChain, replay } from './truth.js'
import { Violation } from './violation.js'

/** What one stopped node has on its disk. */
interface Chain extends PlayedChain {
  outputs: Map<number, UserOutput[]>
  /** Relative path -> content of every file of the state, as latin1. */
  state: Map<string, string>
}

export interface Verdict {
  ledgers: number
  inputs: number
  answers: number
  /** Inputs in a ledger whose execution was void or failed. */
  undone: number
}

/**
 * Looks at a network that has settled and was stopped: one chain, verified on every node by `ledger verify`; one state;
 * every input in at most one ledger, and sent by its user; every answer the right one, and told at most once by each node.
 *
 * @throws Violation
 */
export async function judge(
  manifest: Manifest,
  nodes: NodeProcess[],
  users: ChaosUser[],
  ends: ConnectionEnd[]
): Promise<Verdict> {
  const chains: Chain[] = []
  for (const [index, node] of nodes.entries()) {
    await verify(`node ${index}`, node)
    chains.push(await readChain(`node ${index}`, node))
  }
  const longest = chains.reduce((best, chain) => (chain.tip > best.tip ? chain : best))
  for (const chain of chains) compare(chain, longest)
  const whole = chains.find(({ ledgers }) => ledgers.has(1) && ledgers.has(longest.tip))
  if (whole === undefined) throw new Violation('no node has the whole chain')
  const sent = new Map(users.flatMap((user) => user.sent).map((input) => [input.id, input]))
  const played = replay(manifest.contract, whole, sent)
  if (manifest.contract === 'book') compareBook(whole, played.book)
  let answers = 0
  for (const [index, user] of users.entries()) {
    answers += checkAnswers(user, ends[index] as ConnectionEnd, played.answers)
  }
  return { ledgers: longest.tip, inputs: played.inputs, answers, undone: played.undone }
}

async function verify(name: string, node: NodeProcess): Promise<void> {
  const { code, stdout, stderr } = await runCli(['ledger', 'verify', node.dir, '--json'])
  if (code !== 0) throw new Violation(`ledger verify of ${name}: ${stdout.trim()} ${stderr.trim()}`)
}

async function readChain(name: string, node: NodeProcess): Promise<Chain> {
  const lock = await acquireNodeLock(node.dir)
  const store = await LedgerStore.open(contractPaths(node.dir).ledgers, { log: pino({ level: 'silent' }) })
  try {
    const ledgers = new Map<number, Ledger>()
    const outputs = new Map<number, UserOutput[]>()
    const tip = store.tip().seq
    for (let seq = store.first(); seq <= tip; seq++) {
      const stored = await store.get(seq)
      if (stored !== null) ledgers.set(seq, stored.ledger)
      const kept = await store.getOutputs(seq)
      if (kept !== null) outputs.set(seq, kept)
    }
    return { name, ledgers, tip, outputs, state: readState(contractPaths(node.dir).state) }
  } finally {
    await store.close()
    await lock.release()
  }
}

function compare(chain: Chain, longest: Chain): void {
  for (const [seq, { hash }] of chain.ledgers) {
    const other = longest.ledgers.get(seq)
    if (other !== undefined && other.hash !== hash) {
      throw new Violation(`fork: ledger ${seq} is ${hash} at ${chain.name} and ${other.hash} at ${longest.name}`)
    }
  }
  for (const [seq, outputs] of chain.outputs) {
    const others = longest.outputs.get(seq)
    if (others !== undefined && showOutputs(outputs) !== showOutputs(others)) {
      throw new Violation(`outputs of ledger ${seq} differ between ${chain.name} and ${longest.name}`)
    }
  }
  const names = [...new Set([...chain.state.keys(), ...longest.state.keys()])]
  const unlike = names.filter((name) => chain.state.get(name) !== longest.state.get(name))
  if (unlike.length > 0) {
    throw new Violation(`state differs between ${chain.name} and ${longest.name} in ${unlike.slice(0, 5).join(', ')}`)
  }
}

function showOutputs(outputs: UserOutput[]): string {
  return outputs.map(({ user, content }) => `${user} ${Buffer.from(content).toString('latin1')}`).join('\n')
}

function compareBook({ name, state }: Chain, book: string): void {
  const found = state.get('book') ?? ''
  if (found === book) return
  const [is, should] = [found.split('\n'), book.split('\n')]
  const at = should.findIndex((line, index) => line !== is[index])
  const show = (line: string | undefined): string => (line ?? 'nothing').slice(0, 60)
  throw new Violation(`line ${at + 1} of the book at ${name} is ${show(is[at])} and should be ${show(should[at])}`)
}
