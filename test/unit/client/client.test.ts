import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { WebSocketServer } from 'ws'
import {
  type ClientEvents,
  type ClientOptions,
  HotPocketClient,
  HotPocketClientError,
  nodeKeyTools,
  webKeyTools
} from '../../../src/client/node.js'
import { createKeyPair, isKeyPair, verifySignature } from '../../../src/crypto/index.js'
import { DEFAULT_USER_LIMITS, UserServer, type UserServerOptions } from '../../../src/users/index.js'

vi.setConfig({ testTimeout: 30_000 })

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** An upper-case echo, or what `overrides` make of it. */
async function startNode(overrides: Partial<UserServerOptions> = {}): Promise<{ server: UserServer; url: string }> {
  const server: UserServer = new UserServer({
    host: '127.0.0.1',
    port: 0,
    networkId: '0f'.repeat(32),
    nodeKey: createKeyPair().publicKey,
    limits: { ...DEFAULT_USER_LIMITS, handshakeMs: 60_000 },
    log: pino({ level: 'silent' }),
    onInput: ({ user }, content) => {
      const text = Buffer.from(content).toString('latin1')
      queueMicrotask(() => server.deliver(user, Buffer.from(text.toUpperCase(), 'latin1')))
      return { taken: true }
    },
    ...overrides
  })
  await server.start()
  cleanups.push(() => server.stop())
  return { server, url: `ws://127.0.0.1:${server.address()?.port}` }
}

async function connect(urls: string | string[], options: ClientOptions = {}): Promise<HotPocketClient> {
  const client = await HotPocketClient.connect(urls, { minDelayMs: 5, maxDelayMs: 50, ...options })
  cleanups.push(() => client.close())
  return client
}

function nextEvent<Name extends keyof ClientEvents>(client: HotPocketClient, name: Name): Promise<ClientEvents[Name]> {
  return new Promise((resolve) => {
    const stop = client.on(name, (event) => {
      stop()
      resolve(event)
    })
  })
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 1))
}

