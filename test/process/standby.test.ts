import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { type ContractLimits, ContractRunner, DEFAULT_LIMITS, type RunnerOptions } from '../../src/contract/index.js'
import { Cluster, onCleanup } from '../helpers/cluster.js'
import { waitUntil } from '../helpers/wait.js'

const SEEN = new URL('../fixtures/contracts/seen.py', import.meta.url).pathname
const keyOf = (number: number) => number.toString(16).padStart(64, '0')
const MIB = 1024 * 1024
const SECRET = 'the-secret-of-the-node'

interface Seen extends Record<string, unknown> {
  inputs: Record<string, string>
  files: string[]
  runs: number
}

interface Place {
  dir: string
  runner: ContractRunner
  /** Runs it for as many users as there are texts, each with that input. */
  run(...texts: string[]): Promise<Seen>
  /** Waits for a sandbox that stands by; its bwrap, outside. */
  standing(): Promise<number>
}

function makePlace(options: Partial<Omit<RunnerOptions, 'limits'>> & { limits?: Partial<ContractLimits> } = {}): Place {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'hp-standby-')))
  for (const name of ['bin', 'cfg', 'hist', 'state', 'log']) mkdirSync(join(dir, name))
  writeFileSync(join(dir, 'cfg', 'hp.cfg'), SECRET)
  copyFileSync(SEEN, join(dir, 'bin', 'seen.py'))
  const runner = new ContractRunner({
    dir,
    binary: join(dir, 'bin', 'seen.py'),
    args: [],
    publicKey: keyOf(1),
    logDir: join(dir, 'log'),
    sandbox: { mode: 'on' },
    log: pino({ level: 'silent' }),
    ...options,
    limits: { ...DEFAULT_LIMITS, execTimeoutMs: 30_000, ...options.limits }
  })
  onCleanup(async () => {
    await runner.stop()
    rmSync(dir, { recursive: true, force: true })
  })
  let seq = 0
  const run = async (...texts: string[]) => {
    seq++
    const users = texts.map((text, index) => ({
      key: keyOf(index + 2),
      inputs: text === '' ? [] : [Buffer.from(text)]
    }))
    const outcome = await runner.execute({ seq, lcl: keyOf(seq), timeMs: 1e12, unl: [keyOf(1)], users })
    expect(outcome.reason).toBeNull()
    return JSON.parse(Buffer.from(outcome.outputs[0]?.content ?? []).toString() || '{}') as Seen
  }
  const standing = () => waitUntil('a sandbox that stands by', () => findStanding(dir), { everyMs: 5 })
  return { dir, runner, run, standing }
}

/** The outer and inner processes of bwrap for a contract directory. */
function sandboxesOf(dir: string): number[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,stat=,args=', '-ww'], { encoding: 'utf8', maxBuffer: 64 * MIB }).split(
    '\n'
  )
  return lines
    .filter((line) => line.includes('bwrap --unshare') && line.includes(dir))
    .map((line) => Number.parseInt(line, 10))
}

/** The outer process of a sandbox whose mounts are all made: the root is closed last. */
function findStanding(dir: string): number | null {
  const [outer, inner] = sandboxesOf(dir)
  if (outer === undefined || inner === undefined) return null
  try {
    return / \/ ro,/.test(readFileSync(`/proc/${inner}/mountinfo`, 'utf8')) ? outer : null
  } catch {
    return null
  }
}

const works = await (async () => {
  const { runner } = makePlace({ sandbox: { mode: 'auto' } })
  await runner.start()
  return runner.sandbox.reason
})()
const title = works === null ? 'a sandbox made ahead' : `a sandbox made ahead (left out, because ${works})`

