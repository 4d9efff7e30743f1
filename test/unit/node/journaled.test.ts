import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { type JournalRecord, JournalVote } from '../../../src/codec/pb/journal.js'
import { createKeyPair, Signer } from '../../../src/crypto/index.js'
import { JournalError } from '../../../src/node/journal.js'
import { restoreJournaled } from '../../../src/node/journaled.js'
import { ProposalPool } from '../../../src/node/proposal-pool.js'
import { GENESIS, ZERO } from '../ledger/chain.js'

const log = pino({ level: 'silent' })
const signer = new Signer(createKeyPair())

const { networkId, timeMs, result } = ZERO.header
const { stateRoot, configHash } = result
const tip = { networkId, seq: 0, hash: ZERO.hash, timeMs, stateRoot, configHash, inputCount: 0, forwarded: new Map() }

function restore(...records: JournalRecord[]): Promise<unknown> {
  const pool = new ProposalPool({ networkId, signer, log, inputBytes: () => 1024, fetch: async () => [] })
  return restoreJournaled(records, tip, pool, GENESIS.config, signer.publicKey, log)
}

const bytes = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text))
const lock = { seq: 1, attempt: 0, hash: new Uint8Array(32), proposals: [new Uint8Array(32)], prevotes: bytes('') }

describe('records of a journal that its validator cannot have written', () => {
  const cases: [string, JournalRecord][] = [
    ['a proposal that is none', { proposal: bytes('no proposal') }],
    ['content that is none', { content: bytes('no proposal') }],
    ['a vote that is none', { vote: JournalVote.decode(JournalVote.encode({ payload: bytes('no vote') })) }],
    ['a lock without its proposals', { lock }],
    ['a lock on nothing', { lock: { ...lock, proposals: [] } }],
    ['a lock with a hash of another length', { lock: { ...lock, proposals: [new Uint8Array(30)] } }]
  ]
  for (const [name, record] of cases) {
    it(`are refused with what to do: ${name}`, async () => {
      await expect(restore(record)).rejects.toThrow(JournalError)
      await expect(restore(record)).rejects.toThrow(/hist\/journal.*move hist\/journal away/)
    })
  }
})
