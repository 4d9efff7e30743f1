/**
 * Why a user's connection was closed, as the WebSocket close code; the close reason says it in words. The table for
 * users is in protocols/users.md.
 */
export const CloseCode = {
  /** The node stops. */
  goingAway: 1001,
  /** Not the WebSocket protocol. */
  protocolError: 1002,
  /** A text message that is not UTF-8. */
  invalidText: 1007,
  /** A message larger than `messageBytes`. */
  messageTooBig: 1009,
  /** A fault of the node. */
  internalError: 1011,
  malformedHelo: 4000,
  wrongChallenge: 4001,
  badSignature: 4002,
  handshakeTimeout: 4003,
  tooManyHandshakes: 4004,
  tooManyConnections: 4005,
  tooManyFromAddress: 4006,
  tooManyOfUser: 4007,
  rateExceeded: 4008,
  slowReader: 4009,
  outOfMemory: 4010,
  noAnswer: 4011,
  tooManyNew: 4012
} as const

export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode]
