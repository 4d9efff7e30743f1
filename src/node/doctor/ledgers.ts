import type { DoctorCheck } from '../../admin/index.js'
import { type LedgerStore, LedgerStoreError, verifyChain } from '../../ledger/index.js'
import { check } from './check.js'

/** The newest ledgers are checked in full; `ledger verify` takes them all. */
const CHECKED = 200

export async function examineLedgers(store: LedgerStore): Promise<DoctorCheck> {
  const name = 'ledgers'
  const advice =
    '`hp-p2p ledger verify` checks all of them; to fetch them anew from peers, stop the node and move hist/ledgers away'
  try {
    const { seq } = store.tip()
    const from = Math.max(store.first(), seq - CHECKED + 1)
    const report = await verifyChain(store, { from })
    if (report.problem !== null) {
      return check(name, 'problem', `ledger ${report.problem.seq}: ${report.problem.what}`, advice)
    }
    const kept = store.first() > seq ? `ledger ${seq}` : `ledgers ${store.first()} to ${seq}`
    const found = `${kept} are here, the newest ${report.checked} are sound`
    const repaired = store.repaired()
    if (repaired === null) return check(name, 'ok', found)
    return check(
      name,
      'warning',
      `${found}; damaged ones were dropped at the start and fetched again`,
      `look after the disk; ${advice}`
    )
  } catch (error) {
    if (!(error instanceof LedgerStoreError)) throw error
    return check(name, 'problem', error.message, advice)
  }
}
