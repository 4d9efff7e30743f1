import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  AdminError,
  type AdminServer,
  type AdminSource,
  createAdminServer,
  type PendingChangeView,
  type WishRequest,
  type WishResult
} from '../../../src/admin/index.js'
import { ABSENT_PEER, CONFIG, createFakeSource, HASH, KEY, STATUS, UNL } from '../admin/fake-source.js'
import { findFreePort, finishCli, runCli, startCli } from './run-cli.js'

vi.setConfig({ testTimeout: 60_000 })

const OTHER = 'ef'.repeat(32)

let base: string
const servers: AdminServer[] = []

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'hp-cli-'))
})

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop()
  await rm(base, { recursive: true, force: true })
})

async function startNode(name: string, source: Partial<AdminSource> = {}): Promise<string> {
  const dir = join(base, name)
  await runCli(['new', dir])
  servers.push(await createAdminServer({ dir, source: createFakeSource(source), log: pino({ level: 'silent' }) }))
  return dir
}

const CHANGE: PendingChangeView = {
  wish: { kind: 'set', name: 'roundtimeMs', value: 500 },
  supporters: [KEY],
  missing: [HASH, OTHER],
  needed: 3,
  own: true
}

function answering(result: Partial<WishResult>): { asked: WishRequest[]; wish: AdminSource['wish'] } {
  const asked: WishRequest[] = []
  const wish: AdminSource['wish'] = async (request) => {
    asked.push(request)
    return { outcome: 'pending', change: CHANGE, notes: [], ...result }
  }
  return { asked, wish }
}

const SET = ['config', 'set']

describe('a wish by the command line', () => {
  it('is told with who wishes for it and who does not yet', async () => {
    const { asked, wish } = answering({})
    const dir = await startNode('a', { wish })
    const { code, out, err } = await runCli([...SET, dir, 'roundtime', '500'])
    expect([code, err]).toEqual([0, ''])
    expect(out).toBe(`roundtime 500: pending, 1 of 3 needed wish for it; not yet ${HASH}, ${OTHER}\n`)
    await runCli(['unl', 'remove', dir, OTHER.toUpperCase(), '--force'])
    expect(asked).toEqual([
      { wish: { kind: 'set', name: 'roundtimeMs', value: 500 }, force: false },
      { wish: { kind: 'remove-validator', key: OTHER }, force: true }
    ])
  })

  it.each([
    ['in-force', /in force already, nothing to change/],
    ['taken-back', /in force, the wish for something else is taken back/]
  ] as const)('%s', async (outcome, words) => {
    const dir = await startNode('a', answering({ outcome, change: null }))
    const { code, out } = await runCli([...SET, dir, 'roundtime', '500'])
    expect(code).toBe(0)
    expect(out).toMatch(words)
  })

  it('goes to every directory, and what one refuses is told', async () => {
    const first = await startNode('a', answering({}))
    const observer = await startNode('b', answering({ outcome: 'not-counted', change: null }))
    const dirs = [first, observer]
    const good = await runCli([...SET, ...dirs, 'roundtime', '500'])
    expect([good.code, good.err]).toEqual([0, ''])
    expect(good.out.split('\n')).toEqual([
      `${first}: roundtime 500: pending, 1 of 3 needed wish for it`,
      expect.stringContaining(`${observer}: roundtime 500: this node is an observer: only the wishes of validators`),
      ''
    ])
    const refuse = async () => {
      throw new AdminError('refused', 'the network would stand still')
    }
    const third = await startNode('c', { wish: refuse })
    const bad = await runCli([...SET, ...dirs, third, 'roundtime', '500', '--json'])
    expect(bad.code).toBe(1)
    expect(bad.err).toBe('hp-p2p: the network would stand still (--force does it all the same)\n')
    const { inForce, nodes } = JSON.parse(bad.out) as { inForce: boolean; nodes: { outcome: string }[] }
    expect([inForce, nodes.map(({ outcome }) => outcome)]).toEqual([false, ['pending', 'not-counted', 'failed']])
  })

  it('of an observer alone fails with the reason', async () => {
    const dir = await startNode('a', answering({ outcome: 'not-counted', change: null }))
    const { code, out, err } = await runCli(['unl', 'add', dir, OTHER])
    expect([code, out]).toEqual([1, ''])
    expect(err).toMatch(/^hp-p2p: this node is an observer: only the wishes of validators count[^\n]+\n$/)
  })

  it('tells what force has overridden', async () => {
    const dir = await startNode('a', answering({ notes: ['the network would stand still'] }))
    const { code, err } = await runCli([...SET, dir, 'roundtime', '500', '--force'])
    expect([code, err]).toEqual([0, 'forced, although the network would stand still\n'])
  })

  it('waits until it is in force, or tells who has not wished for it', async () => {
    let asked = 0
    const config = () => {
      asked += 1
      const agreed = asked < 4 ? CONFIG.agreed : { ...CONFIG.agreed, roundtimeMs: 500 }
      return { ...CONFIG, agreed, pending: [CHANGE], quorum: { needed: 3, present: 3, validators: 3 } }
    }
    const dir = await startNode('a', { ...answering({}), config })
    const done = await runCli([...SET, dir, 'roundtime', '500', '--wait', '--json'])
    expect([done.code, (JSON.parse(done.out) as { inForce: boolean }).inForce]).toEqual([0, true])
    expect(asked).toBe(4)
    asked = Number.NEGATIVE_INFINITY
    const late = await runCli([...SET, dir, 'roundtime', '500', '--wait', '0.3'])
    expect(late.code).toBe(1)
    expect(late.err).toBe(
      `hp-p2p: roundtime 500: not in force after 0.3 s, 1 of 3 needed wish for it; not yet ${HASH}, ${OTHER}\n`
    )
  })

  it.each([
    ['unl', /`hp-p2p unl add`/],
    ['contractid', /another network/],
    ['pubport', /of this node alone: set it in cfg\/hp\.cfg/]
  ])('for %s has another way', async (name, words) => {
    const dir = await startNode('a')
    const { code, err } = await runCli([...SET, dir, name, '5'])
    expect(code).toBe(1)
    expect(err).toMatch(words)
  })

  it('needs a running node', async () => {
    const dir = join(base, 'a')
    await runCli(['new', dir])
    const { code, err } = await runCli(['unl', 'add', dir, OTHER])
    expect(code).toBe(3)
    expect(err).toMatch(/no node runs on/)
  })
})

