import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Logger, pino } from 'pino'
import { describe, expect, it } from 'vitest'
import {
  type ContractLimits,
  ContractRunner,
  DEFAULT_LIMITS,
  type ExecutionOutcome,
  type SandboxOptions
} from '../../src/contract/index.js'
import { Cluster, onCleanup } from '../helpers/cluster.js'

const MIB = 1024 * 1024
const HOSTILE = new URL('../fixtures/contracts/hostile.py', import.meta.url).pathname
const keyOf = (number: number) => number.toString(16).padStart(64, '0')
const SECRET = 'the-secret-of-the-node'

type Attack = [word: string, ...args: unknown[]]

interface Prison {
  dir: string
  runner: ContractRunner
  /** What came of each, in order. */
  attack(...attacks: Attack[]): Promise<unknown[]>
  execute(...attacks: Attack[]): Promise<ExecutionOutcome>
}

interface PrisonOptions {
  limits?: Partial<ContractLimits>
  sandbox?: Partial<SandboxOptions>
  binary?: string
  args?: string[]
  libc?: null
  log?: Logger
}

/** A contract directory as a node has it, with a hostile contract. */
function makePrison(options: PrisonOptions = {}): Prison {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'hp-sandbox-')))
  for (const name of ['bin', 'cfg', 'hist', 'state', 'log']) mkdirSync(join(dir, name))
  writeFileSync(join(dir, 'cfg', 'hp.cfg'), SECRET, { mode: 0o600 })
  writeFileSync(join(dir, 'hist', 'journal'), SECRET)
  writeFileSync(join(dir, 'log', 'node.log'), SECRET)
  writeFileSync(join(dir, 'bin', 'hostile.py'), readFileSync(HOSTILE), { mode: 0o755 })
  const runner = new ContractRunner({
    dir,
    binary: options.binary ?? join(dir, 'bin', 'hostile.py'),
    args: options.args ?? [],
    publicKey: keyOf(1),
    logDir: join(dir, 'log'),
    secretPaths: [join(dir, 'cfg')],
    limits: { ...DEFAULT_LIMITS, execTimeoutMs: 60_000, ...options.limits },
    sandbox: { mode: 'on', ...options.sandbox },
    log: options.log ?? pino({ level: 'silent' }),
    ...(options.libc === null ? { libc: null } : {})
  })
  onCleanup(async () => {
    await runner.stop()
    rmSync(dir, { recursive: true, force: true })
  })
  let seq = 0
  const execute = (...attacks: Attack[]) => {
    const inputs = attacks.map((attack) => Buffer.from(`${JSON.stringify(attack)}\n`))
    seq++
    return runner.execute({ seq, lcl: keyOf(seq), timeMs: 1e12, unl: [keyOf(1)], users: [{ key: keyOf(2), inputs }] })
  }
  const attack = async (...attacks: Attack[]) => {
    const outcome = await execute(...attacks)
    expect(outcome.reason).toBeNull()
    return answersOf(outcome)
  }
  return { dir, runner, attack, execute }
}

const answersOf = ({ outputs }: ExecutionOutcome): unknown[] =>
  Buffer.from(outputs[0]?.content ?? [])
    .toString()
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))

const error = (...codes: string[]) => ({ error: expect.stringMatching(new RegExp(`^(${codes.join('|')})$`)) })

async function whyNot(): Promise<string | null> {
  const dir = mkdtempSync(join(tmpdir(), 'hp-sandbox-'))
  const runner = new ContractRunner({
    dir,
    binary: '/bin/true',
    args: [],
    publicKey: keyOf(1),
    logDir: join(dir, 'log'),
    limits: DEFAULT_LIMITS,
    sandbox: { mode: 'auto' },
    log: pino({ level: 'silent' })
  })
  await runner.start()
  await runner.stop()
  rmSync(dir, { recursive: true })
  return runner.sandbox.reason
}

const reason = await whyNot()
const title = reason === null ? 'the sandbox' : `the sandbox (left out, because ${reason})`

