import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { quorumOf } from '../../../src/consensus/quorum.js'
import type { ConfigWish, ConsensusConfig, PublicKey } from '../../../src/consensus/types.js'
import { viewConfig, viewUnl, wish } from '../../../src/node/membership.js'
import type { NodeView } from '../../../src/node/node-view.js'
import { Wishes } from '../../../src/node/wishes.js'

const keys = Array.from({ length: 10 }, (_, index) => index.toString(16).repeat(64)) as [string, ...string[]]
const [SELF] = keys
const TIP = 100

interface Setting {
  unl: PublicKey[]
  /** Connected, with the ledger that each has told. */
  peers?: Record<PublicKey, number | null>
  threshold?: number
}

/** A node as far as changes of the config look at it. */
async function createView({ unl, peers = {}, threshold = 67 }: Setting): Promise<NodeView> {
  const agreed: ConsensusConfig = {
    unl,
    threshold,
    roundtimeMs: 1000,
    minRoundtimeMs: 0,
    ledgerInputBytes: 1000,
    userOutputBytes: 1000,
    ledgerOutputBytes: 1000,
    nplBytes: 1000,
    execTimeoutMs: 1000
  }
  const store = { getMeta: async () => null, putMeta: async () => {} }
  const peer = (key: PublicKey) => ({ connected: key in peers, seq: peers[key] ?? null, lastError: null })
  const view = {
    agreed,
    publicKey: SELF,
    wishes: await Wishes.load(store, agreed),
    driver: { isValidator: unl.includes(SELF), quorum: quorumOf(unl.length, threshold), tip: { seq: TIP } },
    network: { connected: () => Object.keys(peers), peer },
    connectedValidators: () => Object.keys(peers).filter((key) => unl.includes(key)),
    ledgers: { tip: () => ({ seq: TIP }) },
    catchUp: { active: false },
    executor: { diverged: null },
    closes: [],
    log: pino({ level: 'silent' })
  }
  return view as unknown as NodeView
}

const key = (index: number): PublicKey => keys[index] as string
const unlOf = (size: number): PublicKey[] => keys.slice(0, size)
const synced = (...indexes: number[]) => Object.fromEntries(indexes.map((index) => [key(index), TIP]))
const add = (index: number): ConfigWish => ({ kind: 'add-validator', key: key(index) })
const remove = (index: number): ConfigWish => ({ kind: 'remove-validator', key: key(index) })

async function expectRefused(setting: Setting, wanted: ConfigWish, words: RegExp, isFinal = false): Promise<void> {
  const node = await createView(setting)
  await expect(wish(node, { wish: wanted })).rejects.toMatchObject({
    code: 'refused',
    message: expect.stringMatching(words)
  })
  expect(node.wishes.own).toEqual([])
  if (isFinal) {
    await expect(wish(node, { wish: wanted, force: true })).rejects.toMatchObject({ code: 'refused' })
    return
  }
  const forced = await wish(node, { wish: wanted, force: true })
  expect(forced).toMatchObject({ outcome: 'pending', notes: [expect.stringMatching(words)] })
  expect(node.wishes.own).toEqual([wanted])
}

describe('a wish for a change', () => {
  it('adds who is connected and in sync, and nobody else without force', async () => {
    const node = await createView({ unl: unlOf(1), peers: synced(1) })
    expect(await wish(node, { wish: add(1) })).toEqual({
      outcome: 'pending',
      change: { wish: add(1), supporters: [SELF], missing: [], needed: 1, own: true },
      notes: []
    })
    await expectRefused({ unl: unlOf(1) }, add(1), /1111111111111111… is not connected to this node/)
    await expectRefused(
      { unl: unlOf(1), peers: { [key(1)]: TIP - 1 } },
      add(1),
      /not in sync yet: it is at ledger 99 of/
    )
    await expectRefused({ unl: unlOf(1), peers: { [key(1)]: null } }, add(1), /not in sync yet; wait/)
  })

  it('leaves a quorum of those in touch, also together with the other wishes', async () => {
    await expectRefused(
      { unl: unlOf(4), peers: synced(1, 2) },
      remove(1),
      /stand still: of 3 validators then, 3 are needed/
    )
    const node = await createView({ unl: unlOf(4), peers: synced(1, 2) })
    expect(await wish(node, { wish: remove(3) })).toMatchObject({ outcome: 'pending', notes: [] })
    await expect(wish(node, { wish: remove(2) })).resolves.toMatchObject({ outcome: 'pending' })
    await expectRefused(
      { unl: unlOf(4), peers: synced(1, 2) },
      { kind: 'set', name: 'threshold', value: 100 },
      /4 are needed to close a ledger and 3 are in touch \(not 3333333333333333…\)/
    )
  })

  it('never removes the last validator, nor makes a config that is not valid', async () => {
    await expectRefused({ unl: unlOf(1) }, remove(0), /no validator would be left/, true)
    await expectRefused(
      { unl: unlOf(1) },
      { kind: 'set', name: 'minRoundtimeMs', value: 1001 },
      /shortest time between two ledgers would be above the longest \(in force are 0 to 1000 ms\)/,
      true
    )
    const many = Array.from({ length: 127 }, (_, index) => (index + 16).toString(16).padStart(64, '0'))
    const full = [...many, SELF].sort()
    await expectRefused({ unl: full, peers: synced(1) }, add(1), /there are 128 validators, and 128 is the most/, true)
  })

  it('of an observer counts for nothing and is not kept, but can be taken back', async () => {
    const node = await createView({ unl: [key(1)], peers: synced(1) })
    expect(await wish(node, { wish: remove(1) })).toEqual({ outcome: 'not-counted', change: null, notes: [] })
    expect(await wish(node, { wish: add(1) })).toMatchObject({ outcome: 'in-force' })
    expect(node.wishes.own).toEqual([])
    // From the time when it was a validator.
    await node.wishes.add(remove(1), node.agreed)
    expect(await wish(node, { wish: add(1) })).toMatchObject({ outcome: 'taken-back' })
    expect(node.wishes.own).toEqual([])
  })

  it('out of range is a mistake of the caller', async () => {
    const node = await createView({ unl: unlOf(1) })
    await expect(wish(node, { wish: { kind: 'set', name: 'threshold', value: 10 } })).rejects.toMatchObject({
      code: 'bad-request'
    })
  })
})

describe('what is shown', () => {
  it('validators, observers, who is wished for, and who has not wished yet', async () => {
    const node = await createView({ unl: unlOf(3), peers: { ...synced(1, 4), [key(5)]: 3 } })
    await wish(node, { wish: add(4), force: true })
    node.wishes.hear(key(1), 100, [add(4), remove(2)])
    const unl = viewUnl(node)
    expect(unl.quorum).toEqual({ needed: 3, present: 2, validators: 3 })
    expect(unl.validators.map(({ publicKey, connected, change }) => [publicKey, connected, change])).toEqual([
      [key(0), true, null],
      [key(1), true, null],
      [key(2), false, 'remove']
    ])
    expect(unl.observers.map(({ publicKey, synced: isSynced, change }) => [publicKey, isSynced, change])).toEqual([
      [key(4), true, 'add'],
      [key(5), false, null]
    ])
    expect(viewConfig(node).pending).toEqual([
      { wish: add(4), supporters: [key(0), key(1)], missing: [key(2)], needed: 3, own: true },
      { wish: remove(2), supporters: [key(1)], missing: [key(0), key(2)], needed: 3, own: false }
    ])
  })
})
