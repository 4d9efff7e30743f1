import { CodecError } from '../codec/index.js'
import type { ConsensusConfig, Genesis, Hash, Ledger } from '../consensus/types.js'
import { findClosingProblem, findLedgerProblem, type LedgerLink } from './check.js'
import type { LedgerDb, WriteOp } from './db.js'
import { LedgerStoreError } from './errors.js'
import { decodeSeq, encodeSeq, KEYS } from './keys.js'
import type { LedgerTable } from './table.js'

/** How far below the recorded tip a good ledger is looked for before the store counts as lost. */
const SEARCHED_LEDGERS = 1000
/** How many ledgers below the tip are checked for gaps at every start. */
const LINKS_CHECKED = 64
const REPAIR_BATCH = 1000

export interface StartState {
  tip: LedgerLink
  /** Ledgers dropped because the files were damaged; they must be fetched from peers again. */
  repaired: { from: number; to: number; why: string } | null
}

interface StartOptions {
  db: LedgerDb
  table: LedgerTable
  genesis: Genesis
  genesisLedger: Ledger
  /** The oldest ledger kept. */
  first: number
}

/**
 * Verifies the tip of the chain: header, body, certificate, and the links of the ledgers just below. A batch is written
 * whole or not at all, so a crash never leaves a torn tip; damaged files do. Then the newest ledger that is good is the
 * tip, and what lies above it is dropped.
 *
 * @throws LedgerStoreError 'damaged' when no good ledger is near
 */
export async function findTip(options: StartOptions): Promise<StartState> {
  const { db, table, first } = options
  const base = first - 1
  const recorded = await readTip(db, base)
  let why = ''
  let seq = recorded.seq
  const lowest = Math.max(base, recorded.seq - SEARCHED_LEDGERS)
  while (seq >= lowest) {
    const problem = await findChainProblem(options, seq)
    if (problem === null) break
    why ||= `ledger ${problem.seq}: ${problem.what}`
    seq = problem.seq - 1
  }
  const tip = seq < lowest ? null : await linkAt(options, seq)
  if (tip === null) throw table.damaged('the tip of the chain', why || `ledger ${seq} is missing`)
  if (recorded.hash === '') why ||= 'the record of the tip is missing'
  else if (why === '' && recorded.hash !== tip.hash) why = `ledger ${seq} is not the recorded tip`
  await checkMilestones(options, tip)
  if (why === '') {
    if (await isStartCut(db, tip)) await cutAbove(db, tip)
    return { tip, repaired: null }
  }
  await cutAbove(db, tip)
  return { tip, repaired: { from: seq + 1, to: recorded.seq, why } }
}

/** The last ledger that changed the config must be known, and have put in force what the tip says. */
async function checkMilestones({ table, genesisLedger }: StartOptions, tip: LedgerLink): Promise<void> {
  const known = (await table.milestoneConfig(tip.header.seq)) ?? genesisLedger.header.result.configHash
  if (known === tip.header.result.configHash) return
  throw table.damaged(`config ${tip.header.result.configHash}`, 'the ledger that put it in force is missing')
}

/** Milestones above a tip that is the genesis were written by a start from a base that did not come to its end. */
async function isStartCut(db: LedgerDb, tip: LedgerLink): Promise<boolean> {
  if (tip.header.seq > 0) return false
  for await (const _ of db.keys(KEYS.allMilestones)) return true
  return false
}

async function linkAt({ table, genesisLedger }: StartOptions, seq: number): Promise<LedgerLink | null> {
  return seq === 0 ? genesisLedger : await table.entry(seq)
}

