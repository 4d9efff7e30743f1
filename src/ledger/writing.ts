import assert from 'node:assert/strict'
import {
  EMPTY_USERS_HASH,
  encodeConsensusConfig,
  encodeInputsPart,
  encodeLedgerRecord,
  encodeUsersPart
} from '../codec/index.js'
import type { Certificate, ConsensusConfig, Hash, Ledger } from '../consensus/types.js'
import { findBodyProblem, findConfigProblem, findLinkProblem, type LedgerLink } from './check.js'
import type { LedgerDb, WriteOp } from './db.js'
import { decodeSeq, encodeSeq, KEYS, type SharedKind } from './keys.js'

/** A caller that appends something else than the next ledger has a bug. @throws AssertionError */
export function assertNext(ledger: Ledger, certificate: Certificate, previous: LedgerLink): void {
  const { header } = ledger
  assert.equal(header.seq, previous.header.seq + 1, `append: ledger ${header.seq} after tip ${previous.header.seq}`)
  const problem = findBodyProblem(ledger) ?? findLinkProblem(header, previous) ?? findConfigProblem(ledger, previous)
  assert.equal(problem, null, `append: ledger ${header.seq}: ${problem}`)
  assert.equal(certificate.seq, header.seq, `append: ledger ${header.seq}: certificate of another seq`)
  assert.equal(certificate.hash, ledger.hash, `append: ledger ${header.seq}: certificate of another ledger`)
}

/** Everything that one append writes, as one batch. `config` is the one in force for the ledger. */
export async function appendOps(
  db: LedgerDb,
  ledger: Ledger,
  certificate: Certificate,
  previous: LedgerLink,
  config: ConsensusConfig
): Promise<WriteOp[]> {
  const { header, hash } = ledger
  const { seq } = header
  const withoutBody = { ...ledger, users: [], inputs: [] }
  const ops: WriteOp[] = [
    { type: 'put', key: KEYS.ledger(seq), value: encodeLedgerRecord(withoutBody, certificate, config.unl) },
    { type: 'put', key: KEYS.hash(hash), value: encodeSeq(seq) },
    { type: 'put', key: KEYS.tip, value: encodeSeq(seq, hash) }
  ]
  if (ledger.inputs.length > 0) ops.push({ type: 'put', key: KEYS.inputs(seq), value: encodeInputsPart(ledger) })
  const before = previous.header
  if (header.usersHash !== before.usersHash) {
    const key = KEYS.shared('users', header.usersHash)
    const isNew = ledger.users.length > 0 && !(await db.has(key))
    if (isNew) ops.push({ type: 'put', key, value: encodeUsersPart(ledger.users) })
    ops.push(...changeOfShared('users', header.usersHash, before.usersHash, before.seq))
  }
  if (ledger.config !== null) {
    const { configHash } = header.result
    ops.push({ type: 'put', key: KEYS.shared('config', configHash), value: encodeConsensusConfig(ledger.config) })
    ops.push(...changeOfShared('config', configHash, before.result.configHash, before.seq))
  }
  return ops
}

function changeOfShared(kind: SharedKind, now: Hash, before: Hash, lastSeq: number): WriteOp[] {
  const ops: WriteOp[] = [{ type: 'del', key: KEYS.until(kind, now) }]
  if (before !== EMPTY_USERS_HASH) {
    ops.push({ type: 'put', key: KEYS.until(kind, before), value: encodeSeq(lastSeq) })
  }
  return ops
}

/** Bounds of the ledgers kept: the oldest, and the config that closed the ledger before it. */
export interface Bounds {
  first: number
  /** Empty while nothing is pruned. */
  baseConfigHash: Hash
}

/** One step of pruning: ledgers bounds.first..last go, `last` itself stays as the base without its body. */
export async function pruneOps(
  entryOf: (seq: number) => Promise<LedgerLink | null>,
  bounds: Bounds,
  last: number
): Promise<{ ops: WriteOp[]; bounds: Bounds }> {
  const ops: WriteOp[] = []
  let baseConfigHash = bounds.baseConfigHash
  for (let seq = bounds.first - 1; seq <= last; seq++) {
    if (seq >= bounds.first) ops.push({ type: 'del', key: KEYS.inputs(seq) }, { type: 'del', key: KEYS.outputs(seq) })
    if (seq === last) break
    const entry = await entryOf(seq)
    if (entry !== null) baseConfigHash = entry.header.result.configHash
    if (seq === 0) continue
    if (entry !== null) ops.push({ type: 'del', key: KEYS.hash(entry.hash) })
    ops.push({ type: 'del', key: KEYS.ledger(seq) })
  }
  ops.push({ type: 'put', key: KEYS.first, value: encodeSeq(last + 1, baseConfigHash) })
  return { ops, bounds: { first: last + 1, baseConfigHash } }
}

/** Hashes of the shared values whose last ledger is older than `seq`. */
export async function sharedBefore(db: LedgerDb, kind: SharedKind, seq: number): Promise<Hash[]> {
  const hashes: Hash[] = []
  for await (const key of db.keys(KEYS.allShared(kind))) {
    const hash = key.name()
    const until = decodeSeq(await db.get(KEYS.until(kind, hash)))
    if (until !== null && until.seq < seq) hashes.push(hash)
  }
  return hashes
}

/** Drops one shared value if its last ledger is still older than `seq`. */
export async function dropSharedOps(db: LedgerDb, kind: SharedKind, hash: Hash, seq: number): Promise<WriteOp[]> {
  const until = decodeSeq(await db.get(KEYS.until(kind, hash)))
  if (until === null || until.seq >= seq) return []
  return [
    { type: 'del', key: KEYS.shared(kind, hash) },
    { type: 'del', key: KEYS.until(kind, hash) }
  ]
}
