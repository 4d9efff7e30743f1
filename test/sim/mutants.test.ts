import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { closeLedger, tipOf } from '../../src/consensus/close-ledger.js'
import { Consensus } from '../../src/consensus/consensus.js'
import { hunt, loadMutant, MUTANTS } from './mutants.js'
import { UNIT_MUTANTS } from './unit-mutants.js'
import { WHOLE_MUTANTS } from './whole/whole-mutants.js'
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

/** All of them are run by `npm run mutants`; here it is seen at once when the source has moved on. */
describe('mutants that take longer', () => {
  test.each([...UNIT_MUTANTS, ...WHOLE_MUTANTS])('$name: what it replaces is there once', ({ replacements }) => {
    const texts = new Map<string, string>()
    for (const { file, from, to } of replacements) {
      const text = texts.get(file) ?? readFileSync(new URL(`../../src/${file}`, import.meta.url), 'utf8')
      expect(text.split(from).length - 1, `${file}: ${from}`).toBe(1)
      texts.set(
        file,
        text.replace(from, () => to)
      )
    }
  })
})
