import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { addressGroupOf } from '../../../src/users/address.js'
import { CloseCode, checkUserLimits, DEFAULT_USER_LIMITS } from '../../../src/users/index.js'
import { TokenBucket } from '../../../src/users/token-bucket.js'
import { opened, RawUser, startServer, type TestServer, until } from './helpers.js'

const MIB = 1024 * 1024
const running: TestServer[] = []

async function start(overrides: Parameters<typeof startServer>[0] = {}): Promise<TestServer> {
  const started = await startServer(overrides)
  running.push(started)
  return started
}

afterEach(async () => {
  await Promise.all(running.splice(0).map(({ server }) => server.stop()))
})

describe('limits on messages', () => {
  it('closes with 1009 and a reason for a message over messageBytes, takes one of exactly that', async () => {
    const { url, taken, server } = await start()
    const user = await RawUser.join(url)
    user.send(Buffer.alloc(65_536, 1))
    await until(() => taken.length === 1)
    expect(taken[0]?.content.length).toBe(65_536)
    user.send(Buffer.alloc(65_537))
    expect(await user.closed).toEqual({ code: 1009, reason: 'a message may have at most 65536 bytes' })
    expect(taken.length).toBe(1)
    await until(() => server.status().closedByCode['1009'] === 1)
    expect(server.users()).toEqual([])
  })

  it('takes 4 MiB when that is configured', async () => {
    const { url, taken } = await start({ limits: { messageBytes: 4 * MIB } })
    const user = await RawUser.join(url)
    const content = Buffer.alloc(4 * MIB, 'x')
    user.send(content)
    await until(() => taken.length === 1)
    expect(taken[0]?.content.equals(content)).toBe(true)
    await user.leave()
  })

  it('closes the connection that sends more than messagesPerMinute, and it alone', async () => {
    let nowMs = 0
    const { url, taken } = await start({ now: () => nowMs })
    const calm = await RawUser.join(url)
    const eager = await RawUser.join(url)
    for (let i = 0; i < 100; i++) eager.send(`input ${i}`)
    await until(() => taken.length === 100)
    // A minute later the allowance is full again.
    nowMs += 60_000
    for (let i = 0; i < 101; i++) eager.send(`input ${i}`)
    expect(await eager.closed).toEqual({ code: CloseCode.rateExceeded, reason: 'more than 100 messages a minute' })
    expect(taken.length).toBe(200)
    calm.send('still here')
    await until(() => taken.length === 201)
    await calm.leave()
  })

  it('takes 2,000 inputs from 50 users without a pause when that is configured', async () => {
    const { url, taken } = await start({ limits: { messagesPerMinute: 2_400 } })
    const users = await Promise.all(Array.from({ length: 50 }, () => RawUser.join(url)))
    for (let i = 0; i < 40; i++) for (const user of users) user.send(`${i}`)
    await until(() => taken.length === 2_000)
    for (const user of users) {
      const own = taken.filter((input) => input.user === user.keyPair.publicKey)
      expect(own.map(({ content }) => Number(content.toString()))).toEqual([...Array(40).keys()])
      expect(own.map(({ ordinal }) => ordinal)).toEqual([...Array(40).keys()])
    }
    await Promise.all(users.map((user) => user.leave()))
  })

  it('closes for text that is not UTF-8 and for frames that are none', async () => {
    const { url } = await start()
    const user = await RawUser.join(url)
    user.ws.send(Buffer.from([0xc3, 0x28]), { binary: false })
    expect(await user.closed).toEqual({ code: 1007, reason: 'a text message must be UTF-8' })
    const other = await RawUser.join(url)
    const { _socket } = other.ws as unknown as { _socket: { write(data: Buffer): void } }
    _socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff]))
    expect(await other.closed).toEqual({ code: 1002, reason: 'not a valid WebSocket frame' })
  })

  it('answers pings, but not a flood of them', async () => {
    const { url } = await start({ now: () => 0 })
    const user = await RawUser.join(url)
    const pong = once(user.ws, 'pong')
    user.ws.ping('are you there')
    expect((await pong)[0].toString()).toBe('are you there')
    for (let i = 0; i < 120; i++) user.ws.ping()
    expect(await user.closed).toEqual({ code: CloseCode.rateExceeded, reason: 'more than 120 pings a minute' })
  })
})

