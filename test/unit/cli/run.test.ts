import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { adminRequest, readNodePid } from '../../../src/admin/index.js'
import { findFreePort, finishCli, runCli, startCli } from './run-cli.js'

vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 })

const POLL = { timeout: 90_000, interval: 100 }

let base: string
let dir: string
const children: ChildProcess[] = []

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'hp-run-'))
  dir = join(base, 'node')
})

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  await rm(base, { recursive: true, force: true, maxRetries: 5 })
})

function start(args: string[]): ChildProcess {
  const child = startCli(args)
  children.push(child)
  return child
}

async function createNode(): Promise<string> {
  const pubport = String(await findFreePort())
  const peerport = String(await findFreePort())
  await runCli(['new', dir, '--binary', '/bin/true', '--peerport', peerport, '--pubport', pubport])
  return pubport
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function waitForNode(path: string): Promise<void> {
  await expect
    .poll(
      () =>
        adminRequest(path, '/v1/status').then(
          (status) => status.sync,
          () => null
        ),
      POLL
    )
    .toBe('synced')
}

describe('run', () => {
  it('runs, is alone on its directory, stops in order at SIGTERM', async () => {
    await createNode()
    const node = start(['run', dir])
    const result = finishCli(node)
    await waitForNode(dir)

    const second = await runCli(['run', dir])
    expect([second.code, second.out]).toEqual([1, ''])
    expect(second.err).toBe(`hp-p2p: a node runs on ${dir} already (process ${node.pid}): stop it first\n`)
    const id = JSON.parse((await runCli(['id', dir, '--json'])).out) as { networkId: string }
    expect((await runCli(['ledger', 'verify', dir])).code).toBe(0)

    node.kill('SIGTERM')
    const { code, out, err } = await result
    expect([code, err]).toEqual([0, ''])
    const messages = out
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { msg: string }).msg)
    expect(messages.at(-1)).toBe('stopped')

    expect((await runCli(['status', dir])).code).toBe(3)
    expect(JSON.parse((await runCli(['id', dir, '--json'])).out)).toMatchObject({ networkId: id.networkId })
    expect((await runCli(['ledger', 'verify', dir, '--json'])).code).toBe(0)
    expect((await runCli(['ledger', 'show', '0', dir])).out).toContain(id.networkId)
  })

  it('is refused in one line when a port is taken', async () => {
    const pubport = await createNode()
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(Number(pubport), '127.0.0.1', resolve))
    try {
      const { code, out, err } = await runCli(['run', dir])
      expect([code, out]).toEqual([1, ''])
      expect(err).toMatch(
        new RegExp(`^hp-p2p: hp\\.cfg: pubport: port ${pubport} on 0\\.0\\.0\\.0 is taken[^\\n]+\\n$`)
      )
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  })
})

describe('devnet', () => {
  it('plays the sample, and goes on with its ledgers the next time', async () => {
    const args = ['devnet', '-n', '1', '--dir', dir, '--contract', 'echo-node', '--timeout', '60']
    const first = await runCli([...args, '--once', '--json'])
    expect(first.err).toBe('')
    expect(first.code).toBe(0)
    const { answers } = JSON.parse(first.out) as { answers: { input: string; output: string }[] }
    expect(answers.length).toBeGreaterThan(0)
    for (const { input, output } of answers) expect(output).toBe(input.toUpperCase())

    const before = JSON.parse((await runCli(['ledger', 'verify', join(dir, 'node1'), '--json'])).out) as {
      lastSeq: number
    }
    const second = await runCli(args, 'piped\nlines\n')
    expect(second.err).toBe('')
    expect(second.code).toBe(0)
    expect(second.out).toContain('with their ledgers')
    expect(second.out).toMatch(/PIPED\nLINES\n$/)
    const after = JSON.parse((await runCli(['ledger', 'verify', join(dir, 'node1'), '--json'])).out) as {
      lastSeq: number
    }
    expect(after.lastSeq).toBeGreaterThan(before.lastSeq)
    expect((await stat(join(dir, 'node1', 'log', 'node.log'))).size).toBeGreaterThan(0)

    const other = await runCli([...args, '--once', '-n', '2'])
    expect(other.code).toBe(1)
    expect(other.err).toMatch(/holds a network of 1 nodes, not 2/)
  })

  it.each(['SIGINT', 'SIGKILL'] as const)('leaves no node behind after %s', async (signal) => {
    const devnet = start(['devnet', '-n', '1', '--dir', dir, '--contract', 'echo-node'])
    devnet.stderr?.resume()
    devnet.stdout?.resume()
    const node = join(dir, 'node1')
    await waitForNode(node)
    const pid = (await readNodePid(node)) as number
    expect(isAlive(pid)).toBe(true)
    const ended = once(devnet, 'exit')
    devnet.kill(signal)
    const [code] = (await ended) as [number | null]
    if (signal === 'SIGINT') expect(code).toBe(0)
    await expect.poll(() => isAlive(pid), POLL).toBe(false)
    // Stopped in order, not killed: it said so.
    if (signal === 'SIGINT') expect(await readFile(join(node, 'log', 'node.log'), 'utf8')).toContain('"stopped"')
  })
})