describe('what is in force and pending', () => {
  it('unl ls', async () => {
    const row = { publicKey: OTHER, role: 'observer', self: false, connected: true, synced: false, seq: 3 } as const
    const wish = { kind: 'add-validator', key: OTHER } as const
    const unl = { ...UNL, observers: [{ ...row, change: 'add' as const }], pending: [{ ...CHANGE, wish }] }
    const dir = await startNode('a', { unl: () => unl })
    const { code, out } = await runCli(['unl', 'ls', dir])
    expect(code).toBe(0)
    expect(out).toMatch(new RegExp(`^${KEY} +validator +this node +yes +30 +-$`, 'm'))
    expect(out).toMatch(new RegExp(`^${OTHER} +observer +yes +no +3 +add$`, 'm'))
    expect(out).toContain('1 validators, 1 in touch, 1 close a ledger (threshold 67 %)')
    expect(out).toContain(`pending: add validator ${OTHER}: 1 of 3 needed wish for it; not yet ${HASH}, ${OTHER}\n`)
    expect(JSON.parse((await runCli(['unl', 'ls', dir, '--json'])).out)).toEqual(unl)
  })

  it('config ls, without the secret key', async () => {
    const dir = await startNode('a', { config: () => ({ ...CONFIG, pending: [CHANGE] }) })
    const { code, out } = await runCli(['config', 'ls', dir])
    expect(code).toBe(0)
    expect(out).toMatch(/^roundtime +1000 +500 \(1 of 3\)/m)
    expect(out).toMatch(/^threshold +67 +-/m)
    expect(out).toMatch(/^pubport +\S+ +8080$/m)
    const json = await runCli(['config', 'ls', dir, '--json'])
    const shown = JSON.parse(json.out) as { agreed: Record<string, unknown>; local: Record<string, unknown> }
    expect(shown.agreed).toMatchObject({ roundtime: 1000, threshold: 67, unl: [KEY] })
    expect(shown.local).toMatchObject({ history: 'full' })
    const { seckey } = JSON.parse(await readFile(join(dir, 'cfg', 'hp.cfg'), 'utf8')) as { seckey: string }
    for (const text of [out, json.out]) expect(text).not.toContain(seckey)
  })

  it('status', async () => {
    const dir = await startNode('a', { status: () => ({ ...STATUS, pendingChanges: [CHANGE] }) })
    expect((await runCli(['status', dir])).out).toMatch(/^changes +roundtime 500: 1 of 3 needed wish for it; not yet/m)
  })
})

