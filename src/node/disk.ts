import type { Logger } from 'pino'
import { acquireNodeLock, type NodeLock } from '../admin/index.js'
import { networkIdOf } from '../codec/index.js'
import { contractPaths, type NodeConfig } from '../config/index.js'
import type { ConsensusConfig, Genesis, Hash } from '../consensus/types.js'
import { type ContractLimits, ContractRunner, DEFAULT_LIMITS } from '../contract/index.js'
import { LedgerStore } from '../ledger/index.js'
import { StateStore } from '../state/index.js'
import { NodeError } from './errors.js'
import { createGenesis, findGenesisDifference } from './genesis.js'
import { Journal, type JournalRecord, openJournalFile } from './journal.js'

/** What a node has on disk, open. */
export interface Disk {
  lock: NodeLock
  ledgers: LedgerStore
  state: StateStore
  runner: ContractRunner
  genesis: Genesis
  /** In force for the next ledger. */
  agreed: ConsensusConfig
  networkId: Hash
  journal: Journal
  /** What the journal held. */
  journalRecords: JournalRecord[]
  /** Since when the journal is another than the one this validator began with, ms since the epoch; null for never. */
  unsureSinceMs: number | null
}

/**
 * Opens what lies in a contract directory, the lock first: nobody else may touch it.
 *
 * @param onStop takes how to close each part; to be called in the opposite order, also when this rejects
 */
export async function openDisk(
  config: NodeConfig,
  log: Logger,
  onStop: (name: string, close: () => Promise<unknown>) => void
): Promise<Disk> {
  const paths = contractPaths(config.dir)
  const lock = await acquireNodeLock(config.dir)
  onStop('lock', () => lock.release())
  const ledgers = await LedgerStore.open(paths.ledgers, { log: log.child({ part: 'ledger' }), history: config.history })
  onStop('ledger store', () => ledgers.close())
  const runner = createRunner(config, log)
  // A contract that a killed node has left behind must not write into the state any more.
  await runner.start()
  const state = await StateStore.open({
    stateDir: paths.state,
    metaDir: paths.snapshot,
    log: log.child({ part: 'state' })
  })
  onStop('state store', () => state.close())
  const isBirth = ledgers.getGenesis() === null
  const genesis = await findGenesis(config, ledgers, state, log)
  const networkId = networkIdOf(genesis)
  const file = await openJournalFile(paths.journal)
  const { journal, records } = await Journal.open(file, networkId, config.keys.publicKey)
  onStop('journal', () => journal.close())
  const unsureSinceMs = await noteJournal(ledgers, journal, isBirth)
  // The last step of a birth: a node that is killed before it is as new at its next start, and has not lost its journal.
  if (isBirth) await ledgers.putGenesis(genesis)
  const agreed = await ledgers.configAt(ledgers.tip().seq + 1)
  if (agreed === null) throw new NodeError('the config in force is not in the ledger store')
  return { lock, ledgers, state, runner, genesis, agreed, networkId, journal, journalRecords: records, unsureSinceMs }
}

const JOURNAL = 'journal'
const JOURNAL_NOTE = /^([0-9a-f]{32}) (\d{1,15})$/

/**
 * Notes in the ledger store which journal belongs to it, by the journal's salt. Another one than before means that what
 * this node has signed is not all known; that is remembered, over restarts too, until `trustJournal`.
 *
 * @param isFresh the key cannot have signed anything yet
 * @returns since when it is not known, ms since the epoch, or null
 */
export async function noteJournal(ledgers: LedgerStore, journal: Journal, isFresh: boolean): Promise<number | null> {
  const bytes = await ledgers.getMeta(JOURNAL)
  const [, salt, sinceMs] = JOURNAL_NOTE.exec(Buffer.from(bytes ?? []).toString()) ?? []
  if (salt === journal.salt) return Number(sinceMs) || null
  const unsureSinceMs = isFresh ? 0 : Date.now()
  await ledgers.putMeta(JOURNAL, Buffer.from(`${journal.salt} ${unsureSinceMs}`))
  return unsureSinceMs || null
}

/** The journal holds again all that binds this validator. */
export async function trustJournal(ledgers: LedgerStore, journal: Journal): Promise<void> {
  await ledgers.putMeta(JOURNAL, Buffer.from(`${journal.salt} 0`))
}

function createRunner(config: NodeConfig, log: Logger): ContractRunner {
  const paths = contractPaths(config.dir)
  return new ContractRunner({
    dir: config.dir,
    binary: config.contract.binary,
    args: config.contract.args,
    publicKey: config.keys.publicKey,
    logDir: paths.log,
    limits: contractLimits(config, config.consensus),
    secretPaths: [paths.cfg, ...(config.users.tls === null ? [] : [config.users.tls.keyPath])],
    sandbox: config.contract.sandbox,
    log: log.child({ part: 'contract' })
  })
}

/** The agreed limits, and those that each node sets for itself. */
export function contractLimits(config: NodeConfig, agreed: ConsensusConfig): ContractLimits {
  const { execTimeoutMs, userOutputBytes, ledgerOutputBytes, nplBytes } = agreed
  return {
    ...DEFAULT_LIMITS,
    ...config.contract.limits,
    execTimeoutMs,
    userOutputBytes,
    ledgerOutputBytes,
    nplBytes
  }
}

/** The genesis of the ledgers that are here, else a new one from hp.cfg and the state directory, not yet stored. */
async function findGenesis(config: NodeConfig, ledgers: LedgerStore, state: StateStore, log: Logger): Promise<Genesis> {
  const { contractId, consensus } = config
  const stored = ledgers.getGenesis()
  if (stored === null) {
    const { root } = await state.scan()
    await state.commit(root)
    return createGenesis(contractId, consensus, root)
  }
  const difference = findGenesisDifference(stored, contractId, consensus)
  if (difference !== null) {
    log.warn(
      `${difference} in hp.cfg is not what this network began with: the network's own holds; to begin another network, move hist/ away`
    )
  }
  return stored
}
