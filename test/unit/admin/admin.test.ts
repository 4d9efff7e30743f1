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
  type AdminServer,
  type AdminServerOptions,
  acquireNodeLock,
  adminRequest,
  createAdminServer,
  readNodePid
} from '../../../src/admin/index.js'
import { shortSocketPath } from '../../../src/admin/socket-path.js'
import { createFakeSource, HASH, STATUS, TIP } from './fake-source.js'

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
    expect(await rawRequest(path, '/v1/status', { method: 'POST' })).toBe(405)
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
      return { ok: true, checked: 7, problem: null }
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
