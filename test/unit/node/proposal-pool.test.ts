import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { EMPTY_OUTPUTS_ROOT, LIMITS, partHashOf } from '../../../src/codec/index.js'
import { createKeyPair, Signer } from '../../../src/crypto/index.js'
import { openProposal, type ProposalDraft, ProposalPool } from '../../../src/node/proposal-pool.js'
import { challengeOf } from '../../../src/users/index.js'
import { makeSigner, signBatch, signInputs, TestUser } from './forwarding/helpers.js'

const networkId = 'ab'.repeat(32)
const log = pino({ level: 'silent' })
const result = {
  status: 'ok',
  stateRoot: '01'.repeat(32),
  outputsRoot: EMPTY_OUTPUTS_ROOT,
  configHash: '02'.repeat(32)
} as const
const draft: ProposalDraft = {
  seq: 5,
  lcl: '03'.repeat(32),
  timeMs: 1000,
  result,
  selection: { users: [], inputs: [] },
  wishes: []
}

function makePool(
  fetch: ConstructorParameters<typeof ProposalPool>[0]['fetch'] = async () => [],
  inputBytes = 8 * 1024 * 1024
) {
  const pair = createKeyPair()
  return {
    pool: new ProposalPool({ networkId, signer: new Signer(pair), log, inputBytes: () => inputBytes, fetch }),
    key: pair.publicKey
  }
}

/** A draft with one user who connected to `node` and sent `content`. */
function draftWithUser(node: string, content: Uint8Array): ProposalDraft {
  const user = createKeyPair()
  const nonce = Buffer.alloc(16, 7)
  const challenge = challengeOf(networkId, node, 99, nonce)
  const proof = { expiryMs: 99, nonce, signature: new Signer(user).sign(Buffer.from(challenge)) }
  const selection = {
    users: [{ key: user.publicKey, proof }],
    inputs: [{ user: user.publicKey, ordinal: 0, id: '00'.repeat(32), content }]
  }
  return { ...draft, selection }
}