describe('limits on connections', () => {
  it('tells the one too many by close code, and lets the next in after another left', async () => {
    const { url, server } = await start({ limits: { connections: 2 } })
    const first = await RawUser.join(url)
    const second = await RawUser.join(url)
    await until(() => server.users().length === 2)
    const third = new RawUser(url)
    expect(await third.closed).toMatchObject({ code: CloseCode.tooManyConnections })
    await first.leave()
    await until(() => server.users().length === 1)
    const fourth = await RawUser.join(url)
    await until(() => server.users().length === 2)
    await Promise.all([second.leave(), fourth.leave()])
  })

  it('counts connections of one address', async () => {
    const { url, server } = await start({ host: '0.0.0.0', limits: { connectionsPerAddress: 1 } })
    const first = await RawUser.join(url, undefined, { localAddress: '127.0.0.1' })
    await until(() => server.users().length === 1)
    const second = new RawUser(url, undefined, { localAddress: '127.0.0.1' })
    expect(await second.closed).toEqual({
      code: CloseCode.tooManyFromAddress,
      reason: 'more than 1 connections from one address'
    })
    const elsewhere = await RawUser.join(url, undefined, { localAddress: '127.0.0.2' })
    await until(() => server.users().length === 2)
    await Promise.all([first.leave(), elsewhere.leave()])
  })

  it('counts connections of one user', async () => {
    const { url, server } = await start({ limits: { connectionsPerUser: 2 } })
    const first = await RawUser.join(url)
    const second = await RawUser.join(url, first.keyPair)
    await until(() => server.status().connections === 2)
    const third = await RawUser.join(url, first.keyPair)
    expect(await third.closed).toMatchObject({ code: CloseCode.tooManyOfUser })
    expect(server.users().length).toBe(1)
    await Promise.all([first.leave(), second.leave()])
  })

  it('pushes the oldest unanswered challenge out', async () => {
    const { url, server } = await start({ limits: { pendingHandshakes: 2 } })
    const oldest = new RawUser(url)
    await oldest.next()
    const second = new RawUser(url)
    const challenge = await second.challenge()
    const third = new RawUser(url)
    expect(await oldest.closed).toMatchObject({ code: CloseCode.tooManyHandshakes })
    second.send(second.helo(challenge))
    await third.answer()
    await until(() => server.users().length === 2)
    await Promise.all([second.leave(), third.leave()])
  })

  it('survives thousands of connections that never answer', async () => {
    const { url, server } = await start({ limits: { pendingHandshakes: 50, closeMs: 200 } })
    const port = server.address()?.port as number
    const upgrade =
      'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n'
    let open = 0
    for (let batch = 0; batch < 20; batch++) {
      const sockets = Array.from({ length: 100 }, () => {
        const socket = connect(port, '127.0.0.1', () => socket.write(upgrade))
        open += 1
        socket.on('error', () => {})
        socket.on('close', () => {
          open -= 1
        })
        return once(socket, 'data').catch(() => null)
      })
      await Promise.all(sockets)
      expect(server.status().pendingHandshakes).toBeLessThanOrEqual(50)
    }
    // In the middle of it a user is served.
    const user = await RawUser.join(url)
    await until(() => server.users().length === 1)
    await user.leave()
    await server.stop()
    await until(() => open === 0)
    expect(server.status()).toMatchObject({ connections: 0, pendingHandshakes: 0, bufferedBytes: 0 })
  }, 60_000)
})

