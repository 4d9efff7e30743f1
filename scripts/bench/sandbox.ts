/**
 * What the contract's sandbox costs: starts a contract that does nothing, in turn with and without, and prints the
 * times of an execution and their ratio. `npx tsx scripts/bench/sandbox.ts [executions] [users]`
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { ContractRunner, DEFAULT_LIMITS } from '../../src/contract/index.js'

const executions = Number(process.argv[2] ?? 300)
const userCount = Number(process.argv[3] ?? 3)
const keyOf = (number: number) => number.toString(16).padStart(64, '0')
const users = Array.from({ length: userCount }, (_, index) => ({ key: keyOf(index + 1), inputs: [Buffer.from('x')] }))
const at = (sorted: number[], share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN

const dir = mkdtempSync(join(tmpdir(), 'hp-bench-'))
const runners = (['off', 'on'] as const).map((mode) => {
  const own = join(dir, mode)
  for (const name of ['bin', 'cfg', 'hist', 'state', 'log']) mkdirSync(join(own, name), { recursive: true })
  const options = { dir: own, logDir: join(own, 'log'), publicKey: keyOf(0), binary: '/bin/true', args: [] }
  const log = pino({ level: 'warn' })
  const runner = new ContractRunner({ ...options, limits: DEFAULT_LIMITS, sandbox: { mode }, log })
  return { mode, runner, times: [] as number[] }
})
try {
  for (const { runner } of runners) await runner.start()
  for (let seq = 1; seq <= executions; seq++) {
    for (const { runner, times } of runners) {
      const startMs = performance.now()
      await runner.execute({ seq, lcl: keyOf(seq), timeMs: Date.now(), unl: [keyOf(0)], users })
      times.push(performance.now() - startMs)
    }
  }
  for (const { mode, times } of runners) {
    times.sort((a, b) => a - b)
    const [p10, p50, p90] = [0.1, 0.5, 0.9].map((share) => at(times, share).toFixed(2))
    console.log(`sandbox ${mode.padEnd(3)}  p10 ${p10} ms  p50 ${p50} ms  p90 ${p90} ms`)
  }
  const [off, on] = runners.map(({ times }) => at(times, 0.5)) as [number, number]
  console.log(`ratio ${(on / off).toFixed(2)}, ${(on - off).toFixed(2)} ms more at p50`)
} finally {
  for (const { runner } of runners) await runner.stop()
  rmSync(dir, { recursive: true, force: true })
}
