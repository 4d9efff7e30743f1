import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { LinkProxy } from '../../chaos/link-proxy.js'
import { findFreePort, HOST } from '../../helpers/ports.js'
import { waitUntil } from '../../helpers/wait.js'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const closeOf = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()))

/** Node 1 listens, node 0 (this process) dials it through the proxy. */
async function start(): Promise<{
  proxy: LinkProxy
  dial: () => Promise<Socket>
  taken: Socket[]
  heard: () => string
}> {
  const taken: Socket[] = []
  let text = ''
  const target = createServer((socket) => {
    taken.push(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      text += chunk.toString()
    })
  }).listen(0, HOST)
  await once(target, 'listening')
  closers.push(() => target.close())
  const ports = [await findFreePort(), await findFreePort()]
  const targets = [0, (target.address() as AddressInfo).port]
  const proxy = await LinkProxy.start(ports, targets, (node) => (node === 0 ? process.pid : null))
  closers.push(() => proxy.close())
  const dial = async (): Promise<Socket> => {
    const socket = connect(ports[1] as number, HOST)
    socket.on('error', () => {})
    closers.push(() => socket.destroy())
    await once(socket, 'connect')
    return socket
  }
  return { proxy, dial, taken, heard: () => text }
}

describe.skipIf(process.platform !== 'linux')('a link between two nodes', () => {
  it('passes all in both directions, and its ends', async () => {
    const { dial, taken, heard } = await start()
    const socket = await dial()
    socket.write('there')
    await waitUntil('what was sent', () => heard() === 'there')
    const back = once(socket, 'data')
    taken[0]?.write('back')
    expect(String((await back)[0])).toBe('back')
    const ended = once(taken[0] as Socket, 'end')
    socket.end()
    await ended
  })

  it('holds one direction back and loses nothing of it', async () => {
    const { proxy, dial, taken, heard } = await start()
    const socket = await dial()
    socket.write('a')
    await waitUntil('what was sent', () => heard() === 'a')
    proxy.set(0, 1, 'held')
    socket.write('b')
    const back = once(socket, 'data')
    taken[0]?.write('back')
    expect(String((await back)[0])).toBe('back')
    await delay(50)
    expect(heard()).toBe('a')
    proxy.set(0, 1, 'open')
    await waitUntil('what was held', () => heard() === 'ab')
  })

  it('lets no connection come about while it is held, and hides that an end is gone', async () => {
    const { proxy, dial, taken, heard } = await start()
    proxy.set(1, 0, 'held')
    const socket = await dial()
    socket.write('a')
    await delay(50)
    expect(taken.length).toBe(0)
    proxy.openAll()
    await waitUntil('what was held', () => heard() === 'a')
    proxy.set(0, 1, 'held')
    socket.destroy()
    await delay(50)
    expect(taken[0]?.closed).toBe(false)
    const ended = once(taken[0] as Socket, 'end')
    proxy.openAll()
    await ended
  })

  it('ends what there is and takes nothing more when it is refused', async () => {
    const { proxy, dial, taken, heard } = await start()
    const socket = await dial()
    socket.write('a')
    await waitUntil('what was sent', () => heard() === 'a')
    const closed = Promise.all([closeOf(socket), closeOf(taken[0] as Socket)])
    proxy.set(0, 1, 'refused')
    await closed
    const other = await dial()
    await closeOf(other)
    expect(taken.length).toBe(1)
  })

  it('refuses a process that is none of the nodes', async () => {
    const port = await findFreePort()
    const proxy = await LinkProxy.start([port], [1], () => null)
    closers.push(() => proxy.close())
    const socket = connect(port, HOST)
    socket.on('error', () => {})
    closers.push(() => socket.destroy())
    await closeOf(socket)
  })
})
