import { describe, expect, test } from 'vitest'
import { closeLedger, tipOf } from '../../src/consensus/close-ledger.js'
import { Consensus } from '../../src/consensus/consensus.js'
import { quorumOf } from '../../src/consensus/quorum.js'
import { drawProfile, expectedQuorum } from './profile.js'
import { Random } from './random.js'
import { simulate } from './world.js'

const CORE = { Consensus, closeLedger, tipOf }
const PIECES = 6
const PIECE_SEEDS = 50

describe('simulated networks', () => {
  test.each(Array.from({ length: PIECES }, (_, piece) => 1 + piece * PIECE_SEEDS))(
    `${PIECE_SEEDS} seeds from %i keep every invariant and heal`,
    { timeout: 60_000 },
    (first) => {
      let ledgers = 0
      let healed = 0
      for (let seed = first; seed < first + PIECE_SEEDS; seed++) {
        const { violation, ledgers: closed, healingMs } = simulate(CORE, seed)
        expect(violation, `seed ${seed}; replay: npm run sim -- --seed ${seed} --count 1 --trace`).toBeNull()
        ledgers += closed
        if (healingMs !== null) healed++
      }
      expect(ledgers).toBeGreaterThan(PIECE_SEEDS * 4)
      expect(healed).toBeGreaterThan(PIECE_SEEDS / 2)
    }
  )

  test('no false result is agreed while as many collude on one as fork safety bears', { timeout: 60_000 }, () => {
    let ledgers = 0
    let voids = 0
    for (let seed = 1; seed <= 3000; seed++) {
      if (!drawProfile(new Random(seed)).colludes) continue
      const outcome = simulate(CORE, seed)
      expect(outcome.violation, `seed ${seed}; replay: npm run sim -- --seed ${seed} --count 1 --trace`).toBeNull()
      ledgers += outcome.ledgers
      voids += outcome.voids
    }
    expect(ledgers).toBeGreaterThan(50)
    // It was tried: results were kept from being agreed.
    expect(voids).toBeGreaterThan(10)
  })

  test('one seed gives one trace, another seed another', { timeout: 60_000 }, () => {
    const hashes = [3, 4, 5, 6, 7].map((seed) => simulate(CORE, seed).traceHash)
    expect([3, 4, 5, 6, 7].map((seed) => simulate(CORE, seed, { keepLines: true }).traceHash)).toEqual(hashes)
    expect(new Set(hashes).size).toBe(hashes.length)
  })

  test('the quorum that runs are checked against is the one of the core', () => {
    for (let n = 1; n <= 128; n++) {
      for (let threshold = 67; threshold <= 100; threshold++) {
        expect(expectedQuorum(n, threshold)).toBe(quorumOf(n, threshold))
      }
    }
  })
})
