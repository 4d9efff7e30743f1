/** npm run sim -- --seed S --count N [--trace]: see docs/simulator.md. */
import { parseArgs } from 'node:util'
import { closeLedger, tipOf } from '../src/consensus/close-ledger.js'
import { Consensus } from '../src/consensus/consensus.js'
import { type Outcome, simulate } from '../test/sim/world.js'

function readCount(value: string | undefined, name: string, fallback: number): number {
  if (value === undefined) return fallback
  const count = Number(value)
  if (Number.isSafeInteger(count) && count >= 0) return count
  console.error(`--${name} ${value} is not a whole number`)
  process.exit(2)
}

function report(outcome: Outcome, trace: boolean): void {
  const { seed, violation, profile } = outcome
  if (violation === null) {
    if (!trace) return
    console.log(outcome.lines.join('\n'))
    console.log(`seed ${seed}: ${outcome.ledgers} ledgers, trace ${outcome.traceHash}`)
    return
  }
  const again = simulate(core, seed, { keepLines: true })
  console.log(again.lines.slice(trace ? 0 : -60).join('\n'))
  const { n, quorum, byzantine } = profile
  console.log(`seed ${seed} (n=${n} q=${quorum} byzantine=${byzantine}): ${violation.kind}: ${violation.message}`)
  console.log(`trace ${outcome.traceHash}; replay: npm run sim -- --seed ${seed} --count 1 --trace`)
}

const core = { Consensus, closeLedger, tipOf }
const { values } = parseArgs({
  options: { seed: { type: 'string' }, count: { type: 'string' }, trace: { type: 'boolean', default: false } }
})
const first = readCount(values.seed, 'seed', 1)
const count = readCount(values.count, 'count', 100)
const startedMs = performance.now()
const sum = { ledgers: 0, healed: 0, attemptMax: 0, healingMaxMs: 0 }
const failed: number[] = []
let traces = 0
for (let seed = first; seed < first + count; seed++) {
  const outcome = simulate(core, seed, { keepLines: values.trace })
  sum.ledgers += outcome.ledgers
  sum.attemptMax = Math.max(sum.attemptMax, outcome.attemptMax)
  if (outcome.healingMs !== null) sum.healed++
  sum.healingMaxMs = Math.max(sum.healingMaxMs, outcome.healingMs ?? 0)
  traces = (Math.imul(traces, 31) + Number.parseInt(outcome.traceHash.slice(0, 8), 16)) >>> 0
  if (outcome.violation !== null) failed.push(seed)
  if (values.trace || outcome.violation !== null) report(outcome, values.trace)
}
const seconds = (performance.now() - startedMs) / 1000
console.log(
  `${count} seeds in ${seconds.toFixed(1)} s (${Math.round((count / seconds) * 3600)} an hour), ${sum.ledgers} ledgers, ` +
    `${sum.healed} healed within ${Math.round(sum.healingMaxMs)} ms, attempts up to ${sum.attemptMax}, ` +
    `traces ${traces.toString(16)}`
)
if (failed.length > 0) console.log(`${failed.length} failed: ${failed.slice(0, 20).join(' ')}`)
process.exitCode = failed.length > 0 ? 1 : 0
