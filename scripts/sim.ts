/** npm run sim -- [--whole] --seed S --count N [--trace] [--shrink] [--profile JSON] [--quiet]: see docs/simulator.md. */
import { parseArgs } from 'node:util'
import { closeLedger, tipOf } from '../src/consensus/close-ledger.js'
import { Consensus } from '../src/consensus/consensus.js'
import { MARKS, type Mark } from '../test/sim/marks.js'
import type { Profile } from '../test/sim/profile.js'
import { shrink } from '../test/sim/shrink.js'
import { type Outcome, simulate } from '../test/sim/world.js'
import { runWhole } from './sim-whole.js'

const FAILURES_SHOWN = 3

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

function readProfile(text: string | undefined): Partial<Profile> {
  if (text === undefined) return {}
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {}
  return refuse(`--profile ${text} is not a JSON object`)
}

function replayOf(seed: number, override: Partial<Profile>): string {
  const profile = Object.keys(override).length > 0 ? ` --profile '${JSON.stringify(override)}'` : ''
  return `npm run sim -- --seed ${seed} --count 1 --trace${profile}`
}

/** The readable end of a failing run, what it broke, and the command that repeats it. */
function reportFailure(outcome: Outcome, override: Partial<Profile>): void {
  const { seed, violation, profile } = outcome
  const { lines } = simulate(core, seed, { keepLines: true, override })
  console.log(lines.slice(values.trace ? 0 : -60).join('\n'))
  const { n, quorum, byzantine } = profile
  console.log(`seed ${seed} (n=${n} q=${quorum} byzantine=${byzantine}): ${violation?.kind}: ${violation?.message}`)
  console.log(`trace ${outcome.traceHash}; replay: ${replayOf(seed, override)}`)
}

function reportShrunk(seed: number): void {
  const shrunk = shrink(core, seed, override, (line) => console.log(line))
  if (shrunk === null) return
  console.log(`smallest after ${shrunk.runs} runs:`)
  reportFailure(shrunk.outcome, shrunk.override)
  const { config, ...profile } = shrunk.outcome.profile
  const { unl, ...numbers } = config
  console.log(JSON.stringify({ ...profile, config: numbers }, null, 2))
}

const core = { Consensus, closeLedger, tipOf }
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
const first = readCount(values.seed, 'seed', 1)
const count = readCount(values.count, 'count', 100)
const override = readProfile(values.profile)
if (values.whole) {
  if (values.shrink) refuse('--shrink does not work with --whole')
  process.exit(await runWhole({ first, count, override, trace: values.trace, quiet: values.quiet }))
}
const startedMs = performance.now()
const startedCpu = process.cpuUsage()
const sum = { ledgers: 0, healed: 0, attemptMax: 0, healingMaxMs: 0, simulatedMs: 0 }
const marks = new Map<Mark, number>()
const failed: number[] = []
let traces = 0
for (let seed = first; seed < first + count; seed++) {
  const outcome = simulate(core, seed, { keepLines: values.trace, override })
  sum.ledgers += outcome.ledgers
  sum.simulatedMs += outcome.simulatedMs
  sum.attemptMax = Math.max(sum.attemptMax, outcome.attemptMax)
  if (outcome.healingMs !== null) sum.healed++
  sum.healingMaxMs = Math.max(sum.healingMaxMs, outcome.healingMs ?? 0)
  for (const mark of outcome.marks) marks.set(mark, (marks.get(mark) ?? 0) + 1)
  traces = (Math.imul(traces, 31) + Number.parseInt(outcome.traceHash.slice(0, 8), 16)) >>> 0
  if (outcome.violation !== null) {
    failed.push(seed)
    if (failed.length <= FAILURES_SHOWN) reportFailure(outcome, override)
    if (values.shrink && failed.length === 1) reportShrunk(seed)
  } else if (values.trace) {
    console.log(outcome.lines.join('\n'))
    console.log(`seed ${seed}: ${outcome.ledgers} ledgers, trace ${outcome.traceHash}`)
  }
}
const seconds = (performance.now() - startedMs) / 1000
const { user, system } = process.cpuUsage(startedCpu)
const coreSeconds = (user + system) / 1e6
if (!values.quiet) {
  console.log('reached in this many runs:')
  for (const mark of MARKS) console.log(`  ${String(marks.get(mark) ?? 0).padStart(7)}  ${mark}`)
}
console.log(
  `${count} seeds from ${first} in ${seconds.toFixed(1)} s (${Math.round((count / coreSeconds) * 3600)} an hour and core), ` +
    `${(sum.simulatedMs / 3_600_000).toFixed(1)} simulated hours, ${sum.ledgers} ledgers, ` +
    `${sum.healed} healed within ${Math.round(sum.healingMaxMs)} ms, attempts up to ${sum.attemptMax}, ` +
    `traces ${traces.toString(16)}`
)
if (failed.length > 0) console.log(`${failed.length} failed: ${failed.slice(0, 20).join(' ')}`)
process.exitCode = failed.length > 0 ? 1 : 0
