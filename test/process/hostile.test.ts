import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { checkOneChain } from '../helpers/chain.js'
import { Cluster, onCleanup } from '../helpers/cluster.js'
import { HOST } from '../helpers/ports.js'

const MIB = 1024 * 1024
/** What one node may need beyond its memory at rest while it is attacked. */
const MEMORY_BYTES = 250 * MIB

function memoryOf(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kib) * 1024
}

/** Sends the bytes over TCP; resolves when the node has closed the connection, or took all and says nothing more. */
function sendRaw(port: number, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST)
    const timer = setTimeout(() => socket.destroy(), 3000)
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      resolve()
    })
    socket.on('data', () => {})
    socket.write(bytes)
  })
}

/** Sends messages over a WebSocket; resolves with the close code, 0 when the node had not closed it in time. */
function sendMessages(port: number, messages: (string | Uint8Array)[]): Promise<number> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://${HOST}:${port}`, { perMessageDeflate: false })
    const timer = setTimeout(() => {
      resolve(0)
      socket.terminate()
    }, 8000)
    socket.on('error', () => {})
    socket.on('open', () => {
      for (const message of messages) socket.send(message, () => {})
    })
    socket.on('close', (code) => {
      clearTimeout(timer)
      resolve(code)
    })
  })
}

/** Connections that are opened and never say a word. */
async function openSilent(port: number, count: number): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect(port, HOST).on('error', () => {}))
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
  return sockets
}

describe('garbage on the ports of a node', () => {
  it('neither stops the ledgers nor the service, and memory stays bounded', async () => {
    const cluster = await Cluster.start({ contract: 'echo', config: { roundtime: 500, pubmaxsize: MIB } })
    const node = cluster.node(0)
    const { pubport, peerport, tcpport } = node.ports
    const user = await cluster.connect(0)
    await user.ask('before\n')
    const memoryAtRest = memoryOf(node.pid)
    let memoryMost = memoryAtRest
    const { pid } = node
    const timer = setInterval(() => {
      memoryMost = Math.max(memoryMost, memoryOf(pid))
    }, 50)
    onCleanup(async () => clearInterval(timer))

    const silent = (await Promise.all([pubport, peerport, tcpport].map((port) => openSilent(port, 60)))).flat()
    onCleanup(async () => {
      for (const socket of silent) socket.destroy()
    })
    const garbage = [
      randomBytes(MIB),
      Buffer.alloc(8 * MIB),
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
      Buffer.from(`GET / HTTP/1.1\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`),
      Buffer.from('\x13/multistream/1.0.0\n\x07/noise\n\xff\xff', 'latin1'),
      Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f])
    ]
    const helo = {
      type: 'helo',
      challenge: '00'.repeat(32),
      pubkey: '11'.repeat(32),
      timestamp: 1,
      sig: '22'.repeat(64)
    }
    const raw = [pubport, peerport, tcpport].flatMap((port) => garbage.map((bytes) => sendRaw(port, bytes)))
    const toPeers = [
      sendMessages(peerport, [randomBytes(100_000)]),
      sendMessages(peerport, [randomBytes(16 * MIB)]),
      sendMessages(peerport, ['\x13/multistream/1.0.0\n', randomBytes(70_000)])
    ]
    const toUsers = [
      sendMessages(pubport, [randomBytes(100)]),
      sendMessages(pubport, ['{"type":"helo"}']),
      sendMessages(pubport, [JSON.stringify(helo)]),
      sendMessages(pubport, ['['.repeat(4000)]),
      sendMessages(pubport, [randomBytes(16 * MIB)])
    ]
    const codes = await Promise.all(toUsers)
    await Promise.all([...raw, ...toPeers])
    expect(codes).toEqual([4000, 4000, 4001, 4000, expect.any(Number)])
    // 1006: cut in the middle of the message.
    expect([1009, 4000, 1006]).toContain(codes[4])

    const tooLarge = await cluster.connect(0)
    tooLarge.send(Buffer.alloc(2 * MIB))
    await cluster.waitUntil('the close', () => tooLarge.closes.length > 0)
    expect(tooLarge.closes[0]).toMatch(/^1009 /)

    const { seq } = await node.waitFor('an answer', () => true)
    expect(await user.ask('after\n')).toBe('AFTER\n')
    expect(await (await cluster.connect(0)).ask('a newcomer\n')).toBe('A NEWCOMER\n')
    await cluster.waitForSeq(seq + 3)
    for (const status of await cluster.statuses()) {
      expect(status).toMatchObject({ sync: 'synced', quorum: { present: 4 } })
    }
    clearInterval(timer)
    expect(memoryMost - memoryAtRest).toBeLessThan(MEMORY_BYTES)
    expect(node.log().filter(({ level }) => level >= 50)).toEqual([])
    await cluster.stopAll()
    await checkOneChain(cluster.nodes)
  })
})
