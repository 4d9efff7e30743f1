/** Ledgers in a file, and a whole node in a file. docs/backup.md tells how. */
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
