/** The node cannot start or go on; the message is one line that says what to do. */
export class NodeError extends Error {
  override readonly name = 'NodeError'
  /** True when a new start is all that is needed. */
  readonly restart: boolean

  constructor(message: string, { restart = false }: { restart?: boolean } = {}) {
    super(message)
    this.restart = restart
  }
}

/** What the libraries say of a full disk where they give no code. */
const FULL_WORDS = /no space left on device|disk quota exceeded/i
const CAUSES_MAX = 8

/** The disk had no room, or the quota is used up, as far as the error or one of its causes tells. */
export function isDiskFull(error: unknown): boolean {
  let next = error
  for (let depth = 0; depth < CAUSES_MAX && next instanceof Error; depth++) {
    const { code } = next as NodeJS.ErrnoException
    if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'disk-full' || FULL_WORDS.test(next.message)) return true
    next = next.cause
  }
  return false
}

/** What the operator is told about a full disk. */
export function diskFullError(dir: string, error: unknown): NodeError {
  const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
  return new NodeError(
    `the disk is full: make room on the file system of ${dir} and start the node again, nothing that was agreed is lost (${reason})`
  )
}
