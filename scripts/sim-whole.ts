import { WHOLE_MARKS, type WholeMark } from '../test/sim/whole/marks.js'
import type { WholeProfile } from '../test/sim/whole/profile.js'
import { createPrograms, simulateWhole, type WholeOutcome } from '../test/sim/whole/whole-world.js'

const FAILURES_SHOWN = 3
const LINES_SHOWN = 80

export interface WholeRunOptions {
  first: number
  count: number
  override: Partial<WholeProfile>
  /** Print all that happens. */
  trace: boolean
  /** Do not print what the runs reached. */
  quiet: boolean
}

const programs = createPrograms()

/** Runs whole nodes for each seed and prints what came of it. @returns exit code */
export async function runWhole({ first, count, override, trace, quiet }: WholeRunOptions): Promise<number> {
  const startedMs = performance.now()
  const startedCpu = process.cpuUsage()
  const sum = { ledgers: 0, events: 0, healed: 0, healingMaxMs: 0, simulatedMs: 0 }
  const marks = new Map<WholeMark, number>()
  const failed: number[] = []
  let traces = 0
  for (let seed = first; seed < first + count; seed++) {
    const outcome = await simulateWhole(programs, seed, { keepLines: trace, override })
    sum.ledgers += outcome.ledgers
    sum.events += outcome.events
    sum.simulatedMs += outcome.simulatedMs
    if (outcome.healingMs !== null) sum.healed++
    sum.healingMaxMs = Math.max(sum.healingMaxMs, outcome.healingMs ?? 0)
    for (const mark of outcome.marks) marks.set(mark, (marks.get(mark) ?? 0) + 1)
    traces = (Math.imul(traces, 31) + Number.parseInt(outcome.traceHash.slice(0, 8), 16)) >>> 0
    if (outcome.violation !== null) {
      failed.push(seed)
      if (failed.length <= FAILURES_SHOWN) await reportFailure(outcome, override, trace)
    } else if (trace) {
      console.log(outcome.lines.join('\n'))
      console.log(`seed ${seed}: ${outcome.ledgers} ledgers, trace ${outcome.traceHash}`)
    }
  }
  const { user, system } = process.cpuUsage(startedCpu)
  const perHour = Math.round((count / ((user + system) / 1e6)) * 3600)
  if (!quiet) {
    console.log('reached in this many runs:')
    for (const mark of WHOLE_MARKS) console.log(`  ${String(marks.get(mark) ?? 0).padStart(7)}  ${mark}`)
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  console.log(
    `${count} seeds of whole nodes from ${first} in ${seconds} s (${perHour} an hour and core), ` +
      `${(sum.simulatedMs / 3_600_000).toFixed(1)} simulated hours, ${sum.ledgers} ledgers, ${sum.events} events, ` +
      `${sum.healed} healed within ${Math.round(sum.healingMaxMs)} ms, traces ${traces.toString(16)}`
  )
  if (failed.length > 0) console.log(`${failed.length} failed: ${failed.slice(0, 20).join(' ')}`)
  return failed.length > 0 ? 1 : 0
}

/** The readable end of a failing run, what it broke, and the command that repeats it. */
async function reportFailure(outcome: WholeOutcome, override: Partial<WholeProfile>, all: boolean): Promise<void> {
  const { seed, violation, profile, traceHash } = outcome
  const { lines } = await simulateWhole(programs, seed, { keepLines: true, override })
  console.log(lines.slice(all ? 0 : -LINES_SHOWN).join('\n'))
  console.log(`seed ${seed} (n=${profile.n} q=${profile.quorum}): ${violation?.kind}: ${violation?.message}`)
  const more = Object.keys(override).length > 0 ? ` --profile '${JSON.stringify(override)}'` : ''
  console.log(`trace ${traceHash}; replay: npm run sim -- --whole --seed ${seed} --count 1 --trace${more}`)
}
