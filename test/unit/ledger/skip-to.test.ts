import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LedgerStore, verifyChain } from '../../../src/ledger/index.js'
import { certify, GENESIS, log, makeConfig, makeDir, makeLedger, SIGNERS, USERS, ZERO } from './chain.js'

const FIVE = SIGNERS.slice(2)

describe('going on from a later ledger', () => {
  let dirs: Awaited<ReturnType<typeof makeDir>>[] = []
  let stores: LedgerStore[] = []

  async function open(): Promise<LedgerStore> {
    const dir = await makeDir()
    dirs.push(dir)
    const store = await LedgerStore.open(dir.path, { log })
    stores.push(store)
    return store
  }

  async function reopen(index: number): Promise<LedgerStore> {
    await stores[index]?.close()
    const store = await LedgerStore.open((dirs[index] as (typeof dirs)[number]).path, { log })
    stores[index] = store
    return store
  }

  /** Ledgers up to `length`; ledger 5 makes it a UNL of seven, ledger 90 changes a number. */
  async function fill(store: LedgerStore, length: number): Promise<void> {
    await store.putGenesis(GENESIS)
    let last: Parameters<typeof makeLedger>[0] = ZERO
    for (let seq = 1; seq <= length; seq++) {
      const config = seq === 5 ? makeConfig(SIGNERS) : seq === 90 ? makeConfig(SIGNERS, { roundtimeMs: 700 }) : null
      const ledger = makeLedger(last, { config, users: USERS.slice(0, seq % 3) })
      await store.append(ledger, certify(ledger, seq <= 5 ? SIGNERS.slice(0, 3) : FIVE), { sync: false })
      last = ledger
    }
  }

  async function startAt(store: LedgerStore, base: number) {
    const milestones: Uint8Array[] = []
    for await (const seq of store.milestoneSeqs()) {
      if (seq < base) milestones.push((await store.linkRecord(seq)) as Uint8Array)
    }
    return { milestones, base: (await store.linkRecord(base)) as Uint8Array }
  }

  beforeEach(() => {
    dirs = []
    stores = []
  })
  afterEach(async () => {
    for (const store of stores) await store.close()
    for (const dir of dirs) await dir.remove()
  })

  it('drops what is here, keeps the changes of the config, and goes on', async () => {
    const far = await open()
    await fill(far, 120)
    const store = await open()
    await fill(store, 30)
    await store.skipTo(await startAt(far, 110))
    expect(store.tip().seq).toBe(110)
    for (let opened = 0; opened < 2; opened++) {
      const again = opened === 0 ? store : await reopen(1)
      expect(again.first()).toBe(111)
      expect(await again.get(20)).toBeNull()
      expect(await again.link(30)).toBeNull()
      expect((await again.link(5))?.hash).toBe((await far.link(5))?.hash)
      expect(await again.configAt(111)).toEqual(makeConfig(SIGNERS, { roundtimeMs: 700 }))
      expect(await verifyChain(again)).toMatchObject({ ok: true })
    }
    const next = await reopen(1)
    for (let seq = 111; seq <= 120; seq++) {
      const stored = await far.get(seq)
      if (stored?.certificate == null) throw new Error(`ledger ${seq} is missing`)
      await next.append(stored.ledger, stored.certificate)
    }
    expect(await verifyChain(next)).toMatchObject({ ok: true, checked: 10 })
  })

  it('refuses a ledger that is not later, one that is not proven, and another past, and keeps what it has', async () => {
    const far = await open()
    await fill(far, 120)
    const store = await open()
    await fill(store, 30)
    const start = await startAt(far, 110)
    await expect(store.skipTo(await startAt(far, 30))).rejects.toMatchObject({ code: 'not-proven' })
    await expect(store.skipTo({ ...start, milestones: start.milestones.slice(0, 1) })).rejects.toMatchObject({
      code: 'not-proven'
    })
    // The same genesis, and another fifth ledger, signed by the validators of its time.
    const other = await open()
    await other.putGenesis(GENESIS)
    let last: Parameters<typeof makeLedger>[0] = ZERO
    for (let seq = 1; seq <= 60; seq++) {
      const config = seq === 6 ? makeConfig(SIGNERS) : null
      const ledger = makeLedger(last, { config, users: USERS.slice(0, 2) })
      await other.append(ledger, certify(ledger, seq <= 6 ? SIGNERS.slice(0, 3) : FIVE), { sync: false })
      last = ledger
    }
    await expect(store.skipTo(await startAt(other, 50))).rejects.toThrow('not the one that is here')
    expect(store.first()).toBe(1)
    expect(await verifyChain(store)).toMatchObject({ ok: true, checked: 30 })
  })
})
