import { describe, expect, it } from 'vitest'
import type { ConfigWish, ConsensusConfig } from '../../../src/consensus/types.js'
import { Wishes } from '../../../src/node/wishes.js'

const [A, B, C, D] = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(64)) as [string, string, string, string]
const CONFIG: ConsensusConfig = {
  unl: [A, B, C],
  threshold: 67,
  roundtimeMs: 1000,
  minRoundtimeMs: 100,
  ledgerInputBytes: 1000,
  userOutputBytes: 1000,
  ledgerOutputBytes: 1000,
  nplBytes: 1000,
  execTimeoutMs: 1000
}

/** Slow, so that two changes meet. */
class SlowStore {
  readonly values = new Map<string, Uint8Array>()

  async getMeta(name: string): Promise<Uint8Array | null> {
    return this.values.get(name) ?? null
  }

  async putMeta(name: string, value: Uint8Array): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.values.set(name, value)
  }
}

const set = (name: 'threshold' | 'roundtimeMs' | 'minRoundtimeMs', value: number): ConfigWish => {
  return { kind: 'set', name, value }
}

describe('wishes of an operator', () => {
  it('are kept, one for each target, and taken back by wishing for what is in force', async () => {
    const store = new SlowStore()
    const wishes = await Wishes.load(store, CONFIG)
    expect(await wishes.add(set('threshold', 67), CONFIG)).toBe('in-force')
    expect(store.values.size).toBe(0)
    expect(await wishes.add(set('threshold', 80), CONFIG)).toBe('pending')
    expect(await wishes.add(set('threshold', 90), CONFIG)).toBe('pending')
    expect(await wishes.add({ kind: 'add-validator', key: D }, CONFIG)).toBe('pending')
    expect((await Wishes.load(store, CONFIG)).own).toEqual([{ kind: 'add-validator', key: D }, set('threshold', 90)])
    expect(await wishes.add({ kind: 'remove-validator', key: D }, CONFIG)).toBe('taken-back')
    expect(await wishes.add(set('threshold', 67), CONFIG)).toBe('taken-back')
    expect(wishes.own).toEqual([])
    expect((await Wishes.load(store, CONFIG)).own).toEqual([])
  })

  it('that come at the same time are all kept', async () => {
    const store = new SlowStore()
    const wishes = await Wishes.load(store, CONFIG)
    const next = { ...CONFIG, threshold: 80 }
    await wishes.add(set('threshold', 80), CONFIG)
    await Promise.all([
      wishes.add(set('roundtimeMs', 500), CONFIG),
      wishes.forgetFulfilled(next),
      wishes.add({ kind: 'remove-validator', key: B }, CONFIG)
    ])
    const expected = [{ kind: 'remove-validator', key: B }, set('roundtimeMs', 500)]
    expect(wishes.own).toEqual(expected)
    expect((await Wishes.load(store, next)).own).toEqual(expected)
  })

  it('a refused one leaves the others as they are', async () => {
    const wishes = await Wishes.load(new SlowStore(), CONFIG)
    await expect(wishes.add(set('threshold', 10), CONFIG)).rejects.toMatchObject({ name: 'CodecError' })
    expect(await wishes.add(set('threshold', 80), CONFIG)).toBe('pending')
    expect(wishes.own).toEqual([set('threshold', 80)])
  })

  it('are possible by themselves, not beside what they replace', async () => {
    const wishes = await Wishes.load(new SlowStore(), CONFIG)
    await wishes.add(set('roundtimeMs', 900), CONFIG)
    expect(wishes.isPossible(set('roundtimeMs', 500), CONFIG)).toBe(true)
    expect(wishes.isPossible(set('minRoundtimeMs', 901), CONFIG)).toBe(false)
    await wishes.add(set('roundtimeMs', 2000), CONFIG)
    expect(wishes.isPossible(set('minRoundtimeMs', 1500), CONFIG)).toBe(true)
    for (const key of [A, B]) await wishes.add({ kind: 'remove-validator', key }, CONFIG)
    expect(wishes.isPossible({ kind: 'remove-validator', key: C }, CONFIG)).toBe(false)
  })

  it('of others are told with who has them, those of the UNL alone, and forgotten with their validator', async () => {
    const wishes = await Wishes.load(new SlowStore(), CONFIG)
    await wishes.add(set('threshold', 80), CONFIG)
    wishes.hear(B, 5, [set('threshold', 80)])
    wishes.hear(C, 5, [set('threshold', 90)])
    wishes.hear(C, 4, [])
    wishes.hear(D, 5, [set('threshold', 80)])
    expect(wishes.pending(CONFIG, A)).toEqual([
      { wish: set('threshold', 80), supporters: [A, B], own: true },
      { wish: set('threshold', 90), supporters: [C], own: false }
    ])
    await wishes.forgetFulfilled({ ...CONFIG, unl: [A, B] })
    expect(wishes.pending({ ...CONFIG, unl: [A, B] }, A)).toEqual([
      { wish: set('threshold', 80), supporters: [A, B], own: true }
    ])
  })
})
