/**
 * locked: another process has the store open; damaged: the files or what they say are broken; newer-layout: written by
 * a newer version; other-network: the store belongs to another genesis; missing: something needed is not stored;
 * not-empty: it has ledgers already; not-proven: ledgers that were given do not follow from the genesis; io: the disk
 * refused (full, no permission); closed: used after close.
 */
export type LedgerStoreErrorCode =
  | 'locked'
  | 'damaged'
  | 'newer-layout'
  | 'other-network'
  | 'missing'
  | 'not-empty'
  | 'not-proven'
  | 'io'
  | 'closed'

export class LedgerStoreError extends Error {
  override readonly name = 'LedgerStoreError'
  readonly code: LedgerStoreErrorCode

  constructor(code: LedgerStoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** What an operator can do about a broken store. */
export const REMEDY_DAMAGED =
  'Move the directory away and start again: the ledgers are fetched from peers. Keep the old one if no peer has them all.'
