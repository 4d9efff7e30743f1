import { afterEach, describe, expect, it } from 'vitest'
import { createKeyPair } from '../../../src/crypto/index.js'
import { ListenError } from '../../../src/users/index.js'
import { createCertificate, hasOpenssl, RawUser, startServer, type TestServer, until } from './helpers.js'

const running: TestServer[] = []

async function start(overrides: Parameters<typeof startServer>[0] = {}): Promise<TestServer> {
  const started = await startServer(overrides)
  running.push(started)
  return started
}

afterEach(async () => {
  await Promise.all(running.splice(0).map(({ server }) => server.stop()))
})

describe('outputs', () => {
  it('come back as text to a user who sent text, as binary otherwise', async () => {
    const { url, server, taken } = await start()
    const user = await RawUser.join(url)
    const key = user.keyPair.publicKey
    await until(() => server.users().length === 1)
    server.deliver(key, Buffer.from('after the helo'))
    expect(await user.next()).toEqual({ data: Buffer.from('after the helo'), binary: false })
    user.send(Buffer.from('binary'))
    await until(() => taken.length === 1)
    server.deliver(key, Buffer.from('text'))
    expect(await user.next()).toEqual({ data: Buffer.from('text'), binary: true })
    user.send('text')
    await until(() => taken.length === 2)
    server.deliver(key, Buffer.from('grüße'))
    expect(await user.next()).toEqual({ data: Buffer.from('grüße'), binary: false })
    server.deliver(key, Buffer.from([0xc3, 0x28]))
    expect(await user.next()).toEqual({ data: Buffer.from([0xc3, 0x28]), binary: true })
    server.deliver(key, Buffer.alloc(0))
    expect(await user.next()).toEqual({ data: Buffer.alloc(0), binary: false })
    expect(taken.map(({ content }) => content.toString())).toEqual(['binary', 'text'])
    await user.leave()
  })

  it('go to every connection of the user, each in its own kind, and to nobody else', async () => {
    const { url, server, taken } = await start()
    const first = await RawUser.join(url)
    const second = await RawUser.join(url, first.keyPair)
    const stranger = await RawUser.join(url)
    second.send(Buffer.from('binary, please'))
    await until(() => taken.length === 1 && server.status().connections === 3)
    expect(server.deliver(first.keyPair.publicKey, Buffer.from('both'))).toBe(2)
    expect(await first.next()).toEqual({ data: Buffer.from('both'), binary: false })
    expect(await second.next()).toEqual({ data: Buffer.from('both'), binary: true })
    expect(server.deliver(stranger.keyPair.publicKey, Buffer.from('own'))).toBe(1)
    expect((await stranger.next()).data.toString()).toBe('own')
    expect(server.deliver(createKeyPair().publicKey, Buffer.from('nobody'))).toBe(0)
    await Promise.all([first.leave(), second.leave(), stranger.leave()])
  })
})

describe('notices', () => {
  it('tell all connections of a user what became of a ledger', async () => {
    const { url, server } = await start()
    const first = await RawUser.join(url)
    const second = await RawUser.join(url, first.keyPair)
    await until(() => server.status().connections === 2)
    const sent = server.notify(first.keyPair.publicKey, { notice: 'ledger_void', seq: 7, reason: 'no agreed result' })
    expect(sent).toBe(2)
    const text = '{"hotpocket":0.1,"type":"notice","notice":"ledger_void","seq":7,"reason":"no agreed result"}'
    expect(await first.next()).toEqual({ data: Buffer.from(text), binary: false })
    expect(await second.next()).toEqual({ data: Buffer.from(text), binary: false })
    await Promise.all([first.leave(), second.leave()])
  })

  it('tell the connection which of its inputs was refused and why', async () => {
    const { url, server } = await start({
      onInput: (_source, content) => (content.length > 3 ? { taken: false, reason: 'too long' } : { taken: true })
    })
    const user = await RawUser.join(url)
    for (const text of ['a', 'long', 'b', 'longer']) user.send(text)
    const refused = [await user.next(), await user.next()].map(({ data }) => JSON.parse(data.toString()))
    expect(refused).toEqual([
      { hotpocket: 0.1, type: 'notice', notice: 'input_refused', input: 1, reason: 'too long' },
      { hotpocket: 0.1, type: 'notice', notice: 'input_refused', input: 3, reason: 'too long' }
    ])
    expect(server.status()).toMatchObject({ inputsTaken: 2, inputsRefused: 2 })
    await user.leave()
  })

  it('are a close with 1011 when the node fails to take an input', async () => {
    const { url } = await start({
      onInput: () => {
        throw new Error('disk full')
      }
    })
    const user = await RawUser.join(url)
    user.send('x')
    expect(await user.closed).toEqual({ code: 1011, reason: 'the node failed to take input 0' })
  })
})

