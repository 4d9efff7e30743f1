import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { build, example, fixture, keyOf, makeExecution, makeRunner, NODE, textOf } from './helpers.js'

const MIB = 1024 * 1024
const hasGo = existsSync('/usr/local/go/bin/go') || existsSync('/usr/bin/go')
const goCommand = existsSync('/usr/local/go/bin/go') ? '/usr/local/go/bin/go' : '/usr/bin/go'

const echoes: [name: string, make: () => string][] = [
  ['bash', () => fixture('echo.sh')],
  ['Python', () => fixture('echo.py')],
  ['Node', () => example('echo-node/bin/echo.mjs')],
  ['C', () => build('cc', ['-O2', '-o', '%o', example('echo/echo.c')])]
]
if (hasGo) {
  echoes.push(['Go', () => build(goCommand, ['build', '-o', '%o', fixture('echo.go')], { GO111MODULE: 'off' })])
}

describe('the fdlist interface', () => {
  it('gives the contract the list on standard input byte for byte', async () => {
    const runner = makeRunner('/bin/sh', { args: ['-c', 'cat >&6'] })
    const execution = makeExecution([[], ['x']], 1, [keyOf(3), NODE])
    execution.users.reverse()
    const outcome = await runner.execute(execution)
    expect(textOf(outcome, 1)).toBe(`{
 "hotpocket": 0.1,
 "lcl": "${keyOf(0x1001)}",
 "mver": 1,
 "npl": [
  3,
  4
 ],
 "pubkey": "${NODE}",
 "time": "1568193881",
 "type": "binexec",
 "unl": [
  "${keyOf(3)}",
  "${NODE}"
 ],
 "user": {
  "${keyOf(0x100)}": [
   7,
   8
  ],
  "${keyOf(0x101)}": [
   5,
   6
  ]
 }
}`)
  })

  it.each(echoes)('passes 0 bytes to 8 MiB for each user, both ways: %s', { timeout: 120_000 }, async (name, make) => {
    const runner = makeRunner(make(), { limits: { ledgerOutputBytes: 64 * MIB } })
    // Upper-case letters, which every echo leaves alone.
    const big = Buffer.alloc(8 * MIB, 'HOT POCKET ')
    const outcome = await runner.execute(
      makeExecution([['A'], [], [big], ['TWO ', 'PARTS'], [big], ['B'.repeat(65_537)]])
    )
    expect(outcome.reason, name).toBeNull()
    expect(outcome.outputs.map(({ user }) => user)).toEqual([0, 2, 3, 4, 5].map((index) => keyOf(0x100 + index)))
    expect(textOf(outcome, 0)).toBe('A')
    expect(textOf(outcome, 3)).toBe('TWO PARTS')
    expect(textOf(outcome, 5)).toBe('B'.repeat(65_537))
    for (const user of [2, 4]) expect(Buffer.from(textOf(outcome, user)).equals(big)).toBe(true)
  })

  it('passes any byte', async () => {
    const bytes = randomBytes(100_000)
    const outcome = await makeRunner(fixture('echo.py')).execute(makeExecution([[bytes]]))
    expect(Buffer.from(outcome.outputs[0]?.content ?? []).equals(bytes)).toBe(true)
  })

  it.each([
    ['bash', fixture('echo.sh')],
    ['Python', fixture('echo.py')],
    ['Node', example('echo-node/bin/echo.mjs')]
  ])('serves 1,000 users at once: %s', { timeout: 120_000 }, async (_name, binary) => {
    const runner = makeRunner(binary)
    const users = Array.from({ length: 1000 }, (_, index) => (index % 3 === 0 ? [] : [`USER ${index}`]))
    for (const seq of [1, 2]) {
      const outcome = await runner.execute(makeExecution(users, seq))
      expect(outcome.reason).toBeNull()
      expect(outcome.outputs).toHaveLength(666)
      for (const [index, inputs] of users.entries()) expect(textOf(outcome, index)).toBe(inputs.join(''))
    }
  })

  it('lets nothing of the node in', async () => {
    process.env.HP_TEST_SECRET = 'secret'
    const runner = makeRunner(fixture('probe.py'))
    const outcome = await runner.execute(makeExecution([['x'], []]))
    delete process.env.HP_TEST_SECRET
    expect(outcome.reason).toBeNull()
    const seen = JSON.parse(textOf(outcome))
    // 0..2, the party line, two users; Python's own look at the folder is the one more.
    const fds = Object.entries<string>(seen.fds).filter(([, target]) => !target.startsWith('/proc/'))
    expect(fds.map(([fd]) => Number(fd)).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    expect(
      Object.keys(seen.env)
        .filter((name) => name !== 'LC_CTYPE')
        .sort()
    ).toEqual(['HOME', 'LANG', 'PATH', 'PWD', 'TZ'])
    expect(seen).toMatchObject({ cwd: runner.dir, isLeader: true, core: 0, cpu: [60, 61] })
    expect(seen.openFiles).toBeGreaterThanOrEqual(1024)
  })

  it('leaves no descriptor open in the node', async () => {
    const runner = makeRunner(fixture('echo.py'))
    const count = () => readdirSync('/proc/self/fd').length
    await runner.execute(makeExecution([['x'], []], 1))
    const before = count()
    for (let seq = 2; seq < 8; seq++) await runner.execute(makeExecution([['x'], [], ['y']], seq))
    expect(count()).toBeLessThanOrEqual(before)
  })

  it('runs one execution at a time, and refuses a binary that it cannot run', async () => {
    const runner = makeRunner(fixture('echo.sh'))
    const first = runner.execute(makeExecution([['x']]))
    await expect(runner.execute(makeExecution([], 2))).rejects.toMatchObject({ code: 'busy' })
    expect((await first).status).toBe('ok')
    await expect(makeRunner('bin/none').execute(makeExecution([]))).rejects.toMatchObject({ code: 'binary-missing' })
    await expect(makeRunner(fixture('echo.go')).execute(makeExecution([]))).rejects.toMatchObject({
      code: 'binary-not-executable'
    })
    await runner.stop()
    await expect(runner.execute(makeExecution([], 3))).rejects.toMatchObject({ code: 'stopped' })
  })

  it('refuses limits that are out of range', () => {
    expect(() => makeRunner('/bin/true', { limits: { execTimeoutMs: 0 } })).toThrow(/execTimeoutMs is 0/)
    expect(() => makeRunner('/bin/true', { limits: { nplMessageBytes: 1e6 } })).toThrow(/nplMessageBytes/)
  })
})
