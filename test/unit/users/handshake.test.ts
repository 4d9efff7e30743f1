import { createPrivateKey, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { get } from 'node:http'
import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { createKeyPair } from '../../../src/crypto/index.js'
import { CloseCode, verifyUserProof } from '../../../src/users/index.js'
import { encodeChallenge, parseHelo } from '../../../src/users/prototype-protocol.js'
import { NETWORK_ID, RawUser, startServer, type TestServer, until } from './helpers.js'

const fixture = JSON.parse(readFileSync(new URL('../../fixtures/prototype/handshake.json', import.meta.url), 'utf8'))
const running: TestServer[] = []

async function start(overrides: Parameters<typeof startServer>[0] = {}): Promise<TestServer> {
  const started = await startServer(overrides)
  running.push(started)
  return started
}

afterEach(async () => {
  await Promise.all(running.splice(0).map(({ server }) => server.stop()))
})

describe('the handshake of the prototype', () => {
  it('has the recorded bytes', () => {
    expect(encodeChallenge(fixture.challenge).toString()).toBe(fixture.challengeMessage)
    expect(parseHelo(Buffer.from(fixture.heloMessage))).toEqual({
      challenge: fixture.challenge,
      pubkey: fixture.pubkey,
      signature: Buffer.from(fixture.sig, 'hex')
    })
  })

  it('begins with exactly the challenge, as text, keys in order', async () => {
    const { url } = await start()
    const user = new RawUser(url)
    const { data, binary } = await user.next()
    expect(binary).toBe(false)
    expect(data.toString()).toMatch(/^\{"hotpocket":0\.1,"type":"public_challenge","challenge":"[0-9a-f]{64}"\}$/)
    await user.leave()
  })

  it("serves a client with the prototype's message flow", async () => {
    const { url, server } = await start({
      onInput: ({ user }, content) => {
        const text = Buffer.from(content).toString()
        queueMicrotask(() => server.deliver(user, Buffer.from(text.toUpperCase())))
        return { taken: true }
      }
    })
    const keys = createKeyPair()
    const pkcs8 = Buffer.concat([
      Buffer.from('302e020100300506032b657004220420', 'hex'),
      Buffer.from(keys.secretKey.subarray(0, 32))
    ])
    const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
    const answers: string[] = []
    await new Promise<void>((resolve) => {
      const socket = new WebSocket(url)
      socket.on('close', () => resolve())
      socket.on('message', (data) => {
        const text = data.toString()
        const message = text.startsWith('{') ? JSON.parse(text) : null
        if (message?.type !== 'public_challenge') {
          answers.push(text)
          if (answers.length === 2) socket.close()
          return
        }
        const sig = sign(null, Buffer.from(message.challenge), privateKey).toString('hex')
        const timestamp = Math.floor(Date.now() / 1000)
        socket.send(
          JSON.stringify({ sig, pubkey: keys.publicKey, timestamp, challenge: message.challenge, type: 'helo' })
        )
        socket.send('one\n')
        socket.send('two\n')
      })
    })
    expect(answers).toEqual(['ONE\n', 'TWO\n'])
  })

  it('gives the node a proof that others can check', async () => {
    const { url, server, nodeKey } = await start()
    const user = await RawUser.join(url)
    await until(() => server.users().length === 1)
    const [entry] = server.users()
    expect(entry?.key).toBe(user.keyPair.publicKey)
    expect(verifyUserProof(NETWORK_ID, nodeKey, entry!.key, entry!.proof)).toBe(true)
    expect(verifyUserProof(NETWORK_ID, createKeyPair().publicKey, entry!.key, entry!.proof)).toBe(false)
    await user.leave()
  })

  it('takes a binary helo, hex in capitals, and unknown fields', async () => {
    const { url, server } = await start()
    const user = new RawUser(url)
    const challenge = await user.challenge()
    const pubkey = user.keyPair.publicKey.toUpperCase()
    user.send(Buffer.from(user.helo(challenge, { pubkey, extra: [1] })))
    await until(() => server.users().length === 1)
    expect(server.users()[0]?.key).toBe(user.keyPair.publicKey)
    await user.leave()
  })

  it('sends a new challenge on every connection', async () => {
    const { url } = await start()
    const users = Array.from({ length: 20 }, () => new RawUser(url))
    const challenges = await Promise.all(users.map((user) => user.challenge()))
    expect(new Set(challenges).size).toBe(20)
    await Promise.all(users.map((user) => user.leave()))
  })
})

describe('a handshake is refused', () => {
  it('when it replays the answer of another connection', async () => {
    const { url, server } = await start()
    const first = new RawUser(url)
    const challenge = await first.challenge()
    const helo = first.helo(challenge)
    first.send(helo)
    await until(() => server.users().length === 1)
    const second = new RawUser(url)
    await second.challenge()
    second.send(helo)
    expect((await second.closed).code).toBe(CloseCode.wrongChallenge)
    // On its own connection the answer is no more than an input now.
    first.send(helo)
    await until(() => server.status().inputsTaken === 1)
    expect(server.status().connections).toBe(1)
    await first.leave()
  })

  it('when it answers the challenge of another node', async () => {
    const a = await start()
    const b = await start()
    const atA = new RawUser(a.url)
    const atB = new RawUser(b.url, atA.keyPair)
    const challengeOfA = await atA.challenge()
    const challengeOfB = await atB.challenge()
    atB.send(atB.helo(challengeOfA))
    expect(await atB.closed).toMatchObject({ code: CloseCode.wrongChallenge })
    // Naming the right challenge does not help: the signature is over the other one.
    atA.send(atA.helo(challengeOfB, { challenge: challengeOfA }))
    expect(await atA.closed).toMatchObject({ code: CloseCode.badSignature })
    expect(a.server.users()).toEqual([])
    expect(b.server.users()).toEqual([])
  })

  it('when the challenge has expired', async () => {
    let nowMs = 1_000_000
    const { url } = await start({ now: () => nowMs })
    const user = new RawUser(url)
    const challenge = await user.challenge()
    nowMs += 60_001
    user.send(user.helo(challenge))
    expect(await user.closed).toMatchObject({
      code: CloseCode.handshakeTimeout,
      reason: 'the challenge has expired: connect again'
    })
  })

  it('when nothing comes in time', async () => {
    const { url, server } = await start({ limits: { handshakeMs: 50 } })
    const user = new RawUser(url)
    expect(await user.closed).toEqual({
      code: CloseCode.handshakeTimeout,
      reason: 'the challenge was not answered in 50 ms'
    })
    await until(() => server.status().closedByCode['4003'] === 1)
    expect(server.status().pendingHandshakes).toBe(0)
  })

  it('when the signature is another one', async () => {
    const { url } = await start()
    for (const sig of ['00'.repeat(64), fixture.sig]) {
      const user = new RawUser(url)
      user.send(user.helo(await user.challenge(), { sig }))
      expect((await user.closed).code).toBe(CloseCode.badSignature)
    }
  })

  it.each([
    ['no JSON', 'hello'],
    ['an empty message', ''],
    ['null', 'null'],
    ['an array', '[1]'],
    ['a number', '1'],
    ['another type', '{"type":"hello"}'],
    ['no challenge', '{"type":"helo"}'],
    ['a bad key', `{"type":"helo","challenge":"x","pubkey":"${'g'.repeat(64)}"}`],
    ['no timestamp', `{"type":"helo","challenge":"x","pubkey":"${'a'.repeat(64)}"}`],
    ['a bad signature', `{"type":"helo","challenge":"x","pubkey":"${'a'.repeat(64)}","timestamp":1,"sig":7}`],
    ['deep nesting', '['.repeat(4_000)],
    ['more than 4096 bytes', `{"type":"helo","x":"${'x'.repeat(5_000)}"}`]
  ])('when it is %s', async (_name, message) => {
    const { url } = await start()
    const user = new RawUser(url)
    await user.challenge()
    user.send(message)
    const { code, reason } = await user.closed
    expect(code).toBe(CloseCode.malformedHelo)
    expect(reason.length).toBeGreaterThan(10)
  })

  it('when a stranger sends a whole input', async () => {
    const { url } = await start({ limits: { messageBytes: 4 * 1024 * 1024 } })
    const user = new RawUser(url)
    await user.challenge()
    user.send(Buffer.alloc(1024 * 1024))
    expect((await user.closed).code).toBe(CloseCode.malformedHelo)
  })
})

describe('what is not a WebSocket', () => {
  it('gets an HTTP answer that says so', async () => {
    const { server } = await start()
    const status = await new Promise((resolve) => {
      get({ port: server.address()?.port, host: '127.0.0.1' }, (response) => {
        response.resume()
        response.on('end', () => resolve(response.statusCode))
      })
    })
    expect(status).toBe(426)
  })

  it('is cut when it is garbage or says nothing, and harms nobody', async () => {
    const { server, url } = await start({ limits: { handshakeMs: 1_000 } })
    const port = server.address()?.port as number
    const closes = ['', '\x16\x03\x01\x02\x00garbage\r\n\r\n', 'GET / HTTP/1.1\r\n'].map(
      (text) =>
        new Promise<void>((resolve) => {
          const socket = connect(port, '127.0.0.1', () => socket.write(text))
          socket.on('error', () => {})
          socket.on('close', () => resolve())
          socket.resume()
        })
    )
    await Promise.all(closes)
    const user = await RawUser.join(url)
    await until(() => server.users().length === 1)
    await user.leave()
  })
})