describe('the list of users', () => {
  it('has each user once, sorted, and is the same array until it changes', async () => {
    let changes = 0
    const { url, server } = await start({
      onUsersChanged: () => {
        changes += 1
      }
    })
    expect(server.users()).toEqual([])
    const users = await Promise.all(Array.from({ length: 10 }, () => RawUser.join(url)))
    const again = await RawUser.join(url, users[0]?.keyPair)
    await until(() => server.status().connections === 11)
    const list = server.users()
    expect(list.map(({ key }) => key)).toEqual(users.map(({ keyPair }) => keyPair.publicKey).sort())
    expect(server.users()).toBe(list)
    expect(changes).toBe(10)
    expect(server.version).toBe(10)
    // A second connection goes: nothing changes. The first goes: the proof is that of the second.
    const third = await RawUser.join(url, users[0]?.keyPair)
    await until(() => server.status().connections === 12)
    await again.leave()
    await until(() => server.status().connections === 11)
    expect(server.users()).toBe(list)
    const proofOf = (): unknown => server.users().find(({ key }) => key === third.keyPair.publicKey)?.proof
    const before = proofOf()
    await users[0]?.leave()
    await until(() => server.version === 11)
    expect(proofOf()).not.toEqual(before)
    expect(server.users().length).toBe(10)
    await Promise.all([third.leave(), ...users.map((user) => user.leave())])
    await until(() => server.users().length === 0)
    expect(changes).toBe(21)
  })

  it('holds a thousand users, and outputs reach each', async () => {
    const { url, server } = await start()
    const users: RawUser[] = []
    for (let batch = 0; batch < 10; batch++) {
      users.push(...(await Promise.all(Array.from({ length: 100 }, () => RawUser.join(url)))))
    }
    await until(() => server.users().length === 1_000)
    for (const { keyPair } of users) expect(server.deliver(keyPair.publicKey, Buffer.from(keyPair.publicKey))).toBe(1)
    for (const user of users) expect((await user.next()).data.toString()).toBe(user.keyPair.publicKey)
    const codes = Promise.all(users.map(async (user) => (await user.closed).code))
    await server.stop()
    expect(new Set(await codes)).toEqual(new Set([1001]))
  }, 60_000)
})

describe('start and stop', () => {
  it('stops in order: says 1001, frees the port, takes nobody, may be called twice', async () => {
    const { url, server } = await start()
    const user = await RawUser.join(url)
    const unanswered = new RawUser(url)
    await unanswered.next()
    await until(() => server.users().length === 1)
    await Promise.all([server.stop(), server.stop()])
    expect(await user.closed).toEqual({ code: 1001, reason: 'the node stops' })
    expect(await unanswered.closed).toEqual({ code: 1001, reason: 'the node stops' })
    expect(server.status()).toMatchObject({ listening: false, address: null, connections: 0, users: 0 })
    expect((await new RawUser(url).closed).code).toBe(1006)
    await expect(server.start()).rejects.toThrow('cannot be started again')
  })

  it('stops although a user does not answer the close', async () => {
    const { url, server } = await start({ limits: { closeMs: 50 } })
    const user = await RawUser.join(url)
    await until(() => server.users().length === 1)
    user.ws.pause()
    await server.stop()
    expect(server.status()).toMatchObject({ connections: 0, bufferedBytes: 0 })
    user.ws.terminate()
    await user.closed
  })

  it('stops when it was never started', async () => {
    const { server } = await start()
    await server.stop()
    await server.stop()
  })

  it('says that the port is taken', async () => {
    const { server } = await start()
    const port = server.address()?.port as number
    const error = await startServer({ port }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ListenError)
    expect(error).toMatchObject({ code: 'EADDRINUSE', message: expect.stringContaining(`127.0.0.1:${port} is taken`) })
  })

  it('says that the address is not of this machine', async () => {
    await expect(startServer({ host: '192.0.2.1' })).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' })
  })
})

describe('wss', () => {
  it.skipIf(!hasOpenssl)('serves users with a certificate (needs the program openssl)', async () => {
    const tls = createCertificate()
    const { url, server, taken } = await start({ tls })
    expect(server.status().address).toBe(url)
    const user = await RawUser.join(url, undefined, { ca: tls.cert })
    user.send('secret')
    await until(() => taken.length === 1)
    expect(server.deliver(user.keyPair.publicKey, Buffer.from('answer'))).toBe(1)
    expect((await user.next()).data.toString()).toBe('answer')
    const plain = new RawUser(url.replace('wss', 'ws'))
    expect((await plain.closed).code).toBe(1006)
    await server.stop()
    expect((await user.closed).code).toBe(1001)
  })

  it('says that the certificate is not usable', async () => {
    const error = await startServer({ tls: { cert: 'x', key: 'y' } }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ListenError)
    expect(error).toMatchObject({ code: 'BAD_CERTIFICATE' })
  })
})
