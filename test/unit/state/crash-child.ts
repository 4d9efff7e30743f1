/**
 * Changes a state, scans, commits and rolls back without end until it is killed. Before each commit it writes the root
 * that is about to be agreed, as a node writes its ledger; the parent checks what is left.
 */
import fs from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { pino } from 'pino'
import { StateStore } from '../../../src/state/index.js'
import { mutate, mutation } from './model.js'

const [dir, seedText] = process.argv.slice(2) as [string, string]
const seed = Number(seedText)
const stateDir = path.join(dir, 'state')
const agreedFile = path.join(dir, 'agreed')
const log = pino({ level: 'silent' })

const store = await StateStore.open({ stateDir, metaDir: path.join(dir, 'hist'), log })
const outcome = await store.recover(fs.readFileSync(agreedFile, 'utf8').trim())
if (outcome === 'unknown') {
  process.stdout.write('lost\n')
  process.exit(1)
}
process.stdout.write('ready\n')
for (let round = 0; ; round++) {
  const changes = fc.sample(mutation, { numRuns: 6, seed: seed * 100_000 + round })
  for (const change of changes) mutate(stateDir, change)
  // Now and then more than what goes through the journal.
  if (round % 5 === 4) fs.writeFileSync(path.join(stateDir, `large${round % 2}`), Buffer.alloc(9_500_000, round))
  const { root } = await store.scan()
  if (round % 4 === 3) await store.rollback()
  else {
    fs.writeFileSync(`${agreedFile}.tmp`, root)
    fs.renameSync(`${agreedFile}.tmp`, agreedFile)
    await store.commit(root)
  }
}
