/** npm run mutants [-- --only TEXT,TEXT]: which run or test finds each deliberate fault. See docs/simulator.md. */
import Table from 'cli-table3'
import { closeLedger, tipOf } from '../src/consensus/close-ledger.js'
import { Consensus } from '../src/consensus/consensus.js'
import { hunt, loadMutant, MUTANTS, type Mutant } from '../test/sim/mutants.js'
import { runUnitMutant, UNIT_MUTANTS, type UnitMutant } from '../test/sim/unit-mutants.js'
import { huntWhole, WHOLE_MUTANTS, WHOLE_SEEDS_MAX, type WholeMutant } from '../test/sim/whole/whole-mutants.js'
import { createPrograms, simulateWhole } from '../test/sim/whole/whole-world.js'
import { simulate } from '../test/sim/world.js'
import { parseOptions } from './options.js'

interface Verdict {
  killed: boolean
  by: string
}

const core = { Consensus, closeLedger, tipOf }

async function judge(mutant: Mutant): Promise<Verdict> {
  const loaded = await loadMutant(mutant)
  try {
    const found = hunt(loaded.core, mutant, mutant.firstSeed, mutant.seedsMax)
    if (found === null) return { killed: false, by: `none of ${mutant.seedsMax} seeds` }
    const fine = simulate(core, found.seed).violation === null
    return { killed: fine, by: `seed ${found.seed}: ${found.violation?.kind}${fine ? '' : ', without the fault too'}` }
  } finally {
    await loaded.remove()
  }
}

const programs = createPrograms()

async function judgeWhole(mutant: WholeMutant): Promise<Verdict> {
  const found = await huntWhole(mutant, WHOLE_SEEDS_MAX)
  if (found === null) return { killed: false, by: `none of ${WHOLE_SEEDS_MAX} seeds of whole nodes` }
  const { seed, violation } = found
  const fine = (await simulateWhole(programs, seed, { override: mutant.override ?? {} })).violation === null
  return { killed: fine, by: `whole nodes, seed ${seed}: ${violation?.kind}${fine ? '' : ', without the fault too'}` }
}

/** Test files that pass as they are: a fault that fails a failing test proves nothing. */
const sound = new Map<string, string | null>()

async function judgeUnit(mutant: UnitMutant): Promise<Verdict> {
  const { name, test } = mutant
  if (!sound.has(test)) sound.set(test, await runUnitMutant({ name, replacements: [], test }))
  const before = sound.get(test)
  if (before !== null) return { killed: false, by: `${test} fails without the fault: ${before}` }
  const failed = await runUnitMutant(mutant)
  return failed === null ? { killed: false, by: `not by ${test}` } : { killed: true, by: `${test}: ${failed}` }
}

const { values } = parseOptions('usage: npm run mutants -- [--only TEXT,TEXT]', {
  options: { only: { type: 'string', default: '' } }
})
const all: { name: string; judge: () => Promise<Verdict> }[] = [
  ...MUTANTS.map((mutant) => ({ name: mutant.name, judge: () => judge(mutant) })),
  ...WHOLE_MUTANTS.map((mutant) => ({ name: mutant.name, judge: () => judgeWhole(mutant) })),
  ...UNIT_MUTANTS.map((mutant) => ({ name: mutant.name, judge: () => judgeUnit(mutant) }))
].filter(({ name }) => values.only.split(',').some((part) => name.includes(part)))
const table = new Table({
  head: ['mutant', 'killed by', 's'],
  style: { head: [], border: [] },
  colWidths: [50, 90, 8],
  wordWrap: true
})
let alive = 0
for (const [index, mutant] of all.entries()) {
  const startedMs = performance.now()
  const { killed, by } = await mutant
    .judge()
    .catch((error: unknown) => ({ killed: false, by: error instanceof Error ? error.message : String(error) }))
  if (!killed) alive++
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  console.error(`${index + 1}/${all.length} ${killed ? 'killed' : 'ALIVE'}  ${mutant.name}: ${by} (${seconds} s)`)
  table.push([mutant.name, killed ? by : `ALIVE: ${by}`, seconds])
}
console.log(table.toString())
console.log(`${all.length - alive} of ${all.length} mutants killed`)
process.exitCode = alive > 0 ? 1 : 0
