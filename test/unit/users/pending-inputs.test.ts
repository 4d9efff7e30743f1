import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ProposalUser } from '../../../src/consensus/types.js'
import { inputIdOf, type PendingInput, PendingInputs, type PendingSource } from '../../../src/users/index.js'

/** Six users with two sessions each; keys and challenges in no special order. */
const USERS = ['9', '1', 'c', '4', 'e', '7'].map((digit) => digit.repeat(64))
const sources = new Map<string, PendingSource>()
for (const [index, user] of USERS.entries()) {
  for (const session of [0, 1]) {
    const proof = { expiryMs: 1, nonce: Buffer.alloc(16, index), signature: Buffer.alloc(64, session) }
    const sessionId = `${index}${session}`.padStart(64, 'a')
    sources.set(`${index}/${session}`, { user, proof, sessionId, ordinal: 0 })
  }
}

function sourceOf(user: number, session: number, ordinal: number): PendingSource {
  return { ...sources.get(`${user}/${session}`)!, ordinal }
}

function bytes(size: number, seed = 0): Uint8Array {
  return Buffer.alloc(size, seed)
}

function idsOf(inputs: PendingInput[]): string[] {
  return inputs.map(({ id }) => id)
}

/** An input in the model, in order of arrival. */
interface Arrival {
  source: PendingSource
  id: string
  size: number
}

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('add' as const),
      user: fc.nat(USERS.length - 1),
      session: fc.nat(1),
      size: fc.nat(60)
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('ledger' as const),
      maxBytes: fc.integer({ min: 60, max: 300 }),
      maxInputs: fc.integer({ min: 1, max: 12 }),
      /** Which of the selected get into the ledger, per bit. */
      taken: fc.nat(4095)
    })
  }
)

