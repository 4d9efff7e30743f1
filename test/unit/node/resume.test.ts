import { describe, expect, it } from 'vitest'
import { EMPTY_OUTPUTS_ROOT } from '../../../src/codec/index.js'
import type { LedgerHeader } from '../../../src/consensus/types.js'
import { findPlace } from '../../../src/node/resume.js'

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
    tip: () => ({ seq: kept.length - 1, hash: ROOT }),
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

/** With the state before the last ledger on disk. */
function placeIn(kept: Kept[]): Promise<number | null> {
  return findPlace(storeOf(kept), { committedRoot: ROOT }, async (root) => (root === ROOT ? 'clean' : 'unknown'))
}

describe('where executions go on after a restart', () => {
  it('is the ledger that the state stands before, when all that was answered is on disk', async () => {
    expect(await placeIn([{}, {}, {}, { outputs: 'kept' }])).toBe(3)
    expect(await placeIn([{}, {}, {}, {}])).toBe(3)
    expect(await placeIn([{}, {}])).toBe(1)
  })

  it('is the first one whose outputs are missing, though it left the state as it was', async () => {
    expect(await placeIn([{}, {}, {}, { outputs: 'missing' }])).toBe(2)
    expect(await placeIn([{}, {}, { outputs: 'missing' }, {}, {}])).toBe(1)
    const some: Kept[] = [{}, { outputs: 'missing' }, { outputs: 'kept' }, { outputs: 'missing' }, {}]
    expect(await placeIn(some)).toBe(2)
  })

  it('is never before the state was another, nor for outputs of an execution that is void', async () => {
    expect(await placeIn([{}, {}, { root: OTHER }, { outputs: 'missing' }])).toBe(3)
    expect(await placeIn([{}, {}, {}, { outputs: 'missing', status: 'void' }])).toBe(3)
  })

  it('is not looked for through all of a long chain', async () => {
    const kept = Array.from({ length: 1000 }, (): Kept => ({ outputs: 'missing' }))
    expect(await placeIn(kept)).toBe(999 - 128)
  })
})

describe('a state that is not the committed one', () => {
  const chain = storeOf([{}, { root: 'a1' }, { root: 'a2', outputs: 'missing' }])

  it('is left by an execution that was cut off, which takes place again: its outputs were not kept', async () => {
    const asked: string[] = []
    const place = await findPlace(chain, { committedRoot: 'a1' }, async (root) => {
      asked.push(root)
      return 'restored'
    })
    expect({ place, asked }).toEqual({ place: 1, asked: ['a1'] })
  })

  it('is what goes on where the committed one is damaged', async () => {
    const state = { committedRoot: 'a1' }
    const recover = async (root: string): Promise<'restored' | 'unknown'> => {
      state.committedRoot = 'damaged'
      return root === 'a2' ? 'restored' : 'unknown'
    }
    expect(await findPlace(chain, state, recover)).toBe(2)
  })

  it('is of no ledger when neither is', async () => {
    expect(await findPlace(chain, { committedRoot: 'b0' }, async () => 'unknown')).toBeNull()
  })
})
