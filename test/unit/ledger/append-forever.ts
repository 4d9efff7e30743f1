/** Appends ledgers to the store of argv[2] until it is killed; prints the seq after each synced append. */
import { writeSync } from 'node:fs'
import { type LedgerLink, LedgerStore } from '../../../src/ledger/index.js'
import { certify, GENESIS, input, log, makeLedger, USERS, ZERO } from './chain.js'

const store = await LedgerStore.open(process.argv[2] as string, { log, history: 40 })
await store.putGenesis(GENESIS)
if (store.repaired() !== null) throw new Error('a kill made a repair necessary')
let last: LedgerLink = (await store.link(store.tip().seq)) ?? ZERO
for (;;) {
  const { seq } = last.header
  const users = USERS.slice(0, seq % 5)
  const ledger = makeLedger(last, { users, inputs: users.map((user) => input(user, `input of ${seq}`.repeat(50))) })
  await store.append(ledger, certify(ledger))
  writeSync(1, `${ledger.header.seq}\n`)
  last = ledger
}
