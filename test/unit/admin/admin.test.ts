import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  AdminError,
  type AdminServer,
  type AdminServerOptions,
  acquireNodeLock,
  adminPost,
  adminRequest,
  createAdminServer,
  readNodePid
} from '../../../src/admin/index.js'
import { shortSocketPath } from '../../../src/admin/socket-path.js'
import { CONFIG, createFakeSource, HASH, STATUS, TIP, UNL } from './fake-source.js'

// Processes are started here, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

const log = pino({ level: 'silent' })
let base: string
let dir: string
const servers: AdminServer[] = []

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'hp-admin-'))
  dir = base
})

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop()
  await rm(base, { recursive: true, force: true })
})

async function start(options: Partial<AdminServerOptions> = {}): Promise<AdminServer> {
  const server = await createAdminServer({ dir, source: createFakeSource(), log, ...options })
  servers.push(server)
  return server
}

interface RawOptions {
  method?: string
  headers?: Record<string, string>
}

function rawRequest(socketPath: string, path: string, options: RawOptions = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, agent: false, ...options }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    call.on('error', reject)
    call.end()
  })
}

describe('the admin API', () => {
  it('answers on a socket that only its owner can use', async () => {
    const server = await start()
    expect((await stat(server.path)).mode & 0o777).toBe(0o600)
    expect(await adminRequest(dir, '/v1/status')).toEqual(STATUS)
    expect((await adminRequest(dir, '/v1/id')).networkId).toBe(HASH)
    expect(await adminRequest(dir, '/v1/peers')).toEqual([])
  })

  it('shows ledgers by number, hash and "latest"', async () => {
    await start()
    expect((await adminRequest(dir, '/v1/ledgers/3')).seq).toBe(3)
    expect((await adminRequest(dir, '/v1/ledgers/latest')).seq).toBe(TIP)
    expect((await adminRequest(dir, `/v1/ledgers/${HASH.toUpperCase()}`)).seq).toBe(TIP)
    expect((await adminRequest(dir, '/v1/ledgers?count=5')).map((row) => row.seq)).toEqual([26, 27, 28, 29, 30])
    expect((await adminRequest(dir, '/v1/ledgers?from=0&count=2')).map((row) => row.seq)).toEqual([0, 1])
    await expect(adminRequest(dir, '/v1/ledgers/31')).rejects.toMatchObject({ code: 'not-found' })
  })

  it.each(['/v1/ledgers/x', '/v1/ledgers/-1', '/v1/ledgers?count=1001', '/v1/ledgers?from=a', '/v1/ledgers?count=0'])(
    'refuses %s in words',
    async (path) => {
      await start()
      await expect(adminRequest(dir, path as '/v1/ledgers/x')).rejects.toMatchObject({ code: 'bad-request' })
    }
  )

  it('knows no other path, method or web page', async () => {
    const { path } = await start()
    expect(await rawRequest(path, '/')).toBe(404)
    expect(await rawRequest(path, '/v1/ledgers/1/2')).toBe(404)
    expect(await rawRequest(path, '/v1/status', { method: 'PUT' })).toBe(405)
    expect(await rawRequest(path, '/v1/status', { method: 'POST' })).toBe(400)
    expect(await rawRequest(path, '/v1/wishes')).toBe(400)
    expect(await rawRequest(path, '/v1/status', { headers: { origin: 'http://evil.example' } })).toBe(403)
    expect(await rawRequest(path, `/${'x'.repeat(2000)}`)).toBe(414)
    expect(await rawRequest(path, `/${'x'.repeat(20_000)}`)).toBe(431)
    expect(await rawRequest(path, '/v1/status')).toBe(200)
  })

  it('refuses a path that is no path of a URL as a mistake of the caller', async () => {
    const { path } = await start()
    expect(await rawRequest(path, '//')).toBe(400)
    expect(await rawRequest(path, 'http://[')).toBe(400)
  })

  it('cuts what is no HTTP and goes on', async () => {
    const { path } = await start()
    const socket = connect(path)
    socket.on('error', () => {})
    socket.resume()
    socket.write(Buffer.alloc(100_000, 0xff))
    await once(socket, 'close')
    expect(await adminRequest(dir, '/v1/status')).toEqual(STATUS)
  })

  it('keeps a failure of the node to itself and its log', async () => {
    const ledger = async () => {
      throw new Error('a secret detail')
    }
    await start({ source: createFakeSource({ ledger }) })
    const error = await adminRequest(dir, '/v1/ledgers/1').catch((reason: Error) => reason)
    expect(error).toMatchObject({ code: 'failed' })
    expect((error as Error).message).not.toContain('secret')
  })

  it('gives up on a node that does not answer', async () => {
    await start({ source: createFakeSource({ ledger: () => new Promise(() => {}) }) })
    await expect(adminRequest(dir, '/v1/ledgers/1', { timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' })
  })

  it('verifies once for all who ask at a time', async () => {
    let calls = 0
    let finish: () => void = () => {}
    const gate = new Promise<void>((resolve) => {
      finish = resolve
    })
    const verify = async () => {
      calls++
      await gate
      return { ok: true, checked: 7, milestones: 0, problem: null }
    }
    await start({ source: createFakeSource({ verify }) })
    const both = Promise.all([adminRequest(dir, '/v1/verify'), adminRequest(dir, '/v1/verify')])
    await expect.poll(() => calls).toBe(1)
    await adminRequest(dir, '/v1/status')
    finish()
    expect((await both).map((result) => result.checked)).toEqual([7, 7])
    expect(calls).toBe(1)
  })

  it('says that a node without verify has none', async () => {
    await start()
    await expect(adminRequest(dir, '/v1/verify')).rejects.toMatchObject({ code: 'not-found' })
  })

  it('stops while a request waits, removes its socket, and may be stopped twice', async () => {
    const server = await start({ source: createFakeSource({ ledger: () => new Promise(() => {}) }) })
    const waiting = adminRequest(dir, '/v1/ledgers/1').catch((error: Error) => error)
    await adminRequest(dir, '/v1/status')
    await Promise.all([server.stop(), server.stop()])
    expect(await waiting).toMatchObject({ name: 'AdminError' })
    expect(await readdir(join(dir, 'hist'))).toEqual(['node.pid'])
    await expect(adminRequest(dir, '/v1/status')).rejects.toMatchObject({ code: 'not-reachable' })
  })
})

const WISH = { wish: { kind: 'set', name: 'threshold', value: 80 } } as const

interface Posted {
  body?: string
  headers?: Record<string, string>
  path?: string
}

/** The status of the answer and the error in it. */
function post(socketPath: string, { body = JSON.stringify(WISH), headers = {}, path = '/v1/wishes' }: Posted) {
  return new Promise<{ status: number; message: string }>((resolve, reject) => {
    const type = { 'content-type': 'application/json' }
    const call = request({ socketPath, path, agent: false, method: 'POST', headers: { ...type, ...headers } })
    call.on('response', (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      response.on('end', () => {
        const { error } = JSON.parse(text) as { error?: { message: string } }
        resolve({ status: response.statusCode ?? 0, message: error?.message ?? '' })
      })
    })
    // An answer may come before all of a long body is sent.
    call.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') reject(error)
    })
    call.end(body)
  })
}

describe('operations', () => {
  it('are handed to the node, and its answer comes back', async () => {
    const asked: unknown[] = []
    const note =
      <T>(answer: T) =>
      (...args: unknown[]): T => {
        asked.push(args)
        return answer
      }
    await start({
      source: createFakeSource({
        wish: note(Promise.resolve({ outcome: 'pending' as const, change: null, notes: [] })),
        connectPeer: note(Promise.resolve({ publicKey: HASH })),
        banPeer: note({ publicKey: HASH, untilMs: 7 }),
        unbanPeer: note({ publicKey: HASH, wasBanned: false }),
        ping: note(Promise.resolve({ publicKey: HASH, roundTripsMs: [null], error: 'no answer' }))
      })
    })
    const add = { wish: { kind: 'add-validator', key: HASH.toUpperCase() }, force: true } as const
    expect(await adminPost(dir, '/v1/wishes', add)).toMatchObject({ outcome: 'pending' })
    expect(await adminPost(dir, '/v1/peers/connect', { address: '/ip4/1.2.3.4' })).toEqual({ publicKey: HASH })
    expect(await adminPost(dir, '/v1/peers/ban', { peer: 'abc', seconds: 5 })).toMatchObject({ untilMs: 7 })
    expect(await adminPost(dir, '/v1/peers/unban', { peer: 'abc' })).toMatchObject({ wasBanned: false })
    expect(await adminPost(dir, '/v1/ping', { peer: 'abc' })).toMatchObject({ roundTripsMs: [null] })
    expect(asked).toEqual([
      [{ wish: { kind: 'add-validator', key: HASH }, force: true }],
      ['/ip4/1.2.3.4'],
      [{ peer: 'abc', seconds: 5 }],
      ['abc'],
      ['abc', 1]
    ])
  })

  it('that the node refuses come back with its words', async () => {
    const wish = async () => {
      throw new AdminError('refused', 'not while it rains')
    }
    const { path } = await start({ source: createFakeSource({ wish }) })
    await expect(adminPost(dir, '/v1/wishes', WISH)).rejects.toMatchObject({
      code: 'refused',
      message: 'not while it rains'
    })
    expect((await post(path, {})).status).toBe(409)
  })

  it.each<[string, Posted, number, RegExp]>([
    ['another type', { headers: { 'content-type': 'text/plain' } }, 400, /content type application\/json/],
    ['no type', { headers: { 'content-type': '' } }, 400, /content type/],
    ['a web page', { headers: { origin: 'http://evil.example' } }, 403, /not for web pages/],
    ['no JSON', { body: '{' }, 400, /is no JSON/],
    ['an empty body', { body: '' }, 400, /is no JSON/],
    ['a number', { body: '7' }, 400, /the request: /],
    ['a long body', { body: ' '.repeat(1_000_000) }, 400, /longer than 16384 bytes/],
    ['a strange key', { body: '{"wish":{"kind":"add-validator","key":"ab"}}' }, 400, /wish\.key: must be a public key/],
    ['a strange kind', { body: '{"wish":{"kind":"add-friend","key":"ab"}}' }, 400, /wish\.kind/],
    ['a strange name', { body: '{"wish":{"kind":"set","name":"unl","value":1}}' }, 400, /wish\.name/],
    ['a strange number', { body: '{"wish":{"kind":"set","name":"threshold","value":1.5}}' }, 400, /wish\.value/],
    ['more than is known', { body: `{"wish":${JSON.stringify(WISH.wish)},"fast":true}` }, 400, /fast/],
    ['a short path', { path: '/v1/backup', body: '{"path":"here"}' }, 400, /path: must be an absolute path/],
    ['a ban for ever', { path: '/v1/peers/ban', body: '{"peer":"a","seconds":1e12}' }, 400, /seconds/],
    ['many pings', { path: '/v1/ping', body: '{"peer":"a","count":101}' }, 400, /count/],
    ['what is only read', { path: '/v1/status' }, 404, /nothing to be done/]
  ])('are refused in words: %s', async (_, posted, status, words) => {
    let wishes = 0
    const wish = async () => {
      wishes++
      return { outcome: 'pending' as const, change: null, notes: [] }
    }
    const { path } = await start({ source: createFakeSource({ wish }) })
    const answer = await post(path, posted)
    expect(answer.message).toMatch(words)
    expect(answer.status).toBe(status)
    expect(wishes).toBe(0)
    expect(await adminRequest(dir, '/v1/status')).toEqual(STATUS)
  })

  it('a body that is cut harms nobody', async () => {
    const { path } = await start()
    const socket = connect(path)
    socket.on('error', () => {})
    socket.resume()
    socket.write('POST /v1/wishes HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{')
    socket.end()
    await once(socket, 'close')
    expect(await adminRequest(dir, '/v1/status')).toEqual(STATUS)
  })

  it('shows the UNL, the config, the state and what the doctor finds', async () => {
    await start()
    expect(await adminRequest(dir, '/v1/unl')).toEqual(UNL)
    expect(await adminRequest(dir, '/v1/config')).toEqual(CONFIG)
    expect(await adminRequest(dir, '/v1/state')).toMatchObject({ root: HASH, files: 2 })
    expect(await adminRequest(dir, '/v1/doctor')).toMatchObject({ running: true })
  })
})

describe('a directory without a node', () => {
  it.each(['nothing', 'no hist', 'a file', 'a dead socket'])('is not reachable: %s', async (what) => {
    const socket = join(dir, 'hist', 'admin.sock')
    if (what === 'a file' || what === 'a dead socket') await mkdir(join(dir, 'hist'))
    if (what === 'a file') await writeFile(socket, '')
    if (what === 'a dead socket') await leaveDeadSocket(socket)
    const target = what === 'nothing' ? join(dir, 'none') : dir
    const error = await adminRequest(target, '/v1/status').catch((reason: Error) => reason)
    expect(error).toMatchObject({ code: 'not-reachable' })
    expect((error as Error).message).toMatch(/^no node runs on .*: start it with `hp-p2p run`$/)
  })
})

/** A bound socket whose process was killed before it could remove it. */
async function leaveDeadSocket(path: string): Promise<void> {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  const child = spawn(process.execPath, ['-e', script])
  await once(child, 'exit')
  expect((await stat(path)).isSocket()).toBe(true)
}

describe('one node for a directory', () => {
  it('refuses the second one with the process id of the first', async () => {
    const first = await start()
    await expect(createAdminServer({ dir, source: createFakeSource(), log })).rejects.toMatchObject({
      code: 'already-running',
      message: expect.stringContaining(`(process ${process.pid}): stop it first`)
    })
    expect(await adminRequest(dir, '/v1/status')).toEqual(STATUS)
    await first.stop()
    await start()
    expect(await adminRequest(dir, '/v1/status')).toEqual(STATUS)
  })

  it('takes over after a node that was killed: its lock, its socket', async () => {
    await mkdir(join(dir, 'hist'))
    await leaveDeadSocket(join(dir, 'hist', 'admin.sock'))
    // The process id of another program that lives.
    await writeFile(join(dir, 'hist', 'node.pid'), '1\n')
    await start()
    expect(await adminRequest(dir, '/v1/status')).toEqual(STATUS)
    expect(await readNodePid(dir)).toBe(process.pid)
  })

  it('gives the lock of a killed process back', async () => {
    const lockModule = new URL('../../../src/admin/lock.ts', import.meta.url).href
    const script = `import(${JSON.stringify(lockModule)}).then(async (m) => { globalThis.lock = await m.acquireNodeLock(${JSON.stringify(dir)}); console.log('held'); setInterval(() => {}, 1000) })`
    const child = spawn(process.execPath, ['--import', 'tsx', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      await once(child.stdout, 'data')
      await expect(acquireNodeLock(dir)).rejects.toMatchObject({
        code: 'already-running',
        message: expect.stringContaining(`process ${child.pid}`)
      })
    } finally {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    const lock = await acquireNodeLock(dir)
    await lock.release()
    await lock.release()
  })

  it('uses a lock that its caller holds, and leaves it to the caller', async () => {
    const lock = await acquireNodeLock(dir)
    const server = await start({ lock })
    await server.stop()
    await expect(acquireNodeLock(dir)).rejects.toMatchObject({ code: 'already-running' })
    await lock.release()
    await (await acquireNodeLock(dir)).release()
  })

  it('gives the lock back when it cannot listen', async () => {
    await mkdir(join(dir, 'hist', 'admin.sock'), { recursive: true })
    await expect(createAdminServer({ dir, source: createFakeSource(), log })).rejects.toMatchObject({ code: 'failed' })
    await (await acquireNodeLock(dir)).release()
  })
})

describe('long paths', () => {
  it('serves and is reached below a path of 300 bytes', async () => {
    dir = join(dir, 'a'.repeat(150), 'b'.repeat(150))
    await mkdir(dir, { recursive: true })
    const server = await start()
    expect(server.path.length).toBeGreaterThan(300)
    expect((await stat(server.path)).isSocket()).toBe(true)
    expect((await stat(server.path)).mode & 0o777).toBe(0o600)
    expect(await adminRequest(dir, '/v1/status')).toEqual(STATUS)
    await server.stop()
    await expect(adminRequest(dir, '/v1/status')).rejects.toMatchObject({ code: 'not-reachable' })
  })

  it('has a way where there is no /proc, and leaves nothing behind', async () => {
    const folder = join(dir, 'a'.repeat(150))
    await mkdir(folder)
    const short = await shortSocketPath(join(folder, 'admin.sock'), 'link')
    expect(Buffer.byteLength(short.path)).toBeLessThanOrEqual(100)
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(short.path, resolve))
    expect((await stat(join(folder, 'admin.sock'))).isSocket()).toBe(true)
    await short.release()
    await expect(stat(short.path)).rejects.toMatchObject({ code: 'ENOENT' })
    expect((await stat(join(folder, 'admin.sock'))).isSocket()).toBe(true)
    await new Promise((resolve) => server.close(resolve))
  })
})