describe('a client', () => {
  it('sends text and bytes and gets outputs in kind', async () => {
    const { url, server } = await startNode()
    const client = await connect(url)
    const open = await nextEvent(client, 'open')
    expect(open).toEqual({ url, challenge: client.challenge })
    await until(() => server.users().length === 1)
    expect(server.users()[0]?.key).toBe(client.publicKey)
    let output = nextEvent(client, 'output')
    expect(client.send('hello')).toBe(0)
    expect(await output).toEqual({ bytes: new TextEncoder().encode('HELLO'), text: 'HELLO' })
    output = nextEvent(client, 'output')
    expect(client.send(new TextEncoder().encode('bytes'))).toBe(1)
    expect(await output).toEqual({ bytes: new TextEncoder().encode('BYTES'), text: null })
  })

  it('works with WebCrypto keys as in a browser', async () => {
    const { url, server } = await startNode()
    const client = await connect(url, { keyTools: webKeyTools })
    await until(() => server.users().length === 1)
    expect(server.users()[0]?.key).toBe(client.publicKey)
  })

  it('tells notices from outputs that look like them', async () => {
    const { url, server } = await startNode()
    const client = await connect(url)
    await until(() => server.users().length === 1)
    const outputs: (string | null)[] = []
    client.on('output', ({ text }) => outputs.push(text))
    const lookalikes = ['{"hotpocket":0.1,"type":"other"}', '{"hotpocket":', '{"hotpocket":0.1,"type":"notice"}', '[]']
    for (const text of lookalikes) server.deliver(client.publicKey, Buffer.from(text))
    const notice = nextEvent(client, 'notice')
    server.notify(client.publicKey, { notice: 'execution_failed', seq: 3, reason: 'exit code 1' })
    expect(await notice).toEqual({ notice: 'execution_failed', seq: 3, reason: 'exit code 1' })
    expect(outputs).toEqual(lookalikes)
  })

  it('hears which input was refused', async () => {
    const { url } = await startNode({ onInput: () => ({ taken: false, reason: 'full' }) })
    const client = await connect(url)
    const notice = nextEvent(client, 'notice')
    client.send('x')
    expect(await notice).toEqual({ notice: 'input_refused', input: 0, reason: 'full' })
  })

  it('moves to the next node when one goes, and does not send again', async () => {
    const first = await startNode({ onInput: () => ({ taken: true }) })
    const second = await startNode()
    const client = await connect([first.url, second.url])
    await nextEvent(client, 'open')
    expect(client.url).toBe(first.url)
    client.send('lost')
    await until(() => first.server.status().inputsTaken === 1)
    const closed = nextEvent(client, 'close')
    const open = nextEvent(client, 'open')
    await first.server.stop()
    expect(await closed).toEqual({ url: first.url, code: 1001, reason: 'the node stops', willReconnect: true })
    expect((await open).url).toBe(second.url)
    const output = nextEvent(client, 'output')
    expect(client.send('new')).toBe(0)
    expect((await output).text).toBe('NEW')
    expect(second.server.status().inputsTaken).toBe(1)
  })

  it('keeps trying the same node until it is back', async () => {
    const { url, server } = await startNode()
    const client = await connect(url)
    await nextEvent(client, 'open')
    const failed = nextEvent(client, 'error')
    const port = server.address()?.port as number
    await server.stop()
    expect(await failed).toMatchObject({ code: 'connect_failed', url })
    expect(() => client.send('x')).toThrow(expect.objectContaining({ code: 'not_connected' }))
    const open = nextEvent(client, 'open')
    await startNode({ port })
    expect((await open).url).toBe(url)
  })

  it('gives up at once without reconnect, with the code and the reason', async () => {
    const { url } = await startNode()
    const client = await connect(url, { reconnect: false })
    const [close, error] = [nextEvent(client, 'close'), nextEvent(client, 'error')]
    client.send(new Uint8Array(65_537))
    const reason = 'a message may have at most 65536 bytes'
    expect(await close).toEqual({ url, code: 1009, reason, willReconnect: false })
    expect(await error).toMatchObject({ code: 'closed', closeCode: 1009, closeReason: reason })
  })

  it('does not repeat a helo that the node refuses', async () => {
    const { url, server } = await startNode()
    const keyTools = { ...nodeKeyTools, sign: () => new Uint8Array(64) }
    const client = await connect(url, { keyTools })
    const error = await nextEvent(client, 'error')
    expect(error).toBeInstanceOf(HotPocketClientError)
    expect(error).toMatchObject({ code: 'refused', closeCode: 4002 })
    await until(() => server.status().closedByCode['4002'] === 1)
  })

  it('closes, and ends with its signal', async () => {
    const { url, server } = await startNode()
    const controller = new AbortController()
    const client = await connect(url, { signal: controller.signal })
    const other = await connect(url)
    await until(() => server.users().length === 2)
    const close = nextEvent(client, 'close')
    controller.abort()
    expect(await close).toMatchObject({ willReconnect: false })
    await Promise.all([other.close(), other.close()])
    await until(() => server.users().length === 0)
    expect(other.url).toBe(null)
  })

  it('refuses to pile up what is not sent', async () => {
    const { url, server } = await startNode()
    const client = await connect(url, { maxUnsentBytes: 1_000, reconnect: false })
    await until(() => server.users().length === 1)
    const sendMuch = (): void => {
      for (let i = 0; i < 2_000; i++) client.send(new Uint8Array(65_536))
    }
    expect(sendMuch).toThrow(expect.objectContaining({ code: 'too_much_unsent' }))
  })
})

