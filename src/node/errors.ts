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