describe.skipIf(reason !== null)(title, { timeout: 120_000 }, () => {
  it('tells what it is', async () => {
    const { runner } = makePrison()
    expect(runner.sandbox).toEqual({ mode: 'on', active: false, reason: null, version: null })
    await runner.start()
    expect(runner.sandbox).toEqual({
      mode: 'on',
      active: true,
      reason: null,
      version: expect.stringMatching(/^\d+\.\d+/)
    })
    expect(runner.capabilities.sandbox).toBe('bubblewrap')
    const off = makePrison({ sandbox: { mode: 'off' } })
    await off.runner.start()
    expect(off.runner.sandbox).toEqual({ mode: 'off', active: false, reason: null, version: null })
  })

  it('hides the node: key, database, logs, other directories, the machine', async () => {
    const { dir, attack } = makePrison()
    const other = makePrison()
    writeFileSync(join(other.dir, 'state', 'data'), SECRET)
    const answers = await attack(
      ['read', join(dir, 'cfg', 'hp.cfg')],
      ['read', join(dir, 'hist', 'journal')],
      ['read', join(dir, 'log', 'node.log')],
      ['read', join(other.dir, 'state', 'data')],
      ['read', `/proc/1/root${join(dir, 'cfg', 'hp.cfg')}`],
      ['read', '/proc/1/cwd/cfg/hp.cfg'],
      ['read', `/proc/self/root${join(dir, 'cfg', 'hp.cfg')}`],
      ['read', `/proc/${process.pid}/environ`],
      ['read', '/etc/shadow'],
      ['read', '/root/.bashrc'],
      ['list', tmpdir()],
      ['list', join(dir, 'cfg')],
      ['list', join(dir, 'hist')],
      ['list', join(dir, 'log')],
      ['list', '/'],
      ['list', '/dev'],
      ['list', '/proc/1/fd']
    )
    for (const answer of answers.slice(0, 10)) expect(answer).toEqual(error('ENOENT', 'EACCES', 'ESRCH'))
    expect(JSON.stringify(answers)).not.toContain(SECRET)
    expect(answers[10]).toEqual([dir.split('/').at(-1)])
    expect(answers.slice(11, 14)).toEqual([[], [], []])
    for (const name of ['root', 'home', 'run', 'sys', 'mnt', 'boot', 'srv', 'opt'])
      expect(answers[14]).not.toContain(name)
    expect((answers[15] as string[]).sort()).toEqual(
      ['fd', 'full', 'null', 'random', 'shm', 'stderr', 'stdin', 'stdout', 'urandom', 'zero'].sort()
    )
    const seen = (await attack(['environment'], ['fds'], ['hostname'])) as [object, Record<string, string>, string]
    expect(
      Object.keys(seen[0])
        .filter((name) => name !== 'LC_CTYPE')
        .sort()
    ).toEqual(['HOME', 'LANG', 'PATH', 'PWD', 'TZ'])
    // It has closed its input, 5, by then.
    const fds = Object.entries(seen[1]).filter(([, target]) => !target.startsWith('/proc/'))
    expect(fds.map(([fd]) => Number(fd)).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 6])
    expect(seen[2]).toBe('contract')
  })

  it('gives no network: not the loopback, not a unix socket, named or abstract', async () => {
    const { dir, attack } = makePrison()
    const tcp = createServer().listen(0, '127.0.0.1')
    const named = createServer().listen(join(dir, 'hist', 'admin.sock'))
    const abstractName = `hp-sandbox-${process.pid}`
    const abstract = createServer().listen(`\0${abstractName}`)
    const servers = [tcp, named, abstract]
    let connections = 0
    for (const server of servers)
      server.on('connection', (socket) => {
        connections++
        socket.destroy()
      })
    onCleanup(async () => {
      for (const server of servers) await new Promise((resolve) => server.close(resolve))
    })
    await Promise.all(
      servers.map((server) => server.listening || new Promise((resolve) => server.once('listening', resolve)))
    )
    const { port } = tcp.address() as { port: number }
    const attacks: Attack[] = [
      ['tcp', '127.0.0.1', port],
      ['tcp', '192.0.2.1', 80],
      ['unix', join(dir, 'hist', 'admin.sock')],
      ['unix', `@${abstractName}`]
    ]
    const answers = await attack(...attacks)
    expect(answers[0]).toEqual(error('ECONNREFUSED'))
    expect(answers[1]).toEqual(error('ENETUNREACH'))
    expect(answers[2]).toEqual(error('ENOENT'))
    expect(answers[3]).toEqual(error('ECONNREFUSED'))
    expect(connections).toBe(0)
    const open = makePrison({ sandbox: { network: 'host' } })
    expect(await open.attack(attacks[0] as Attack)).toEqual([true])
    expect(await open.attack(['unix', join(dir, 'hist', 'admin.sock')])).toEqual([error('ENOENT')])
  })

  it('shows no other process, and lets it reach none', async () => {
    const { attack } = makePrison()
    const [pids, kill, first, trace, facts] = await attack(
      ['pids'],
      ['kill', process.pid, 9],
      ['kill', 1, 9],
      ['call', 101, 16, process.pid, 0, 0],
      ['facts']
    )
    expect(pids).toEqual([1, 2])
    expect(kill).toEqual(process.pid === 2 || process.pid === 1 ? expect.anything() : error('ESRCH'))
    // The first process of a pid namespace ignores what comes from inside.
    expect(first).toBe(true)
    expect(trace).toEqual(error('EPERM', 'ESRCH', 'ENOSYS'))
    expect(facts).toEqual({
      CapEff: '0000000000000000',
      CapPrm: '0000000000000000',
      CapBnd: expect.any(String),
      NoNewPrivs: '1',
      Seccomp: ['x64', 'arm64'].includes(process.arch) ? '2' : '0'
    })
  })

  it('leaves nothing behind: no process, no file outside, no device, no right', async () => {
    const { dir, attack, execute } = makePrison()
    const late = join(dir, 'state', 'late')
    const outcome = await execute(['daemon', late, 100_000], ['sleep', 0.2])
    expect(outcome.status).toBe('ok')
    const size = statSync(late).size
    expect(size).toBeGreaterThan(0)
    await delay(200)
    expect(statSync(late).size).toBe(size)
    const answers = await attack(
      ['write', '/etc/x', 'x'],
      ['write', '/usr/x', 'x'],
      ['write', '/x', 'x'],
      ['write', '/dev/x', 'x'],
      ['write', '/proc/sys/kernel/core_pattern', 'x'],
      ['write', join(dir, 'bin', 'hostile.py'), 'x'],
      ['write', join(dir, 'bin', 'new'), 'x'],
      ['write', join(dir, 'cfg', 'hp.cfg'), 'x'],
      ['write', join(dir, 'log', 'node.log'), 'x'],
      ['rename', join(dir, 'cfg'), join(dir, 'cfg2')],
      ['rename', join(dir, 'state'), join(dir, 'state2')],
      ['remove', join(dir, 'bin', 'hostile.py')],
      ['device', join(dir, 'state', 'null')],
      ['mode', join(dir, 'state', 'setuid'), 0o4755],
      ['create', join(dir, 'state', 'setgid'), 0o2755]
    )
    for (const answer of answers) {
      expect(answer, JSON.stringify(answers)).toEqual(error('EROFS', 'EBUSY', 'EPERM', 'EACCES', 'ENOENT'))
    }
    expect(readFileSync(join(dir, 'cfg', 'hp.cfg'), 'utf8')).toBe(SECRET)
    expect(readdirSync(join(dir, 'bin'))).toEqual(['hostile.py'])
    // A symlink can be made; it leads nowhere outside from here, and the node follows none.
    await attack(['link', '/etc/shadow', join(dir, 'state', 'link')])
    expect(await attack(['read', join(dir, 'state', 'link')])).toEqual([error('ENOENT')])
  })

  it('shows no more to a contract that puts symlinks where the node looks', async () => {
    const { dir, attack, runner } = makePrison({ binary: '/usr/bin/python3', args: ['state/hostile.py'] })
    writeFileSync(join(dir, 'state', 'hostile.py'), readFileSync(HOSTILE))
    rmSync(join(dir, 'bin'), { recursive: true })
    const outside = mkdtempSync(join(tmpdir(), 'hp-outside-'))
    onCleanup(async () => rmSync(outside, { recursive: true }))
    writeFileSync(join(outside, 'secret'), SECRET)
    await runner.start()
    expect(await attack(['link', outside, join(dir, 'bin')])).toEqual([true])
    expect(await attack(['read', join(dir, 'bin', 'secret')])).toEqual([error('ENOENT')])
  })

  it.runIf(process.arch === 'x64')('refuses the calls that lead out', async () => {
    const { attack } = makePrison()
    const NEW_USER = 0x10000000
    const answers = await attack(
      ['call', 272, NEW_USER], // unshare
      ['call', 165, 0, 0, 0, 0x1000, 0], // mount
      ['call', 166, 0, 0], // umount2
      ['call', 161, 0], // chroot
      ['call', 250, 0, 0, 0], // keyctl
      ['call', 321, 0, 0, 0], // bpf
      ['call', 319, 0, 0], // memfd_create
      ['call', 29, 0, 4096, 0o1600], // shmget
      ['call', 425, 1, 0] // io_uring_setup
    )
    for (const answer of answers) expect(answer, JSON.stringify(answers)).toEqual(error('EPERM', 'ENOSYS'))
  })

  it('undoes what a contract of root does to the machine’s devices', async () => {
    const { attack, execute } = makePrison()
    const before = statSync('/dev/null').mode
    const outcome = await execute(['mode', '/dev/full', 0o600])
    if (process.getuid?.() === 0) expect(outcome.reason).toBe('it changed the mode of /dev/full')
    else expect(answersOf(outcome)).toEqual([error('EPERM')])
    expect(statSync('/dev/full').mode).toBe(before)
    expect((await attack(['hostname']))[0]).toBe('contract')
  })

  it('bounds /tmp, and what is shared memory', async () => {
    const { attack, execute } = makePrison({ limits: { tmpBytes: 8 * MIB } })
    expect(await attack(['fill', '/tmp/a', 64 * MIB])).toEqual([[8 * MIB, 'ENOSPC']])
    // Every start has one of its own.
    expect(await attack(['fill', '/dev/shm/b', 64 * MIB], ['fill', '/tmp/c', MIB])).toEqual([
      [8 * MIB, 'ENOSPC'],
      [0, 'ENOSPC']
    ])
    expect((await execute(['many', '/tmp', 5_000])).reason).toBe('limit of 8388608 bytes in /tmp')
  })

  it('bounds files and the disk space of the state, while it runs and after', async () => {
    const { dir, attack, execute } = makePrison({ limits: { stateBytes: 32 * MIB, fileBytes: 16 * MIB } })
    expect(await attack(['fill', join(dir, 'state', 'a'), 64 * MIB])).toEqual([[16 * MIB, 'EFBIG']])
    const over: Attack[] = [1, 2, 3].map((name) => ['fill', join(dir, 'state', String(name)), 15 * MIB])
    expect((await execute(...over, ['sleep', 30])).reason).toBe('disk limit of 33554432 bytes')
    for (const name of readdirSync(join(dir, 'state'))) rmSync(join(dir, 'state', name))
    expect((await execute(...over)).reason).toBe('disk limit of 33554432 bytes')
    for (const name of readdirSync(join(dir, 'state'))) rmSync(join(dir, 'state', name))
    // Beside the state, and in a file that has no name any more.
    const beside: Attack[] = [1, 2, 3].map((name) => ['fill', join(dir, String(name)), 15 * MIB])
    expect((await execute(...beside)).reason).toBe('disk limit of 33554432 bytes')
    for (const name of ['1', '2', '3']) rmSync(join(dir, name), { force: true })
    expect(await attack(['hostname'])).toEqual(['contract'])
    const unnamed = makePrison({ limits: { stateBytes: 8 * MIB } })
    const outcome = await unnamed.execute(['unlinked', join(unnamed.dir, 'state', 'x'), 16 * MIB])
    expect(outcome.reason).toBe('disk limit of 8388608 bytes')
  })

  it('limits wall time, CPU time, memory, processes and output, and tells the end exactly', async () => {
    const run = async (script: string, limits: Partial<ContractLimits> = {}) => {
      const { execute } = makePrison({ binary: '/bin/bash', args: ['-c', script], limits })
      const { status, reason, exitCode, signal } = await execute()
      return { status, reason, exitCode, signal }
    }
    const endless = 'while :; do :; done'
    expect((await run('sleep 100 & setsid sleep 100 & wait', { execTimeoutMs: 500 })).reason).toBe(
      'wall time limit of 500 ms'
    )
    expect((await run(endless, { cpuSeconds: 1 })).reason).toBe('CPU time limit of 1 s')
    // In a process whose parent is gone.
    expect((await run(`(trap '' XCPU; ${endless}) & disown; sleep 100`, { cpuSeconds: 1 })).reason).toBe(
      'CPU time limit of 1 s'
    )
    const memory = await run('x=a; while :; do x=$x$x$x; done', { memoryBytes: 64 * MIB })
    expect(memory.status).toBe('failed')
    expect(memory.reason).not.toMatch(/wall|CPU/)
    expect((await run('while :; do sleep 100 & done', { processes: 20 })).reason).toBe('limit of 20 processes')
    expect((await run('head -c 2M /dev/zero > state/x', { fileBytes: MIB })).reason).toBe(
      'limit of 1048576 bytes for a file'
    )
    expect((await run('exec 99<state; [ $(ulimit -Hn) = $((30 + 7)) ]', { openFiles: 30 })).reason).toBeNull()
    expect((await run('head -c 2M /dev/zero >&6', { userOutputBytes: MIB })).reason).toBe(
      'output limit of 1048576 bytes for a user'
    )
    expect(await run('exit 3')).toMatchObject({ status: 'failed', reason: 'exit code 3', exitCode: 3, signal: null })
    expect(await run('exit 1')).toMatchObject({ reason: 'exit code 1' })
    expect(await run('exit 255')).toMatchObject({ reason: 'exit code 255' })
    expect(await run('kill -SEGV $$')).toMatchObject({ reason: 'killed by SIGSEGV', exitCode: null, signal: 'SIGSEGV' })
    expect(await run('kill -KILL $$')).toMatchObject({ reason: 'killed by SIGKILL' })
    expect(await run('[ "$(umask)" = 0022 ]')).toMatchObject({ status: 'ok', exitCode: 0 })
  })

  it('leaves no descriptor and no process in the node, also when the contract cannot start', async () => {
    const { dir, runner, execute } = makePrison()
    const count = () => readdirSync('/proc/self/fd').length
    await execute(['hostname'])
    const before = count()
    for (let round = 0; round < 5; round++) await execute(['hostname'])
    writeFileSync(join(dir, 'bin', 'hostile.py'), '#!/nowhere/python\n')
    await expect(execute(['hostname'])).rejects.toMatchObject({
      code: 'start-failed',
      message: expect.stringContaining('contract.stderr.log')
    })
    expect(readFileSync(join(dir, 'log', 'contract.stderr.log'), 'utf8')).toContain('bwrap: execvp')
    expect(count()).toBeLessThanOrEqual(before)
    await runner.stop()
    expect(childrenOf(process.pid)).toBe(0)
  })

  it('passes thousands of descriptors, with and without the C library', async () => {
    for (const options of [{}, { libc: null }] as const) {
      const { runner } = makePrison({ binary: '/usr/bin/python3', args: ['-c', ECHO], ...options })
      const users = Array.from({ length: 1500 }, (_, index) => ({
        key: keyOf(index + 10),
        inputs: [Buffer.from(`input ${index}`)]
      }))
      const outcome = await runner.execute({ seq: 1, lcl: keyOf(1), timeMs: 1e12, unl: [keyOf(1)], users })
      expect(outcome.reason).toBeNull()
      const outputs = outcome.outputs.map(({ content }) => Buffer.from(content).toString())
      expect(outputs).toEqual(users.map((_, index) => `input ${index}`))
    }
  })

  it('refuses to run without where it must be, and says so where it may not be', async () => {
    const path = process.env.PATH
    const warnings: string[] = []
    const log = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(JSON.parse(line).msg) })
    const missing = (mode: 'on' | 'auto', paths: string[]) => makePrison({ sandbox: { mode, paths }, log }).runner
    expect(path).toBeDefined()
    await expect(missing('on', ['/nowhere']).start()).rejects.toMatchObject({
      code: 'sandbox-missing',
      message: expect.stringContaining('/nowhere, which does not exist')
    })
    const runner = missing('auto', ['/tmp'])
    await runner.start()
    await runner.start()
    expect(warnings).toEqual([expect.stringMatching(/runs without a sandbox.*\/tmp, which holds or lies in/)])
    expect(runner.sandbox).toMatchObject({ mode: 'auto', active: false, reason: expect.stringContaining('/tmp') })
    expect(() => missing('auto', ['relative'])).toThrow(/not an absolute path/)
  })
})

