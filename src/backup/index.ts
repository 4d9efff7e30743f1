/** Ledgers in a file, and a whole node in a file. docs/backup.md tells how. */
export { backupDirectory, exportDirectory, importDirectory } from './directory.js'
export { ArchiveError, type ArchiveErrorCode } from './errors.js'
export {
  type ExportOptions,
  type ExportReport,
  type ExportResult,
  exportLedgers,
  type ImportReport,
  importLedgers,
  verifyExport
} from './ledger-file.js'
export type { LedgerProgress } from './ledger-frames.js'
export { type RestoreReport, restoreBackup } from './restore.js'
export { type BackupOptions, type BackupParts, type BackupWritten, writeBackup } from './write-backup.js'
