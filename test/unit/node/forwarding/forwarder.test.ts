import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ProposalUser } from '../../../../src/consensus/types.js'
import { BatchBook, type ForwardedBatch } from '../../../../src/node/forwarding/batches.js'
import { Forwarder } from '../../../../src/node/forwarding/forwarder.js'
import type { ForwardAnswer } from '../../../../src/node/forwarding/wire.js'
import { UserProofs } from '../../../../src/node/user-proofs.js'
import { PendingInputs } from '../../../../src/users/index.js'
import { log, makeLedger, makeSigner, NETWORK, TestUser, textsOf } from './helpers.js'

type Conduct = 'take' | 'refuse' | 'silent' | 'fail'

/** An observer with validators whose conduct the test chooses; timers are the test's. */
class Observer {
  readonly signer = makeSigner()
  readonly book = new BatchBook(NETWORK, new UserProofs(NETWORK))
  readonly pending = new PendingInputs()
  readonly sent: { to: string; batch: ForwardedBatch }[] = []
  readonly conduct = new Map<string, Conduct>([
    ['v1', 'take'],
    ['v2', 'take'],
    ['v3', 'take']
  ])
  users: ProposalUser[] = []
  isBehind = false
  isSilent = false
  seq = 10
  unl = ['v1', 'v2', 'v3']
  readonly forwarder: Forwarder

  constructor() {
    this.forwarder = new Forwarder(this.seq, this.unl, {
      networkId: NETWORK,
      signer: this.signer,
      log,
      pending: this.pending,
      users: () => this.users,
      inputBytes: () => 100,
      validators: () => [...this.conduct.keys()],
      isSilent: () => this.isSilent,
      isBehind: () => this.isBehind,
      send: async (to, { part }, signal): Promise<ForwardAnswer> => {
        this.sent.push({ to, batch: await this.book.check(this.book.open(part)) })
        const conduct = this.conduct.get(to)
        if (conduct === 'refuse') return { verdict: 'refused', reason: 'no' }
        if (conduct === 'take') return { verdict: 'taken', reason: '' }
        if (conduct === 'fail') throw new Error('broken off')
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      }
    })
  }

  user(): TestUser {
    return new TestUser(this.signer.publicKey)
  }

  send(user: TestUser, text: string): string {
    const id = user.send(this.pending, text)
    this.forwarder.inputsWaiting()
    return id
  }

  /** A ledger closes with these inputs. */
  close(...ids: string[]): void {
    this.seq += 1
    const ledger = makeLedger(
      this.seq,
      ids.map((id) => ({ id }))
    )
    this.pending.confirm(ids)
    this.forwarder.ledgerClosed(ledger, this.unl)
  }

  /** Since the last call: "validator: texts" of each batch with inputs that was sent. */
  async said(): Promise<string[]> {
    await vi.advanceTimersByTimeAsync(30)
    const said = this.sent.filter(({ batch }) => batch.inputs.length > 0)
    this.sent.length = 0
    return said.map(({ to, batch }) => `${to}: ${textsOf([batch]).join(' ')}`)
  }
}

let observer: Observer

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  observer = new Observer()
})

