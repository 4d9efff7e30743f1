/** npm run fuzz -- --target X|all --seed S --count N [--seconds T] [--save]: see docs/fuzzing.md. */
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { saveFinding, writeCorpus } from '../test/fuzz/engine/corpus.js'
import { execute } from '../test/fuzz/engine/execute.js'
import { type ReportedFinding, runTarget } from '../test/fuzz/engine/supervise.js'
import type { TargetEntry } from '../test/fuzz/engine/target.js'
import { addTotals, formatTotals } from '../test/fuzz/engine/totals.js'
import { TARGETS } from '../test/fuzz/targets/index.js'
import { parseOptions } from './options.js'

const USAGE = `npm run fuzz -- [options]
  --target <name>   a target, several with commas between, or all (default)
  --seed <n>        default 1
  --count <n>       executions of each target, default 20000
  --seconds <n>     longest time for each target, default 60
  --save            keep what is interesting in test/fuzz/corpus
  --no-coverage     look at outcomes alone
  --replay <file>   execute one input of --target and show what comes of it
  --list            the targets
  --totals          what was executed on this machine so far`

function fail(message: string): never {
  console.error(message)
  process.exit(2)
}

function readNumber(value: string | undefined, name: string, fallback: number): number {
  if (value === undefined) return fallback
  const number = Number(value)
  if (Number.isSafeInteger(number) && number >= 0) return number
  fail(`--${name} ${value} is not a whole number`)
}

function findTargets(names: string): TargetEntry[] {
  if (names === 'all') return [...TARGETS]
  return names.split(',').map((name) => {
    const found = TARGETS.find((entry) => entry.name === name)
    return found ?? fail(`there is no target ${name}: --list shows them`)
  })
}

async function replay(entry: TargetEntry, path: string): Promise<void> {
  const target = await entry.open()
  const { kind, finding } = await execute(target, new Uint8Array(readFileSync(path)))
  await target.close?.()
  console.log(kind)
  if (finding !== null) console.log(finding.cause instanceof Error ? finding.cause.stack : finding.stack)
  process.exit(finding === null ? 0 : 1)
}

function show(entry: TargetEntry, { input, kind, message, stack }: ReportedFinding): void {
  const path = relative(process.cwd(), saveFinding(entry.name, input, `${kind}: ${message}\n${stack}`))
  console.log(`${entry.name}: ${kind}: ${message.slice(0, 300)}`)
  console.log(`  replay: npm run fuzz -- --target ${entry.name} --replay ${path}`)
}

const { values } = parseOptions(USAGE, {
  allowNegative: true,
  options: {
    target: { type: 'string', default: 'all' },
    seed: { type: 'string' },
    count: { type: 'string' },
    seconds: { type: 'string' },
    save: { type: 'boolean', default: false },
    coverage: { type: 'boolean', default: true },
    replay: { type: 'string' },
    list: { type: 'boolean', default: false },
    totals: { type: 'boolean', default: false }
  }
})

if (values.list) for (const { name, about } of TARGETS) console.log(`${name.padEnd(22)} ${about}`)
else if (values.totals) console.log(formatTotals(TARGETS))
else {
  const entries = findTargets(values.target)
  if (values.replay !== undefined) await replay(entries[0] as TargetEntry, values.replay)
  const seed = readNumber(values.seed, 'seed', 1)
  const count = readNumber(values.count, 'count', 20_000)
  const seconds = readNumber(values.seconds, 'seconds', 60)
  let found = 0
  let executions = 0
  for (const entry of entries) {
    const task = {
      target: entry.name,
      seed,
      count: Math.ceil(count * entry.share),
      seconds,
      useCoverage: values.coverage
    }
    const summary = await runTarget(task, (finding) => show(entry, finding))
    const { kinds, kept, findings } = summary
    const rate = Math.round(summary.executions / summary.seconds)
    console.log(
      `${entry.name.padEnd(22)} ${summary.executions} executions in ${summary.seconds.toFixed(1)} s (${rate}/s), ` +
        `${kinds.length} outcomes, ${kept.length} kept, ${findings.length} findings`
    )
    addTotals(entry.name, summary)
    if (values.save && values.coverage && findings.length === 0) writeCorpus(entry.name, kept)
    found += findings.length
    executions += summary.executions
  }
  console.log(`${executions} executions of ${entries.length} targets, seed ${seed}: ${found} findings`)
  process.exitCode = found > 0 ? 1 : 0
}