describe('proposals', () => {
  it('of two validators differ even when both sign the same payload', () => {
    const [a, b] = [makePool().pool.create(draft), makePool().pool.create(draft)]
    expect(a.whole.signed.payload).toEqual(b.whole.signed.payload)
    expect(a.proposal.hash).not.toBe(b.proposal.hash)
  })

  it('are completed from what travels with them', async () => {
    const [a, b] = [makePool(), makePool()]
    const own = a.pool.create(draftWithUser(a.key, Buffer.from('hello')))
    const taken = await b.pool.take(own.gossip, openProposal(own.gossip, networkId), [])
    expect(taken).toMatchObject({ hash: own.proposal.hash, validator: a.key, seq: 5 })
    expect(Buffer.from(taken?.inputs[0]?.content ?? []).toString()).toBe('hello')
    expect(taken?.inputs[0]?.id).toMatch(/^[0-9a-f]{64}$/)
  })

  it('fetch parts that are too large for gossip', async () => {
    const a = makePool()
    const own = a.pool.create(draftWithUser(a.key, Buffer.alloc(1024 * 1024, 1)))
    expect(own.gossip.parts.length).toBe(1)
    const asked: string[][] = []
    const b = makePool(async (hashes, from) => {
      asked.push([...hashes, ...from])
      return hashes.flatMap((hash) => a.pool.whole(hash) ?? [])
    })
    const taken = await b.pool.take(own.gossip, openProposal(own.gossip, networkId), ['other'])
    expect(taken?.inputs[0]?.content.length).toBe(1024 * 1024)
    expect(asked).toEqual([[own.proposal.hash, a.key, 'other']])
  })

  it('are left out when nobody has their parts, or a user never met their validator', async () => {
    const [a, b] = [makePool(), makePool()]
    const large = a.pool.create(draftWithUser(a.key, Buffer.alloc(1024 * 1024, 1)))
    expect(await b.pool.take(large.gossip, openProposal(large.gossip, networkId), [])).toBeNull()
    const forged = a.pool.create({ ...draftWithUser(b.key, Buffer.from('x')), seq: 6 })
    expect(await b.pool.take(forged.gossip, openProposal(forged.gossip, networkId), [])).toBeNull()
  })

  it('are dropped without a word when their ledger is closed before their parts are here', async () => {
    const warned: string[] = []
    const quiet = { ...log, warn: (words: string) => warned.push(words) } as unknown as typeof log
    const options = { networkId, signer: makeSigner(), log: quiet, inputBytes: () => 8 * 1024 * 1024 }
    const pool = new ProposalPool({
      ...options,
      fetch: (_hashes, _from, signal) =>
        new Promise((resolve) => signal.addEventListener('abort', () => resolve([]), { once: true }))
    })
    const a = makePool()
    const { gossip } = a.pool.create(draftWithUser(a.key, Buffer.alloc(300_000)))
    const taken = pool.take(gossip, openProposal(gossip, networkId), [])
    pool.forgetBefore(draft.seq + 1)
    expect(await taken).toBeNull()
    expect(warned).toEqual([])
    // Open ones that nobody has are told of.
    const open = new ProposalPool({ ...options, fetch: async () => [] })
    expect(await open.take(gossip, openProposal(gossip, networkId), [])).toBeNull()
    expect(warned.join()).toContain('left out: nobody has all its parts')
  })

  it('of one validator are looked at only so often, unless a vote needs one', async () => {
    const [a, b] = [makePool(), makePool()]
    const own = [1, 2, 3, 4].map((timeMs) => a.pool.create({ ...draft, timeMs }).gossip)
    const take = (index: number, wanted = false) => {
      const message = own[index] as (typeof own)[number]
      return b.pool.take(message, openProposal(message, networkId), [], wanted)
    }
    for (const index of [0, 1, 2]) expect(await take(index)).not.toBeNull()
    expect(await take(3)).toBeNull()
    expect(await take(3, true)).not.toBeNull()
  })

  it('are refused with a wrong signature or of another network', () => {
    const own = makePool().pool.create(draft).gossip
    expect(() => openProposal(own, 'cd'.repeat(32))).toThrow('another network')
    const forged = { ...own, signed: { ...own.signed, key: createKeyPair().publicKey } }
    expect(() => openProposal(forged, networkId)).toThrow('signature')
  })
})