describe('pending inputs', () => {
  it('lose nothing, repeat nothing, keep each session in order, stay in their bounds', () => {
    const limits = { inputBytes: 60, userInputs: 10, userBytes: 300, inputs: 40, bytes: 1_000 }
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const pool = new PendingInputs(limits)
        const ordinals = new Map<string, number>()
        let waiting: Arrival[] = []
        for (const action of steps) {
          if (action.do === 'add') {
            const name = `${action.user}/${action.session}`
            const ordinal = ordinals.get(name) ?? 0
            ordinals.set(name, ordinal + 1)
            const source = sourceOf(action.user, action.session, ordinal)
            const own = waiting.filter((arrival) => arrival.source.user === source.user)
            const sum = (list: Arrival[]): number => list.reduce((total, { size }) => total + size, 0)
            const fits =
              own.length < 10 &&
              sum(own) + action.size <= 300 &&
              waiting.length < 40 &&
              sum(waiting) + action.size <= 1_000
            const content = bytes(action.size)
            const verdict = pool.add(source, content)
            expect(verdict.taken).toBe(fits)
            const id = inputIdOf(source.user, source.sessionId, ordinal, content)
            if (verdict.taken) waiting.push({ source, id, size: action.size })
            else expect(verdict.reason.length).toBeGreaterThan(10)
          } else {
            const { users, inputs } = pool.select(action.maxBytes, [], action.maxInputs)
            checkSelection(users, inputs, waiting, action.maxBytes, action.maxInputs)
            const confirmed = inputs.filter((_, index) => (action.taken >> index) & 1)
            expect(pool.confirm(idsOf(confirmed))).toBe(confirmed.length)
            expect(pool.confirm(idsOf(confirmed))).toBe(0)
            const gone = new Set(idsOf(confirmed))
            waiting = waiting.filter(({ id }) => !gone.has(id))
          }
          expect(pool.size).toBe(waiting.length)
          expect(pool.bytes).toBe(waiting.reduce((total, { size }) => total + size, 0))
        }
        // Nothing is lost: ledger by ledger all that is left comes out, each once.
        const left = new Set(waiting.map(({ id }) => id))
        while (pool.size > 0) {
          const { inputs } = pool.select(60, [])
          expect(inputs.length).toBeGreaterThan(0)
          for (const { id } of inputs) expect(left.delete(id)).toBe(true)
          pool.confirm(idsOf(inputs))
        }
        expect(left.size).toBe(0)
        expect(pool.bytes).toBe(0)
        expect(pool.usersWithPending()).toEqual([])
      }),
      { numRuns: 300 }
    )
  })

  function checkSelection(
    users: ProposalUser[],
    inputs: PendingInput[],
    waiting: Arrival[],
    maxBytes: number,
    maxInputs: number
  ): void {
    const keys = users.map(({ key }) => key)
    expect(keys).toEqual([...new Set(waiting.map(({ source }) => source.user))].sort())
    expect(inputs.length).toBeLessThanOrEqual(maxInputs)
    expect(inputs.reduce((total, { content }) => total + content.length, 0)).toBeLessThanOrEqual(maxBytes)
    if (waiting.length > 0) expect(inputs.length).toBeGreaterThan(0)
    const byUser = keys.flatMap((key) => inputs.filter(({ user }) => user === key))
    expect(byUser).toEqual(inputs)
    for (const { key, proof } of users) {
      const [oldest] = waiting.filter(({ source }) => source.user === key)
      expect(proof).toBe(oldest?.source.proof)
      // A prefix of what waits in the session of the oldest input.
      const own = inputs.filter(({ user }) => user === key)
      const session = waiting.filter(({ source }) => source.sessionId === oldest?.source.sessionId)
      expect(idsOf(own)).toEqual(session.slice(0, own.length).map(({ id }) => id))
    }
  }

  it('serve users in turn: one that sends much does not hold up others', () => {
    const pool = new PendingInputs()
    for (let i = 0; i < 100; i++) pool.add(sourceOf(0, 0, i), bytes(10, i))
    for (let user = 1; user < 6; user++) pool.add(sourceOf(user, 0, 0), bytes(10))
    const { inputs } = pool.select(100, [])
    expect(inputs.filter(({ user }) => user !== USERS[0]).length).toBe(5)
    expect(inputs.length).toBe(10)
  })

  it('get a large input into a ledger although others always have small ones', () => {
    const pool = new PendingInputs()
    for (let user = 1; user < 6; user++) pool.add(sourceOf(user, 0, 0), bytes(10))
    const large = pool.add(sourceOf(0, 0, 0), bytes(100))
    expect(large.taken).toBe(true)
    for (let ledger = 1; ledger < 10; ledger++) {
      const { inputs } = pool.select(100, [])
      pool.confirm(idsOf(inputs))
      if (inputs.some(({ user }) => user === USERS[0])) return expect(ledger).toBeLessThanOrEqual(2)
      for (let user = 1; user < 6; user++) pool.add(sourceOf(user, 0, ledger), bytes(10))
    }
    expect.unreachable('the large input starved')
  })

  it('are the same objects until they are in a ledger', () => {
    const pool = new PendingInputs()
    for (let i = 0; i < 5; i++) pool.add(sourceOf(i % 2, 0, i), bytes(5, i))
    const first = pool.select(100, []).inputs
    const second = pool.select(100, []).inputs
    expect(second.length).toBe(5)
    for (const [index, input] of second.entries()) expect(input).toBe(first[index])
  })

  it('list users with the proof that their inputs need, and the connected ones unchanged', () => {
    const pool = new PendingInputs()
    const connected = [1, 3, 0].map((user) => ({ key: USERS[user]!, proof: sourceOf(user, 1, 0).proof }))
    expect(pool.select(100, connected).users).toBe(connected)
    pool.add(sourceOf(3, 1, 0), bytes(1))
    expect(pool.select(100, connected).users).toBe(connected)
    // User 0 has inputs of an older session, user 4 is gone.
    pool.add(sourceOf(0, 0, 0), bytes(1))
    pool.add(sourceOf(0, 1, 0), bytes(1))
    pool.add(sourceOf(4, 0, 0), bytes(1))
    const { users, inputs } = pool.select(100, connected)
    expect(users.map(({ key }) => key)).toEqual([1, 3, 0, 4].map((user) => USERS[user]))
    expect(users[2]?.proof).toBe(sourceOf(0, 0, 0).proof)
    expect(inputs.map(({ user }) => user)).toEqual([3, 0, 4].map((user) => USERS[user]))
    pool.confirm(idsOf(inputs))
    const next = pool.select(100, connected)
    expect(next.users).toBe(connected)
    expect(next.inputs.length).toBe(1)
    expect(next.inputs[0]?.user).toBe(USERS[0])
  })

  it('are bounded in all and for each user, with a reason', () => {
    const pool = new PendingInputs({ inputBytes: 10, userInputs: 2, userBytes: 15, inputs: 4, bytes: 25 })
    const reasonOf = (source: PendingSource, size: number): string => {
      const verdict = pool.add(source, bytes(size))
      return verdict.taken ? 'taken' : verdict.reason
    }
    expect(reasonOf(sourceOf(0, 0, 0), 11)).toBe('an input may have at most 10 bytes')
    expect(reasonOf(sourceOf(0, 0, 1), 10)).toBe('taken')
    expect(reasonOf(sourceOf(0, 0, 1), 5)).toBe('taken')
    expect(reasonOf(sourceOf(0, 0, 2), 0)).toBe('2 inputs of this user wait for a ledger already')
    expect(reasonOf(sourceOf(1, 0, 0), 10)).toBe('taken')
    expect(reasonOf(sourceOf(1, 0, 1), 6)).toBe('more than 15 bytes of this user would wait for a ledger')
    expect(reasonOf(sourceOf(2, 0, 0), 1)).toBe('too many inputs wait for a ledger at this node')
    expect(reasonOf(sourceOf(2, 0, 0), 0)).toBe('taken')
    expect(reasonOf(sourceOf(3, 0, 0), 0)).toBe('too many inputs wait for a ledger at this node')
    expect(() => new PendingInputs({ inputs: 0 })).toThrow(/inputs/)
  })

  it('refuse what waits already', () => {
    const pool = new PendingInputs()
    expect(pool.add(sourceOf(0, 0, 0), bytes(1)).taken).toBe(true)
    expect(pool.add(sourceOf(0, 0, 0), bytes(1))).toEqual({ taken: false, reason: 'this input is waiting already' })
    expect(pool.size).toBe(1)
  })

  it('drop what can no longer fit, and only that', () => {
    const pool = new PendingInputs()
    pool.add(sourceOf(0, 0, 0), bytes(50))
    pool.add(sourceOf(0, 0, 1), bytes(5))
    pool.add(sourceOf(1, 0, 0), bytes(51))
    expect(pool.setInputBytes(50).map(({ user }) => user)).toEqual([USERS[1]])
    expect(pool.select(50, []).inputs.map(({ content }) => content.length)).toEqual([50])
    expect(pool.bytes).toBe(55)
    expect(pool.usersWithPending().map(({ key }) => key)).toEqual([USERS[0]])
  })

  it('hold back what goes by another road, and whatever comes after it of the same user', () => {
    const pool = new PendingInputs()
    const ids = [0, 1].map((ordinal) => {
      const verdict = pool.add(sourceOf(0, 0, ordinal), bytes(1, ordinal))
      return verdict.taken ? verdict.id : ''
    })
    const selected = () =>
      pool.select(10, [], 10, 1).inputs.map(({ user, ordinal }) => `${USERS.indexOf(user)}/${ordinal}`)
    expect([pool.hasSelectable, selected()]).toEqual([true, ['0/0', '0/1']])
    pool.hold([ids[0] as string, 'of nobody'])
    pool.hold([ids[0] as string])
    expect([pool.hasSelectable, selected()]).toEqual([false, []])
    pool.add(sourceOf(1, 0, 0), bytes(1))
    expect([pool.hasSelectable, selected()]).toEqual([true, ['1/0']])
    expect(pool.usersWithPending()).toHaveLength(2)
    pool.release([ids[0] as string, 'of nobody', ids[1] as string])
    expect(selected()).toEqual(['0/0', '0/1'])
    pool.hold(ids)
    pool.confirm([ids[0] as string])
    expect(selected()).toEqual(['1/0'])
    pool.confirm([ids[1] as string])
    expect([pool.size, pool.hasSelectable]).toEqual([1, true])
    pool.add(sourceOf(0, 0, 2), bytes(1))
    pool.release(ids)
    expect(pool.select(10, []).inputs).toHaveLength(2)
  })
})
