import { createServer } from 'node:http'
import { type AddressInfo, createConnection } from 'node:net'
import { KEEP_ALIVE } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { createLibp2p, type Libp2p } from 'libp2p'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket as PlainWebSocket, WebSocketServer } from 'ws'
import { MendedWebSocket } from '../../../src/network/shim.js'
import { until } from './helpers.js'

async function startLibp2p(listen: string[] = []): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen },
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { reconnectRetries: 100, reconnectRetryInterval: 50, reconnectBackoffFactor: 1 },
    connectionMonitor: { enabled: false }
  })
  onTestFinished(() => void node.stop())
  return node
}

async function withGlobal<T>(value: unknown, work: () => Promise<T>): Promise<T> {
  const before = globalThis.WebSocket
  Object.defineProperty(globalThis, 'WebSocket', { value, writable: true, configurable: true })
  try {
    return await work()
  } finally {
    Object.defineProperty(globalThis, 'WebSocket', { value: before, writable: true, configurable: true })
  }
}

/** A port on which nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

describe('the shim', () => {
  it('gives Promise.withResolvers and the mended WebSocket', async () => {
    const maker = Promise as unknown as { withResolvers<T>(): { promise: Promise<T>; resolve(value: T): void } }
    const { promise, resolve } = maker.withResolvers<number>()
    resolve(7)
    expect(await promise).toBe(7)
    expect(globalThis.WebSocket).toBe(MendedWebSocket)
  })

  it('makes a failed dial an Error; the plain WebSocket does not', async () => {
    const node = await startLibp2p()
    const { multiaddr } = await import('@multiformats/multiaddr')
    const target = multiaddr(`/ip4/127.0.0.1/tcp/${await freePort()}/ws`)
    const dial = (): Promise<unknown> =>
      node.dial(target).then(
        () => 'connected',
        (error: unknown) => error
      )
    expect(await withGlobal(PlainWebSocket, dial)).not.toBeInstanceOf(Error)
    const error = await dial()
    expect(error).toBeInstanceOf(Error)
    expect((error as Error).message).toContain('ECONNREFUSED')
  })

  it('lets the reconnect queue go on until the peer is back', { timeout: 30_000 }, async () => {
    const listener = await startLibp2p(['/ip4/127.0.0.1/tcp/0/ws'])
    const [address] = listener.getMultiaddrs()
    if (address === undefined) throw new Error('unreachable')
    const dialler = await startLibp2p()
    let failed = false
    dialler.addEventListener('peer:reconnect-failure', () => {
      failed = true
    })
    const connection = await dialler.dial(address)
    await dialler.peerStore.merge(connection.remotePeer, {
      multiaddrs: [address],
      tags: { [`${KEEP_ALIVE}-test`]: {} }
    })
    const { port } = new URL(`http://${address.toString().split('/')[2]}:${address.toString().split('/')[4]}`)
    await listener.stop()
    await until('the connection is gone', () => dialler.getConnections().length === 0)
    // Some attempts fail meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 300))
    const server = new WebSocketServer({ port: Number(port), host: '127.0.0.1' })
    onTestFinished(() => void server.close())
    await new Promise((resolve) => server.once('connection', resolve))
    expect(failed).toBe(false)
    for (const client of server.clients) client.terminate()
  })

  it.each([
    ['plain', PlainWebSocket, false],
    ['mended', MendedWebSocket, true]
  ])('close(1006) of the %s WebSocket', async (_name, Socket, ends) => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    onTestFinished(() => {
      for (const client of server.clients) client.terminate()
      server.close()
    })
    await new Promise((resolve) => server.once('listening', resolve))
    const socket = new Socket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
    await new Promise((resolve) => socket.once('open', resolve))
    if (!ends) {
      expect(() => socket.close(1006)).toThrow()
      expect(socket.readyState).toBe(PlainWebSocket.OPEN)
      socket.terminate()
      return
    }
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.close(1006)
    await closed
    expect(socket.readyState).toBe(PlainWebSocket.CLOSED)
  })

  it('abort() of a connection closes the sockets at both ends, dialled and accepted', async () => {
    const listener = await startLibp2p(['/ip4/127.0.0.1/tcp/0/ws'])
    const dialler = await startLibp2p()
    const [address] = listener.getMultiaddrs()
    if (address === undefined) throw new Error('unreachable')
    for (const side of [dialler, listener]) {
      await dialler.dial(address)
      await until('both see the connection', () => listener.getConnections().length === 1)
      const other = side === dialler ? listener : dialler
      side.getConnections()[0]?.abort(new Error('cut'))
      await until('the other side sees the end', () => other.getConnections().length === 0, 5000)
    }
  })

  it('survives an invalid WebSocket frame on an accepted connection', async () => {
    const listener = await startLibp2p(['/ip4/127.0.0.1/tcp/0/ws'])
    const port = Number(listener.getMultiaddrs()[0]?.toString().split('/')[4])
    const socket = createConnection(port, '127.0.0.1')
    const key = Buffer.alloc(16).toString('base64')
    const ended = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => {})
    socket.write(
      `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`
    )
    await new Promise((resolve) => socket.once('data', resolve))
    socket.resume()
    socket.write(Buffer.from([0xff, 0x80, 0, 0, 0, 0]))
    await ended
    const dialler = await startLibp2p()
    const [address] = listener.getMultiaddrs()
    if (address === undefined) throw new Error('unreachable')
    expect((await dialler.dial(address)).status).toBe('open')
  })
})
