import type { Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createKeyPair } from '../../../src/crypto/index.js'
import { FAIR_SHARE, PendingInputs, type PendingSource, type Selection } from '../../../src/users/index.js'
import { waitUntil } from '../../helpers/wait.js'
import { RawUser, startServer } from './helpers.js'

const KEYS = Array.from({ length: 60 }, (_, index) => index.toString(16).padStart(64, '0'))
const ROOM = 64 * 1024 * 1024

function source(user: number, ordinal: number): PendingSource {
  const proof = { expiryMs: 1, nonce: Buffer.alloc(16, user), signature: Buffer.alloc(64) }
  return { user: KEYS[user] as string, proof, sessionId: user.toString(16).padStart(64, 'a'), ordinal }
}

function fill(pending: PendingInputs, user: number, count: number, bytes: number): void {
  for (let ordinal = 0; ordinal < count; ordinal++) {
    expect(pending.add(source(user, ordinal), Buffer.alloc(bytes, ordinal))).toMatchObject({ taken: true })
  }
}

function countOf({ inputs }: Selection, user: number): number {
  return inputs.filter((input) => input.user === KEYS[user]).length
}

function bytesOf({ inputs }: Selection, user: number): number {
  return inputs.reduce((sum, input) => sum + (input.user === KEYS[user] ? input.content.length : 0), 0)
}

describe('a proposal', () => {
  it('takes all of a user who is the only one, and a fair share while others speak', () => {
    const pending = new PendingInputs()
    fill(pending, 1, 1000, 100)
    expect(countOf(pending.select(ROOM, []), 1)).toBe(1000)
    fill(pending, 2, 1, 100)
    const shared = pending.select(ROOM, [])
    expect([countOf(shared, 1), countOf(shared, 2)]).toEqual([FAIR_SHARE.userInputs, 1])
    expect(shared.inputs.filter(({ user }) => user === KEYS[1]).map(({ ordinal }) => ordinal)).toEqual(
      Array.from({ length: FAIR_SHARE.userInputs }, (_, ordinal) => ordinal)
    )
  })

  it('counts those who speak at other nodes, as long as they do', () => {
    const pending = new PendingInputs()
    fill(pending, 1, 1000, 100)
    pending.noteSpeakers([KEYS[1] as string, KEYS[1] as string])
    expect(countOf(pending.select(ROOM, []), 1)).toBe(1000)
    pending.noteSpeakers([KEYS[3] as string])
    expect(countOf(pending.select(ROOM, []), 1)).toBe(FAIR_SHARE.userInputs)
    for (let ledger = 0; ledger < 64; ledger++) pending.noteSpeakers([KEYS[1] as string])
    expect(countOf(pending.select(ROOM, []), 1)).toBe(1000)
  })

  it('shares by bytes too, and lets nobody wait for ever because of a large input', () => {
    const pending = new PendingInputs()
    fill(pending, 1, 20, 15_000)
    fill(pending, 2, 1, 2 * FAIR_SHARE.userBytes)
    fill(pending, 3, 5, 10)
    const selection = pending.select(ROOM, [])
    expect(bytesOf(selection, 1)).toBe(30_000)
    expect(countOf(selection, 2)).toBe(1)
    expect(countOf(selection, 3)).toBe(5)
  })

  it('has one input of each of many users, and of what they have beyond it no more than its share', () => {
    const pending = new PendingInputs()
    for (let user = 0; user < 60; user++) fill(pending, user, 100, 10)
    const selection = pending.select(ROOM, [])
    expect(selection.inputs).toHaveLength(FAIR_SHARE.inputs)
    for (let user = 0; user < 60; user++) expect(countOf(selection, user)).toBeGreaterThanOrEqual(4)
    const large = new PendingInputs()
    for (let user = 0; user < 60; user++) fill(large, user, 2, 60_000)
    // The first of each goes in whatever the share is: a ledger has room for them.
    expect(large.select(ROOM, []).inputs).toHaveLength(60)
  })
})

