import { describe, expect, it } from 'vitest'
import { LIMITS, PROPOSAL_LIMITS } from '../../../../src/codec/index.js'
import type { LedgerTip } from '../../../../src/consensus/close-ledger.js'
import { BatchBook } from '../../../../src/node/forwarding/batches.js'
import { ForwardInbox, type InboxLimits } from '../../../../src/node/forwarding/inbox.js'
import { UserProofs } from '../../../../src/node/user-proofs.js'
import {
  hashOf,
  log,
  makeLedger,
  makeSigner,
  makeTip,
  NETWORK,
  signBatch,
  signInputs,
  TestUser,
  textsOf
} from './helpers.js'

const ROOM = { bytes: 1000, inputs: 100 }

class Validator {
  readonly book = new BatchBook(NETWORK, new UserProofs(NETWORK))
  readonly bad: string[] = []
  readonly served = new Map<string, Uint8Array>()
  proposes = true
  tip: LedgerTip = makeTip(10)
  inputBytes = 1000
  told = 0
  readonly inbox: ForwardInbox

  constructor(limits: Partial<InboxLimits> = {}) {
    this.inbox = new ForwardInbox({
      book: this.book,
      log,
      limits,
      proposes: () => this.proposes,
      tip: () => this.tip,
      inputBytes: () => this.inputBytes,
      fetch: async (_, hash) => this.served.get(hash) ?? Promise.reject(new Error('gone')),
      onInputs: () => {
        this.told += 1
      },
      onBadBatch: (_, detail) => this.bad.push(detail)
    })
  }

  async take(from: string, batch: Uint8Array): Promise<string> {
    const { verdict, reason } = await this.inbox.receive(from, { batch })
    return verdict === 'refused' ? reason : verdict
  }

  texts(seq = 11): string[] {
    return textsOf(this.inbox.select(seq, ROOM))
  }
}

const observer = makeSigner()
const from = observer.publicKey
const user = new TestUser(from)

