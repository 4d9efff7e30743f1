import { AssertionError } from 'node:assert'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { configHashOf, encodeLedgerRecord } from '../../../src/codec/index.js'
import { KEPT_MIN, LedgerStore, type LedgerStoreOptions, verifyChain } from '../../../src/ledger/index.js'
import {
  certify,
  GENESIS,
  input,
  log,
  makeChain,
  makeConfig,
  makeDir,
  makeLedger,
  SIGNERS,
  USERS,
  ZERO
} from './chain.js'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let dir: Awaited<ReturnType<typeof makeDir>>
let stores: LedgerStore[]

async function open(options: Partial<LedgerStoreOptions> = {}): Promise<LedgerStore> {
  const store = await LedgerStore.open(dir.path, { log, ...options })
  stores.push(store)
  return store
}

async function fill(store: LedgerStore, length: number) {
  await store.putGenesis(GENESIS)
  const chain = makeChain(length)
  for (const { ledger, certificate, outputs } of chain) {
    await store.append(ledger, certificate, { sync: false })
    await store.putOutputs(ledger.header.seq, outputs)
  }
  return chain
}

/** Keys in the closed database, to see what is really stored. */
async function storedKeys(): Promise<string[]> {
  const level = new ClassicLevel(dir.path)
  const keys = await level.keys().all()
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

describe('LedgerStore', () => {
  it('has the genesis ledger once the genesis is put, and keeps to it', async () => {
    const store = await open()
    expect(store.getGenesis()).toBe(null)
    expect(() => store.tip()).toThrow(expect.objectContaining({ code: 'missing' }))
    await store.putGenesis(GENESIS)
    await store.putGenesis(structuredClone(GENESIS))
    expect(store.getGenesis()).toEqual(GENESIS)
    expect(store.tip()).toEqual({ seq: 0, hash: ZERO.hash })
    expect(await store.get(0)).toEqual({ ledger: ZERO, certificate: null })
    expect(await store.getByHash(ZERO.hash)).toEqual({ ledger: ZERO, certificate: null })
    expect(store.first()).toBe(1)
    const other = { ...GENESIS, contractId: 'another' }
    await expect(store.putGenesis(other)).rejects.toMatchObject({ code: 'other-network' })
  })

  it('gives back what was appended, before and after a restart', async () => {
    let store = await open()
    const chain = await fill(store, 20)
    await store.putMeta('executed', Buffer.from('20'))
    for (let run = 0; run < 2; run++) {
      expect(store.tip()).toEqual({ seq: 20, hash: chain[19]?.ledger.hash })
      for (const { ledger, certificate, outputs } of chain) {
        const { seq } = ledger.header
        const stored = await store.get(seq)
        expect(stored?.ledger.header).toEqual(ledger.header)
        expect(stored?.ledger.users).toEqual(ledger.users)
        expect(stored?.ledger.inputs.map(({ id, user }) => ({ id, user }))).toEqual(
          ledger.inputs.map(({ id, user }) => ({ id, user }))
        )
        expect(stored?.ledger.inputs.map(({ content }) => Buffer.from(content).toString())).toEqual(
          ledger.inputs.map(({ content }) => Buffer.from(content).toString())
        )
        expect(stored?.certificate?.signatures.map(({ validator }) => validator).sort()).toEqual(
          certificate.signatures.map(({ validator }) => validator).sort()
        )
        expect((await store.getByHash(ledger.hash))?.ledger.hash).toBe(ledger.hash)
        expect(await store.header(seq)).toEqual(ledger.header)
        expect((await store.getOutputs(seq))?.length).toBe(outputs.length)
      }
      expect(await store.get(21)).toBe(null)
      expect(await store.getByHash('00'.repeat(32))).toBe(null)
      expect(Buffer.from((await store.getMeta('executed')) ?? '').toString()).toBe('20')
      expect(await store.getMeta('unknown')).toBe(null)
      expect(store.repaired()).toBe(null)
      await store.close()
      store = await open()
    }
  })

  it('refuses every ledger that is not the next one', async () => {
    const store = await open()
    const [first] = await fill(store, 1)
    if (first === undefined) throw new Error('no ledger')
    const good = makeLedger(first.ledger, { users: USERS, inputs: [input(USERS[0] as string, 'x')] })
    const again = [first.ledger, makeLedger(good), makeLedger(ZERO)]
    for (const ledger of again) await expect(store.append(ledger, certify(ledger))).rejects.toThrow(AssertionError)
    await expect(store.append({ ...good, users: [] }, certify(good))).rejects.toThrow('users')
    await expect(store.append({ ...good, inputs: [] }, certify(good))).rejects.toThrow('inputs')
    await expect(store.append({ ...good, hash: first.ledger.hash }, certify(good))).rejects.toThrow('hash')
    await expect(store.append(good, certify(first.ledger))).rejects.toThrow('certificate')
    const early = makeLedger(first.ledger, { timeMs: first.ledger.header.timeMs })
    await expect(store.append(early, certify(early))).rejects.toThrow('time')
    expect(store.tip().seq).toBe(1)
    await store.append(good, certify(good))
    expect(store.tip().seq).toBe(2)
  })

  it('serves exact record bytes within a byte limit', async () => {
    const store = await open()
    const chain = await fill(store, 12)
    const expected = chain.map(({ ledger, certificate }) =>
      Buffer.from(encodeLedgerRecord(ledger, certificate, GENESIS.config.unl)).toString('hex')
    )
    const read = async (from: number, to: number, maxBytes?: number) => {
      const records: string[] = []
      for await (const bytes of store.records(from, to, { maxBytes })) records.push(Buffer.from(bytes).toString('hex'))
      return records
    }
    expect(await read(0, 100)).toEqual(expected)
    expect(await read(3, 5)).toEqual(expected.slice(2, 5))
    expect(await read(3, 5, 1)).toEqual(expected.slice(2, 3))
    const two = (expected[0] as string).length / 2 + (expected[1] as string).length / 2
    expect(await read(1, 12, two)).toEqual(expected.slice(0, 2))
    expect(await read(13, 20)).toEqual([])
  })

  it('stores an unchanged list of users once', async () => {
    const users = Array.from({ length: 1000 }, (_, index) => index.toString(16).padStart(64, '0'))
    const store = await open()
    await store.putGenesis(GENESIS)
    let last = ZERO
    for (let seq = 1; seq <= 50; seq++) {
      last = makeLedger(last, { users })
      await store.append(last, certify(last), { sync: false })
    }
    expect((await store.get(50))?.ledger.users).toEqual(users)
    await store.close()
    const lists = (await storedKeys()).filter((key) => key.startsWith('/users/'))
    expect(lists.length).toBe(1)
    const reopened = await open()
    expect((await reopened.get(1))?.ledger.users).toEqual(users)
  })

  it('prunes old ledgers and all that only they needed', async () => {
    let store = await open()
    const chain = await fill(store, 250)
    await store.prune(151)
    expect(store.first()).toBe(151)
    for (let run = 0; run < 2; run++) {
      expect(await store.get(150)).toBe(null)
      expect(await store.get(0)).not.toBe(null)
      expect(await store.getByHash(chain[99]?.ledger.hash as string)).toBe(null)
      expect(await store.getOutputs(150)).toBe(null)
      expect((await store.header(150))?.seq).toBe(150)
      expect(await store.header(149)).toBe(null)
      expect(await store.configAt(150)).toEqual(GENESIS.config)
      expect((await store.certificate(150))?.seq).toBe(150)
      for (let seq = 151; seq <= 250; seq++)
        expect((await store.get(seq))?.ledger.hash).toBe(chain[seq - 1]?.ledger.hash)
      const records = []
      for await (const bytes of store.records(100, 250)) records.push(bytes)
      expect(records).toEqual([])
      expect(await verifyChain(store)).toMatchObject({ ok: true, checked: 100, firstSeq: 151, lastSeq: 250 })
      await store.close()
      store = await open()
    }
    await store.prune(10_000)
    expect(store.first()).toBe(250 - KEPT_MIN + 1)
    await store.close()
    const keys = await storedKeys()
    const count = (prefix: string) => keys.filter((key) => key.startsWith(`${prefix}/`)).length
    expect({ ledger: count('/ledger'), hash: count('/hash'), outputs: count('/outputs') }).toEqual({
      ledger: KEPT_MIN + 1,
      hash: KEPT_MIN + 2,
      outputs: KEPT_MIN
    })
    expect(count('/users')).toBeLessThanOrEqual(USERS.length)
    expect(count('/config')).toBe(1)
  })

  it('prunes by itself to the newest N, but not what is held', async () => {
    const store = await open({ history: KEPT_MIN + 6 })
    store.holdFrom(5)
    await fill(store, 120)
    await store.prune(0)
    expect(store.first()).toBe(1)
    store.holdFrom(Number.POSITIVE_INFINITY)
    const link = await store.link(120)
    const next = makeLedger(link as typeof ZERO)
    await store.append(next, certify(next))
    // Waits for the pruning that the append began.
    await store.prune(0)
    expect(store.first()).toBe(52)
    expect(await store.get(52)).not.toBe(null)
    expect(await verifyChain(store)).toMatchObject({ ok: true, checked: KEPT_MIN + 6 })
  })

  it('prunes nothing while somebody reads', async () => {
    const store = await open({ history: 1 })
    const unpins = [store.pin(), store.pin()]
    await fill(store, 200)
    await store.prune(100)
    expect(store.first()).toBe(1)
    for (let index = 0; index < 3; index++) unpins[0]?.()
    await store.prune(100)
    expect(store.first()).toBe(1)
    unpins[1]?.()
    await store.prune(100)
    expect(store.first()).toBe(100)
  })

  it('appends while it prunes', async () => {
    const store = await open()
    await fill(store, 300)
    const pruning = store.prune(237)
    let last = (await store.link(300)) as typeof ZERO
    let during = 0
    for (let index = 0; index < 20; index++) {
      last = makeLedger(last, { users: USERS.slice(0, index % 5) })
      await store.append(last, certify(last), { sync: false })
      if (store.first() < 237) during++
    }
    await pruning
    expect(during).toBeGreaterThan(0)
    expect(store.tip().seq).toBe(320)
    expect(await verifyChain(store)).toMatchObject({ ok: true, checked: 84 })
  })

  it('keeps configs, and certificates under the UNL that was in force', async () => {
    const store = await open()
    await store.putGenesis(GENESIS)
    const config = makeConfig(SIGNERS)
    const unnamed = makeLedger(ZERO, { result: { configHash: configHashOf(config) } })
    await expect(store.append(unnamed, certify(unnamed))).rejects.toThrow('it changes the config')
    const needless = makeLedger(ZERO, { config: GENESIS.config })
    await expect(store.append(needless, certify(needless))).rejects.toThrow('does not change it')
    const change = makeLedger(ZERO, { config })
    await store.append(change, certify(change))
    const five = SIGNERS.slice(2)
    let last = change
    for (let seq = 2; seq <= 80; seq++) {
      last = makeLedger(last)
      await store.append(last, certify(last, five), { sync: false })
    }
    expect(await store.configAt(0)).toEqual(GENESIS.config)
    expect(await store.configAt(1)).toEqual(GENESIS.config)
    expect(await store.configAt(2)).toEqual(config)
    expect(await store.configAt(81)).toEqual(config)
    expect(await store.configAt(82)).toBe(null)
    expect(await verifyChain(store)).toMatchObject({ ok: true, checked: 80 })
    await store.prune(3)
    expect(await verifyChain(store)).toMatchObject({ ok: true, checked: 78 })
    for (let seq = 81; seq <= 160; seq++) {
      last = makeLedger(last)
      await store.append(last, certify(last, five), { sync: false })
    }
    await store.prune(95)
    expect(await store.getConfig(configHashOf(config))).toEqual(config)
    expect(await verifyChain(store)).toMatchObject({ ok: true, checked: 66, milestones: 1 })
  })

  it('says that another process has it, that it is newer, that it is closed', async () => {
    const store = await open()
    await expect(open()).rejects.toMatchObject({ code: 'locked' })
    await store.putGenesis(GENESIS)
    await store.close()
    await store.close()
    await expect(store.putMeta('a', Buffer.from('b'))).rejects.toMatchObject({ code: 'closed' })
    await expect(store.getMeta('a')).rejects.toMatchObject({ code: 'closed' })
    const level = new ClassicLevel(dir.path)
    await level.put('/layout', '2')
    await level.close()
    await expect(open()).rejects.toMatchObject({ code: 'newer-layout', message: expect.stringContaining('layout 2') })
  })

  it('says that its directory cannot be used', async () => {
    await writeFile(join(dir.path, '..', '..', 'file'), '')
    const inFile = LedgerStore.open(join(dir.path, '..', '..', 'file', 'ledgers'), { log })
    await expect(inFile).rejects.toMatchObject({ name: 'LedgerStoreError', code: 'io' })
  })

  it('bounds names and sizes of meta values', async () => {
    const store = await open()
    await expect(store.putMeta('../x', Buffer.from(''))).rejects.toThrow(AssertionError)
    await expect(store.putMeta('x', Buffer.alloc(65_537))).rejects.toThrow(AssertionError)
  })
})
