import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type AdminServer, createAdminServer } from '../../../src/admin/index.js'
import { loadConfig } from '../../../src/config/index.js'
import { ABSENT_PEER, createFakeSource, HASH, STATUS, TIP, viewOf } from '../admin/fake-source.js'
import { findFreePort, runCli } from './run-cli.js'

vi.setConfig({ testTimeout: 60_000 })

const COMMANDS = [
  'new',
  'rekey',
  'run',
  'id',
  'status',
  'peers',
  'peers connect',
  'peers ban',
  'peers unban',
  'ping',
  'unl ls',
  'unl add',
  'unl remove',
  'config ls',
  'config set',
  'doctor',
  'ledger ls',
  'ledger show',
  'ledger verify',
  'client',
  'devnet'
]

let base: string
let dir: string
let server: AdminServer | null = null

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'hp-cli-'))
  dir = join(base, 'node')
})

afterEach(async () => {
  await server?.stop()
  server = null
  await rm(base, { recursive: true, force: true })
})

async function startAdmin(source = createFakeSource()): Promise<void> {
  await runCli(['new', dir])
  server = await createAdminServer({ dir, source, log: pino({ level: 'silent' }) })
}

describe('help', () => {
  it('lists every command', async () => {
    const { code, out, err } = await runCli(['--help'])
    expect([code, err]).toEqual([0, ''])
    for (const command of COMMANDS) expect(out).toContain(`\n  ${command.split(' ')[0]} `)
  })

  it.each(COMMANDS)('%s has its own with an example', async (command) => {
    const { code, out, err } = await runCli([...command.split(' '), '--help'])
    expect([code, err]).toEqual([0, ''])
    expect(out).toMatch(/^Usage: hp-p2p /)
    expect(out).toMatch(/\nExample:\n {2}\S/)
  })

  it('prints the version', async () => {
    const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string }
    expect(await runCli(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' })
  })
})

describe('wrong usage is one line and exit code 2', () => {
  it.each([
    [['frobnicate'], /unknown command 'frobnicate'/],
    [['stauts', 'x'], /unknown command 'stauts' \(Did you mean status\?\)/],
    [['new'], /missing required argument 'dir'/],
    [['new', 'a', 'b'], /too many arguments/],
    [['new', 'a', '--pubport', '80x'], /--pubport.*'80x' is invalid\. It must be a whole number from 0 to 65535/],
    [['new', 'a', '--pubport', '70000'], /--pubport.*'70000' is invalid/],
    [['status', 'a', '--jsn'], /unknown option '--jsn' \(Did you mean --json\?\)/],
    [['ledger', 'ls', 'a', '--count', '0'], /--count.*'0' is invalid/],
    [['unl', 'add'], /missing required argument 'dir'/],
    [['unl', 'add', 'a', 'b'], /"b" is no public key \(64 hex digits\)/],
    [['unl', 'remove', 'ab'.repeat(32)], /the contract directory is missing/],
    [['unl', 'add', '--wait', 'a', 'ab'.repeat(32)], /--wait.*'a' is invalid.*Put --wait at the end/],
    [['config', 'set', 'a', 'roundtime'], /directory, name and value are needed/],
    [['config', 'set', 'a', 'rountime', '5'], /unknown name "rountime": did you mean "roundtime"\?/],
    [['config', 'set', 'a', 'frobs', '5'], /unknown name "frobs": one of roundtime, minroundtime/],
    [
      ['config', 'set', 'a', 'roundtime', '0'],
      /roundtime must be a number of milliseconds from 1 to 3600000; it is "0"/
    ],
    [['config', 'set', 'a', 'threshold', '66.7'], /threshold must be a percentage from 67 to 100; it is "66.7"/],
    [['peers', 'ban', 'a', 'b', '--seconds', '0'], /--seconds.*'0' is invalid/],
    [['ping', 'a', 'b', '--count', '101'], /--count.*'101' is invalid/],
    [['ledger', 'show', 'first', 'a'], /"first" is no ledger: name it by its number/],
    [['client', 'localhost'], /"localhost" is not a ws:\/\/ or wss:\/\/ URL/],
    [['client', 'ws://localhost', '--send', 'a', '--lines'], /--send and --lines exclude each other/],
    [['client', 'ws://localhost', '--timeout', '-1'], /--timeout/],
    [['devnet', '-n', '0'], /--nodes.*'0' is invalid/]
  ])('%j', async (args, words) => {
    const { code, out, err } = await runCli(args)
    expect(code).toBe(2)
    expect(out).toBe('')
    expect(err).toMatch(/^hp-p2p: [^\n]+\n$/)
    expect(err).toMatch(words)
  })

  it('prints the help when there is no command', async () => {
    const { code, err } = await runCli([])
    expect(code).toBe(2)
    expect(err).toMatch(/^Usage: hp-p2p/)
  })
})

describe('new, rekey and id', () => {
  it('makes a directory, names it, gives a copy new keys', async () => {
    const made = await runCli([
      'new',
      dir,
      '--binary',
      process.execPath,
      '--binargs',
      'a b',
      '--pubport',
      '1234',
      '--json'
    ])
    expect([made.code, made.err]).toEqual([0, ''])
    const id = JSON.parse(made.out) as { publicKey: string; peerId: string }
    expect(id.publicKey).toMatch(/^[0-9a-f]{64}$/)
    expect(id.peerId).toMatch(/^12D3KooW/)
    expect((await stat(join(dir, 'cfg', 'hp.cfg'))).mode & 0o777).toBe(0o600)
    const config = await loadConfig(dir)
    expect([config.contract.args, config.users.port]).toEqual([['a', 'b'], 1234])

    const shown = JSON.parse((await runCli(['id', dir, '--json'])).out) as Record<string, unknown>
    expect(shown).toMatchObject({ publicKey: id.publicKey, peerId: id.peerId, contractId: 'hotpocket' })
    expect(shown.networkId).toMatch(/^[0-9a-f]{64}$/)
    expect(shown.multiaddrs).toEqual([`/ip4/0.0.0.0/tcp/22860/ws/p2p/${id.peerId}`])
    expect((await runCli(['id', dir])).out).toContain(id.publicKey)

    const copy = join(base, 'copy')
    await cp(dir, copy, { recursive: true })
    await writeFile(join(copy, 'hist', 'journal'), 'x')
    const rekeyed = await runCli(['rekey', copy, '--json'])
    expect([rekeyed.code, rekeyed.err]).toEqual([0, ''])
    const next = JSON.parse(rekeyed.out) as { publicKey: string; oldPublicKey: string; dropped: string[] }
    expect([next.oldPublicKey, next.dropped]).toEqual([id.publicKey, ['journal']])
    expect((await loadConfig(copy)).consensus.unl).toEqual([id.publicKey, next.publicKey].sort())
    expect((await loadConfig(dir)).keys.publicKey).toBe(id.publicKey)
  })

  it('refuses a directory that is there', async () => {
    await runCli(['new', dir])
    const before = await readFile(join(dir, 'cfg', 'hp.cfg'), 'utf8')
    const { code, out, err } = await runCli(['new', dir])
    expect([code, out]).toEqual([1, ''])
    expect(err).toMatch(/^hp-p2p: .*node is there already: choose another name or remove it\n$/)
    expect(await readFile(join(dir, 'cfg', 'hp.cfg'), 'utf8')).toBe(before)
  })

  it('refuses to rekey under a running node', async () => {
    await startAdmin()
    const { code, err } = await runCli(['rekey', dir])
    expect(code).toBe(1)
    expect(err).toMatch(/a node runs on .* already \(process \d+\): stop it first/)
  })

  it.each(['rekey', 'id', 'status', 'peers', 'unl ls', 'config ls', 'doctor', 'ledger ls', 'ledger verify'])(
    '%s says what is no contract directory',
    async (command) => {
      const { code, out, err } = await runCli([...command.split(' '), base])
      expect([code, out]).toEqual([1, ''])
      expect(err).toMatch(/^hp-p2p: .* is not a contract directory .*hp-p2p new.*\n$/)
    }
  )
})

describe('a mistake in hp.cfg', () => {
  it.each(['run', 'id'])('%s: a line for each, exit code 1, no stack trace', async (command) => {
    await runCli(['new', dir])
    const path = join(dir, 'cfg', 'hp.cfg')
    const value = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    await writeFile(path, JSON.stringify({ ...value, roundtime: -1, rountime: 5 }))
    const { code, out, err } = await runCli([command, dir])
    expect([code, out]).toEqual([1, ''])
    expect(err.trimEnd().split('\n')).toEqual([
      'hp-p2p: hp.cfg: unknown key "rountime": did you mean "roundtime"?',
      expect.stringMatching(/^hp-p2p: hp\.cfg: roundtime must be a number of milliseconds/)
    ])
  })
})

describe('a node that does not run', () => {
  it.each(['status', 'peers', 'unl ls', 'config ls'])('%s: exit code 3', async (command) => {
    await runCli(['new', dir])
    const { code, out, err } = await runCli([...command.split(' '), dir, '--json'])
    expect([code, out]).toEqual([3, ''])
    expect(err).toMatch(/^hp-p2p: no node runs on .*: start it with `hp-p2p run`\n$/)
  })

  it('has no ledgers before its first start', async () => {
    await runCli(['new', dir])
    const { code, err } = await runCli(['ledger', 'ls', dir])
    expect(code).toBe(1)
    expect(err).toMatch(/has no ledgers yet/)
  })

  it('client: exit code 3', async () => {
    const { code, err } = await runCli(['client', `ws://127.0.0.1:${await findFreePort()}`, '--send', 'x'])
    expect(code).toBe(3)
    expect(err).toMatch(/^hp-p2p: cannot connect to [^\n]+\n$/)
  })
})

describe('a running node is shown', () => {
  it('status', async () => {
    await startAdmin()
    const json = await runCli(['status', dir, '--json'])
    expect([json.code, json.err]).toEqual([0, ''])
    expect(JSON.parse(json.out)).toEqual(STATUS)
    const { out } = await runCli(['status', dir])
    expect(out).toMatch(/^state +synced, validator\n/)
    expect(out).toContain('failed (exit code 1), ledger 30')
    expect(out).toContain('1 h 1 min')
    expect(out).toContain('a warning')
  })

  it('peers, with nothing of theirs that could steer the terminal', async () => {
    const peer = {
      ...ABSENT_PEER,
      connected: true,
      address: '/ip4/127.0.0.1/tcp/1/ws',
      direction: 'outbound' as const,
      latencyMs: 1.25,
      agent: 'hp',
      seq: TIP,
      synced: true,
      score: -1,
      bytesIn: 2048,
      bytesOut: 12,
      connectedSinceMs: 0,
      lastError: '\x1b[2J'
    }
    await startAdmin(createFakeSource({ peers: () => [peer] }))
    expect(JSON.parse((await runCli(['peers', dir, '--json'])).out)).toEqual([peer])
    const { code, out } = await runCli(['peers', dir])
    expect(code).toBe(0)
    expect(out).toMatch(/^key +peer id +role +link/)
    expect(out).toContain('1.3 ms')
    expect(out).toContain('\\x1b[2J')
    expect(out).not.toContain('\x1b')
  })

  it('ledger ls and show, in either order of arguments', async () => {
    await startAdmin()
    const rows = JSON.parse((await runCli(['ledger', 'ls', dir, '--count', '3', '--json'])).out) as { seq: number }[]
    expect(rows.map((row) => row.seq)).toEqual([28, 29, 30])
    expect((await runCli(['ledger', 'ls', dir, '--from', '0', '--count', '2'])).out.split('\n')).toHaveLength(4)
    for (const args of [
      ['5', dir],
      [dir, '5']
    ]) {
      expect(JSON.parse((await runCli(['ledger', 'show', ...args, '--json'])).out)).toEqual(viewOf(5))
    }
    expect((await runCli(['ledger', 'show', HASH, dir])).out).toMatch(/^seq +30\n/)
    const missing = await runCli(['ledger', 'show', '31', dir])
    expect([missing.code, missing.err]).toEqual([1, 'hp-p2p: there is no ledger 31 here\n'])
  })

  it('ledger verify: 0 when sound, 1 when not', async () => {
    let problem: { seq: number; what: string } | null = null
    const verify = async () => ({ ok: problem === null, checked: 7, milestones: 2, problem })
    await startAdmin(createFakeSource({ verify }))
    expect(await runCli(['ledger', 'verify', dir])).toMatchObject({
      code: 0,
      out: expect.stringContaining('7 ledgers are sound')
    })
    problem = { seq: 8, what: 'its hash is another' }
    const bad = await runCli(['ledger', 'verify', dir, '--json'])
    expect(bad.code).toBe(1)
    expect(JSON.parse(bad.out)).toEqual({ ok: false, checked: 7, milestones: 2, problem })
    expect(bad.err).toContain('ledger 8: its hash is another')
  })
})

describe('devnet', () => {
  it.each([
    [['--contract', 'nope'], /--contract nope: neither an example \(.*echo.*\) nor a file or folder/],
    [['--contract', 'package.json'], /--contract package\.json is not executable/],
    [['--dir', 'src'], /src is not empty and holds no devnet\.json/],
    [['--dir', 'package.json'], /--dir .* cannot be made/],
    [['--base-port', '65530'], /--base-port 65530 leaves no room for 4 nodes/]
  ])('refuses %j', async (args, words) => {
    const { code, out, err } = await runCli(['devnet', '--once', ...args])
    expect(code).toBeGreaterThan(0)
    expect(out).toBe('')
    expect(err).toMatch(/^hp-p2p: [^\n]+\n$/)
    expect(err).toMatch(words)
  })
})
