import { ClassicLevel } from 'classic-level'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { encodeLedgerRecord, ledgerHashOf } from '../../../src/codec/index.js'
import type { LedgerHeader } from '../../../src/consensus/types.js'
import type { Signer } from '../../../src/crypto/index.js'
import { encodeLinkRecord, KEPT_MIN, LedgerStore, type Start, verifyChain } from '../../../src/ledger/index.js'
import { KEYS } from '../../../src/ledger/keys.js'
import { certify, GENESIS, log, makeConfig, makeDir, SIGNERS, ZERO } from './chain.js'
import {
  appendAll,
  collect,
  fillStore,
  hexOf,
  makeChangingChain,
  milestonesOf,
  type Step,
  UNLS
} from './changing-chain.js'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const CHANGES = [3, 10, 11, 30, 120]
const LENGTH = 200
const A = UNLS[0] as Signer[]
const steps = makeChangingChain(LENGTH, CHANGES)
const at = (seq: number) => steps[seq - 1] as Step

let dir: Awaited<ReturnType<typeof makeDir>>
let stores: LedgerStore[]
type Level = ClassicLevel<string, Uint8Array>

const open = async (history?: number): Promise<LedgerStore> => {
  const store = await LedgerStore.open(dir.path, { log, history: history ?? 'full' })
  stores.push(store)
  return store
}

const empty = async (): Promise<LedgerStore> => {
  const store = await open()
  await store.putGenesis(GENESIS)
  return store
}

const startAt = (seq: number): Start => ({ milestones: milestonesOf(steps, seq), base: at(seq).linkRecord })

async function keysOf(prefix: string): Promise<string[]> {
  const level = new ClassicLevel(dir.path)
  const keys = await level.keys({ gte: `${prefix}/`, lt: `${prefix}0` }).all()
  await level.close()
  return keys
}

beforeEach(async () => {
  dir = await makeDir()
  stores = []
})

afterEach(async () => {
  for (const store of stores) await store.close()
  await dir.remove()
})

describe('milestones', () => {
  it('are served exactly, from a number on and so many', async () => {
    const store = await fillStore(dir.path, steps)
    stores.push(store)
    const all = hexOf(milestonesOf(steps))
    expect(await collect(store.milestones())).toEqual(all)
    expect(await collect(store.milestones(0, 2))).toEqual(all.slice(0, 2))
    expect(await collect(store.milestones(10, 2))).toEqual(all.slice(1, 3))
    expect(await collect(store.milestones(12))).toEqual(all.slice(3))
    expect(await collect(store.milestones(121))).toEqual([])
    expect(await collect(store.milestones(1, 0))).toEqual([])
    expect(Buffer.from((await store.linkRecord(77)) ?? '')).toEqual(Buffer.from(at(77).linkRecord))
    expect(await store.linkRecord(0)).toBe(null)
    expect(await store.linkRecord(LENGTH + 1)).toBe(null)
  })

  it('outlive pruning, with their certificates and the configs between them', async () => {
    let store = await fillStore(dir.path, steps)
    await store.prune(130)
    for (let run = 0; run < 2; run++) {
      stores.push(store)
      expect(store.first()).toBe(130)
      expect(await collect(store.milestones())).toEqual(hexOf(milestonesOf(steps)))
      for (const seq of CHANGES) {
        const signers = (await store.certificate(seq))?.signatures.map(({ validator }) => validator)
        expect(signers?.sort()).toEqual(at(seq).config.unl)
        expect(await store.header(seq)).toEqual(at(seq).ledger.header)
        expect(await store.get(seq)).toBe(null)
      }
      for (let seq = 1; seq <= LENGTH; seq++) expect(await store.configAt(seq)).toEqual(at(seq).config)
      expect(await store.configAt(LENGTH + 1)).toEqual(makeConfig(UNLS[2]))
      expect(await store.configAt(LENGTH + 2)).toBe(null)
      expect(await verifyChain(store)).toMatchObject({ ok: true, checked: 71, milestones: CHANGES.length })
      await store.close()
      expect((await keysOf('/ledger')).length).toBe(CHANGES.length + 1 + 71)
      expect((await keysOf('/inputs')).filter((key) => Number(key.slice(-16)) < 130)).toEqual([])
      store = await open()
    }
  })

  it('and enough ledgers to take part are kept whatever is asked for', async () => {
    const store = await fillStore(dir.path, steps, 1)
    stores.push(store)
    await store.prune(10_000)
    expect(store.first()).toBe(LENGTH - KEPT_MIN + 1)
    expect(await verifyChain(store)).toMatchObject({ ok: true, checked: KEPT_MIN, milestones: CHANGES.length })
  })

  /** What verifyChain says of a pruned store after a change of its files. */
  const verifyAfter = async (change: (level: Level) => Promise<unknown>) => {
    const store = await fillStore(dir.path, steps)
    await store.prune(130)
    await store.close()
    const level: Level = new ClassicLevel(dir.path, { keyEncoding: 'utf8', valueEncoding: 'view' })
    await change(level)
    await level.close()
    return await verifyChain(await open())
  }
  const put = (seq: number, bytes: Uint8Array) => (level: Level) => level.put(KEYS.ledger(seq).toString(), bytes)

  it.each<[string, number, (level: Level) => Promise<unknown>]>([
    [
      'altered',
      10,
      put(10, encodeLinkRecord(at(10).ledger, certify(at(10).ledger, SIGNERS.slice(2, 5)), at(10).config.unl))
    ],
    ['without its record', 11, (level) => level.del(KEYS.ledger(11).toString())],
    ['exchanged for another', 11, put(11, at(12).linkRecord)],
    ['not listed', 30, (level) => level.del(KEYS.milestone(30).toString())],
    [
      'listed and none',
      2,
      async (level) => {
        await put(2, at(2).linkRecord)(level)
        await level.put(KEYS.milestone(2).toString(), Buffer.alloc(32))
      }
    ]
  ])('one %s is found', async (_name, seq, change) => {
    const { ok, problem } = await verifyAfter(change)
    expect({ ok, found: (problem?.seq ?? -1) >= seq }).toEqual({ ok: false, found: true })
  })

  it.each([150, 199])('among the kept ledgers must be listed, ledger %i', async (seq) => {
    const changing = makeChangingChain(LENGTH, [150])
    const store = await fillStore(dir.path, changing)
    await store.close()
    const level: Level = new ClassicLevel(dir.path, { keyEncoding: 'utf8', valueEncoding: 'view' })
    if (seq === 150) {
      await level.put(KEYS.milestone(199).toString(), Buffer.from(at(150).ledger.header.result.configHash, 'hex'))
      await level.del(KEYS.milestone(150).toString())
    } else
      await level.put(KEYS.milestone(199).toString(), (await level.get(KEYS.milestone(150).toString())) as Uint8Array)
    await level.close()
    if (seq === 199) expect((await verifyChain(await open())).problem).toMatchObject({ seq: 199 })
    else await expect(open()).rejects.toMatchObject({ code: 'damaged' })
  })
})

