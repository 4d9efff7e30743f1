import { pino } from 'pino'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  EMPTY_OUTPUTS_ROOT,
  encodeConsensusMessage,
  SIGNING_DOMAINS,
  signPayload,
  voteBytes
} from '../../../src/codec/index.js'
import type { ConsensusEvent } from '../../../src/consensus/events.js'
import type { Vote } from '../../../src/consensus/types.js'
import type { Signer } from '../../../src/crypto/index.js'
import { GossipIntake, type GossipIntakeOptions } from '../../../src/node/gossip-intake.js'
import { type ProposalDraft, ProposalPool } from '../../../src/node/proposal-pool.js'
import { makeSigner } from './forwarding/helpers.js'

const networkId = 'ab'.repeat(32)
const log = pino({ level: 'silent' })
/** The ledger that the core works on. */
const SEQ = 10
const VOTE = { seq: SEQ, attempt: 0, kind: 'prevote', hash: '01'.repeat(32) } as const

describe('what other nodes say', () => {
  const signers = [makeSigner(), makeSigner(), makeSigner(), makeSigner()]
  const [own, ann, bob] = signers as [Signer, Signer, Signer, Signer]
  const unl = signers.map(({ publicKey }) => publicKey).sort()
  let events: ConsensusEvent[]
  let behind: [number, string][]
  let isFull: boolean
  let intake: GossipIntake

  beforeEach(() => {
    events = []
    behind = []
    isFull = false
    const core = { tip: { seq: SEQ - 1 }, seq: SEQ, attempt: 0, unl, members: new Set(unl), quorum: 3 }
    intake = new GossipIntake({
      networkId,
      self: own.publicKey,
      maxGossipBytes: 100_000,
      pool: new ProposalPool({ networkId, signer: own, log, inputBytes: () => 1000, fetch: async () => [] }),
      log,
      core: { ...core, hasPrevoteQuorum: () => false } as unknown as GossipIntakeOptions['core'],
      push: (event) => events.push(event),
      isFull: () => isFull,
      onBehind: (seq, from) => behind.push([seq, from])
    })
  })

  function voteOf(signer: Signer, vote: Partial<Pick<Vote, keyof typeof VOTE>> = {}, network = networkId): Uint8Array {
    const signed = signPayload(SIGNING_DOMAINS.vote, voteBytes(network, { ...VOTE, ...vote }), signer)
    return encodeConsensusMessage({ type: 'vote', vote: { signed, proposals: [] } })
  }

  it('reaches the core once, when it is a vote of a validator on this ledger or the next', () => {
    expect(intake.receive(voteOf(ann), ann.publicKey)).toBe('accept')
    expect(intake.receive(voteOf(ann), bob.publicKey)).toBe('ignore')
    expect(intake.receive(voteOf(ann, { hash: '02'.repeat(32) }), ann.publicKey)).toBe('ignore')
    expect(intake.receive(voteOf(bob, { seq: SEQ + 1 }), ann.publicKey)).toBe('accept')
    expect(events).toMatchObject([
      { type: 'vote', vote: { validator: ann.publicKey, seq: SEQ, hash: VOTE.hash } },
      { type: 'vote', vote: { validator: bob.publicKey, seq: SEQ + 1 } }
    ])
  })

  it('is refused when it is of another network, forged, or no message', () => {
    expect(intake.receive(voteOf(ann, {}, 'cd'.repeat(32)), ann.publicKey)).toBe('reject')
    const forged = signPayload(SIGNING_DOMAINS.vote, voteBytes(networkId, VOTE), bob)
    const vote = { signed: { ...forged, key: ann.publicKey }, proposals: [] }
    expect(intake.receive(encodeConsensusMessage({ type: 'vote', vote }), ann.publicKey)).toBe('reject')
    // Signed for another purpose.
    const signed = signPayload(SIGNING_DOMAINS.proposal, voteBytes(networkId, VOTE), ann)
    const crossed = encodeConsensusMessage({ type: 'vote', vote: { signed, proposals: [] } })
    expect(intake.receive(crossed, ann.publicKey)).toBe('reject')
    expect(intake.receive(Buffer.from('nothing'), ann.publicKey)).toBe('reject')
    expect(events).toEqual([])
  })

  it('is left alone when it is of nobody who votes, of this node itself, old, or when too much waits', () => {
    expect(intake.receive(voteOf(makeSigner()), ann.publicKey)).toBe('ignore')
    expect(intake.receive(voteOf(own), ann.publicKey)).toBe('ignore')
    expect(intake.receive(voteOf(ann, { seq: SEQ - 1 }), ann.publicKey)).toBe('ignore')
    isFull = true
    expect(intake.receive(voteOf(ann), ann.publicKey)).toBe('ignore')
    expect(events).toEqual([])
  })

  it('tells again that its validator waits at a later ledger, when nothing else is new in it', () => {
    const late = voteOf(ann, { seq: SEQ + 1 })
    intake.receive(late, ann.publicKey)
    expect(behind).toEqual([])
    expect(intake.receive(late, ann.publicKey)).toBe('ignore')
    expect(behind).toEqual([[SEQ + 1, ann.publicKey]])
    intake.receive(voteOf(bob), bob.publicKey)
    intake.receive(voteOf(bob), bob.publicKey)
    expect(behind).toHaveLength(1)
  })

  it('names a validator that has signed two proposals for one ledger', () => {
    const draft: ProposalDraft = {
      seq: SEQ,
      lcl: '03'.repeat(32),
      timeMs: 1000,
      result: {
        status: 'ok',
        stateRoot: '01'.repeat(32),
        outputsRoot: EMPTY_OUTPUTS_ROOT,
        configHash: '02'.repeat(32)
      },
      selection: { users: [], inputs: [] },
      wishes: []
    }
    const pool = new ProposalPool({ networkId, signer: ann, log, inputBytes: () => 1000, fetch: async () => [] })
    const make = (timeMs: number) => pool.create({ ...draft, timeMs }).whole.signed
    const [first, second] = [make(1), make(2)]
    const evidence = encodeConsensusMessage({ type: 'evidence', first, second })
    expect(intake.receive(encodeConsensusMessage({ type: 'evidence', first, second: first }), bob.publicKey)).toBe(
      'reject'
    )
    expect(intake.receive(evidence, bob.publicKey)).toBe('accept')
    expect(intake.receive(evidence, bob.publicKey)).toBe('ignore')
    expect(intake.equivocators).toEqual([ann.publicKey])
  })
})
