/**
 * What the contract's sandbox costs: starts a contract that does nothing, in turn without a sandbox, with one, and with
 * one that is made ahead, and prints the times of an execution and their ratio to the first.
 * `npm run bench sandbox [executions] [users] [pause]`: the pause between two executions is in ms.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { ContractRunner, DEFAULT_LIMITS } from '../../src/contract/index.js'

const numbers = process.argv.slice(2).filter((word) => word !== 'sandbox')
const [executions = 300, userCount = 3, pauseMs = 40] = numbers.map(Number)
const keyOf = (number: number) => number.toString(16).padStart(64, '0')
const users = Array.from({ length: userCount }, (_, index) => ({ key: keyOf(index + 1), inputs: [Buffer.from('x')] }))
const at = (sorted: number[], share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN

const KINDS = [
  { name: 'none', mode: 'off', standby: false },
  { name: 'made at its start', mode: 'on', standby: false },
  { name: 'made ahead', mode: 'on', standby: true }
] as const

const dir = mkdtempSync(join(tmpdir(), 'hp-bench-'))
const runners = KINDS.map(({ name, mode, standby }, index) => {
  const own = join(dir, String(index))
  for (const folder of ['bin', 'cfg', 'hist', 'state', 'log']) mkdirSync(join(own, folder), { recursive: true })
  const options = { dir: own, logDir: join(own, 'log'), publicKey: keyOf(0), binary: '/bin/true', args: [], standby }
  const log = pino({ level: 'warn' })
  const runner = new ContractRunner({ ...options, limits: DEFAULT_LIMITS, sandbox: { mode }, log })
  return { name, runner, times: [] as number[] }
})
try {
  for (const { runner } of runners) await runner.start()
  for (let seq = 1; seq <= executions; seq++) {
    for (const { runner, times } of runners) {
      const startMs = performance.now()
      await runner.execute({ seq, lcl: keyOf(seq), timeMs: Date.now(), unl: [keyOf(0)], users })
      times.push(performance.now() - startMs)
      await delay(pauseMs)
    }
  }
  const first = at(runners[0]?.times.toSorted((a, b) => a - b) ?? [], 0.5)
  for (const { name, runner, times } of runners) {
    times.sort((a, b) => a - b)
    const [p10, p50, p90] = [0.1, 0.5, 0.9].map((share) => at(times, share).toFixed(2))
    const ratio = (at(times, 0.5) / first).toFixed(2)
    const { ahead, discarded } = runner.starts
    const words = ahead + discarded === 0 ? '' : `, ${ahead} used, ${discarded} discarded`
    console.log(
      `${name.padEnd(18)} p10 ${p10} ms  p50 ${p50} ms  p90 ${p90} ms, ${ratio} times that of none at p50${words}`
    )
  }
} finally {
  for (const { runner } of runners) await runner.stop()
  rmSync(dir, { recursive: true, force: true })
}
