/** npm run sim -- [--whole] --seed S --count N [--trace] [--shrink] [--profile JSON] [--quiet]: see docs/simulator.md. */
import { parseArgs } from 'node:util'
import { closeLedger, tipOf } from '../src/consensus/close-ledger.js'
import { Consensus } from '../src/consensus/consensus.js'
import { shrink } from '../test/sim/cuts.js'
import { MARKS } from '../test/sim/marks.js'
import type { Profile } from '../test/sim/profile.js'
import { shrinkWhole } from '../test/sim/whole/cuts.js'
import { WHOLE_MARKS } from '../test/sim/whole/marks.js'
import type { WholeProfile } from '../test/sim/whole/profile.js'
import { createPrograms, simulateWhole, type WholeOutcome } from '../test/sim/whole/whole-world.js'
import { type Outcome, simulate } from '../test/sim/world.js'
import { runSeeds, type Simulator } from './sim-runs.js'

function refuse(what: string): never {
  console.error(what)
  process.exit(2)
}

function readCount(value: string | undefined, name: string, fallback: number): number {
  if (value === undefined) return fallback
  const count = Number(value)
  if (Number.isSafeInteger(count) && count >= 0) return count
  return refuse(`--${name} ${value} is not a whole number`)
}

function readProfile(text: string | undefined): object {
  if (text === undefined) return {}
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {}
  return refuse(`--profile ${text} is not a JSON object`)
}

const core = { Consensus, closeLedger, tipOf }

const ofCore: Simulator<Profile, Outcome> = {
  name: 'seeds',
  flag: '',
  marks: MARKS,
  run: (seed, options) => simulate(core, seed, options),
  shrink: (seed, override, log) => shrink(core, seed, override, log),
  describe: ({ n, quorum, byzantine }) => `n=${n} q=${quorum} byzantine=${byzantine}`,
  add: (most, { attemptMax }) => Math.max(most, attemptMax),
  say: (most) => `attempts up to ${most}`
}

function createOfWhole(): Simulator<WholeProfile, WholeOutcome> {
  const programs = createPrograms()
  return {
    name: 'seeds of whole nodes',
    flag: ' --whole',
    marks: WHOLE_MARKS,
    run: (seed, options) => simulateWhole(programs, seed, options),
    shrink: (seed, override, log) => shrinkWhole(programs, seed, override, log),
    describe: ({ n, quorum, byzantine }) => `n=${n} q=${quorum} byzantine=${byzantine}`,
    add: (sum, { events }) => sum + events,
    say: (sum) => `${sum} events`
  }
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    count: { type: 'string' },
    trace: { type: 'boolean', default: false },
    shrink: { type: 'boolean', default: false },
    profile: { type: 'string' },
    quiet: { type: 'boolean', default: false },
    whole: { type: 'boolean', default: false }
  }
})
const { trace, quiet } = values
const first = readCount(values.seed, 'seed', 1)
const count = readCount(values.count, 'count', 100)
const options = { first, count, override: readProfile(values.profile), trace, quiet, shrink: values.shrink }
process.exitCode = await (values.whole ? runSeeds(createOfWhole(), options) : runSeeds(ofCore, options))
