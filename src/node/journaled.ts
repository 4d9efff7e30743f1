import type { Logger } from 'pino'
import {
  asBytes,
  bytesToHex,
  CodecError,
  decodeProposalMessage,
  decodeProposalPayload,
  decodeVotePayload,
  decodeVoteSet,
  encodeProposalMessage,
  encodeVoteSet,
  HASH_BYTES,
  hexToBytes,
  type Signed
} from '../codec/index.js'
import { closeLedger, type LedgerTip } from '../consensus/close-ledger.js'
import type { Journaled, Lock } from '../consensus/events.js'
import { quorumOf } from '../consensus/quorum.js'
import type { ConsensusConfig, Hash, Proposal, PublicKey, Vote } from '../consensus/types.js'
import { type Journal, JournalError, type JournalRecord } from './journal.js'
import { openProposal, type ProposalPool } from './proposal-pool.js'

/** The clocks of validators differ by less than this. */
const CLOCK_MARGIN_MS = 60_000

/** An own vote with what is sent of it. */
export interface OwnVote {
  vote: Vote
  signed: Signed
}

/** Own deeds as the journal holds them: what binds the core, and what is sent again. */
export interface Restored {
  journaled: Journaled
  votes: OwnVote[]
}

/** Adds a lock to the journal, with the proposals that are not in it yet: after a restart of all, somebody must know the content. */
export function addLock(
  journal: Journal,
  lock: Lock,
  pool: ProposalPool,
  inJournal: Set<Hash>,
  unl: readonly PublicKey[]
): void {
  const proposals = lock.ledger.header.proposals
  for (const hash of proposals) {
    const message = pool.whole(hash)
    if (inJournal.has(hash) || message === undefined) continue
    inJournal.add(hash)
    journal.add({ content: asBytes(encodeProposalMessage(message)) })
  }
  journal.add({
    lock: {
      seq: lock.ledger.header.seq,
      attempt: lock.attempt,
      hash: hexToBytes(lock.ledger.hash, HASH_BYTES),
      proposals: proposals.map((hash) => hexToBytes(hash, HASH_BYTES)),
      prevotes: asBytes(encodeVoteSet(lock.prevotes, unl))
    }
  })
}

/**
 * Makes sense of the records of a journal: those of the newest seq count.
 *
 * @param tip the last ledger in the store
 * @returns null when nothing in the journal is newer than the tip
 * @throws JournalError for records that this validator cannot have written
 */
export async function restoreJournaled(
  records: JournalRecord[],
  tip: LedgerTip,
  pool: ProposalPool,
  config: ConsensusConfig,
  self: PublicKey,
  log: Logger
): Promise<Restored | null> {
  try {
    return await restoreRecords(records, tip, pool, config, self, log)
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    throw damaged(`it holds what is no record of this validator (${error.message})`)
  }
}

function damaged(what: string): JournalError {
  return new JournalError(
    `the journal (hist/journal) is damaged: ${what}: what this validator has said is not known; move hist/journal away: it gives no vote then before the network is a minute further`
  )
}

async function restoreRecords(
  records: JournalRecord[],
  tip: LedgerTip,
  pool: ProposalPool,
  config: ConsensusConfig,
  self: PublicKey,
  log: Logger
): Promise<Restored | null> {
  const seqs = records.map(seqOfRecord)
  const seq = seqs.reduce((newest, of) => Math.max(newest, of), 0)
  if (seq <= tip.seq) return null
  if (seq > tip.seq + 1) {
    // The ledgers are older than the journal (an old backup): what was said in between is not all known.
    log.warn(`the journal knows ledger ${seq}, the ledgers end at ${tip.seq}: no vote is given up to ledger ${seq}`)
    return silentThrough(seq)
  }
  const current = records.filter((_, index) => seqs[index] === seq)
  const proposals = new Map<Hash, Proposal>()
  let own: Proposal | null = null
  const votes: OwnVote[] = []
  let lock: Lock | null = null
  for (const record of current) {
    const bytes = record.proposal ?? record.content
    if (bytes !== undefined) {
      const message = decodeProposalMessage(bytes)
      const proposal = await pool.take(message, openProposal(message, tip.networkId), [], true)
      if (proposal === null) continue
      proposals.set(proposal.hash, proposal)
      if (record.proposal !== undefined) own = proposal
    } else if (record.vote !== undefined) {
      votes.push(readVote(record.vote, self))
    } else if (record.lock !== undefined) {
      lock = readLock(record.lock, tip, proposals, config)
    }
  }
  const said = votes.map(({ vote: { attempt, kind, hash } }) => ({ attempt, kind, hash }))
  return { journaled: { seq, proposal: own, votes: said, lock }, votes }
}

/** Says nothing about any ledger up to `seq`: what was said before is not known. */
function silentThrough(seq: number): Restored {
  return { journaled: { seq: seq + 1, proposal: null, votes: [], lock: null }, votes: [] }
}

/**
 * Until when a validator without its journal is silent, lest it votes twice: ms since the epoch, or null. Where the
 * others are too few to close a ledger, nothing would ever go on: it votes, and says so.
 *
 * @param unsureSinceMs when the journal was made anew; null when nothing is lost
 */
export function silenceOf(
  unsureSinceMs: number | null,
  config: ConsensusConfig,
  self: PublicKey,
  log: Logger
): number | null {
  const n = config.unl.length
  if (unsureSinceMs === null || !config.unl.includes(self)) return unsureSinceMs
  if (n - 1 < quorumOf(n, config.threshold)) {
    log.warn(
      'the journal (hist/journal) is not the one that these ledgers know: one of them was lost: earlier votes, if any, are forgotten'
    )
    return null
  }
  const until = new Date(unsureSinceMs + CLOCK_MARGIN_MS).toISOString()
  log.warn(
    `the journal (hist/journal) is not the one that these ledgers know: one of them was lost: no vote is given before a ledger of a time after ${until}`
  )
  return unsureSinceMs + CLOCK_MARGIN_MS
}

function seqOfRecord(record: JournalRecord): number {
  if (record.lock !== undefined) return record.lock.seq
  if (record.vote !== undefined) return decodeVotePayload(record.vote.payload).seq
  const bytes = record.proposal ?? record.content
  if (bytes === undefined) return 0
  const message = decodeProposalMessage(bytes)
  return decodeProposalPayload(message.signed.payload).seq
}

function readVote(record: NonNullable<JournalRecord['vote']>, self: PublicKey): OwnVote {
  const { seq, attempt, kind, hash } = decodeVotePayload(record.payload)
  const proposals = record.proposals.map((bytes) => bytesToHex(bytes, HASH_BYTES))
  const signed = { payload: record.payload, key: self, signature: record.signature }
  return { signed, vote: { validator: self, seq, attempt, kind, hash, signature: record.signature, proposals } }
}

function readLock(
  record: NonNullable<JournalRecord['lock']>,
  tip: LedgerTip,
  proposals: Map<Hash, Proposal>,
  config: ConsensusConfig
): Lock {
  const content = record.proposals.map((bytes) => {
    const proposal = proposals.get(bytesToHex(bytes, HASH_BYTES))
    if (proposal === undefined) throw damaged('it lacks a proposal that its lock needs')
    return proposal
  })
  const ledger = closeLedger(tip, content, config)
  if (ledger.hash !== bytesToHex(record.hash, HASH_BYTES)) {
    throw damaged('it holds a lock on a ledger that its proposals do not make')
  }
  const prevotes = decodeVoteSet(record.prevotes, [...config.unl].sort())
  return { attempt: record.attempt, ledger, proposals: content, prevotes }
}