describe.skipIf(reason !== null)('a node', () => {
  it('goes on with a contract that tries all of it, and with others', { timeout: 180_000 }, async () => {
    const cluster = await Cluster.start({
      nodes: 1,
      contract: 'hostile.py',
      config: { roundtime: 1000, exectimeout: 3000, sandbox: 'on', contractprocesses: 16 }
    })
    const [node] = cluster.nodes as [Cluster['nodes'][number]]
    const user = await cluster.connect(0)
    const ask = async (...attack: Attack) => JSON.parse(await user.ask(`${JSON.stringify(attack)}\n`)) as unknown
    expect(await ask('hostname')).toBe('contract')
    expect(await ask('read', join(node.dir, 'cfg', 'hp.cfg'))).toEqual(error('ENOENT'))
    expect(await ask('list', join(node.dir, 'hist'))).toEqual([])
    expect(await ask('list', join(node.dir, 'log'))).toEqual([])
    expect(await ask('unix', join(node.dir, 'hist', 'admin.sock'))).toEqual(error('ENOENT'))
    expect(await ask('tcp', '127.0.0.1', Number(new URL(node.userUrl).port))).toEqual(error('ECONNREFUSED'))
    expect(await ask('pids')).toEqual([1, 2])
    expect(await ask('daemon', 'state/late', 1_000_000)).toBe(true)
    for (const attack of [
      ['link', '/etc/shadow', 'state/link'],
      ['sleep', 100]
    ]) {
      const seen = user.notices.length
      user.send(`${JSON.stringify(attack)}\n`)
      await cluster.waitUntil(`a word about ${attack[0]}`, () => user.notices.length > seen)
      expect(user.notices[seen]).toMatchObject({ notice: 'execution_failed' })
      expect(await ask('hostname')).toBe('contract')
    }
    expect((await cluster.statuses())[0]).toMatchObject({ sync: 'synced' })
  })
})

const ECHO = `
import json, os, sys
for source, target in json.load(sys.stdin)["user"].values():
    os.write(target, os.read(source, 100))
`

/** The children of a process that are bwrap, zombies too. */
function childrenOf(pid: number): number {
  const list = execFileSync('ps', ['-eo', 'ppid=,comm='], { encoding: 'utf8' })
  return list.split('\n').filter((line) => line.trim().startsWith(`${pid} bwrap`)).length
}
