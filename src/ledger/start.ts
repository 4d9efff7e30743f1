import { decodeGenesis, genesisLedger } from '../codec/index.js'
import type { Genesis, Ledger } from '../consensus/types.js'
import type { LedgerLink } from './check.js'
import type { LedgerDb } from './db.js'
import { LedgerStoreError } from './errors.js'
import { decodeSeq, KEYS, LAYOUT_VERSION } from './keys.js'
import { findTip, type StartState } from './repair.js'
import type { LedgerTable } from './table.js'

/** What is known of a chain without reading the disk. */
export interface Chain {
  genesis: Genesis
  genesisLedger: Ledger
  tip: LedgerLink
  /** The oldest ledger kept. */
  first: number
  repaired: StartState['repaired']
}

/**
 * Checks the layout version, writing it into an empty database.
 *
 * @throws LedgerStoreError 'newer-layout' or 'damaged'
 */
export async function checkLayout(db: LedgerDb, table: LedgerTable): Promise<void> {
  const bytes = await db.get(KEYS.layout)
  if (bytes === null) {
    for await (const _ of db.keys(KEYS.root)) throw table.damaged('the layout version', 'it is missing')
    const value = Buffer.from(String(LAYOUT_VERSION))
    await db.write([{ type: 'put', key: KEYS.layout, value }], { sync: true })
    return
  }
  const text = Buffer.from(bytes).toString()
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw table.damaged('the layout version', 'it is not a number')
  if (Number(text) === LAYOUT_VERSION) return
  const message = `The ledger store ${db.path} has layout ${text}, this program reads ${LAYOUT_VERSION}. Run the newer hp-p2p that wrote it.`
  throw new LedgerStoreError('newer-layout', message)
}

/**
 * Reads genesis and bounds and verifies the tip; null when the store has no genesis yet.
 *
 * @throws LedgerStoreError 'damaged'
 */
export async function loadChain(db: LedgerDb, table: LedgerTable): Promise<Chain | null> {
  const bytes = await db.get(KEYS.genesis)
  if (bytes === null) {
    if (await db.has(KEYS.tip)) throw table.damaged('the genesis', 'it is missing')
    return null
  }
  const genesis = readGenesis(table, bytes)
  const firstBytes = await db.get(KEYS.first)
  const first = firstBytes === null ? 1 : decodeSeq(firstBytes)?.seq
  if (first === undefined) throw table.damaged('the number of the first ledger', 'it is not a number')
  const start = { db, table, genesis, genesisLedger: genesisLedger(genesis), first }
  const { tip, repaired } = await findTip(start)
  if (tip.header.seq >= first && !(await db.has(KEYS.ledger(first)))) {
    throw table.damaged(`ledger ${first}`, 'it should be the oldest that is kept, and is missing')
  }
  return { genesis, genesisLedger: start.genesisLedger, first, tip, repaired }
}

function readGenesis(table: LedgerTable, bytes: Uint8Array): Genesis {
  try {
    return decodeGenesis(bytes)
  } catch (error) {
    throw table.damaged('the genesis', error instanceof Error ? error.message : String(error), error)
  }
}
