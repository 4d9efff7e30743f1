/** One run of either simulator. */
export interface Run<P> {
  seed: number
  profile: P
  violation: { kind: string; message: string } | null
  traceHash: string
  lines: string[]
  marks: ReadonlySet<string>
  ledgers: number
  simulatedMs: number
  /** Null when nothing had to go on after the faults. */
  healingMs: number | null
}

/** A simulator, as far as it takes to run its seeds. */
export interface Simulator<P, R extends Run<P>> {
  name: string
  /** What tells it from others on the command line. */
  flag: string
  marks: readonly string[]
  run(seed: number, options: { keepLines: boolean; override: Partial<P> }): R | Promise<R>
  shrink(
    seed: number,
    override: Partial<P>,
    log: (line: string) => void
  ): Promise<{ override: Partial<P>; outcome: R; runs: number } | null>
  /** The network of a run in words. */
  describe(profile: P): string
  /** A figure beyond those of every simulator: the one of all runs so far with that of one more, and in words. */
  add(figure: number, run: R): number
  say(figure: number): string
}

export interface RunOptions<P> {
  first: number
  count: number
  override: Partial<P>
  /** Print all that happens. */
  trace: boolean
  /** Cut down the first failing run. */
  shrink: boolean
  /** Do not print what the runs reached. */
  quiet: boolean
}

const FAILURES_SHOWN = 3
const LINES_SHOWN = 80
const FAILED_SHOWN = 20

/** Runs seeds and prints what came of them. @returns exit code */
export async function runSeeds<P, R extends Run<P>>(
  simulator: Simulator<P, R>,
  { first, count, override, trace, shrink, quiet }: RunOptions<P>
): Promise<number> {
  const startedMs = performance.now()
  const startedCpu = process.cpuUsage()
  const marks = new Map<string, number>()
  const sum = { ledgers: 0, simulatedMs: 0, healed: 0, healingMaxMs: 0, figure: 0 }
  const failed: number[] = []
  let traces = 0
  for (let seed = first; seed < first + count; seed++) {
    const run = await simulator.run(seed, { keepLines: trace, override })
    sum.ledgers += run.ledgers
    sum.simulatedMs += run.simulatedMs
    sum.healed += run.healingMs === null ? 0 : 1
    sum.healingMaxMs = Math.max(sum.healingMaxMs, run.healingMs ?? 0)
    sum.figure = simulator.add(sum.figure, run)
    for (const mark of run.marks) marks.set(mark, (marks.get(mark) ?? 0) + 1)
    traces = (Math.imul(traces, 31) + Number.parseInt(run.traceHash.slice(0, 8), 16)) >>> 0
    if (run.violation !== null) {
      failed.push(seed)
      if (failed.length <= FAILURES_SHOWN) await reportFailure(simulator, run, override, trace)
      if (shrink && failed.length === 1) await reportShrunk(simulator, seed, override, trace)
    } else if (trace) {
      console.log(run.lines.join('\n'))
      console.log(`seed ${seed}: ${run.ledgers} ledgers, trace ${run.traceHash}`)
    }
  }
  const { user, system } = process.cpuUsage(startedCpu)
  const perHour = Math.round((count / ((user + system) / 1e6)) * 3600)
  if (!quiet) {
    console.log('reached in this many runs:')
    for (const mark of simulator.marks) console.log(`  ${String(marks.get(mark) ?? 0).padStart(7)}  ${mark}`)
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  console.log(
    `${count} ${simulator.name} from ${first} in ${seconds} s (${perHour} an hour and core), ` +
      `${(sum.simulatedMs / 3_600_000).toFixed(1)} simulated hours, ${sum.ledgers} ledgers, ${simulator.say(sum.figure)}, ` +
      `${sum.healed} healed within ${Math.round(sum.healingMaxMs)} ms, traces ${traces.toString(16)}`
  )
  if (failed.length > 0) console.log(`${failed.length} failed: ${failed.slice(0, FAILED_SHOWN).join(' ')}`)
  return failed.length > 0 ? 1 : 0
}

/** The readable end of a failing run, what it broke, and the command that repeats it. */
async function reportFailure<P, R extends Run<P>>(
  simulator: Simulator<P, R>,
  { seed, violation, profile, traceHash }: R,
  override: Partial<P>,
  all: boolean
): Promise<void> {
  const { lines } = await simulator.run(seed, { keepLines: true, override })
  console.log(lines.slice(all ? 0 : -LINES_SHOWN).join('\n'))
  console.log(`seed ${seed} (${simulator.describe(profile)}): ${violation?.kind}: ${violation?.message}`)
  const more = Object.keys(override).length > 0 ? ` --profile '${JSON.stringify(override)}'` : ''
  console.log(`trace ${traceHash}; replay: npm run sim --${simulator.flag} --seed ${seed} --count 1 --trace${more}`)
}

async function reportShrunk<P, R extends Run<P>>(
  simulator: Simulator<P, R>,
  seed: number,
  override: Partial<P>,
  all: boolean
): Promise<void> {
  const shrunk = await simulator.shrink(seed, override, (line) => console.log(line))
  if (shrunk === null) return
  console.log(`smallest after ${shrunk.runs} runs:`)
  await reportFailure(simulator, shrunk.outcome, shrunk.override, all)
  console.log(JSON.stringify(shrunk.outcome.profile, null, 2))
}