describe('a user with much waiting', () => {
  it('is crowded at half of what may wait, and relieved at a quarter', () => {
    const pending = new PendingInputs({ userInputs: 100 })
    const ids: string[] = []
    for (let ordinal = 0; ordinal < 51; ordinal++) {
      expect(pending.isCrowded(KEYS[1] as string)).toBe(false)
      const verdict = pending.add(source(1, ordinal), Buffer.from([ordinal]))
      if (verdict.taken) ids.push(verdict.id)
    }
    expect(pending.isCrowded(KEYS[1] as string)).toBe(true)
    expect(pending.isCrowded(KEYS[2] as string)).toBe(false)
    pending.confirm(ids.slice(0, 25))
    expect(pending.isRelieved(KEYS[1] as string)).toBe(false)
    pending.confirm(ids.slice(25, 26))
    expect(pending.isRelieved(KEYS[1] as string)).toBe(true)
  })

  it('is so by bytes, and sooner when the node fills up', () => {
    const pending = new PendingInputs({ userBytes: 1000, inputs: 60 })
    fill(pending, 1, 1, 501)
    expect(pending.isCrowded(KEYS[1] as string)).toBe(true)
    fill(pending, 2, 17, 1)
    expect(pending.isCrowded(KEYS[2] as string)).toBe(false)
    fill(pending, 3, 13, 1)
    expect(pending.isCrowded(KEYS[2] as string)).toBe(true)
    expect(pending.isCrowded(KEYS[3] as string)).toBe(false)
  })
})

describe('the user server', () => {
  it('takes one message of each connection in turn', async () => {
    const { server, url, taken } = await startServer({ limits: { messagesPerMinute: 1_000_000 } })
    onTestFinished(() => server.stop())
    const users = [await RawUser.join(url), await RawUser.join(url)]
    for (const user of users) {
      // All of it in one piece, as the node reads it.
      const { _socket: transport } = user.ws as unknown as { _socket: Socket }
      transport.cork()
      for (let count = 0; count < 2000; count++) user.send(`${count}`)
      transport.uncork()
    }
    await waitUntil('all', () => taken.length === 4000)
    for (const { keyPair } of users) {
      const own = taken.filter(({ user }) => user === keyPair.publicKey)
      expect(own.map(({ content }) => Number(content.toString()))).toEqual(Array.from({ length: 2000 }, (_, n) => n))
    }
    // As long as both have something to say.
    let [run, longest] = [0, 0]
    for (const [index, { user }] of taken.slice(0, 2000).entries()) {
      run = user === taken[index - 1]?.user ? run + 1 : 1
      longest = Math.max(longest, run)
    }
    expect(longest).toBeLessThan(500)
  })

  it('reads nothing of a crowded user on any connection until there is room, and loses nothing', async () => {
    const keys = createKeyPair()
    const CROWDED = 100
    let waiting = 0
    let most = 0
    const sizes = new Map<string, number>()
    const { server, url } = await startServer({
      limits: { messagesPerMinute: 1_000_000, pingMs: 20 },
      onInput: ({ user }, content) => {
        sizes.set(user, (sizes.get(user) ?? 0) + content.length)
        if (user === keys.publicKey) most = Math.max(most, ++waiting)
        return { taken: true }
      },
      isCrowded: (user) => user === keys.publicKey && waiting > CROWDED
    })
    onTestFinished(() => server.stop())
    const heavy = [await RawUser.join(url, keys), await RawUser.join(url, keys)]
    const light = await RawUser.join(url)
    const SIZE = 1000
    const EACH = 4000
    for (let count = 0; count < EACH; count++) for (const user of heavy) user.send(Buffer.alloc(SIZE))
    await waitUntil('the hold', () => server.status().heldUsers === 1)
    // Many pings without an answer, and an answer to somebody else.
    for (let count = 0; count < 20; count++) {
      light.send('x')
      await waitUntil('the light user', () => sizes.get(light.keyPair.publicKey) === count + 1)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    // What had been read already is taken: one read of each connection at most.
    expect(waiting).toBeLessThan(CROWDED + 2 * (65_536 / SIZE) + 2)
    expect(server.status().connections).toBe(3)
    await waitUntil('the rest', () => {
      waiting = 0
      server.readOn(() => true)
      return sizes.get(keys.publicKey) === 2 * EACH * SIZE
    })
    expect(most).toBeLessThan(2 * CROWDED + 4 * (65_536 / SIZE))
    expect(server.status()).toMatchObject({ connections: 3, closedByCode: {} })
  })

  it('closes a held connection in order, and holds the next one of the same user', async () => {
    const keys = createKeyPair()
    const { server, url } = await startServer({ isCrowded: (user) => user === keys.publicKey })
    const first = await RawUser.join(url, keys)
    first.send('x')
    await waitUntil('the hold', () => server.status().heldUsers === 1)
    const second = await RawUser.join(url, keys)
    second.send('y')
    const closes = Promise.all([first, second].map(({ closed }) => closed))
    await server.stop()
    expect((await closes).map(({ code }) => code)).toEqual([1001, 1001])
    expect(server.status().inputsTaken).toBe(1)
  })
})
