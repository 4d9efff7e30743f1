import { join } from 'node:path'
import { pino } from 'pino'
import { expect } from 'vitest'
import { acquireNodeLock } from '../../src/admin/index.js'
import { contractPaths } from '../../src/config/index.js'
import type { Ledger, UserOutput } from '../../src/consensus/types.js'
import { LedgerStore, verifyChain } from '../../src/ledger/index.js'
import type { NodeProcess } from './node-process.js'
import { readState } from './state-files.js'

const EMPTY = 'no outputs'

/** What one stopped node has on its disk. */
export interface Chain {
  dir: string
  ledgers: Ledger[]
  /** Outputs of each ledger by seq; null when none are kept. */
  outputs: Map<number, UserOutput[] | null>
  /** Relative path -> content of every file of the state, as latin1. */
  state: Map<string, string>
}

/** Reads and verifies the chain of a node that does not run. */
export async function readChain(node: NodeProcess): Promise<Chain> {
  const lock = await acquireNodeLock(node.dir)
  const store = await LedgerStore.open(contractPaths(node.dir).ledgers, { log: pino({ level: 'silent' }) })
  try {
    expect(store.repaired(), `damage in ${node.dir}`).toBeNull()
    const report = await verifyChain(store)
    expect(report.problem, `chain of ${node.dir}`).toBeNull()
    const ledgers: Ledger[] = []
    const outputs = new Map<number, UserOutput[] | null>()
    for (let seq = 0; seq <= store.tip().seq; seq++) {
      const stored = await store.get(seq)
      if (stored === null) throw new Error(`${node.dir} lacks ledger ${seq}`)
      ledgers.push(stored.ledger)
      outputs.set(seq, await store.getOutputs(seq))
    }
    return { dir: node.dir, ledgers, outputs, state: readState(join(node.dir, 'state')) }
  } finally {
    await store.close()
    await lock.release()
  }
}

export interface ChainCheck {
  /** The contract's state may be compared: nothing was under way when the nodes stopped. Default true. */
  isStateSettled?: boolean
}

/**
 * Reads the chains of stopped nodes and fails unless they are one: each verified, no fork, equal outputs and state, no
 * input twice. Resolves with the longest.
 */
export async function checkOneChain(nodes: NodeProcess[], { isStateSettled = true }: ChainCheck = {}): Promise<Chain> {
  const chains: Chain[] = []
  for (const node of nodes) chains.push(await readChain(node))
  const longest = chains.reduce((best, chain) => (chain.ledgers.length > best.ledgers.length ? chain : best))
  for (const chain of chains) {
    for (const ledger of chain.ledgers) {
      const { seq } = ledger.header
      expect(ledger.hash, `ledger ${seq} of ${chain.dir}`).toBe(longest.ledgers[seq]?.hash)
      const name = `outputs of ledger ${seq} of ${chain.dir}`
      const [own, other] = [chain.outputs.get(seq) ?? null, longest.outputs.get(seq) ?? null]
      if (own !== null && other !== null) expect(showOutputs(own), name).toBe(showOutputs(other))
    }
    if (isStateSettled) expect([...chain.state], `state of ${chain.dir}`).toEqual([...longest.state])
  }
  expectNoInputTwice(longest)
  return longest
}

function showOutputs(outputs: UserOutput[]): string {
  if (outputs.length === 0) return EMPTY
  return outputs.map(({ user, content }) => `${user} ${Buffer.from(content).toString('latin1')}`).join('\n')
}

function expectNoInputTwice({ ledgers }: Chain): void {
  const seen = new Map<string, number>()
  for (const { header, inputs } of ledgers) {
    for (const { id } of inputs) {
      expect(seen.get(id), `input ${id} of ledger ${header.seq} was in an earlier one`).toBeUndefined()
      seen.set(id, header.seq)
    }
  }
}

/** The contents of all inputs in the order of the ledgers, those of void and failed executions left out when asked. */
export function inputsOf({ ledgers }: Chain, only: 'all' | 'executed' = 'all'): { user: string; text: string }[] {
  return ledgers.flatMap(({ header, inputs }) => {
    const agreed = ledgers[header.seq + 1]?.header.result.status
    if (only === 'executed' && agreed !== undefined && agreed !== 'ok') return []
    return inputs.map(({ user, content }) => ({ user, text: Buffer.from(content).toString('latin1') }))
  })
}

/** Outputs of executions that were agreed on must be kept, from ledger 1 to `lastSeq`. */
export function expectOutputsKept(chain: Chain, lastSeq: number): void {
  for (let seq = 1; seq <= lastSeq; seq++) {
    const ledger = chain.ledgers[seq]
    if (ledger === undefined || ledger.inputs.length === 0) continue
    if (chain.ledgers[seq + 1]?.header.result.status !== 'ok') continue
    expect(chain.outputs.get(seq), `outputs of ledger ${seq} of ${chain.dir}`).not.toBeNull()
  }
}
