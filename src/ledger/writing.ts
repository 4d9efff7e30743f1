import assert from 'node:assert/strict'
import {
  EMPTY_USERS_HASH,
  encodeConsensusConfig,
  encodeInputsPart,
  encodeUsersPart,
  HASH_BYTES,
  hexToBytes
} from '../codec/index.js'
import type { Certificate, ConsensusConfig, Hash, Ledger } from '../consensus/types.js'
import { blake3Hex } from '../crypto/index.js'
import { findBodyProblem, findConfigProblem, findLinkProblem, type LedgerLink } from './check.js'
import type { LedgerDb, WriteOp } from './db.js'
import { decodeSeq, encodeSeq, KEYS } from './keys.js'
import { encodeLinkRecord, type LedgerEntry } from './link-record.js'

/** A caller that appends something else than the next ledger has a bug. @throws AssertionError */
export function assertNext(ledger: Ledger, certificate: Certificate, previous: LedgerLink): void {
  const { header } = ledger
  assert.equal(header.seq, previous.header.seq + 1, `append: ledger ${header.seq} after tip ${previous.header.seq}`)
  const problem = findBodyProblem(ledger) ?? findLinkProblem(header, previous) ?? findConfigProblem(ledger, previous)
  assert.equal(problem, null, `append: ledger ${header.seq}: ${problem}`)
  assert.equal(certificate.seq, header.seq, `append: ledger ${header.seq}: certificate of another seq`)
  assert.equal(certificate.hash, ledger.hash, `append: ledger ${header.seq}: certificate of another ledger`)
}

/** What a ledger is appended to. */
export interface AppendTo {
  previous: LedgerLink
  /** In force for the ledger. */
  config: ConsensusConfig
  /** The oldest ledger kept. */
  first: number
}

/** Everything that one append writes, as one batch. */
export async function appendOps(
  db: LedgerDb,
  ledger: Ledger,
  certificate: Certificate,
  { previous, config, first }: AppendTo
): Promise<WriteOp[]> {
  const { header } = ledger
  const { seq } = header
  const ops = linkOps(ledger, encodeLinkRecord(ledger, certificate, config.unl))
  if (ledger.inputs.length > 0) ops.push({ type: 'put', key: KEYS.inputs(seq), value: encodeInputsPart(ledger) })
  const before = previous.header
  // The users of a base that came without its body are not here.
  const isFirst = seq === first
  if (header.usersHash !== before.usersHash || isFirst) {
    const key = KEYS.users(header.usersHash)
    const isNew = ledger.users.length > 0 && !(await db.has(key))
    if (isNew) ops.push({ type: 'put', key, value: encodeUsersPart(ledger.users) })
  }
  if (header.usersHash !== before.usersHash) {
    ops.push({ type: 'del', key: KEYS.usersUntil(header.usersHash) })
    if (before.usersHash !== EMPTY_USERS_HASH && (!isFirst || (await db.has(KEYS.users(before.usersHash))))) {
      ops.push({ type: 'put', key: KEYS.usersUntil(before.usersHash), value: encodeSeq(before.seq) })
    }
  }
  ops.push({ type: 'put', key: KEYS.tip, value: encodeSeq(seq, ledger.hash) })
  return ops
}

/** Header, certificate and config of a ledger, and what finds them. */
export function linkOps(entry: Pick<LedgerEntry, 'header' | 'hash' | 'config'>, linkRecord: Uint8Array): WriteOp[] {
  const { header, hash, config } = entry
  const ops: WriteOp[] = [
    { type: 'put', key: KEYS.ledger(header.seq), value: linkRecord },
    { type: 'put', key: KEYS.hash(hash), value: encodeSeq(header.seq, blake3Hex(linkRecord)) }
  ]
  if (config !== null) {
    const { configHash } = header.result
    ops.push({ type: 'put', key: KEYS.config(configHash), value: encodeConsensusConfig(config) })
    ops.push({ type: 'put', key: KEYS.milestone(header.seq), value: hexToBytes(configHash, HASH_BYTES) })
  }
  return ops
}

/**
 * One step of pruning: ledgers first..last go. `last` itself stays as the base without its body, and so do milestones
 * for good.
 */
export async function pruneOps(
  entryOf: (seq: number) => Promise<LedgerEntry | null>,
  first: number,
  last: number
): Promise<WriteOp[]> {
  const ops: WriteOp[] = []
  for (let seq = first - 1; seq <= last; seq++) {
    if (seq >= first) ops.push({ type: 'del', key: KEYS.inputs(seq) }, { type: 'del', key: KEYS.outputs(seq) })
    if (seq === last || seq === 0) continue
    const entry = await entryOf(seq)
    if (entry !== null && entry.config !== null) continue
    if (entry !== null) ops.push({ type: 'del', key: KEYS.hash(entry.hash) })
    ops.push({ type: 'del', key: KEYS.ledger(seq) })
  }
  ops.push({ type: 'put', key: KEYS.first, value: encodeSeq(last + 1) })
  return ops
}

/** Hashes of the user lists whose last ledger is older than `seq`. */
export async function usersBefore(db: LedgerDb, seq: number): Promise<Hash[]> {
  const hashes: Hash[] = []
  for await (const key of db.keys(KEYS.allUsers)) {
    const hash = key.name()
    const until = decodeSeq(await db.get(KEYS.usersUntil(hash)))
    if (until !== null && until.seq < seq) hashes.push(hash)
  }
  return hashes
}

/** Drops one user list if its last ledger is still older than `seq`. */
export async function dropUsersOps(db: LedgerDb, hash: Hash, seq: number): Promise<WriteOp[]> {
  const until = decodeSeq(await db.get(KEYS.usersUntil(hash)))
  if (until === null || until.seq >= seq) return []
  return [
    { type: 'del', key: KEYS.users(hash) },
    { type: 'del', key: KEYS.usersUntil(hash) }
  ]
}
