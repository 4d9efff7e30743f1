import { randomBytes } from 'node:crypto'
import { createConnection, type Socket } from 'node:net'
import type { Stream } from '@libp2p/interface'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { NetworkError } from '../../../src/network/index.js'
import { varint } from '../../helpers/varint.js'
import { type Attacker, gossipData, gossipFrame, startAttacker } from './attacker.js'
import { createKeyPairs, nextEvent, startCluster, startNode, type TestNode, until, waitReady } from './helpers.js'

/** Two honest nodes; the attacks go to the first. */
async function startHonest(
  limits: TestNode['options']['limits'] = {}
): Promise<{ target: TestNode; friend: TestNode; got: string[] }> {
  const [target, friend] = await startCluster(2, { limits: { noGossipTimeoutMs: 60_000, ...limits } })
  if (target === undefined || friend === undefined) throw new Error('unreachable')
  const got: string[] = []
  target.network.onGossip('consensus', (content) => {
    const text = Buffer.from(content).toString()
    if (text.startsWith('bad')) return 'reject'
    got.push(text)
    return 'accept'
  })
  return { target, friend, got }
}

async function expectHonestGoOn({ target, friend, got }: Awaited<ReturnType<typeof startHonest>>): Promise<void> {
  const text = `honest ${randomBytes(4).toString('hex')}`
  await friend.network.publish('consensus', Buffer.from(text))
  await until('the honest message', () => got.includes(text))
  const info = target.network.peers().find((peer) => peer.publicKey === friend.network.publicKey)
  expect(info).toMatchObject({ connected: true, score: 0 })
}

async function expectBanned(
  honest: Awaited<ReturnType<typeof startHonest>>,
  attacker: Attacker,
  attack: () => Promise<void>
) {
  const banned = nextEvent(honest.target.network, 'peer:banned')
  await attack()
  expect((await banned).publicKey).toBe(attacker.publicKey)
  await until('the attacker is cut', () => attacker.isCut())
  await expectHonestGoOn(honest)
}

function trySend(stream: Stream, bytes: Uint8Array): void {
  try {
    stream.send(bytes)
  } catch {
    // It is cut already.
  }
}

