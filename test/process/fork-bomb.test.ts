import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { ContractRunner, DEFAULT_LIMITS, type SandboxMode } from '../../src/contract/index.js'
import { ControlGroup, taskLimit } from '../../src/contract/process/control-group.js'
import { Cluster, onCleanup } from '../helpers/cluster.js'

const BOMB = new URL('../fixtures/contracts/bomb.py', import.meta.url).pathname
/** The bomb's own bound. */
const MOST = 1500
const PROCESSES = 20
const keyOf = (number: number) => number.toString(16).padStart(64, '0')

function makeRunner(mode: SandboxMode): { dir: string; runner: ContractRunner } {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'hp-bomb-')))
  for (const name of ['state', 'log']) mkdirSync(join(dir, name))
  const runner = new ContractRunner({
    dir,
    binary: '/usr/bin/python3',
    args: [BOMB],
    publicKey: keyOf(1),
    logDir: join(dir, 'log'),
    limits: { ...DEFAULT_LIMITS, execTimeoutMs: 20_000, processes: PROCESSES },
    sandbox: { mode, paths: [dirname(BOMB)] },
    log: pino({ level: 'silent' })
  })
  onCleanup(async () => {
    await runner.stop()
    rmSync(dir, { recursive: true, force: true })
  })
  return { dir, runner }
}

describe('a contract that starts processes as fast as it can', () => {
  for (const mode of ['auto', 'off'] as const) {
    it(`never has more tasks than the kernel allows it, sandbox ${mode}`, async ({ skip }) => {
      const { dir, runner } = makeRunner(mode)
      await runner.start()
      const { processBound } = runner.capabilities
      skip(processBound === 'watch', 'nothing bounds them on this machine: the doctor says so')
      const group = processBound === 'cgroup' ? ControlGroup.open(join(dir, 'log')) : null
      const readGroup = (name: string): number | null => {
        const path = join(dirname(group?.doors[0] ?? '/nowhere/x'), name)
        return existsSync(path) ? Number(readFileSync(path, 'utf8')) : null
      }
      let most = 0
      for (const words of ['spin', 'setsid', 'setsid spin']) {
        const users = [{ key: keyOf(2), inputs: [Buffer.from(`bomb ${MOST} ${words}\n`)] }]
        const outcome = await runner.execute({ seq: 1, lcl: keyOf(1), timeMs: 1e12, unl: [keyOf(1)], users })
        expect(outcome.reason, words).toBe(`limit of ${PROCESSES} processes`)
        most = Math.max(most, readGroup('pids.peak') ?? 0)
        console.log(`${mode} ${words}: ended after ${Math.round(outcome.durationMs)} ms, most tasks ${most}`)
        expect(outcome.durationMs).toBeLessThan(5_000)
        expect(group?.pids() ?? [], 'none is left').toEqual([])
        rmSync(join(dir, 'state', 'started'))
      }
      expect(most).toBeLessThanOrEqual(taskLimit({ processes: PROCESSES }))
      await runner.stop()
      expect(readGroup('pids.max'), 'the group is removed').toBeNull()
    })
  }

  it('does not keep its node from the next ledger', async () => {
    const cluster = await Cluster.start({
      nodes: 1,
      contract: 'bomb.py',
      config: { roundtime: 1000, exectimeout: 20_000, contractprocesses: PROCESSES }
    })
    const user = await cluster.connect(0)
    expect(await user.ask('hello\n')).toBe('still here')
    for (const words of ['', 'spin', 'setsid spin']) {
      const startMs = performance.now()
      const seen = user.notices.length
      user.send(`bomb ${MOST} ${words}\n`)
      await cluster.waitUntil('the word about its end', () => user.notices.length > seen)
      expect(user.notices[seen]).toMatchObject({ notice: 'execution_failed' })
      const endMs = performance.now()
      expect(await user.ask('hello\n')).toBe('still here')
      const [bomb, next] = [endMs - startMs, performance.now() - endMs].map(Math.round)
      console.log(`bomb ${words}: failed after ${bomb} ms, the next answer came ${next} ms later`)
      expect(next).toBeLessThan(10_000)
    }
  })
})
