import { describe, expect, test } from 'vitest'
import { closeLedger, tipOf } from '../../src/consensus/close-ledger.js'
import { Consensus } from '../../src/consensus/consensus.js'
import { hunt, loadMutant, MUTANTS } from './mutants.js'
import { simulate } from './world.js'

const CORE = { Consensus, closeLedger, tipOf }

describe('mutants are found', () => {
  test.each(MUTANTS)('$name', { timeout: 120_000 }, async (mutant) => {
    const { core, remove } = await loadMutant(mutant)
    try {
      const found = hunt(core, mutant, mutant.firstSeed, mutant.seedsMax)
      expect(found?.violation?.kind, `no ${mutant.expected.join(' or ')} found`).toBeDefined()
      expect(simulate(CORE, found!.seed).violation).toBeNull()
    } finally {
      await remove()
    }
  })
})