/** The problem nearest to the genesis among the ledger `seq` and the links of those below it. */
async function findChainProblem(options: StartOptions, seq: number): Promise<{ seq: number; what: string } | null> {
  let at = seq
  try {
    const what = await findTipProblem(options, seq)
    if (what !== null) return { seq, what }
    let above = await linkAt(options, seq)
    for (at = seq - 1; at >= Math.max(options.first - 1, seq - LINKS_CHECKED); at--) {
      const link = await linkAt(options, at)
      if (link === null) return { seq: at, what: 'it is missing' }
      if (above?.header.prevHash !== link.hash) return { seq: at + 1, what: 'it does not link to the one before' }
      above = link
    }
    return null
  } catch (error) {
    if (error instanceof LedgerStoreError && error.code === 'damaged') return { seq: at, what: error.message }
    if (error instanceof CodecError) return { seq: at, what: error.message }
    throw error
  }
}

async function findTipProblem(options: StartOptions, seq: number): Promise<string | null> {
  const { table, genesis, first } = options
  if (seq === 0) return null
  const entry = await table.entry(seq)
  if (entry === null) return 'it is missing'
  if (seq < first) {
    const hash = await table.milestoneConfig(seq - 1)
    const config = hash === null ? genesis.config : await configOf(options, hash)
    if (config === null) return `the config ${hash} is missing`
    return findClosingProblem(entry, entry.certificate(config.unl), config)
  }
  const previous = await linkAt(options, seq - 1)
  if (previous === null) return `ledger ${seq - 1} before it is missing`
  const { configHash } = previous.header.result
  const config = await configOf(options, configHash)
  if (config === null) return `the config ${configHash} is missing`
  return findLedgerProblem(await table.body(entry), entry.certificate(config.unl), previous, config)
}

async function configOf({ table, genesis, genesisLedger }: StartOptions, hash: Hash): Promise<ConsensusConfig | null> {
  return hash === genesisLedger.header.result.configHash ? genesis.config : await table.config(hash)
}

/** The recorded tip; when that is lost or contradicts the hash index, the highest ledger there is, without a hash. */
async function readTip(db: LedgerDb, base: number): Promise<{ seq: number; hash: Hash }> {
  const recorded = decodeSeq(await db.get(KEYS.tip))
  if (recorded !== null) {
    const indexed = decodeSeq(await db.get(KEYS.hash(recorded.hash)))
    if (indexed?.seq === recorded.seq) return recorded
  }
  return { seq: await highestSeq(db, base), hash: '' }
}

async function highestSeq(db: LedgerDb, otherwise: number): Promise<number> {
  let highest = otherwise
  for await (const key of db.keys(KEYS.allLedgers)) highest = Math.max(highest, Number(key.name()))
  return highest
}

/** Drops everything above `tip`; the record of the tip is written last, so that a cut repair is repeated. */
export async function cutAbove(db: LedgerDb, tip: LedgerLink): Promise<void> {
  let ops: WriteOp[] = []
  for await (const op of opsToCut(db, tip)) {
    if (ops.push(op) < REPAIR_BATCH) continue
    await db.write(ops, { sync: false })
    ops = []
  }
  await db.write([...ops, { type: 'put', key: KEYS.tip, value: encodeSeq(tip.header.seq, tip.hash) }], { sync: true })
}

async function* opsToCut(db: LedgerDb, tip: LedgerLink): AsyncGenerator<WriteOp> {
  const { seq, usersHash } = tip.header
  for (const prefix of [KEYS.allLedgers, KEYS.allInputs, KEYS.allOutputs, KEYS.allMilestones]) {
    for await (const key of db.keys(prefix)) if (Number(key.name()) > seq) yield { type: 'del', key }
  }
  for await (const key of db.keys(KEYS.allHashes)) {
    const indexed = decodeSeq(await db.get(key))
    if (indexed === null || indexed.seq > seq) yield { type: 'del', key }
  }
  for await (const key of db.keys(KEYS.allUsers)) {
    const until = KEYS.usersUntil(key.name())
    const mark = decodeSeq(await db.get(until))
    if (key.name() === usersHash) yield { type: 'del', key: until }
    else if (mark === null || mark.seq > seq) yield { type: 'put', key: until, value: encodeSeq(seq) }
  }
}
