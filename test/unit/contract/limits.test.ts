import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fixture, isAlive, makeDir, makeExecution, makeRunner, onCleanup, textOf, until } from './helpers.js'

const MIB = 1024 * 1024
const readPids = (dir: string) =>
  existsSync(join(dir, 'pids')) ? readFileSync(join(dir, 'pids'), 'utf8').trim().split('\n').map(Number) : []

describe('limits of an execution', () => {
  it('kills a contract that hangs, with its children, at the wall time limit', async () => {
    const runner = makeRunner(fixture('hang.sh'), { limits: { execTimeoutMs: 1_000 } })
    const outcome = await runner.execute(makeExecution([['x']]))
    expect(outcome).toMatchObject({ status: 'failed', reason: 'wall time limit of 1000 ms', outputs: [] })
    const pids = readPids(runner.dir)
    expect(pids).toHaveLength(3)
    await until(() => !pids.some(isAlive))
  })

  it('kills it on stop, and gives no outcome', async () => {
    const runner = makeRunner(fixture('hang.sh'))
    const running = runner.execute(makeExecution([]))
    const refused = expect(running).rejects.toMatchObject({ code: 'stopped' })
    await until(() => readPids(runner.dir).length === 3)
    await Promise.all([runner.stop(), runner.stop()])
    await refused
    const pids = readPids(runner.dir)
    await until(() => !pids.some(isAlive))
  })

  it.each([
    ['crash.sh', [], 'killed by SIGSEGV'],
    ['exit-code.sh', [], 'exit code 3'],
    ['exit-code.sh', ['255'], 'exit code 255']
  ])('fails on %s %s', async (name, args, reason) => {
    const outcome = await makeRunner(fixture(name), { args }).execute(makeExecution([['x']]))
    expect(outcome).toMatchObject({ status: 'failed', reason, outputs: [] })
  })

  it('kills a contract that writes output without end, and checks the limits exactly', async () => {
    const flood = makeRunner(fixture('flood-output.sh'), { limits: { userOutputBytes: 8 * MIB } })
    expect(await flood.execute(makeExecution([['x']]))).toMatchObject({
      status: 'failed',
      reason: 'output limit of 8388608 bytes for a user',
      outputs: []
    })
    const echo = makeRunner(fixture('echo.sh'), { limits: { userOutputBytes: 8, ledgerOutputBytes: 12 } })
    expect((await echo.execute(makeExecution([['12345678'], ['1234']], 1))).status).toBe('ok')
    expect((await echo.execute(makeExecution([['123456789']], 2))).reason).toBe('output limit of 8 bytes for a user')
    expect((await echo.execute(makeExecution([['12345678'], ['12345']], 3))).reason).toBe(
      'output limit of 12 bytes for a ledger'
    )
  })

  it('ends what a contract leaves behind, which writes into no later output', async () => {
    const runner = makeRunner(fixture('background.sh'))
    for (const seq of [1, 2, 3]) {
      const outcome = await runner.execute(makeExecution([['x']], seq))
      expect(outcome.status).toBe('ok')
      expect(textOf(outcome)).toMatch(/^(late\n)*done\n(late\n)*$/)
      expect(readPids(runner.dir).some(isAlive)).toBe(false)
    }
  })

  it('bounds the log of a contract that floods it, without failing it', async () => {
    const runner = makeRunner(fixture('flood-log.sh'), { args: ['0.5'], limits: { logBytes: MIB, logFiles: 2 } })
    const log = join(runner.dir, 'log', 'contract.stdout.log')
    let largest = 0
    const watch = setInterval(() => {
      if (existsSync(log)) largest = Math.max(largest, statSync(log).size)
    }, 5)
    onCleanup(() => clearInterval(watch))
    const outcome = await runner.execute(makeExecution([]))
    expect(outcome.reason).toBe('exit code 124')
    expect(largest).toBeLessThan(1024 * MIB)
    expect(statSync(log).size).toBeLessThanOrEqual(2 * MIB)
  })

  it('limits processes, memory and CPU time', { timeout: 30_000 }, async () => {
    const run = (script: string, limits: object) =>
      makeRunner('/bin/bash', { args: ['-c', script], limits }).execute(makeExecution([]))
    const [processes, memory, cpu] = await Promise.all([
      run('while :; do sleep 100 & done', { processes: 20 }),
      run('x=a; while :; do x=$x$x$x; done', { memoryBytes: 64 * MIB, execTimeoutMs: 20_000 }),
      run('while :; do :; done', { cpuSeconds: 1 })
    ])
    expect(processes.reason).toBe('limit of 20 processes')
    expect(memory.status).toBe('failed')
    expect(memory.reason).not.toMatch(/wall/)
    expect(cpu.reason).toBe('CPU time limit of 1 s')
  })

  it('ends at its start a contract that a killed node left behind', async () => {
    const dir = makeDir()
    const first = makeRunner(fixture('hang.sh'), { dir })
    const running = first.execute(makeExecution([]))
    await until(() => readPids(dir).length === 3)
    const marker = readFileSync(join(dir, 'log', 'contract.pid'), 'latin1')
    expect(marker).toMatch(/^\d+ \d+ *$/)
    // As another node process would find it.
    const second = makeRunner(fixture('hang.sh'), { dir })
    await second.start()
    expect(await running).toMatchObject({ status: 'failed', reason: 'killed by SIGKILL' })
    const pids = readPids(dir)
    await until(() => !pids.some(isAlive))
    writeFileSync(join(dir, 'log', 'contract.pid'), '1 1')
    await second.start()
    writeFileSync(join(dir, 'log', 'contract.pid'), 'rubbish')
    await second.start()
  })
})

describe('log files', () => {
  it('hold what the contract prints and rotate between executions', async () => {
    const runner = makeRunner('/bin/sh', {
      args: ['-c', 'echo "out $$"; echo err >&2; head -c 600 /dev/zero | tr "\\0" x'],
      limits: { logBytes: 1000, logFiles: 3 }
    })
    for (let seq = 1; seq <= 9; seq++) await runner.execute(makeExecution([], seq))
    const path = (name: string) => join(runner.dir, 'log', name)
    expect(readFileSync(path('contract.stderr.log'), 'utf8')).toBe('err\n'.repeat(9))
    expect(readFileSync(path('contract.stdout.log'), 'utf8')).toMatch(/^out \d+\nx{600}$/)
    for (const name of ['contract.stdout.log.1', 'contract.stdout.log.2']) {
      expect(readFileSync(path(name), 'utf8').match(/out \d+/g)).toHaveLength(2)
    }
    expect(existsSync(path('contract.stdout.log.3'))).toBe(false)
    expect(statSync(path('contract.stdout.log')).mode & 0o777).toBe(0o600)
  })
})
