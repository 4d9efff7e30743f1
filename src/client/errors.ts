export type ClientErrorCode =
  /** No URL could be reached. */
  | 'connect_failed'
  /** The node did not send its challenge in time. */
  | 'timeout'
  /** The other side does not speak this protocol. */
  | 'bad_challenge'
  /** The node closed the connection and would do so again: a fault of this client. */
  | 'refused'
  /** The node or the network closed the connection. */
  | 'closed'
  /** `send` without a connection. */
  | 'not_connected'
  /** `send` while too much waits to be sent. */
  | 'too_much_unsent'
  /** `signal` was aborted or `close` was called. */
  | 'aborted'
  /** A key or key file is not usable. */
  | 'bad_key'
  /** This environment lacks something: a WebSocket, WebCrypto. */
  | 'unsupported'

export interface ClientErrorDetails {
  url?: string
  /** WebSocket close code; the node's are listed in protocols/users.md. */
  closeCode?: number
  closeReason?: string
  cause?: unknown
}

/** Every error of the client library. */
export class HotPocketClientError extends Error {
  override readonly name = 'HotPocketClientError'
  readonly code: ClientErrorCode
  readonly url: string | undefined
  readonly closeCode: number | undefined
  readonly closeReason: string | undefined

  constructor(code: ClientErrorCode, message: string, details: ClientErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.url = details.url
    this.closeCode = details.closeCode
    this.closeReason = details.closeReason
  }
}
