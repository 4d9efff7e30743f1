import { describe, expect, test } from 'vitest'
import { closeLedger, tipOf } from '../../src/consensus/close-ledger.js'
import { Consensus } from '../../src/consensus/consensus.js'
import { quorumOf } from '../../src/consensus/quorum.js'
import { shrink } from './cuts.js'
import { MARKS, type Mark } from './marks.js'
import { hunt, loadMutant, MUTANTS, type Mutant } from './mutants.js'
import { drawProfile, expectedQuorum } from './profile.js'
import { Random } from './random.js'
import { simulate } from './world.js'

const CORE = { Consensus, closeLedger, tipOf }
const PIECES = 6
const PIECE_SEEDS = 50
/** Seeds after these in which what was not reached by then must be. */
const MARK_SEEDS = 400

const marks = new Set<Mark>()

describe('simulated networks', () => {
  test.each(Array.from({ length: PIECES }, (_, piece) => 1 + piece * PIECE_SEEDS))(
    `${PIECE_SEEDS} seeds from %i keep every invariant and heal`,
    { timeout: 60_000 },
    (first) => {
      let ledgers = 0
      let healed = 0
      for (let seed = first; seed < first + PIECE_SEEDS; seed++) {
        const { violation, ledgers: closed, healingMs, marks: reached } = simulate(CORE, seed)
        expect(violation, `seed ${seed}; replay: npm run sim -- --seed ${seed} --count 1 --trace`).toBeNull()
        ledgers += closed
        for (const mark of reached) marks.add(mark)
        if (healingMs !== null) healed++
      }
      expect(ledgers).toBeGreaterThan(PIECE_SEEDS * 4)
      expect(healed).toBeGreaterThan(PIECE_SEEDS / 2)
    }
  )

  test('every branch worth reaching is reached', { timeout: 60_000 }, () => {
    const left = () => MARKS.filter((mark) => !marks.has(mark))
    const first = 1 + PIECES * PIECE_SEEDS
    for (let seed = first; left().length > 0 && seed < first + MARK_SEEDS; seed++) {
      for (const mark of simulate(CORE, seed).marks) marks.add(mark)
    }
    expect(left()).toEqual([])
  })

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

  test('a failing run is cut down to one that fails in the same way with less', { timeout: 60_000 }, async () => {
    const mutant = MUTANTS.find(({ name }) => name === 'journaled proposal ignored at restart') as Mutant
    const { core, remove } = await loadMutant(mutant)
    try {
      const found = hunt(core, mutant, 1, 400)
      const shrunk = await shrink(core, found!.seed, {}, () => {})
      expect(shrunk?.outcome.violation?.kind).toBe('double-proposal')
      const { override } = shrunk!
      expect(simulate(core, found!.seed, { override }).traceHash).toBe(shrunk?.outcome.traceHash)
      // A crash is all that it takes.
      expect(shrunk?.outcome.profile.n).toBeLessThanOrEqual(2)
      expect(shrunk?.outcome.profile).toMatchObject({ byzantine: 0, partitionEveryMs: 0, lossRate: 0, forkHunt: false })
      const { crashRate, diskFullRate } = shrunk!.outcome.profile
      expect(crashRate + diskFullRate).toBeGreaterThan(0)
      expect(await shrink(CORE, found!.seed, {}, () => {})).toBeNull()
    } finally {
      await remove()
    }
  })

  test('the quorum that runs are checked against is the one of the core', () => {
    for (let n = 1; n <= 128; n++) {
      for (let threshold = 67; threshold <= 100; threshold++) {
        expect(expectedQuorum(n, threshold)).toBe(quorumOf(n, threshold))
      }
    }
  })
})
