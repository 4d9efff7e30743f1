import { access, mkdir } from 'node:fs/promises'
import { pino } from 'pino'
import { acquireNodeLock } from '../admin/index.js'
import { contractPaths } from '../config/index.js'
import { LedgerStore } from '../ledger/index.js'
import { StateStore } from '../state/index.js'
import { ArchiveError } from './errors.js'
import {
  type ExportOptions,
  type ExportResult,
  exportLedgers,
  type ImportReport,
  importLedgers
} from './ledger-file.js'
import type { LedgerProgress } from './ledger-frames.js'
import { type BackupOptions, type BackupWritten, writeBackup } from './write-backup.js'

/**
 * `exportLedgers` for a contract directory whose node does not run.
 *
 * @throws AdminError when it runs; ArchiveError; LedgerStoreError
 */
export async function exportDirectory(dir: string, path: string, options: ExportOptions = {}): Promise<ExportResult> {
  await requireLedgers(dir)
  return await withStore(dir, async (store) => {
    if (store.getGenesis() === null) throw new ArchiveError('missing', `${dir} has no ledgers yet`)
    return await exportLedgers(store, path, options)
  })
}

/**
 * `importLedgers` for a contract directory whose node does not run.
 *
 * @throws AdminError when it runs; ArchiveError; LedgerStoreError
 */
export async function importDirectory(dir: string, path: string, options: LedgerProgress = {}): Promise<ImportReport> {
  await mkdir(contractPaths(dir).hist, { recursive: true, mode: 0o700 })
  return await withStore(dir, (store) => importLedgers(store, path, options))
}

/**
 * `writeBackup` for a contract directory whose node does not run.
 *
 * @throws AdminError when it runs; ArchiveError; LedgerStoreError; StateError
 */
export async function backupDirectory(dir: string, path: string, options: BackupOptions = {}): Promise<BackupWritten> {
  await requireLedgers(dir)
  return await withStore(dir, async (ledgers) => {
    if (ledgers.getGenesis() === null) throw new ArchiveError('missing', `${dir} has no ledgers yet`)
    const paths = contractPaths(dir)
    const log = pino({ level: 'silent' })
    const state = await StateStore.open({ stateDir: paths.state, metaDir: paths.snapshot, log })
    try {
      return await writeBackup({ dir, ledgers, state }, path, options)
    } finally {
      await state.close()
    }
  })
}

async function requireLedgers(dir: string): Promise<void> {
  const isThere = await access(contractPaths(dir).ledgers).then(
    () => true,
    () => false
  )
  if (!isThere) throw new ArchiveError('missing', `${dir} has no ledgers yet: they come with \`hp-p2p run\``)
}

async function withStore<T>(dir: string, use: (store: LedgerStore) => Promise<T>): Promise<T> {
  const lock = await acquireNodeLock(dir)
  try {
    const store = await LedgerStore.open(contractPaths(dir).ledgers, { log: pino({ level: 'silent' }) })
    try {
      return await use(store)
    } finally {
      await store.close()
    }
  } finally {
    await lock.release()
  }
}