describe('peers and ping', () => {
  it('connect, ban and unban reach the node; a directory may have the name of a command', async () => {
    const asked: unknown[] = []
    const dir = await startNode('ban', {
      connectPeer: async (address) => {
        asked.push(address)
        return { publicKey: KEY }
      },
      banPeer: (request) => {
        asked.push(request)
        return { publicKey: KEY, untilMs: 0 }
      },
      unbanPeer: () => ({ publicKey: KEY, wasBanned: false })
    })
    expect((await runCli(['peers', 'connect', dir, '/ip4/1.2.3.4/tcp/1'])).out).toBe(`connected to ${KEY}\n`)
    const banned = await runCli(['peers', 'ban', dir, 'cdcdcd', '--seconds', '60', '--reason', 'loud', '--json'])
    expect(JSON.parse(banned.out)).toEqual({ publicKey: KEY, untilMs: 0 })
    expect((await runCli(['peers', 'unban', dir, 'cdcdcd'])).out).toBe(`${KEY} was not banned\n`)
    expect(asked).toEqual(['/ip4/1.2.3.4/tcp/1', { peer: 'cdcdcd', reason: 'loud', seconds: 60 }])
    expect((await runCli(['peers', dir])).out).toBe('no peers are known\n')
  })

  it('shows how a peer is reached and why one is not', async () => {
    const relayed = {
      ...ABSENT_PEER,
      connected: true,
      relayed: true,
      relay: OTHER,
      transport: 'ws',
      clockOffsetMs: 12,
      offersRelay: true,
      unreached: [HASH]
    }
    const banned = { ...ABSENT_PEER, bannedUntilMs: 0, banReason: 'loud' }
    const dir = await startNode('a', { peers: () => [relayed, banned, { ...ABSENT_PEER, lastError: 'it is away' }] })
    const { out } = await runCli(['peers', dir])
    const [, first, second, third] = out.split('\n')
    expect(first).toMatch(/validator, relay +through efefefefefef…, ws .* \+12 ms .*does not reach abababababab…$/)
    expect(second).toMatch(/ banned .*until 1970-01-01 00:00:00.000 UTC: loud$/)
    expect(third).toMatch(/ none .*it is away$/)
    expect((await runCli(['peers', dir, '--wide'])).out).toContain(KEY)
  })

  it('looks again and again, a line of JSON each, until it is stopped', async () => {
    const dir = await startNode('a')
    const child = startCli(['peers', dir, '--watch', '0.1', '--json'])
    let lines = 0
    child.stdout?.on('data', (chunk: Buffer) => {
      lines += chunk.toString().split('\n').length - 1
      if (lines >= 3) child.kill('SIGINT')
    })
    const { code, out } = await finishCli(child)
    expect(code).toBe(0)
    for (const line of out.trimEnd().split('\n')) expect(JSON.parse(line)).toMatchObject({ peers: [] })
  })

  it('ping fails when an answer is missing', async () => {
    let sent = 0
    const ping = async () => {
      sent += 1
      return sent === 1
        ? { publicKey: KEY, roundTripsMs: [2], error: null }
        : { publicKey: KEY, roundTripsMs: [null], error: 'it is away' }
    }
    const dir = await startNode('a', { ping })
    const { code, out, err } = await runCli(['ping', dir, 'cdcdcd', '--count', '2'])
    expect(code).toBe(1)
    expect(out).toBe(
      'cdcdcdcdcdcd… 2.0 ms\ncdcdcdcdcdcd… it is away\n1 of 2 answered: 2.0 ms least, 2.0 ms mean, 2.0 ms most\n'
    )
    expect(err).toBe('hp-p2p: 1 of 2 pings had no answer: it is away\n')
  })
})

describe('doctor', () => {
  it('tells what a running node finds and ends with 1 when there is a problem', async () => {
    const checks = [
      { name: 'node', state: 'ok' as const, found: 'it runs', advice: null },
      { name: 'disk space', state: 'problem' as const, found: 'none', advice: 'make room' }
    ]
    const dir = await startNode('a', { doctor: async () => ({ running: true, checks }) })
    const { code, out, err } = await runCli(['doctor', dir])
    expect([code, err]).toEqual([1, 'hp-p2p: 1 problem: disk space\n'])
    expect(out).toBe('ok       node        it runs\nproblem  disk space  none\n                     -> make room\n')
  })

  it('looks at a stopped node itself and changes nothing', async () => {
    const dir = join(base, 'a')
    const ports = ['--peerport', String(await findFreePort()), '--pubport', String(await findFreePort())]
    await runCli(['new', dir, '--binary', '/bin/true', ...ports])
    const before = await readFile(join(dir, 'cfg', 'hp.cfg'), 'utf8')
    const { code, out, err } = await runCli(['doctor', dir, '--json'])
    expect([code, err]).toEqual([0, ''])
    const { running, checks } = JSON.parse(out) as { running: boolean; checks: { name: string; state: string }[] }
    expect(running).toBe(false)
    const stateOf = (name: string) => checks.find((check) => check.name === name)?.state
    expect([stateOf('node'), stateOf('hp.cfg'), stateOf('ports'), stateOf('ledgers')]).toEqual([
      'note',
      'ok',
      'ok',
      'note'
    ])
    expect([stateOf('secret key'), stateOf('Node.js')]).toEqual(['ok', 'ok'])
    for (const name of ['disk space', 'disk speed', 'open files', 'sandbox']) expect(stateOf(name)).toBeDefined()
    expect(await readFile(join(dir, 'cfg', 'hp.cfg'), 'utf8')).toBe(before)
  })

  it('names each mistake in hp.cfg as a problem', async () => {
    const dir = join(base, 'a')
    await runCli(['new', dir])
    const path = join(dir, 'cfg', 'hp.cfg')
    const value = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    await writeFile(path, JSON.stringify({ ...value, roundtime: -1, rountime: 5 }))
    const { code, out } = await runCli(['doctor', dir])
    expect(code).toBe(1)
    expect(out).toMatch(/^problem +hp\.cfg +unknown key "rountime": did you mean "roundtime"\?$/m)
    expect(out).toMatch(/^problem +hp\.cfg +roundtime must be a number/m)
  })
})