describe('proposals with forward batches', () => {
  const observer = makeSigner()
  const user = new TestUser(observer.publicKey)

  async function draftWith(pool: ProposalPool, parts: Uint8Array[], other: Partial<ProposalDraft> = {}) {
    const forwards = await Promise.all(parts.map((part) => pool.batches.check(pool.batches.open(part))))
    return { ...draft, ...other, selection: { ...draft.selection, ...other.selection, forwards } } as ProposalDraft
  }

  /** What a validator makes of a proposal that `make` has made. */
  async function takeFrom(make: (pool: ProposalPool, key: string) => Promise<ProposalDraft>, inputBytes?: number) {
    const a = makePool()
    const own = a.pool.create(await make(a.pool, a.key))
    const b = makePool(async () => [own.whole], inputBytes)
    return { own, a, b, taken: await b.pool.take(own.gossip, openProposal(own.gossip, networkId), []) }
  }

  it('hold the users and inputs of the batches beside their own, as the validator that made them sees them', async () => {
    const { own, a, taken } = await takeFrom(async (pool, key) =>
      draftWith(pool, [signInputs(observer, user, ['far', 'away'])], draftWithUser(key, Buffer.from('near')))
    )
    expect(own.gossip.parts).toHaveLength(3)
    const texts = (of: typeof taken) => of?.inputs.map(({ content, untilSeq }) => `${Buffer.from(content)} ${untilSeq}`)
    expect(texts(taken)).toEqual(['near 0', 'far 20', 'away 20'])
    expect(texts(own.proposal)).toEqual(texts(taken))
    expect(taken?.inputs.slice(1).map(({ id }) => id)).toEqual(own.proposal.inputs.slice(1).map(({ id }) => id))
    expect(taken?.users.map(({ key }) => key)).toContain(user.key)
    expect(taken?.users).toHaveLength(2)
    // The journal keeps it whole.
    const restored = await makePool().pool.take(
      a.pool.whole(own.proposal.hash) ?? own.whole,
      openProposal(own.whole, networkId),
      []
    )
    expect(texts(restored)).toEqual(texts(taken))
  })

  it('send a batch once, fetch what is missing, and keep what they have checked', async () => {
    const a = makePool()
    const part = signInputs(observer, user, ['x'])
    const [first, second] = [5, 6].map(async (seq) => a.pool.create({ ...(await draftWith(a.pool, [part])), seq }))
    const asked: string[] = []
    const b = makePool(async (hashes) => {
      asked.push(...hashes)
      return hashes.flatMap((hash) => a.pool.whole(hash) ?? [])
    })
    const take = async (own: typeof first) => {
      const { gossip } = (await own) as Awaited<NonNullable<typeof first>>
      return b.pool.take(gossip, openProposal(gossip, networkId), [])
    }
    expect(((await first)?.gossip.parts.length ?? 0) - ((await second)?.gossip.parts.length ?? 0)).toBe(1)
    expect((await take(first))?.inputs).toHaveLength(1)
    expect((await take(second))?.inputs).toHaveLength(1)
    expect(asked).toEqual([])
    const late = makePool(async (hashes) => hashes.flatMap((hash) => a.pool.whole(hash) ?? []))
    const { gossip } = (await second) as Awaited<NonNullable<typeof first>>
    expect((await late.pool.take(gossip, openProposal(gossip, networkId), []))?.inputs).toHaveLength(1)
    a.pool.sendPartsAgain()
    expect(a.pool.create({ ...(await draftWith(a.pool, [part])), seq: 7 }).gossip.parts).toHaveLength(3)
  })

  it('fetch batches that are too large for gossip', async () => {
    const { own, taken } = await takeFrom((pool) =>
      draftWith(pool, [signInputs(observer, user, ['x'.repeat(300_000)])])
    )
    expect(own.gossip.parts).toHaveLength(2)
    expect(taken?.inputs[0]?.content.length).toBe(300_000)
  })

  it('are left out when a batch is forged, for other ledgers, or missing, or when it is all too much', async () => {
    const part = signInputs(observer, user, ['x'.repeat(100)])
    const forged = Buffer.from(part)
    forged[forged.length - 1] = (forged.at(-1) as number) ^ 1
    const stranger = new TestUser(makeSigner().publicKey)
    const withoutProof = signBatch(observer, { users: [stranger.entry] })
    const fake = (bytes: Uint8Array) => ({ hash: partHashOf(bytes), part: bytes, users: [], inputs: [] })
    for (const bytes of [forged, withoutProof, Buffer.from('no batch')]) {
      const { taken } = await takeFrom(async () => ({
        ...draft,
        selection: { users: [], inputs: [], forwards: [{ ...fake(bytes), observer: '', untilSeq: 20, bytes: 0 }] }
      }))
      expect(taken).toBeNull()
    }
    const at = async (seq: number) => (await takeFrom(async (pool) => draftWith(pool, [part], { seq }))).taken
    expect(await at(20)).not.toBeNull()
    expect(await at(21)).toBeNull()
    const early = signInputs(observer, user, ['x'], 5 + LIMITS.forwardLedgers)
    expect((await takeFrom(async (pool) => draftWith(pool, [early]))).taken).toBeNull()
    expect((await takeFrom(async (pool) => draftWith(pool, [part]), 100)).taken).not.toBeNull()
    expect((await takeFrom(async (pool) => draftWith(pool, [part]), 99)).taken).toBeNull()
    const both = (pool: ProposalPool, key: string) => draftWith(pool, [part], draftWithUser(key, Buffer.from('y')))
    expect((await takeFrom(both, 101)).taken).not.toBeNull()
    expect((await takeFrom(both, 100)).taken).toBeNull()
    const a = makePool()
    const own = a.pool.create(await draftWith(a.pool, [part]))
    const bare = { ...own.gossip, parts: own.gossip.parts.slice(0, 2) }
    expect(await makePool().pool.take(bare, openProposal(bare, networkId), [])).toBeNull()
  })
})