describe('slow readers', () => {
  it('are closed past bufferedBytes with a reason, and others are served meanwhile', async () => {
    const { url, server } = await start({ limits: { bufferedBytes: 4 * MIB, closeMs: 60_000 } })
    const slow = await RawUser.join(url)
    const quick = await RawUser.join(url)
    await until(() => server.users().length === 2)
    slow.ws.pause()
    const output = Buffer.alloc(MIB)
    let sent = 0
    while (server.deliver(slow.keyPair.publicKey, output) === 1) {
      sent += 1
      expect(sent).toBeLessThan(200)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(server.users().length).toBe(1)
    expect(server.deliver(quick.keyPair.publicKey, Buffer.from('hello'))).toBe(1)
    expect((await quick.next()).data.toString()).toBe('hello')
    slow.ws.resume()
    expect(await slow.closed).toEqual({
      code: CloseCode.slowReader,
      reason: `more than ${4 * MIB} bytes wait to be read`
    })
    await until(() => server.status().bufferedBytes === 0)
    await quick.leave()
  })

  it('are closed when all together hold too much, the slowest first', async () => {
    const { url, server } = await start({ limits: { totalBufferedBytes: 8 * MIB, closeMs: 60_000 } })
    const [slow, slower] = await Promise.all([RawUser.join(url), RawUser.join(url)])
    await until(() => server.users().length === 2)
    slow.ws.pause()
    slower.ws.pause()
    const output = Buffer.alloc(MIB)
    let sent = 0
    while (server.users().length === 2) {
      server.deliver(slow.keyPair.publicKey, output.subarray(0, MIB / 4))
      server.deliver(slower.keyPair.publicKey, output)
      sent += 1
      expect(sent).toBeLessThan(200)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(server.users()[0]?.key).toBe(slow.keyPair.publicKey)
    slower.ws.resume()
    expect((await slower.closed).code).toBe(CloseCode.outOfMemory)
    slow.ws.resume()
    await until(() => server.status().bufferedBytes === 0)
    await slow.leave()
  })

  it('get one output larger than bufferedBytes when nothing else waits', async () => {
    const { url, server } = await start({ limits: { bufferedBytes: 1_000 } })
    const user = await RawUser.join(url)
    await until(() => server.users().length === 1)
    expect(server.deliver(user.keyPair.publicKey, Buffer.alloc(MIB))).toBe(1)
    expect((await user.next()).data.length).toBe(MIB)
    await user.leave()
  })
})

describe('signs of life', () => {
  it('keeps a connection that answers pings and closes one that does not', async () => {
    const { url, server } = await start({ limits: { pingMs: 150, closeMs: 50 } })
    const alive = await RawUser.join(url)
    const dead = await RawUser.join(url, undefined, { autoPong: false })
    await until(() => server.users().length === 2)
    expect(await dead.closed).toEqual({ code: CloseCode.noAnswer, reason: 'no answer to pings' })
    let pings = 0
    alive.ws.on('ping', () => {
      pings += 1
    })
    await until(() => pings >= 5)
    await opened(alive.ws)
    expect(server.users().map(({ key }) => key)).toEqual([alive.keyPair.publicKey])
    await alive.leave()
  })
})

describe('the numbers', () => {
  it('are checked', () => {
    expect(checkUserLimits({ ...DEFAULT_USER_LIMITS })).toEqual(DEFAULT_USER_LIMITS)
    for (const bad of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31]) {
      expect(() => checkUserLimits({ ...DEFAULT_USER_LIMITS, handshakeMs: bad })).toThrow(/handshakeMs/)
    }
  })

  it('are a burst and a refill for rates', () => {
    const bucket = new TokenBucket(60, 1_000)
    for (let i = 0; i < 60; i++) expect(bucket.take(1_000)).toBe(true)
    expect(bucket.take(1_000)).toBe(false)
    expect(bucket.take(1_900)).toBe(false)
    expect(bucket.take(2_001)).toBe(true)
    expect(bucket.take(2_002)).toBe(false)
    // A clock that goes back gives nothing, and does not break it.
    expect(bucket.take(0)).toBe(false)
    expect(bucket.take(1_000_000)).toBe(true)
  })

  it('take an IPv6 /64 for one address', () => {
    expect(addressGroupOf('127.0.0.1')).toBe('127.0.0.1')
    expect(addressGroupOf('::ffff:10.0.0.7')).toBe('10.0.0.7')
    expect(addressGroupOf('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64')
    expect(addressGroupOf('2001:0DB8:1:2::9')).toBe('2001:db8:1:2::/64')
    expect(addressGroupOf('fe80::1%eth0')).toBe('fe80:0:0:0::/64')
    expect(addressGroupOf('::1')).toBe('0:0:0:0::/64')
    expect(addressGroupOf('2001:db8::')).toBe('2001:db8:0:0::/64')
  })
})
