/** The chain of closed ledgers: kept on disk, checked, shown. */
export { findCertificateProblem, verifyCertificate } from './certificate.js'
export { findBodyProblem, findClosingProblem, findLedgerProblem, findLinkProblem, type LedgerLink } from './check.js'
export { LedgerStoreError, type LedgerStoreErrorCode } from './errors.js'
export type { StoredLedger } from './reader.js'
export { LedgerStore, type LedgerStoreOptions } from './store.js'
export { type VerifyOptions, type VerifyReport, verifyChain } from './verify.js'
export { type LedgerSummary, type LedgerView, summary, view } from './views.js'
