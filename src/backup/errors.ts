/**
 * io: the disk refused; exists: there is something at the place already; no-archive: another kind of file;
 * newer-version: written by a newer version; damaged: cut or altered; not-proven: what it holds does not follow from
 * its genesis; other-network: the ledgers here belong to another genesis; no-fit: it and the ledgers here are no parts
 * of one chain; missing: what is asked for is not there.
 */
export type ArchiveErrorCode =
  | 'io'
  | 'exists'
  | 'no-archive'
  | 'newer-version'
  | 'damaged'
  | 'not-proven'
  | 'other-network'
  | 'no-fit'
  | 'missing'

export class ArchiveError extends Error {
  override readonly name = 'ArchiveError'
  readonly code: ArchiveErrorCode

  constructor(code: ArchiveErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Errors of the file system as ArchiveError 'io' that names what was done; others as they are. */
export function toArchiveError(error: unknown, doing: string): unknown {
  if (!(error instanceof Error) || error instanceof ArchiveError) return error
  const { code, syscall } = error as NodeJS.ErrnoException
  if (code === undefined || syscall === undefined) return error
  const isFull = code === 'ENOSPC' || code === 'EDQUOT'
  const why = isFull ? `the disk is full (${code}): make room and try again` : error.message
  return new ArchiveError('io', `${doing}: ${why}`, { cause: error })
}
