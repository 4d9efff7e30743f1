export type AdminErrorCode =
  /** No node runs on the directory. */
  | 'not-reachable'
  /** A node runs there already. */
  | 'already-running'
  | 'timeout'
  | 'not-found'
  | 'bad-request'
  /** The node will not do it, and says why. */
  | 'refused'
  | 'bad-answer'
  | 'failed'

export class AdminError extends Error {
  constructor(
    readonly code: AdminErrorCode,
    message: string
  ) {
    super(message)
    this.name = 'AdminError'
  }
}

/** The code of a failed system call, 'ENOENT' for example, or '' for any other error. */
export function systemCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}
