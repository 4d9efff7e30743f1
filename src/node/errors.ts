/** The node cannot start or go on; the message is one line that says what to do. */
export class NodeError extends Error {
  override readonly name = 'NodeError'
}
