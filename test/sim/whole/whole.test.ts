import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { shrinkWhole } from './cuts.js'
import type { WholeMark } from './marks.js'
import { huntWhole, WHOLE_MUTANTS, WHOLE_SEEDS_MAX, type WholeMutant } from './whole-mutants.js'
import { createPrograms, simulateWhole } from './whole-world.js'

const PIECES = 4
const PIECE_SEEDS = 6
/** Reached by the seeds below; the rarer ones by longer runs. */
const MARKS: WholeMark[] = [
  'ledgers fetched',
  'proposals fetched',
  'killed',
  'power cut',
  'crash with calls to the disk under way',
  'stopped in order',
  'disk full',
  'failed result',
  'state restored at start',
  'input forwarded by an observer',
  'output delivered',
  'healed with a quorum alone'
]

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const programs = createPrograms()
const marks = new Set<WholeMark>()

describe('whole nodes on simulated machines', () => {
  test.each(Array.from({ length: PIECES }, (_, piece) => 1 + piece * PIECE_SEEDS))(
    `${PIECE_SEEDS} seeds from %i keep every invariant and heal`,
    { timeout: 120_000 },
    async (first) => {
      for (let seed = first; seed < first + PIECE_SEEDS; seed++) {
        const { violation, ledgers, healingMs, marks: reached } = await simulateWhole(programs, seed)
        expect(violation, `seed ${seed}; replay: npm run sim -- --whole --seed ${seed} --count 1 --trace`).toBeNull()
        expect(ledgers).toBeGreaterThan(4)
        expect(healingMs).not.toBeNull()
        for (const mark of reached) marks.add(mark)
      }
    }
  )

  test('what is worth reaching is reached', () => {
    expect(MARKS.filter((mark) => !marks.has(mark))).toEqual([])
  })

  test('one seed gives one trace, in another process too; another seed another', { timeout: 120_000 }, async () => {
    const seeds = [3, 4]
    const run = async (): Promise<string[]> => {
      const hashes: string[] = []
      for (const seed of seeds) hashes.push((await simulateWhole(programs, seed)).traceHash)
      return hashes
    }
    const hashes = await run()
    expect(await run()).toEqual(hashes)
    expect(new Set(hashes).size).toBe(seeds.length)
    const args = ['--import', 'tsx', 'scripts/sim.ts', '--whole', '--seed', '3', '--count', '1', '--trace']
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 })
    expect(stdout).toContain(`trace ${hashes[0]}`)
  })

  test('outputs of what is agreed survive when all nodes lose power at once', { timeout: 120_000 }, async () => {
    const mutant = WHOLE_MUTANTS.find(({ name }) => name.startsWith('outputs not on disk')) as WholeMutant
    for (const seed of [1, 2, 3]) {
      const override = { ...mutant.override, faultMs: 3000 }
      const { violation } = await simulateWhole(programs, seed, { override })
      expect(violation, `seed ${seed} with ${JSON.stringify(override)}`).toBeNull()
    }
  })

  test('a failing run is cut down to one that fails in the same way with less', { timeout: 120_000 }, async () => {
    const mutant = WHOLE_MUTANTS.find(({ name }) => name === 'inputs in a ledger wait on') as WholeMutant
    const faulty = createPrograms(mutant.replacements)
    const seed = (await huntWhole(mutant, WHOLE_SEEDS_MAX))!.seed
    const shrunk = await shrinkWhole(faulty, seed, { faultLedgers: 8 }, () => {})
    expect(shrunk?.outcome.violation?.kind).toBe('input-twice')
    // An input is all that it takes.
    expect(shrunk?.outcome.profile).toMatchObject({ n: 1, byzantine: 0, partitionEveryMs: 0, lossRate: 0, users: 1 })
    expect((await simulateWhole(faulty, seed, { override: shrunk!.override })).traceHash).toBe(
      shrunk?.outcome.traceHash
    )
  })

  // The others take longer: npm run mutants.
  test('a driver that goes on before a closed ledger is on disk is found', { timeout: 120_000 }, async () => {
    const mutant = WHOLE_MUTANTS.find(({ name }) => name.startsWith('driver goes on')) as WholeMutant
    const found = await huntWhole(mutant, WHOLE_SEEDS_MAX)
    expect(found?.violation?.kind).toBe('not-durable')
    expect((await simulateWhole(programs, found!.seed, { override: mutant.override ?? {} })).violation).toBeNull()
  })
})