describe('gossip from a hostile peer', { timeout: 60_000 }, () => {
  let honest: Awaited<ReturnType<typeof startHonest>>
  let attacker: Attacker
  let stream: Stream

  beforeEach(async () => {
    honest = await startHonest({ gossipMessagesPerSecond: 200, gossipMessagesBurst: 500, maxGossipBytes: 100_000 })
    attacker = await startAttacker(honest.target, true)
    stream = await attacker.openGossip()
    trySend(stream, gossipFrame('consensus', gossipData('consensus', 'one good message')))
    await until('the good message', () => honest.got.includes('one good message'))
  })

  it('that does not decode', async () => {
    await expectBanned(honest, attacker, async () => {
      for (let index = 0; index < 5; index++) trySend(stream, Buffer.concat([varint(9), Buffer.alloc(9, 0xff)]))
    })
  })

  it('with a signature, an unknown header or the wrong tag', async () => {
    await expectBanned(honest, attacker, async () => {
      trySend(stream, gossipFrame('consensus', gossipData('consensus', 'signed'), Buffer.from([0x2a, 1, 7])))
      trySend(stream, gossipFrame('consensus', Buffer.from('abc')))
      trySend(stream, gossipFrame('consensus', gossipData('npl', 'wrong tag')))
    })
    expect(honest.got).not.toContain('signed')
  })

  it('that the handler rejects', async () => {
    await expectBanned(honest, attacker, async () => {
      for (let index = 0; index < 4; index++)
        trySend(stream, gossipFrame('consensus', gossipData('consensus', `bad ${index}`)))
    })
  })

  it('that is too large', async () => {
    await expectBanned(honest, attacker, async () => {
      for (let index = 0; index < 3; index++) {
        const content = Buffer.alloc(100_001, index)
        trySend(stream, gossipFrame('consensus', gossipData('consensus', content)))
      }
    })
  })

  it('in frames without end', async () => {
    const score = (): number =>
      honest.target.network.peers().find((peer) => peer.publicKey === attacker.publicKey)?.score ?? 0
    trySend(stream, varint(2 ** 31))
    await until('it is scored down', () => score() < 0)
    await until('the stream is reset', () => stream.status !== 'open')
    await expectHonestGoOn(honest)
  })

  it('in a flood', async () => {
    await expectBanned(honest, attacker, async () => {
      for (let index = 0; !attacker.isCut() && index < 200_000; index++) {
        trySend(stream, gossipFrame('consensus', gossipData('consensus', `flood ${index}`)))
        if (index % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
    })
    expect(honest.got.length).toBeLessThan(3000)
  })

  it('in a flood of one message again and again', async () => {
    await expectBanned(honest, attacker, async () => {
      const frame = gossipFrame('consensus', gossipData('consensus', 'again'))
      for (let index = 0; !attacker.isCut() && index < 200_000; index++) {
        trySend(stream, frame)
        if (index % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
    })
    expect(honest.got.filter((text) => text === 'again')).toHaveLength(1)
  })

  it('is not heard after it is banned, until the ban ends', async () => {
    for (let index = 0; index < 4; index++) honest.target.network.report(attacker.publicKey, 'wrong-answer', 'test')
    await until('the attacker is cut', () => attacker.isCut())
    const { network } = honest.target
    expect(network.connected()).toEqual([honest.friend.network.publicKey])
    expect(network.subscribers('consensus')).toEqual([honest.friend.network.publicKey])
    expect(network.peer(attacker.publicKey)).toMatchObject({ connected: false, banReason: 'wrong-answer' })
    expect(network.bans()).toMatchObject([{ publicKey: attacker.publicKey, reason: 'wrong-answer' }])
  })
})

describe('gossip of a peer outside of the UNL', { timeout: 60_000 }, () => {
  it('is dropped beyond its small share, without a penalty', async () => {
    const honest = await startHonest({ outsiderMessagesPerSecond: 0.001, outsiderMessagesBurst: 5 })
    const outsider = await startAttacker(honest.target, true)
    const stream = await outsider.openGossip()
    for (let index = 0; index < 50; index++) {
      trySend(stream, gossipFrame('consensus', gossipData('consensus', `outside ${index}`)))
    }
    await until('its share', () => honest.got.length === 5)
    for (let index = 0; index < 20; index++)
      await honest.friend.network.publish('consensus', Buffer.from(`in ${index}`))
    await until('all of the member', () => honest.got.includes('in 19'))
    expect(honest.got.filter((text) => text.startsWith('outside'))).toHaveLength(5)
    expect(honest.target.network.peer(outsider.publicKey)).toMatchObject({ connected: true, score: 0 })
  })
})

describe('an honest peer', { timeout: 60_000 }, () => {
  it('whose connection is cut in the middle of its gossip is not scored down', async () => {
    const honest = await startHonest()
    for (let round = 0; round < 3; round++) {
      const peer = await startAttacker(honest.target, true)
      const stream = await peer.openGossip()
      let sent = 0
      const talk = setInterval(() => {
        const frame = gossipFrame('consensus', gossipData('consensus', `${round} ${sent++} `.padEnd(5000)))
        // A frame and a half, and the rest of it the next time.
        trySend(stream, sent % 2 === 0 ? frame : Buffer.concat([frame, frame.subarray(0, 700)]))
        if (sent % 2 === 1) trySend(stream, frame.subarray(700))
      }, 1)
      onTestFinished(() => clearInterval(talk))
      await until('its gossip comes', () => honest.got.filter((text) => text.startsWith(`${round} `)).length > 20)
      if (round === 0) honest.target.network.disconnect(peer.publicKey)
      else if (round === 1) peer.connection.abort(new Error('torn'))
      else stream.abort(new Error('torn'))
      const cutMs = performance.now()
      await until('some time', () => sent > 40 && performance.now() - cutMs > 300)
      clearInterval(talk)
      const { score, banReason } = honest.target.network.peer(peer.publicKey)
      expect({ score, banReason }).toEqual({ score: 0, banReason: null })
    }
    await expectHonestGoOn(honest)
  })

  it('whose connection ends before its requests have come is not scored down', async () => {
    const honest = await startHonest()
    await honest.target.network.handle('echo', 1, {}, async (body) => body)
    const peer = await startAttacker(honest.target, true)
    const protocol = `/hp/${honest.target.options.networkId}/echo/1`
    for (let index = 0; index < 20; index++) await peer.connection.newStream(protocol)
    const gone = nextEvent(honest.target.network, 'peer:disconnect')
    await peer.connection.close().catch(() => {})
    await gone
    await expectHonestGoOn(honest)
    expect(honest.target.network.peer(peer.publicKey)).toMatchObject({ score: 0 })
  })
})

describe('a peer that says no hello', { timeout: 60_000 }, () => {
  it('is not listened to, not served, and cut', async () => {
    const honest = await startHonest({ helloTimeoutMs: 1000 })
    let served = 0
    await honest.target.network.handle('echo', 1, {}, async (body) => {
      served++
      return body
    })
    const attacker = await startAttacker(honest.target, false)
    const gossip = await attacker.openGossip()
    trySend(gossip, gossipFrame('consensus', gossipData('consensus', 'from a stranger')))
    const request = await attacker.connection.newStream(`/hp/${honest.target.options.networkId}/echo/1`)
    trySend(request, Buffer.from([2, 0, 7]))
    await expectHonestGoOn(honest)
    expect(honest.target.network.peers()).toHaveLength(1)
    await until('it is cut', () => attacker.isCut(), 5000)
    expect(honest.got).not.toContain('from a stranger')
    expect(served).toBe(0)
    await expectHonestGoOn(honest)
  })

  it('or one that does not decode, is cut at once', async () => {
    const honest = await startHonest()
    const attacker = await startAttacker(honest.target, false)
    const stream = await attacker.connection.newStream('/hp/hello/1')
    trySend(stream, Buffer.concat([varint(21), Buffer.from([0]), randomBytes(20)]))
    await until('it is cut', () => attacker.isCut(), 5000)
    await expectHonestGoOn(honest)
  })
})

describe('requests of a hostile peer', { timeout: 60_000 }, () => {
  it.each([
    ['garbage', Buffer.alloc(20, 0xff)],
    ['an oversized frame', Buffer.concat([varint(2 ** 30), randomBytes(1000)])],
    ['an empty frame', Buffer.from([0])],
    ['nothing at all', null]
  ])('of %s are refused, counted and do no harm', async (_name, bytes) => {
    const honest = await startHonest()
    await honest.target.network.handle('echo', 1, {}, async (body) => body)
    const attacker = await startAttacker(honest.target, true)
    const banned = nextEvent(honest.target.network, 'peer:banned')
    for (let index = 0; index < 20 && !attacker.isCut(); index++) {
      const stream = await attacker.connection
        .newStream(`/hp/${honest.target.options.networkId}/echo/1`)
        .catch(() => null)
      if (stream === null) break
      if (bytes !== null) trySend(stream, bytes)
      await stream.close().catch(() => {})
    }
    expect((await banned).publicKey).toBe(attacker.publicKey)
    await expectHonestGoOn(honest)
    const echo = await honest.friend.network.request(honest.target.network.publicKey, 'echo', Buffer.from('hi'))
    expect(Buffer.from(echo).toString()).toBe('hi')
  })

  it('in a flood cut the peer', async () => {
    const honest = await startHonest({ requestsPerSecond: 10, requestsBurst: 20 })
    await honest.target.network.handle('echo', 1, {}, async (body) => body)
    const attacker = await startAttacker(honest.target, true)
    const banned = nextEvent(honest.target.network, 'peer:banned')
    while (!attacker.isCut()) {
      const stream = await attacker.connection
        .newStream(`/hp/${honest.target.options.networkId}/echo/1`)
        .catch(() => null)
      if (stream === null) break
      trySend(stream, Buffer.from([2, 0, 7]))
      stream.close().catch(() => {})
      stream.addEventListener('message', () => {})
    }
    expect((await banned).reason).toContain('request-flood')
    await expectHonestGoOn(honest)
  })
})

describe('raw sockets', { timeout: 60_000 }, () => {
  function connectRaw(port: number): { socket: Socket; closed: Promise<void> } {
    const socket = createConnection(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.resume()
    onTestFinished(() => void socket.destroy())
    return { socket, closed: new Promise((resolve) => socket.once('close', () => resolve())) }
  }

  it('of garbage and of silence on both ports are closed, and do not keep the node from stopping', async () => {
    const [first, second] = createKeyPairs(2)
    if (first === undefined || second === undefined) throw new Error('unreachable')
    const limits = { upgradeTimeoutMs: 1000 }
    const a = await startNode(first, { listen: { tcpPort: 0 }, limits })
    const tcpPort = Number(
      a.network
        .addresses()
        .find((address) => !address.includes('/ws'))
        ?.split('/')[4]
    )
    const b = await startNode(second, { peers: [a.address] })
    await waitReady(b.network, [first.publicKey])
    const closed = [a.wsPort, tcpPort].flatMap((port) =>
      [
        Buffer.alloc(0),
        randomBytes(2000),
        Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
        Buffer.from('\x13/multistream/1.0.0\n')
      ].map((bytes) => {
        const { socket, closed: end } = connectRaw(port)
        socket.write(bytes)
        return end
      })
    )
    await Promise.all(closed)
    for (const port of [a.wsPort, tcpPort]) {
      const { socket } = connectRaw(port)
      await new Promise((resolve) => socket.once('connect', resolve))
    }
    expect(b.network.peers()[0]?.connected).toBe(true)
    expect(await b.network.status(first.publicKey)).toMatchObject({ seq: 0 })
    const startMs = Date.now()
    await a.network.stop()
    expect(Date.now() - startMs).toBeLessThan(5000)
  })
})

describe('publish', { timeout: 60_000 }, () => {
  it('refuses a message above the limit and delivers one of exactly the limit', async () => {
    const [a, b] = await startCluster(2)
    if (a === undefined || b === undefined) throw new Error('unreachable')
    const arrived = new Promise<number>((resolve) => {
      b.network.onGossip('consensus', (content) => {
        resolve(content.length)
        return 'accept'
      })
    })
    const limit = a.network.limits.maxGossipBytes
    const error = await a.network.publish('consensus', new Uint8Array(limit + 1)).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(NetworkError)
    expect(error).toMatchObject({ code: 'too-large' })
    await a.network.publish('consensus', randomBytes(limit))
    expect(await arrived).toBe(limit)
  })

  it('delivers equal content once, and again when it is sent again on purpose', async () => {
    const [a, b] = await startCluster(2)
    if (a === undefined || b === undefined) throw new Error('unreachable')
    const got: string[] = []
    b.network.onGossip('npl', (content) => {
      got.push(Buffer.from(content).toString())
      return 'accept'
    })
    await a.network.publish('npl', Buffer.from('x'))
    await a.network.publish('npl', Buffer.from('x'))
    await a.network.publish('npl', Buffer.from('x'), { resend: true })
    await a.network.publish('npl', Buffer.from('end'))
    await until('the last one', () => got.includes('end'))
    expect(got).toEqual(['x', 'x', 'end'])
  })
})