describe.skipIf(works !== null)(title, { timeout: 120_000 }, () => {
  it('is used when nothing has changed, and the contract sees the same as in one made at its start', async () => {
    const ahead = makePlace()
    const anew = makePlace({ standby: false })
    for (const texts of [
      ['one', '', 'two'],
      ['', 'three', ''],
      ['a\nb', '', '']
    ]) {
      const [seen, wanted] = [await ahead.run(...texts), await anew.run(...texts)]
      expect(seen.inputs).toEqual(Object.fromEntries(texts.map((text, index) => [keyOf(index + 2), text])))
      expect(JSON.parse(JSON.stringify(seen).replaceAll(basename(ahead.dir), basename(anew.dir)))).toEqual(wanted)
      expect((seen.descriptors as unknown[][]).map(([fd]) => fd)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      await ahead.standing()
      expect(sandboxesOf(anew.dir)).toEqual([])
    }
    expect(ahead.runner.starts).toEqual({ ahead: 2, discarded: 0, lastReason: null })
    expect(anew.runner.starts).toEqual({ ahead: 0, discarded: 0, lastReason: null })
  })

  it('waits without its time being counted, under the limits', async () => {
    const { runner, run, standing } = makePlace({
      binary: '/bin/bash',
      args: ['-c', '[ "$(ulimit -n)" = 39 ]'],
      limits: { execTimeoutMs: 1_000, openFiles: 30 }
    })
    await run('', '')
    await standing()
    await delay(1_500)
    await run('', '')
    expect(runner.starts.ahead).toBe(1)
  })

  it('is held to the wall time, the processes and the space that were agreed', async () => {
    const limits = { execTimeoutMs: 1_000, processes: 8, tmpBytes: MIB }
    const script =
      'read -r word <&5; case $word in hang) sleep 100;; fork) while :; do sleep 100 & done;; esac; head -c 8M /dev/zero > /tmp/x || echo full >&6'
    const { runner, standing } = makePlace({ binary: '/bin/bash', args: ['-c', script], limits })
    const execute = (word: string) =>
      runner.execute({
        seq: 1,
        lcl: keyOf(1),
        timeMs: 1e12,
        unl: [keyOf(1)],
        users: [{ key: keyOf(2), inputs: [Buffer.from(`${word}\n`)] }]
      })
    await execute('')
    const outcomes = []
    for (const word of ['hang', 'fork', 'fill']) {
      await standing()
      outcomes.push(await execute(word))
    }
    expect(outcomes.map(({ reason }) => reason)).toEqual(['wall time limit of 1000 ms', 'limit of 8 processes', null])
    expect(Buffer.from(outcomes[2]?.outputs[0]?.content ?? []).toString()).toBe('full\n')
    expect(runner.starts).toEqual({ ahead: 3, discarded: 0, lastReason: null })
  })

  type Change = [what: string, reason: RegExp, change: (place: Place, outer: number) => void | Promise<void>]
  const changes: Change[] = [
    ['the limits change', /limits/, ({ runner }) => runner.setLimits({ openFiles: 77 })],
    ['/tmp gets another size', /limits/, ({ runner }) => runner.setLimits({ tmpBytes: 8 * MIB })],
    [
      'the state is replaced by another directory',
      /state is another/,
      ({ dir }) => {
        mkdirSync(join(dir, 'new'))
        renameSync(join(dir, 'state'), join(dir, 'old'))
        renameSync(join(dir, 'new'), join(dir, 'state'))
        rmSync(join(dir, 'old'), { recursive: true })
      }
    ],
    [
      'the state is removed and made again',
      /state is another/,
      ({ dir }) => {
        rmSync(join(dir, 'state'), { recursive: true })
        mkdirSync(join(dir, 'state'))
      }
    ],
    [
      'the program’s directory is replaced',
      /bin is another/,
      ({ dir }) => {
        mkdirSync(join(dir, 'new'))
        copyFileSync(SEEN, join(dir, 'new', 'seen.py'))
        rmSync(join(dir, 'bin'), { recursive: true })
        renameSync(join(dir, 'new'), join(dir, 'bin'))
      }
    ],
    [
      'a hidden directory is made again',
      /cfg is another/,
      ({ dir }) => {
        rmSync(join(dir, 'cfg'), { recursive: true })
        mkdirSync(join(dir, 'cfg'))
        writeFileSync(join(dir, 'cfg', 'hp.cfg'), SECRET)
      }
    ],
    [
      'a hidden directory is moved',
      /files to show are others/,
      ({ dir }) => {
        renameSync(join(dir, 'hist'), join(dir, 'history'))
        rmdirSync(join(dir, 'history'))
      }
    ],
    ['the log is another file', /log is another/, ({ dir }) => rmSync(join(dir, 'log', 'contract.stdout.log'))],
    [
      'its outer process is killed',
      /gone/,
      async ({ dir }, outer) => {
        process.kill(outer, 'SIGKILL')
        await waitUntil('its end', () => !sandboxesOf(dir).includes(outer), { everyMs: 5 })
      }
    ],
    [
      'all of it is killed',
      /gone/,
      async ({ dir }, outer) => {
        process.kill(-outer, 'SIGKILL')
        await waitUntil('its end', () => sandboxesOf(dir).length === 0, { everyMs: 5 })
      }
    ]
  ]

  it.each(changes)('is not used when %s', async (_, reason, change) => {
    const place = makePlace()
    const { dir, run, runner } = place
    await run('x')
    const outer = await place.standing()
    await change(place, outer)
    const { files, runs } = await run(`${join(dir, 'cfg', 'hp.cfg')}\n`)
    expect(files).toEqual(['No such file or directory'])
    expect(readFileSync(join(dir, 'state', 'runs'), 'utf8')).toHaveLength(runs)
    expect(runner.starts).toEqual({ ahead: 0, discarded: 1, lastReason: expect.stringMatching(reason) })
    // The next one is.
    await place.standing()
    await run('x')
    expect(runner.starts).toMatchObject({ ahead: 1, discarded: 1 })
    await runner.stop()
    expect(sandboxesOf(dir)).toEqual([])
  })

  it('is not used for another number of users, and made less often when that goes on', async () => {
    const { dir, runner, run, standing } = makePlace()
    const texts = (count: number) => Array.from({ length: count }, () => 'x')
    await run(...texts(1))
    await standing()
    await run(...texts(2))
    expect(runner.starts).toEqual({ ahead: 0, discarded: 1, lastReason: expect.stringContaining('number of users') })
    await standing()
    // After the second in a row none is made once, after the third three times.
    for (const [count, pause, discarded] of [
      [3, 1, 2],
      [4, 3, 3]
    ] as const) {
      for (let passed = 0; passed < pause; passed++) {
        await run(...texts(count))
        await delay(50)
        expect(sandboxesOf(dir)).toEqual([])
        expect(runner.starts.discarded).toBe(discarded)
      }
      await run(...texts(count))
      await standing()
    }
    await run(...texts(4))
    expect(runner.starts).toMatchObject({ ahead: 1, discarded: 3 })
  })

  it('shows a file that was replaced while it waited', async () => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hp-readable-')))
    onCleanup(async () => rmSync(folder, { recursive: true }))
    const file = join(folder, 'file')
    writeFileSync(file, 'old')
    const { runner, run, standing } = makePlace({ sandbox: { mode: 'on', paths: [file] } })
    expect((await run(file)).files).toEqual(['old'])
    await standing()
    expect((await run(file)).files).toEqual(['old'])
    expect(runner.starts.ahead).toBe(1)
    await standing()
    writeFileSync(`${file}.new`, 'new')
    renameSync(`${file}.new`, file)
    expect((await run(file)).files).toEqual(['new'])
    expect(runner.starts).toEqual({ ahead: 1, discarded: 1, lastReason: `${file} is another` })
  })

  it('runs a program of the state that was replaced, and shows nothing through a link of the contract', async () => {
    const { dir, runner, run, standing } = makePlace({ binary: 'state/program' })
    const program = (word: string) => `#!/bin/sh\nln -s /etc cfg2 2>/dev/null\necho '{"word":"${word}"}' >&6\n`
    writeFileSync(join(dir, 'state', 'program'), program('old'), { mode: 0o755 })
    expect(await run('x')).toEqual({ word: 'old' })
    await standing()
    writeFileSync(join(dir, 'state', 'new'), program('new'), { mode: 0o755 })
    renameSync(join(dir, 'state', 'new'), join(dir, 'state', 'program'))
    expect(await run('x')).toEqual({ word: 'new' })
    expect(runner.starts).toEqual({ ahead: 1, discarded: 0, lastReason: null })
  })

  it('leaves no process and no descriptor after stop, nor stays for a runner that cannot use it', async () => {
    const count = () => readdirSync('/proc/self/fd').length
    const { dir, runner, run, standing } = makePlace()
    await runner.start()
    const before = count()
    await run('x', 'y')
    await standing()
    await Promise.all([runner.stop(), runner.stop()])
    expect(sandboxesOf(dir)).toEqual([])
    // One for each device that is guarded, and the run marker, are closed too.
    expect(count()).toBeLessThanOrEqual(before)
    for (const options of [{ libc: null }, { sandbox: { mode: 'off' } }, { standby: false }] as const) {
      const place = makePlace({ ...options, binary: '/bin/true' })
      await place.run('x')
      await delay(100)
      expect(sandboxesOf(place.dir)).toEqual([])
    }
  })

  it('ends with its node, also by kill -9, and the contract is not started by that', async () => {
    const { dir } = makePlace()
    const options = {
      ...{ dir, logDir: join(dir, 'log'), publicKey: keyOf(1), binary: '/bin/sh' },
      ...{ args: ['-c', 'echo x >> state/runs'], limits: DEFAULT_LIMITS, sandbox: { mode: 'on' } }
    }
    const script = `
      import { ContractRunner } from ${JSON.stringify(new URL('../../dist/contract/index.js', import.meta.url).href)}
      const log = { debug() {}, warn() {} }
      const runner = new ContractRunner({ ...${JSON.stringify(options)}, log })
      await runner.execute({ seq: 1, lcl: '${keyOf(1)}', timeMs: 1e12, unl: ['${keyOf(1)}'], users: [] })
      console.log('done')
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    onCleanup(async () => void child.kill('SIGKILL'))
    await once(child.stdout, 'data')
    await waitUntil('a sandbox that stands by', () => findStanding(dir), { everyMs: 5 })
    child.kill('SIGKILL')
    await waitUntil('the end of all of it', () => sandboxesOf(dir).length === 0, { everyMs: 5 })
    expect(readFileSync(join(dir, 'state', 'runs'), 'utf8')).toBe('x\n')
  })

  it('is used by a node, and ends with it', async () => {
    const cluster = await Cluster.start({ nodes: 1, contract: 'echo.sh', config: { roundtime: 1000, sandbox: 'on' } })
    const [node] = cluster.nodes as [Cluster['nodes'][number]]
    const user = await cluster.connect(0)
    for (const word of ['one', 'two', 'three']) expect(await user.ask(word)).toBe(word)
    await cluster.waitUntil('a sandbox that stands by', () => findStanding(node.dir))
    await node.stop()
    expect(sandboxesOf(node.dir)).toEqual([])
  })
})
