import { createConnection, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startAttacker } from './attacker.js'
import { createKeyPairs, startCluster, startNode, until } from './helpers.js'

const LIMITS = { maxPendingConnections: 8, upgradeTimeoutMs: 30_000, inboundConnectionsPerSecond: 1000 }

function openSilent(port: number, localAddress: string): { socket: Socket; isClosed: () => boolean } {
  const socket = createConnection({ port, host: '127.0.0.1', localAddress })
  let isClosed = false
  socket.on('error', () => {})
  socket.on('close', () => {
    isClosed = true
  })
  socket.resume()
  onTestFinished(() => void socket.destroy())
  return { socket, isClosed: () => isClosed }
}

describe('connections that do not finish their handshake', { timeout: 60_000 }, () => {
  it.each(['ws', 'tcp'])('keep nobody out, and those of the address that has most go first (%s)', async (kind) => {
    const [pair, good] = createKeyPairs(2)
    if (pair === undefined || good === undefined) throw new Error('unreachable')
    const listen = kind === 'ws' ? { wsPort: 0, tcpPort: null } : { wsPort: null, tcpPort: 0 }
    const node = await startNode(pair, { listen, limits: LIMITS })
    const address = node.network.addresses()[0] as string
    const port = Number(address.split('/')[4])
    const patient = openSilent(port, '127.0.0.77')
    await new Promise((resolve) => patient.socket.once('connect', resolve))
    const flood = Array.from({ length: 50 }, () => openSilent(port, '127.0.0.66'))
    await until(
      'the limit',
      () => flood.filter(({ isClosed }) => isClosed()).length === 50 - LIMITS.maxPendingConnections + 1
    )
    expect(patient.isClosed()).toBe(false)
    expect(flood.at(-1)?.isClosed()).toBe(false)
    // As many as there is room for wait still, and a newcomer gets in.
    const newcomer = await startNode(good, { peers: [address] })
    await until('the newcomer', () => node.network.connected().includes(good.publicKey))
    expect(newcomer.network.connected()).toEqual([pair.publicKey])
    // A connection that is made does not count any more.
    for (let count = 0; count < 20; count++) flood.push(openSilent(port, '127.0.0.66'))
    await until(
      'the limit again',
      () => flood.filter(({ isClosed }) => !isClosed()).length < LIMITS.maxPendingConnections
    )
    expect(node.network.connected()).toEqual([good.publicKey])
  })
})

describe('streams before hello', { timeout: 60_000 }, () => {
  it('are few', async () => {
    const [target] = await startCluster(2)
    if (target === undefined) throw new Error('unreachable')
    await target.network.handle('echo', 1, {}, async (body) => body)
    const attacker = await startAttacker(target, false)
    const protocol = `/hp/${target.options.networkId}/echo/1`
    const first = await Promise.all(Array.from({ length: 6 }, () => attacker.connection.newStream(protocol)))
    const opening = Array.from({ length: 40 }, () => attacker.connection.newStream(protocol))
    // One that is reset at once may not even seem to be open.
    const rest = (await Promise.allSettled(opening)).flatMap((each) =>
      each.status === 'fulfilled' ? [each.value] : []
    )
    await until('those above the limit are reset', () => rest.filter(({ status }) => status === 'open').length <= 2)
    expect(first.filter(({ status }) => status === 'open')).toHaveLength(6)
  })
})