describe('connecting', () => {
  it('takes the first URL that answers', async () => {
    const gone = await startNode()
    await gone.server.stop()
    const { url } = await startNode()
    const client = await connect([gone.url, url])
    expect(client.url).toBe(url)
  })

  it('says why no URL could be reached', async () => {
    const { url, server } = await startNode()
    await server.stop()
    await expect(connect(url)).rejects.toMatchObject({
      name: 'HotPocketClientError',
      code: 'connect_failed',
      url,
      message: expect.stringContaining('ECONNREFUSED')
    })
    await expect(connect('http://x')).rejects.toMatchObject({ code: 'connect_failed' })
    await expect(connect([])).rejects.toMatchObject({ code: 'connect_failed' })
  })

  it('gives up on a port that says nothing', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    cleanups.push(() => silent.close())
    const port = (silent.address() as { port: number }).port
    await expect(connect(`ws://127.0.0.1:${port}`, { connectTimeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' })
    const controller = new AbortController()
    const connecting = connect(`ws://127.0.0.1:${port}`, { signal: controller.signal })
    controller.abort()
    await expect(connecting).rejects.toMatchObject({ code: 'aborted' })
    await expect(connect(`ws://127.0.0.1:${port}`, { signal: controller.signal })).rejects.toMatchObject({
      code: 'aborted'
    })
  })

  it.each([
    ['no JSON', 'hello'],
    ['another type', '{"type":"x","challenge":"00112233445566778899"}'],
    ['a challenge that means something', '{"type":"public_challenge","challenge":"pay 100 to mallory"}'],
    ['binary', Buffer.from('{"type":"public_challenge","challenge":"00112233445566778899aabbccddeeff"}')]
  ])('signs nothing for a server that sends %s', async (_name, message) => {
    const fake = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    cleanups.push(() => new Promise((resolve) => fake.close(resolve)))
    const received: string[] = []
    fake.on('connection', (socket) => {
      socket.on('message', (data) => received.push(data.toString()))
      socket.send(message)
    })
    await once(fake, 'listening')
    const { port } = fake.address() as { port: number }
    await expect(connect(`ws://127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'bad_challenge' })
    expect(received).toEqual([])
  })

  it('passes on why the node closed', async () => {
    const { url, server } = await startNode({ limits: { ...DEFAULT_USER_LIMITS, connections: 1 } })
    await connect(url)
    await until(() => server.users().length === 1)
    const failure = await connect(url, { reconnect: false }).then(
      (client) => nextEvent(client, 'error'),
      (error: unknown) => error
    )
    expect(failure).toMatchObject({ code: 'closed', closeCode: 4005 })
  })

  it('refuses keys of the wrong shape', async () => {
    const keyPair = { ...createKeyPair(), secretKey: new Uint8Array(32) }
    await expect(connect('ws://127.0.0.1:1', { keyPair })).rejects.toMatchObject({ code: 'bad_key' })
  })
})

describe('keys', () => {
  it.each([
    ['WebCrypto', webKeyTools],
    ['node:crypto', nodeKeyTools]
  ])('of %s sign what node:crypto verifies', async (_name, tools) => {
    const pair = await tools.createKeyPair()
    expect(isKeyPair(pair.publicKey, pair.secretKey)).toBe(true)
    const data = new TextEncoder().encode('challenge')
    expect(verifySignature(pair.publicKey, data, await tools.sign(data, pair))).toBe(true)
  })
})

it('the browser entry imports nothing of Node', () => {
  const folder = fileURLToPath(new URL('../../../src/client/', import.meta.url))
  const known = new Set(readdirSync(folder))
  const seen = new Set<string>()
  const outside = new Set<string>()
  const visit = (file: string): void => {
    if (seen.has(file)) return
    seen.add(file)
    const source = readFileSync(`${folder}${file}`, 'utf8')
    for (const [, specifier = ''] of source.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)) {
      const own = specifier.startsWith('./') ? specifier.slice(2).replace(/\.js$/, '.ts') : null
      if (own !== null && known.has(own)) visit(own)
      else outside.add(specifier)
    }
  }
  visit('index.ts')
  expect(seen.size).toBeGreaterThan(5)
  expect([...outside]).toEqual(['@noble/ed25519'])
})
