/** npm run chaos -- --seed S --count N --seconds T: real nodes under faults, see docs/chaos.md. */
import { parseArgs } from 'node:util'
import { FAULT_KINDS, type FaultKind, type Manifest } from '../test/chaos/manifest.js'
import { type ChaosOutcome, runChaos } from '../test/chaos/run.js'
import { Summary } from '../test/chaos/summary.js'

const USAGE =
  'usage: npm run chaos -- [--seed 1] [--count 3 (to 10000)] [--seconds 60 (to 86400)] [--within SECONDS] [--nodes 4 to 10] [--kinds KIND,KIND] [--keep] [--quiet]'

function refuse(what: string): never {
  console.error(`${what}\n${USAGE}\nkinds: ${FAULT_KINDS.join(', ')}`)
  process.exit(2)
}

function readNumber(text: string | undefined, name: string, min: number, max: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value
  return refuse(`--${name} ${text} is not a whole number from ${min} to ${max}`)
}

function readKinds(text: string | undefined): FaultKind[] | undefined {
  const kinds = text?.split(',')
  const unknown = kinds?.find((kind) => !FAULT_KINDS.includes(kind as FaultKind))
  if (unknown !== undefined) refuse(`--kinds: there is no "${unknown}"`)
  return kinds as FaultKind[] | undefined
}

function readArguments() {
  try {
    return parseArgs({
      options: {
        seed: { type: 'string' },
        count: { type: 'string' },
        seconds: { type: 'string' },
        within: { type: 'string' },
        nodes: { type: 'string' },
        kinds: { type: 'string' },
        keep: { type: 'boolean', default: false },
        quiet: { type: 'boolean', default: false }
      }
    }).values
  } catch (error) {
    return refuse((error as Error).message)
  }
}

const values = readArguments()
const first = readNumber(values.seed, 'seed', 0, 2 ** 40) ?? 1
const count = readNumber(values.count, 'count', 1, 10_000) ?? 3
const seconds = readNumber(values.seconds, 'seconds', 1, 86_400) ?? 60
/** No further seed is begun after this time, s. */
const within = readNumber(values.within, 'within', 1, 864_000) ?? Number.POSITIVE_INFINITY
const nodes = readNumber(values.nodes, 'nodes', 4, 10)
const kinds = readKinds(values.kinds)
const override: Partial<Manifest> = {
  ...(nodes === undefined ? {} : { validators: nodes, observers: 0 }),
  ...(kinds === undefined ? {} : { kinds })
}
const same = `${nodes === undefined ? '' : ` --nodes ${nodes}`}${kinds === undefined ? '' : ` --kinds ${kinds.join(',')}`}`

function report(seed: number, outcome: ChaosOutcome): void {
  const { verdict, rounds, tookMs, error } = outcome
  if (error === null && verdict !== null) {
    const { ledgers, inputs, answers } = verdict
    console.log(
      `seed ${seed}: ${rounds} rounds, ${ledgers} ledgers, ${inputs} inputs, ${answers} answers, ${Math.round(tookMs / 1000)} s`
    )
    if (outcome.keptIn !== null) console.log(`nodes, logs and timeline: ${outcome.keptIn}`)
    return
  }
  if (values.quiet) console.log(outcome.timeline.join('\n'))
  console.log(`seed ${seed} FAILED: ${error?.message}`)
  console.log(`nodes, logs and timeline: ${outcome.keptIn}`)
  console.log(`replay: npm run chaos -- --seed ${seed} --count 1 --seconds ${seconds}${same}`)
}

const summary = new Summary()
let interrupted = false
// A second signal ends it at once.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interrupted) process.exit(130)
    interrupted = true
    console.log('ends after this seed; the same again ends at once')
  })
}
for (let seed = first; seed < first + count && !interrupted; seed++) {
  if (performance.now() > within * 1000) break
  const onLine = values.quiet ? undefined : (line: string) => console.log(line)
  const outcome = await runChaos({
    seed,
    seconds,
    override,
    keep: values.keep,
    ...(onLine === undefined ? {} : { onLine })
  })
  report(seed, outcome)
  summary.add(outcome)
}
console.log(summary.toString())
process.exit(summary.failed > 0 ? 1 : 0)
