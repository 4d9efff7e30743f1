import { outputsRootOf } from '../../../src/codec/index.js'
import type { ConsensusConfig } from '../../../src/consensus/types.js'
import type { Signer } from '../../../src/crypto/index.js'
import { encodeLinkRecord, type LedgerLink, LedgerStore } from '../../../src/ledger/index.js'
import { type Closed, certify, GENESIS, log, makeChain, makeConfig, makeLedger, SIGNERS, ZERO } from './chain.js'

/** A closed ledger with the config and the signers that were in force for it. */
export interface Step extends Closed {
  config: ConsensusConfig
  linkRecord: Uint8Array
}

/** UNLs that follow one another, and begin again with the first. */
export const UNLS: Signer[][] = [SIGNERS.slice(0, 4), SIGNERS.slice(2, 7), SIGNERS]

/** Ledgers 1..length, those of `changes` putting the next UNL in force. */
export function makeChangingChain(length: number, changes: number[]): Step[] {
  const steps: Step[] = []
  let last: LedgerLink = ZERO
  let unl = 0
  for (let seq = 1; seq <= length; seq++) {
    const signers = UNLS[unl % UNLS.length] as Signer[]
    const config = makeConfig(signers)
    const outputs = steps.at(-1)?.outputs ?? []
    const [plain] = makeChain(1, last) as [Closed]
    const next = changes.includes(seq) ? makeConfig(UNLS[(unl + 1) % UNLS.length] as Signer[]) : null
    if (next !== null) unl += 1
    const { users, inputs } = plain.ledger
    const ledger = makeLedger(last, { users, inputs, config: next, result: { outputsRoot: outputsRootOf(outputs) } })
    const certificate = certify(ledger, signers, seq % 3)
    const linkRecord = encodeLinkRecord(ledger, certificate, config.unl)
    steps.push({ ledger, certificate, outputs: plain.outputs, config, linkRecord })
    last = ledger
  }
  return steps
}

/** The link records of the ledgers of `steps` that change the config, up to `toInclusive`. */
export function milestonesOf(steps: Step[], toInclusive = Number.POSITIVE_INFINITY): Uint8Array[] {
  return steps
    .filter(({ ledger }) => ledger.config !== null && ledger.header.seq <= toInclusive)
    .map(({ linkRecord }) => linkRecord)
}

export async function fillStore(path: string, steps: Step[], history: 'full' | number = 'full'): Promise<LedgerStore> {
  const store = await LedgerStore.open(path, { log, history })
  await store.putGenesis(GENESIS)
  await appendAll(store, steps)
  return store
}

export async function appendAll(store: LedgerStore, steps: Step[]): Promise<void> {
  for (const { ledger, certificate, outputs } of steps) {
    await store.append(ledger, certificate, { sync: false })
    await store.putOutputs(ledger.header.seq, outputs)
  }
}

export async function collect(records: AsyncIterable<Uint8Array>): Promise<string[]> {
  const all: string[] = []
  for await (const bytes of records) all.push(Buffer.from(bytes).toString('hex'))
  return all
}

export const hexOf = (records: Uint8Array[]): string[] => records.map((bytes) => Buffer.from(bytes).toString('hex'))
