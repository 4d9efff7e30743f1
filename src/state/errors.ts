export type StateErrorCode =
  /** An entry that cannot be part of a state: device, socket, pipe, symlink that leaves the tree, bad name. */
  | 'unsupported-entry'
  /** More entries, bytes or depth than the limits allow. */
  | 'limit'
  /** A file kept changing while it was read, or changed between scan and commit. */
  | 'changing'
  /** The caller asked for a root that is not the last scanned one. */
  | 'not-scanned'
  /** The snapshot does not hold what it should: nothing can be restored from it. */
  | 'snapshot-damaged'
  /** The disk has no room left. */
  | 'disk-full'
  /** Another error of the file system. */
  | 'io'
  /** A source sent bytes that are not those that the root asks for. */
  | 'bad-chunk'
  /** No source has what the root asks for; a later attempt goes on from what was fetched. */
  | 'unavailable'

/** Every error of the state store: a code for programs, a message for people, the path inside the state if any. */
export class StateError extends Error {
  override readonly name = 'StateError'
  readonly code: StateErrorCode
  readonly path: string | undefined

  constructor(code: StateErrorCode, message: string, options: { path?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.code = code
    this.path = options.path
  }
}

/** The errno name of a file system error ('ENOENT'), or undefined for another error. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code } = error as NodeJS.ErrnoException
  return typeof code === 'string' ? code : undefined
}

/** Any error as a StateError that says what was being done. */
export function toStateError(error: unknown, doing: string): StateError {
  if (error instanceof StateError) return error
  const reason = error instanceof Error ? error.message : String(error)
  const errno = errnoOf(error)
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    return new StateError('disk-full', `no room left on the disk while ${doing}: free some space (${reason})`, {
      cause: error
    })
  }
  return new StateError('io', `${doing} failed: ${reason}`, { cause: error })
}
