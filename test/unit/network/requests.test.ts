import { describe, expect, it } from 'vitest'
import { type NetworkLimits, RequestError } from '../../../src/network/index.js'
import { startCluster, until } from './helpers.js'

async function startPair(limits: Partial<NetworkLimits> = {}) {
  const [a, b] = await startCluster(2, { limits })
  if (a === undefined || b === undefined) throw new Error('unreachable')
  return { a: a.network, b: b.network, other: b.network.publicKey }
}

async function failure(work: Promise<unknown>): Promise<RequestError> {
  const error = await work.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason
  )
  expect(error).toBeInstanceOf(RequestError)
  return error as RequestError
}

const text = (value: string): Buffer => Buffer.from(value)

describe('requests', { timeout: 60_000 }, () => {
  it('answers 200 in turn and 20 at one time, and knows the asker', async () => {
    const { a, b, other } = await startPair()
    await b.handle('echo', 1, {}, async (body, from) => text(`${from} ${Buffer.from(body)}`))
    for (let index = 0; index < 200; index++) {
      const answer = await a.request(other, 'echo', text(`${index}`))
      expect(Buffer.from(answer).toString()).toBe(`${a.publicKey} ${index}`)
    }
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => a.request(other, 'echo', text(`p${index}`)))
    )
    expect(answers.map((answer) => Buffer.from(answer).toString())).toEqual(
      Array.from({ length: 20 }, (_, index) => `${a.publicKey} p${index}`)
    )
  })

  it('carries an answer of 24 MiB and an empty one', async () => {
    const { a, b, other } = await startPair()
    const big = new Uint8Array(24 * 1024 * 1024).map((_, index) => (index * 31) & 0xff)
    await b.handle('big', 1, {}, async (body) => (body.length === 0 ? new Uint8Array() : big))
    expect(await a.request(other, 'big', text(''))).toHaveLength(0)
    expect(Buffer.compare(await a.request(other, 'big', text('x')), big)).toBe(0)
  })

  it('carries a request of 4 MiB where the handler allows it, and refuses one byte more in words', async () => {
    const { a, b, other } = await startPair()
    const size = 4 * 1024 * 1024
    await b.handle('upload', 1, { maxRequestBytes: size }, async (body) => text(String(body.length)))
    expect(Buffer.from(await a.request(other, 'upload', new Uint8Array(size))).toString()).toBe(String(size))
    const error = await failure(a.request(other, 'upload', new Uint8Array(size + 1)))
    expect(error.code).toBe('too-large')
    expect(error.message).toContain(String(size))
    await until('the asker is scored down', () => b.peers()[0]?.score === -10)
  })

  it('tells a handler that refuses, one that breaks, a protocol that is not served and a peer that is not here', async () => {
    const { a, b, other } = await startPair()
    await b.handle('refuse', 1, {}, async () => {
      throw new RequestError('refused', 'that ledger is pruned')
    })
    await b.handle('broken', 1, {}, async () => {
      throw new TypeError('secret inside')
    })
    expect(await failure(a.request(other, 'refuse', text('')))).toMatchObject({
      code: 'refused',
      message: 'that ledger is pruned'
    })
    const broken = await failure(a.request(other, 'broken', text('')))
    expect(broken.code).toBe('failed')
    expect(broken.message).not.toContain('secret')
    expect((await failure(a.request(other, 'nothing', text('')))).code).toBe('unsupported')
    expect((await failure(a.request('ab'.repeat(32), 'refuse', text('')))).code).toBe('not-connected')
    expect(a.peers()[0]).toMatchObject({ connected: true, score: 0 })
  })

  it('gives up on a handler that never answers, at both ends', async () => {
    const { a, b, other } = await startPair({ maxParallelRequestsPerPeer: 2 })
    let stopped = 0
    await b.handle('hang', 1, {}, (_body, _from, signal) => {
      signal.addEventListener('abort', () => stopped++)
      return new Promise(() => {})
    })
    const byTime = await failure(a.request(other, 'hang', text(''), { timeouts: { firstByteMs: 100 } }))
    expect(byTime.code).toBe('timeout')
    const whole = await failure(a.request(other, 'hang', text(''), { timeouts: { totalMs: 100 } }))
    expect(whole.code).toBe('timeout')
    const controller = new AbortController()
    const asked = failure(a.request(other, 'hang', text(''), { signal: controller.signal }))
    controller.abort(new Error('enough'))
    expect((await asked).code).toBe('closed')
    // Its places are free again.
    await until('the handlers were told', () => stopped >= 2)
    await b.handle('slow', 1, { handlerTimeoutMs: 50 }, () => new Promise(() => {}))
    const remote = await failure(a.request(other, 'slow', text('')))
    expect(remote).toMatchObject({ code: 'timeout', message: 'the peer took too long to answer' })
    await b.handle('echo', 1, {}, async (body) => body)
    await until('a place is free', () => stopped >= 2)
    expect(Buffer.from(await a.request(other, 'echo', text('still here'))).toString()).toBe('still here')
  })

  it('refuses too large answers at both ends', async () => {
    const { a, b, other } = await startPair()
    await b.handle('big', 1, { maxResponseBytes: 1000 }, async () => new Uint8Array(1001))
    await b.handle('big', 2, {}, async () => new Uint8Array(2_000_000))
    expect((await failure(a.request(other, 'big', text('')))).code).toBe('too-large')
    expect(a.peers()[0]?.score).toBe(0)
    const cut = await failure(a.request(other, 'big', text(''), { version: 2, maxResponseBytes: 1000 }))
    expect(cut.code).toBe('too-large')
  })

  it('limits the rate, and the number at one time, for each peer', async () => {
    const { a, b, other } = await startPair({ maxParallelRequestsPerPeer: 3 })
    await b.handle('rare', 1, { rateLimit: { perSecond: 0.001, burst: 2 } }, async (body) => body)
    await a.request(other, 'rare', text(''))
    await a.request(other, 'rare', text(''))
    expect((await failure(a.request(other, 'rare', text('')))).code).toBe('rate-limited')
    let free = (): void => {}
    const held = new Promise<void>((resolve) => {
      free = resolve
    })
    let running = 0
    await b.handle('held', 1, {}, async (body) => {
      running++
      await held
      return body
    })
    const asked = Array.from({ length: 3 }, () => a.request(other, 'held', text('')))
    await until('three at work', () => running === 3)
    expect((await failure(a.request(other, 'held', text('')))).code).toBe('rate-limited')
    free()
    await Promise.all(asked)
  })

  it('streams many messages, and says when the stream broke off', async () => {
    const { a, b, other } = await startPair()
    await b.handle('count', 1, {}, async function* (body) {
      for (let index = 0; index < Number(Buffer.from(body)); index++) yield text(String(index))
    })
    const got: string[] = []
    for await (const message of a.requestStream(other, 'count', text('1000'))) got.push(Buffer.from(message).toString())
    expect(got).toEqual(Array.from({ length: 1000 }, (_, index) => String(index)))
    await b.handle('breaks', 1, {}, async function* () {
      yield text('one')
      throw new RequestError('refused', 'no more')
    })
    const stream = a.requestStream(other, 'breaks', text(''))
    expect((await stream.next()).done).toBe(false)
    expect((await failure(stream.next())).message).toBe('no more')
  })

  it('holds an endless stream back while its reader is slow, and ends it when the reader leaves', async () => {
    const { a, b, other } = await startPair()
    const piece = new Uint8Array(256 * 1024)
    let made = 0
    let ended = false
    await b.handle('endless', 1, {}, async function* () {
      try {
        while (true) {
          made++
          yield piece
        }
      } finally {
        ended = true
      }
    })
    const stream = a.requestStream(other, 'endless', text(''))
    // A fast start, so that the window of the stream grows.
    for (let index = 0; index < 200; index++) await stream.next()
    let last = -1
    while (last !== made) {
      last = made
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    // What is under way: at most a window of yamux, the sockets and our own buffer.
    expect(made - 200).toBeLessThan((24 * 1024 * 1024) / piece.length)
    const before = made
    for (let index = 0; index < 200; index++) expect((await stream.next()).value).toHaveLength(piece.length)
    expect(made).toBeGreaterThan(before)
    await stream.return()
    await until('the handler has ended', () => ended)
    await b.handle('echo', 1, {}, async (body) => body)
    expect(await a.request(other, 'echo', text('on'))).toHaveLength(2)
  })
})