describe('a start without history', () => {
  it.each([1, 2, 3, 4, 10, 11, 12, 100, 120, 121, 199])('goes on from ledger %i as if it were pruned', async (seq) => {
    let store = await empty()
    await store.startFrom(startAt(seq))
    const changes = CHANGES.filter((change) => change <= seq).length
    for (let run = 0; run < 2; run++) {
      expect(store.tip()).toEqual({ seq, hash: at(seq).ledger.hash })
      expect(store.first()).toBe(seq + 1)
      expect(store.repaired()).toBe(null)
      expect(await store.get(seq)).toBe(null)
      expect(await store.configAt(seq + 1)).toEqual(at(seq + 1).config)
      expect(await verifyChain(store)).toMatchObject({ ok: true, checked: 0, milestones: changes })
      await store.close()
      store = await open()
    }
    await appendAll(store, steps.slice(seq))
    for (let run = 0; run < 2; run++) {
      const report = await verifyChain(store)
      expect(report).toMatchObject({ ok: true, checked: LENGTH - seq, milestones: CHANGES.length, problem: null })
      expect((await store.get(seq + 1))?.ledger.users).toEqual(at(seq + 1).ledger.users)
      expect(await collect(store.milestones())).toEqual(hexOf(milestonesOf(steps)))
      await store.close()
      store = await open()
    }
  })

  it('takes milestones from a stream, and a base that is not among them', async () => {
    const store = await empty()
    async function* stream() {
      yield* milestonesOf(steps, 119)
    }
    await store.startFrom({ milestones: stream(), base: at(120).linkRecord })
    expect(await verifyChain(store)).toMatchObject({ ok: true, milestones: CHANGES.length })
  })

  it('is refused by a store that has ledgers, or no genesis', async () => {
    const store = await open()
    await expect(store.startFrom(startAt(5))).rejects.toMatchObject({ code: 'missing' })
    await store.putGenesis(GENESIS)
    await appendAll(store, steps.slice(0, 1))
    await expect(store.startFrom(startAt(5))).rejects.toMatchObject({ code: 'not-empty' })
    expect(store.tip().seq).toBe(1)
  })

  /** A link record of ledger `seq`, changed, without a config and signed by others. */
  const link = (seq: number, signers: Signer[], unl = at(seq).config.unl, change: Partial<LedgerHeader> = {}) => {
    const header = { ...at(seq).ledger.header, ...change }
    const forged = { header, hash: ledgerHashOf(header), config: null }
    return encodeLinkRecord(forged, certify(forged, signers), unl)
  }
  const good = milestonesOf(steps, 50)
  const base = at(50).linkRecord
  const flipped = (bytes: Uint8Array, from: number) => {
    const copy = Buffer.from(bytes)
    copy[from] = (copy[from] as number) ^ 1
    return copy
  }
  const whole = ({ ledger, certificate, config }: Step) => encodeLedgerRecord(ledger, certificate, config.unl)

  const exchanged = () => {
    const { ledger, certificate, config } = at(3)
    return encodeLinkRecord({ ...ledger, config: makeConfig(A) }, certificate, config.unl)
  }

  it.each<[string, Start, string]>([
    ['a milestone is missing', { milestones: good.toSpliced(1, 1), base }, 'ledger 11'],
    ['the last milestone is missing', { milestones: good.slice(0, -1), base }, 'ledger 50'],
    ['all milestones are missing', { milestones: [], base }, 'ledger 50'],
    ['two stand in the wrong order', { milestones: [good[1], good[0], ...good.slice(2)] as Uint8Array[], base }, '10'],
    ['one comes twice', { milestones: [good[0], ...good] as Uint8Array[], base }, 'ledger 3'],
    ['one does not change the config', { milestones: [at(2).linkRecord, ...good], base }, 'does not change'],
    ['one lies behind the base', { milestones: good, base: at(20).linkRecord }, 'behind the base'],
    ['the base is no record', { milestones: good, base: Buffer.from('garbage') }, 'the base'],
    ['a milestone is no record', { milestones: [Buffer.alloc(0)], base }, 'after ledger 0'],
    ['the base has a body', { milestones: good, base: whole(at(50)) }, 'body'],
    [
      'the base is of another network',
      { milestones: [], base: link(2, A, undefined, { networkId: 'ab'.repeat(32) }) },
      'network'
    ],
    [
      'the base has another config',
      { milestones: [], base: link(2, A, undefined, { result: at(50).ledger.header.result }) },
      'config'
    ],
    ['a milestone has another config', { milestones: [exchanged(), ...good.slice(1)], base }, 'config is not'],
    ['a record is too large', { milestones: [Buffer.alloc(200_000)], base }, 'at most'],
    ['a signature is altered', { milestones: [flipped(good[0] as Uint8Array, 700), ...good.slice(1)], base }, ''],
    [
      'the base is signed by validators that are no longer',
      { milestones: good, base: link(50, A, GENESIS.config.unl) },
      'wrong'
    ],
    ['the base has too few signatures', { milestones: good, base: link(50, SIGNERS.slice(2, 5)) }, 'quorum'],
    ['the time is too early', { milestones: [], base: link(2, A, undefined, { timeMs: 1 }) }, 'too early']
  ])('is refused when %s', async (_name, start, what) => {
    const store = await empty()
    await expect(store.startFrom(start)).rejects.toMatchObject({
      code: 'not-proven',
      message: expect.stringContaining(what)
    })
    expect(store.tip()).toEqual({ seq: 0, hash: ZERO.hash })
    expect(await collect(store.milestones())).toEqual([])
    await appendAll(store, steps.slice(0, 20))
    expect(await verifyChain(store)).toMatchObject({ ok: true, checked: 20, milestones: 3 })
  })

  it('that a crash cut leaves a store with its genesis alone', async () => {
    const store = await empty()
    await store.close()
    const level = new ClassicLevel<string, Uint8Array>(dir.path, { keyEncoding: 'utf8', valueEncoding: 'view' })
    // As after the first batch of milestones.
    await level.put(KEYS.ledger(3).toString(), at(3).linkRecord)
    await level.put(KEYS.milestone(3).toString(), Buffer.from(at(3).ledger.header.result.configHash, 'hex'))
    await level.close()
    const again = await open()
    expect(again.repaired()).toBe(null)
    expect(await collect(again.milestones())).toEqual([])
    await again.close()
    expect(await keysOf('/milestone')).toEqual([])
    const last = await open()
    await last.startFrom(startAt(100))
    expect(await verifyChain(last)).toMatchObject({ ok: true, milestones: 4 })
  })
})