describe('the inbox of a validator', () => {
  it('takes a batch of an observer, and keeps it until ledgers have all of it', async () => {
    const validator = new Validator()
    expect(await validator.take(from, signInputs(observer, user, ['a', 'b']))).toBe('taken')
    expect([validator.told, validator.inbox.hasInputs]).toEqual([1, true])
    expect(validator.texts()).toEqual(['a', 'b'])
    const [a, b] = validator.inbox.select(11, ROOM)[0]?.inputs ?? []
    validator.inbox.ledgerClosed(makeLedger(11, [{ id: a?.id as string }]))
    expect(validator.texts(12)).toEqual(['a', 'b'])
    validator.inbox.ledgerClosed(makeLedger(12, [{ id: b?.id as string }]))
    expect([validator.texts(13), validator.inbox.size, validator.inbox.hasInputs]).toEqual([[], 0, false])
  })

  it('drops what no later ledger may take', async () => {
    const validator = new Validator()
    await validator.take(from, signInputs(observer, user, ['a'], 12))
    validator.inbox.ledgerClosed(makeLedger(11))
    expect(validator.texts(12)).toEqual(['a'])
    validator.inbox.ledgerClosed(makeLedger(12))
    expect([validator.texts(13), validator.inbox.size, validator.inbox.hasInputs]).toEqual([[], 0, false])
  })

  it('has nothing to do for a batch that it has, or that ledgers have', async () => {
    const validator = new Validator()
    const part = signInputs(observer, user, ['a', 'b'])
    expect(await validator.take(from, part)).toBe('taken')
    expect(await validator.take(from, part)).toBe('known')
    const ids = validator.inbox.select(11, ROOM)[0]?.inputs.map(({ id }) => id) ?? []
    validator.inbox.ledgerClosed(
      makeLedger(
        11,
        ids.map((id) => ({ id }))
      )
    )
    validator.tip = makeTip(
      11,
      ids.map((id) => [id, 20])
    )
    expect(await validator.take(from, part)).toBe('known')
    expect(validator.inbox.size).toBe(0)
    // One of two is missing: it waits for that one.
    validator.tip = makeTip(11, [[ids[0] as string, 20]])
    expect(await validator.take(from, part)).toBe('taken')
    validator.inbox.ledgerClosed(makeLedger(12, [{ id: ids[1] as string }]))
    expect(validator.inbox.size).toBe(0)
  })

  it('refuses, in words, what it cannot take now', async () => {
    const validator = new Validator()
    const take = (untilSeq: number) => validator.take(from, signInputs(observer, user, ['a'], untilSeq))
    expect(await take(10)).toMatch(/closed/)
    expect(await take(11 + LIMITS.forwardLedgers)).toMatch(/too far ahead/)
    expect(await take(10 + LIMITS.forwardLedgers)).toBe('taken')
    validator.inputBytes = 3
    expect(await validator.take(from, signInputs(observer, user, ['1234']))).toMatch(/3 bytes/)
    validator.proposes = false
    expect(await take(20)).toMatch(/no validator/)
    expect(validator.bad).toEqual([])
  })

  it('reports what no honest observer sends', async () => {
    const validator = new Validator()
    const other = makeSigner()
    const content = Buffer.from('a')
    const inputs = [{ user: 0, ordinal: 0, content }]
    const stranger = new TestUser(other.publicKey)
    const elsewhere = 'cd'.repeat(32)
    const forged = signInputs(observer, user, ['a'])
    forged[forged.length - 1] = (forged.at(-1) as number) ^ 1
    const noProof = { ...user.entry, proof: { ...user.entry.proof, signature: new Uint8Array(64) } }
    const cases: [Uint8Array, RegExp][] = [
      [forged, /signature/],
      [signInputs(other, stranger, ['a']), /another node/],
      [signBatch(observer, { networkId: elsewhere, users: [user.entry], inputs }), /another network/],
      [signBatch(observer, { users: [new TestUser(from, elsewhere).entry], inputs }), /no proof/],
      [signBatch(observer, { users: [stranger.entry], inputs }), /no proof/],
      [signBatch(observer, { users: [noProof], inputs }), /no proof/],
      [signBatch(observer, { users: [noProof] }), /no proof/],
      [signBatch(observer, { users: [user.entry], inputs: [...inputs, ...inputs] }), /twice/],
      [signBatch(observer, { users: [], inputs }), /user 0 of 0/],
      [Buffer.from('no batch'), /forward batch/],
      [Buffer.alloc(PROPOSAL_LIMITS.forwardBytes + 1), /at most/]
    ]
    for (const [part, words] of cases) expect(await validator.take(from, part)).toMatch(words)
    expect(validator.bad).toHaveLength(cases.length)
    expect(validator.inbox.size).toBe(0)
  })

  it('fetches a batch that was named, and only that one', async () => {
    const validator = new Validator({ fetches: 1 })
    const part = signInputs(observer, user, ['a'])
    const named = { hash: hashOf(part), bytes: part.length }
    await expect(validator.inbox.receive(from, named)).rejects.toThrow('gone')
    validator.served.set(named.hash, signInputs(observer, user, ['b']))
    expect(await validator.inbox.receive(from, named)).toMatchObject({ verdict: 'refused' })
    expect(validator.bad.splice(0)).toEqual([expect.stringMatching(/not the one named/)])
    validator.served.set(named.hash, part)
    const both = await Promise.all([validator.inbox.receive(from, named), validator.inbox.receive('other', named)])
    expect(both).toMatchObject([
      { verdict: 'taken' },
      { verdict: 'refused', reason: expect.stringMatching(/too many/) }
    ])
    expect(await validator.inbox.receive(from, named)).toMatchObject({ verdict: 'known' })
    const large = { hash: named.hash, bytes: PROPOSAL_LIMITS.forwardBytes + 1 }
    expect(await validator.inbox.receive('other', large)).toMatchObject({ verdict: 'refused' })
  })

  it('is bounded for each observer and in all', async () => {
    const validator = new Validator({ observerBatches: 2, batches: 3 })
    const others = [makeSigner(), makeSigner()]
    const texts = (signer: typeof observer, count: number) => {
      const of = new TestUser(signer.publicKey)
      return Array.from({ length: count }, (_, index) => signInputs(signer, of, [`${index}`]))
    }
    const verdicts: string[] = []
    for (const part of texts(observer, 3)) verdicts.push(await validator.take(from, part))
    for (const other of others) {
      for (const part of texts(other, 1)) verdicts.push(await validator.take(other.publicKey, part))
    }
    expect(verdicts).toEqual([
      'taken',
      'taken',
      expect.stringMatching(/of this observer/),
      'taken',
      expect.stringMatching(/of all observers/)
    ])
    validator.inbox.ledgerClosed(makeLedger(20))
    validator.tip = makeTip(20)
    expect(validator.inbox.size).toBe(0)
    expect(await validator.take(from, signInputs(observer, user, ['x'], 21))).toBe('taken')
    const small = new Validator({ observerBytes: 400 })
    expect(await small.take(from, signInputs(observer, user, ['x'.repeat(500)]))).toMatch(/of this observer/)
    const few = new Validator({ users: 1 })
    const two = [user, new TestUser(from)].sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ entry }) => entry)
    expect(await few.take(from, signBatch(observer, { users: two }))).toMatch(/of all observers/)
  })

  it('gives observers turns, and leaves out what does not fit or is not in time', async () => {
    const validator = new Validator()
    const other = makeSigner()
    const stranger = new TestUser(other.publicKey)
    for (const text of ['a1', 'a2']) await validator.take(from, signInputs(observer, user, [text]))
    for (const text of ['b1', 'b2']) await validator.take(other.publicKey, signInputs(other, stranger, [text], 30))
    const pick = (bytes: number, inputs = 100, seq = 11) => textsOf(validator.inbox.select(seq, { bytes, inputs }))
    expect(pick(6)).toEqual(['a1', 'b1', 'a2'])
    expect(pick(2)).toEqual(['b1'])
    expect(pick(2)).toEqual(['a1'])
    expect(pick(100, 3)).toEqual(['b1', 'a1', 'b2'])
    expect(pick(100, 100, 21)).toEqual(['b1', 'b2'])
  })

  it('keeps the newest list of the users of an observer', async () => {
    const validator = new Validator()
    const list = (users: TestUser[], untilSeq: number) =>
      signBatch(observer, { untilSeq, users: users.map(({ entry }) => entry).sort((a, b) => (a.key < b.key ? -1 : 1)) })
    const second = new TestUser(from)
    const listed = () => validator.inbox.select(11, ROOM).flatMap(({ users }) => users.map(({ key }) => key))
    expect(await validator.take(from, list([user], 20))).toBe('taken')
    expect(listed()).toEqual([user.key])
    expect([validator.inbox.hasInputs, validator.told]).toEqual([false, 0])
    expect(await validator.take(from, list([user, second], 22))).toBe('taken')
    expect(listed()).toEqual([user.key, second.key].sort())
    expect(await validator.take(from, list([second], 21))).toBe('known')
    expect(listed()).toHaveLength(2)
    expect(validator.inbox.size).toBe(1)
    // Lists of users make room for inputs.
    await validator.take(from, signInputs(observer, user, ['a']))
    expect(validator.inbox.select(11, ROOM).map(({ inputs }) => inputs.length)).toEqual([1, 0])
    expect(await validator.take(from, list([], 23))).toBe('taken')
    expect(listed()).toEqual([user.key])
    validator.inbox.ledgerClosed(makeLedger(20))
    expect(validator.inbox.size).toBe(0)
  })
})
