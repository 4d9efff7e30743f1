import { describe, expect, it } from 'vitest'
import { EMPTY_OUTPUTS_ROOT } from '../../../src/codec/index.js'
import type { LedgerHeader } from '../../../src/consensus/types.js'
import { findUnanswered } from '../../../src/node/resume.js'

const ROOT = 'aa'.repeat(32)
const OTHER = 'bb'.repeat(32)
const OUTPUTS = 'cc'.repeat(32)

interface Kept {
  /** Root that the ledger agrees on: of the state before its execution. */
  root?: string
  /** Whether the execution of the ledger before had outputs, and whether they are on this disk. */
  outputs?: 'none' | 'kept' | 'missing'
  status?: 'ok' | 'void'
}

/** Ledgers 0 to n - 1. */
function storeOf(kept: Kept[]) {
  return {
    header: async (seq: number) => {
      const { root = ROOT, outputs = 'none', status = 'ok' } = kept[seq] ?? {}
      const outputsRoot = outputs === 'none' ? EMPTY_OUTPUTS_ROOT : OUTPUTS
      return kept[seq] === undefined
        ? null
        : ({ seq, result: { status, stateRoot: root, outputsRoot } } as LedgerHeader)
    },
    getOutputs: async (seq: number) => (kept[seq + 1]?.outputs === 'kept' ? [] : null)
  }
}

describe('where executions go on after a restart', () => {
  it('is the ledger that the state stands before, when all that was answered is on disk', async () => {
    expect(await findUnanswered(storeOf([{}, {}, {}, { outputs: 'kept' }]), 3, ROOT)).toBe(3)
    expect(await findUnanswered(storeOf([{}, {}, {}, {}]), 3, ROOT)).toBe(3)
    expect(await findUnanswered(storeOf([{}, {}]), 1, ROOT)).toBe(1)
  })

  it('is the first one whose outputs are missing, though it left the state as it was', async () => {
    expect(await findUnanswered(storeOf([{}, {}, {}, { outputs: 'missing' }]), 3, ROOT)).toBe(2)
    expect(await findUnanswered(storeOf([{}, {}, { outputs: 'missing' }, {}, {}]), 4, ROOT)).toBe(1)
    const some: Kept[] = [{}, { outputs: 'missing' }, { outputs: 'kept' }, { outputs: 'missing' }, {}]
    expect(await findUnanswered(storeOf(some), 4, ROOT)).toBe(2)
  })

  it('is never before the state was another, nor for outputs of an execution that is void', async () => {
    expect(await findUnanswered(storeOf([{}, {}, { root: OTHER }, { outputs: 'missing' }]), 3, ROOT)).toBe(3)
    expect(await findUnanswered(storeOf([{}, {}, {}, { outputs: 'missing', status: 'void' }]), 3, ROOT)).toBe(3)
  })

  it('is not looked for through all of a long chain', async () => {
    const kept = Array.from({ length: 1000 }, (): Kept => ({ outputs: 'missing' }))
    expect(await findUnanswered(storeOf(kept), 999, ROOT)).toBe(999 - 128)
  })
})
