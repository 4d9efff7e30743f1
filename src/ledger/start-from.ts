import { CodecError } from '../codec/index.js'
import type { LedgerLink } from './check.js'
import type { LedgerDb, WriteOp } from './db.js'
import { LedgerStoreError } from './errors.js'
import { encodeSeq, KEYS } from './keys.js'
import { decodeLinkRecord, type LedgerEntry } from './link-record.js'
import { cutAbove } from './repair.js'
import type { Chain } from './start.js'
import { TrustChain } from './trust.js'
import { linkOps } from './writing.js'

/** Where a chain without its history begins: link records, from anybody. */
export interface Start {
  /** All ledgers up to the base that changed the config, ascending. */
  milestones: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
  /** The ledger to go on from; also when it changes the config itself. */
  base: Uint8Array
}

/** Milestones that one batch writes. */
const BATCH = 100

/** Verifies a start as `writeStart` does, and writes nothing. @throws LedgerStoreError 'not-proven' */
export async function checkStart(
  chain: Chain,
  { milestones, base: baseBytes }: Start,
  linkAt: (seq: number) => Promise<LedgerLink | null>
): Promise<void> {
  const trust = new TrustChain(chain.genesis)
  const base = readLink(baseBytes, 'the base')
  for await (const bytes of milestones) {
    const entry = readLink(bytes, `the milestone after ledger ${trust.seq}`)
    const { seq } = entry.header
    if (seq > base.header.seq) throw notProven(`ledger ${seq}`, `it is behind the base, ledger ${base.header.seq}`)
    check(`ledger ${seq}`, () => trust.advance(entry))
    if (seq <= chain.tip.header.seq && (await linkAt(seq))?.hash !== entry.hash) {
      throw notProven(`ledger ${seq}`, 'it is not the one that is here')
    }
  }
  const isNew = base.config !== null && trust.seq < base.header.seq
  check(`ledger ${base.header.seq}`, () => (isNew ? trust.advance(base) : trust.findProblem(base)))
}

/**
 * Verifies a start and writes it into a store whose milestones are part of it. What makes it count, the tip, is written last, together with `finalOps`.
 *
 * @returns the base
 * @throws LedgerStoreError 'not-proven'
 */
export async function writeStart(
  db: LedgerDb,
  chain: Chain,
  start: Start,
  finalOps: WriteOp[] = []
): Promise<LedgerEntry> {
  const tipSeq = chain.tip.header.seq
  const trust = new TrustChain(chain.genesis)
  const base = readLink(start.base, 'the base')
  try {
    let ops: WriteOp[] = []
    let written = 0
    for await (const bytes of start.milestones) {
      const entry = readLink(bytes, `the milestone after ledger ${trust.seq}`)
      const { seq } = entry.header
      if (seq > base.header.seq) throw notProven(`ledger ${seq}`, `it is behind the base, ledger ${base.header.seq}`)
      check(`ledger ${seq}`, () => trust.advance(entry))
      if (seq <= tipSeq) continue
      // The base is written at the end.
      if (seq < base.header.seq) ops.push(...linkOps(entry, bytes))
      if (++written % BATCH !== 0) continue
      await db.write(ops, { sync: false })
      ops = []
    }
    const isNew = base.config !== null && trust.seq < base.header.seq
    check(`ledger ${base.header.seq}`, () => (isNew ? trust.advance(base) : trust.findProblem(base)))
    await db.write([...ops, ...finalOps, ...linkOps(base, start.base), ...boundsOps(base)], { sync: true })
    return base
  } catch (error) {
    await cutAbove(db, chain.tip).catch(() => {})
    throw error
  }
}

function boundsOps({ header, hash }: LedgerEntry): WriteOp[] {
  return [
    { type: 'put', key: KEYS.first, value: encodeSeq(header.seq + 1) },
    { type: 'put', key: KEYS.tip, value: encodeSeq(header.seq, hash) }
  ]
}

function readLink(bytes: Uint8Array, name: string): LedgerEntry {
  let entry: LedgerEntry | undefined
  check(name, () => {
    entry = decodeLinkRecord(bytes)
    return entry.header.seq === 0 ? 'ledger 0 has no record' : null
  })
  return entry as LedgerEntry
}

function check(name: string, findProblem: () => string | null): void {
  let problem: string | null
  try {
    problem = findProblem()
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    problem = error.message
  }
  if (problem !== null) throw notProven(name, problem)
}

function notProven(name: string, what: string): LedgerStoreError {
  return new LedgerStoreError('not-proven', `The ledgers do not follow from the genesis: ${name}: ${what}.`)
}
