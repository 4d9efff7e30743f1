export type NetworkErrorCode =
  | 'port-in-use'
  | 'listen-failed'
  | 'bad-key'
  | 'bad-address'
  | 'too-large'
  | 'not-started'
  | 'refused'
  | 'store-failed'
  | 'not-installed'
  | 'not-connected'
  | 'unreachable'

/** An error of the network layer; `code` says which, the message is a sentence for the operator. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError'
  readonly code: NetworkErrorCode
  /** Set for 'port-in-use' and 'listen-failed'. */
  readonly host?: string
  readonly port?: number

  constructor(code: NetworkErrorCode, message: string, where: { host?: string; port?: number; cause?: unknown } = {}) {
    super(message, where.cause === undefined ? undefined : { cause: where.cause })
    this.code = code
    if (where.host !== undefined) this.host = where.host
    if (where.port !== undefined) this.port = where.port
  }
}

export const REQUEST_ERROR_CODES = [
  'not-connected',
  'timeout',
  'too-large',
  'refused',
  'rate-limited',
  'unsupported',
  'closed',
  'bad-response',
  'failed'
] as const

export type RequestErrorCode = (typeof REQUEST_ERROR_CODES)[number]

/**
 * Why a request had no answer. 'refused': the peer's handler said no, with its words in the message. 'failed': the
 * peer's handler broke. 'closed': the stream or connection went away, or the caller's signal was aborted.
 */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  readonly code: RequestErrorCode

  constructor(code: RequestErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

export function isRequestErrorCode(code: string): code is RequestErrorCode {
  return (REQUEST_ERROR_CODES as readonly string[]).includes(code)
}
