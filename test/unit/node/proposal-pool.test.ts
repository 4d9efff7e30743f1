import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { EMPTY_OUTPUTS_ROOT } from '../../../src/codec/index.js'
import { createKeyPair, Signer } from '../../../src/crypto/index.js'
import { openProposal, type ProposalDraft, ProposalPool } from '../../../src/node/proposal-pool.js'
import { challengeOf } from '../../../src/users/index.js'

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

function makePool(fetch: ConstructorParameters<typeof ProposalPool>[0]['fetch'] = async () => []) {
  const pair = createKeyPair()
  return {
    pool: new ProposalPool({ networkId, signer: new Signer(pair), log, inputBytes: () => 8 * 1024 * 1024, fetch }),
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