afterEach(async () => {
  await observer.forwarder.stop()
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('an observer', () => {
  it('hands inputs to a validator in a signed batch, with the proofs of their users', async () => {
    const user = observer.user()
    const id = observer.send(user, 'a')
    await vi.advanceTimersByTimeAsync(0)
    expect(observer.sent[0]).toMatchObject({
      to: 'v1',
      batch: {
        observer: observer.signer.publicKey,
        untilSeq: 58,
        users: [{ key: user.key }],
        inputs: [{ id, user: user.key }]
      }
    })
    observer.close(id)
    expect([observer.forwarder.size, observer.pending.size]).toEqual([0, 0])
  })

  it('puts what comes within a moment into one batch, and one user into one batch at a time', async () => {
    const [ann, bob] = [observer.user(), observer.user()]
    const a1 = observer.send(ann, 'a1')
    observer.send(ann, 'a2')
    observer.send(bob, 'b1')
    observer.send(bob, 'b2')
    expect(await observer.said()).toEqual(['v1: a1', 'v1: b1 b2'])
    observer.send(ann, 'a3')
    expect(await observer.said()).toEqual([])
    observer.close(a1)
    expect(await observer.said()).toEqual(['v1: a2 a3'])
  })

  it('goes to another validator at once with the same batch when one refuses or does not answer', async () => {
    observer.conduct.set('v1', 'refuse')
    observer.conduct.set('v2', 'fail')
    observer.send(observer.user(), 'a')
    await vi.advanceTimersByTimeAsync(0)
    expect(observer.sent.map(({ to }) => to)).toEqual(['v1', 'v2', 'v3'])
    expect(new Set(observer.sent.map(({ batch }) => batch.hash)).size).toBe(1)
    // Who has taken the last one is asked first, who did not answer last.
    observer.sent.length = 0
    await vi.advanceTimersByTimeAsync(20)
    observer.conduct.set('v3', 'refuse')
    observer.send(observer.user(), 'b')
    expect((await observer.said()).slice(0, 3)).toEqual(['v3: b', 'v1: b', 'v2: b'])
  })

  it('asks all again after a while when none takes it', async () => {
    for (const key of observer.conduct.keys()) observer.conduct.set(key, 'refuse')
    observer.send(observer.user(), 'a')
    expect(await observer.said()).toHaveLength(3)
    observer.conduct.set('v2', 'take')
    await vi.advanceTimersByTimeAsync(250)
    expect(await observer.said()).toEqual(['v1: a', 'v2: a'])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(await observer.said()).toEqual([])
  })

  it('goes to another when the one that has it is gone, or leaves the UNL', async () => {
    observer.send(observer.user(), 'a')
    expect(await observer.said()).toEqual(['v1: a'])
    observer.conduct.delete('v1')
    observer.forwarder.validatorLost('v1')
    expect(await observer.said()).toEqual(['v2: a'])
    observer.unl = ['v1', 'v3']
    observer.conduct.delete('v2')
    observer.close()
    expect(await observer.said()).toEqual(['v3: a'])
  })

  it('gives it to a second validator when ledgers close without it', async () => {
    const id = observer.send(observer.user(), 'a')
    expect(await observer.said()).toEqual(['v1: a'])
    const said: string[][] = []
    for (let count = 0; count < 10; count++) {
      observer.close()
      said.push(await observer.said())
    }
    expect(said.flat()).toEqual(['v2: a', 'v3: a'])
    expect(said.findIndex((of) => of.length > 0)).toBe(2)
    observer.close(id)
    expect(observer.forwarder.size).toBe(0)
  })

  it('makes a new batch only when the last ledger that might take the old one is closed without it', async () => {
    const user = observer.user()
    const id = observer.send(user, 'a')
    observer.send(user, 'b')
    await vi.advanceTimersByTimeAsync(0)
    const hashes = () => new Set(observer.sent.map(({ batch }) => batch.hash))
    const [first] = hashes()
    while (observer.seq < 57) {
      observer.close()
      await vi.advanceTimersByTimeAsync(30)
    }
    expect(hashes()).toEqual(new Set([first]))
    expect(observer.pending.hasSelectable).toBe(false)
    observer.sent.length = 0
    observer.close()
    expect(await observer.said()).toEqual(['v1: a b'])
    expect(observer.pending.has(id)).toBe(true)
  })

  it('does not make a batch of what the very last ledger has taken', async () => {
    const id = observer.send(observer.user(), 'a')
    while (observer.seq < 57) observer.close()
    observer.close(id)
    await observer.said()
    for (let count = 0; count < 60; count++) observer.close()
    expect(await observer.said()).toEqual([])
    expect([observer.pending.size, observer.forwarder.size]).toEqual([0, 0])
  })

  it('waits for a validator, and until it has caught up', async () => {
    const all = [...observer.conduct]
    observer.conduct.clear()
    observer.send(observer.user(), 'a')
    expect(await observer.said()).toEqual([])
    observer.isBehind = true
    for (const [key, conduct] of all) observer.conduct.set(key, conduct)
    observer.forwarder.validatorFound('v1')
    expect(await observer.said()).toEqual([])
    observer.isBehind = false
    observer.close()
    expect(await observer.said()).toEqual(['v1: a'])
  })

  it('that becomes a validator holds back what a ledger may still take by the old batch, and offers nothing new', async () => {
    const [ann, bob] = [observer.user(), observer.user()]
    const a = observer.send(ann, 'a')
    expect(await observer.said()).toEqual(['v1: a'])
    observer.unl = [...observer.unl, observer.signer.publicKey]
    observer.close()
    observer.send(ann, 'a2')
    const b = observer.send(bob, 'b')
    expect(await observer.said()).toEqual([])
    const own = () => observer.pending.select(100, []).inputs.map(({ id }) => id)
    expect(own()).toEqual([b])
    while (observer.seq < 57) {
      observer.close()
      expect(own()).toEqual([b])
    }
    observer.close()
    expect(own()).toContain(a)
    // And back: what its own proposals did not bring into a ledger is handed over.
    await observer.said()
    observer.unl = ['v1', 'v2', 'v3']
    observer.close(b)
    expect(await observer.said()).toEqual(['v1: a a2'])
  })

  it('on a validator that does not vote hands inputs on, and when it votes holds back what others still may take', async () => {
    observer.unl = [...observer.unl, observer.signer.publicKey]
    observer.isSilent = true
    observer.close()
    const [ann, bob] = [observer.user(), observer.user()]
    const a = observer.send(ann, 'a')
    expect(await observer.said()).toEqual(['v1: a'])
    observer.isSilent = false
    observer.close()
    const b = observer.send(bob, 'b')
    expect(await observer.said()).toEqual([])
    const own = () => observer.pending.select(100, []).inputs.map(({ id }) => id)
    expect(own()).toEqual([b])
    while (observer.seq < 58) {
      observer.close()
      expect(own()).toEqual([b])
    }
    observer.close()
    expect(own()).toContain(a)
  })

  it('sends a larger input alone, and no batch is larger than a ledger', async () => {
    const [ann, bob] = [observer.user(), observer.user()]
    observer.send(ann, 'a'.repeat(100))
    observer.send(bob, 'b')
    expect((await observer.said()).map((said) => said.slice(0, 5))).toEqual(['v1: a', 'v1: b'])
  })

  it('tells validators who is there: at once, when users come and go, and before the list runs out', async () => {
    const [ann, bob] = [observer.user(), observer.user()]
    const lists = async () => {
      await vi.advanceTimersByTimeAsync(0)
      const said = observer.sent.map(({ batch }) => [batch.untilSeq, batch.users.map(({ key }) => key)])
      observer.sent.length = 0
      return said
    }
    observer.users = [ann.entry]
    observer.forwarder.usersChanged()
    expect(await lists()).toEqual([[58, [ann.key]]])
    observer.users = [ann.entry, bob.entry].sort((a, b) => (a.key < b.key ? -1 : 1))
    observer.forwarder.usersChanged()
    for (let count = 0; count < 6; count++) observer.close()
    expect(await lists()).toEqual([])
    await vi.advanceTimersByTimeAsync(1000)
    observer.close()
    expect(await lists()).toEqual([[65, [ann.key, bob.key].sort()]])
    // A list that is as it was is renewed, and outlives its validator.
    for (let count = 0; count < 31; count++) observer.close()
    expect(await lists()).toEqual([])
    observer.forwarder.validatorLost('v1')
    expect(await lists()).toEqual([[65, [ann.key, bob.key].sort()]])
    observer.close()
    expect(await lists()).toEqual([[97, [ann.key, bob.key].sort()]])
    await vi.advanceTimersByTimeAsync(1000)
    observer.users = []
    for (let count = 0; count < 4; count++) observer.close()
    expect(await lists()).toEqual([[101, []]])
    for (let count = 0; count < 100; count++) observer.close()
    expect(await lists()).toEqual([])
  })
})
