/** What users may ask of one node. Every number is whole, from 1 to 2^31 - 1 (`totalBufferedBytes`: to 2^53 - 1). */
export interface UserLimits {
  /** Bytes of one input (`pubmaxsize`). */
  messageBytes: number
  /** Inputs of one connection in a minute (`pubmaxcpm`): a burst of so many, refilled evenly over a minute. */
  messagesPerMinute: number
  /** Connections in all, those in their handshake included. */
  connections: number
  /** Connections from one IPv4 address or one IPv6 /64 network. */
  connectionsPerAddress: number
  /** New connections in a second, in all; a burst of `connections`, so that all users may come back at once. */
  connectionsPerSecond: number
  /** New connections in a second from one address, as above; a burst of `connectionsPerAddress`. */
  addressConnectionsPerSecond: number
  /** Connections of one user key. */
  connectionsPerUser: number
  /** Connections that have not answered the challenge; one more pushes the oldest out. */
  pendingHandshakes: number
  /** Time to answer the challenge, ms; also for the HTTP upgrade and for the TLS handshake. */
  handshakeMs: number
  /** Bytes that may wait for a slow reader; one message larger than this still goes out when nothing else waits. */
  bufferedBytes: number
  /** Bytes that may wait for all readers together; past it the slowest one is closed. */
  totalBufferedBytes: number
  /** Time between two pings, ms; a connection that is silent for two of them is dead. */
  pingMs: number
  /** Time for a closed connection to go, ms; then it is cut. */
  closeMs: number
}

export const DEFAULT_USER_LIMITS: Readonly<UserLimits> = {
  messageBytes: 65_536,
  messagesPerMinute: 100,
  connections: 10_000,
  connectionsPerAddress: 2_048,
  connectionsPerSecond: 250,
  addressConnectionsPerSecond: 50,
  connectionsPerUser: 64,
  pendingHandshakes: 1_024,
  handshakeMs: 5_000,
  bufferedBytes: 32 * 1024 * 1024,
  totalBufferedBytes: 256 * 1024 * 1024,
  pingMs: 15_000,
  closeMs: 2_000
}

/** The longest timer of Node and the largest message of a WebSocket. */
const INT32_MAX = 2 ** 31 - 1

/** `limits` when every one is in its range, else a RangeError that names the first wrong one. */
export function checkUserLimits(limits: UserLimits): UserLimits {
  for (const [name, value] of Object.entries(limits)) {
    const max = name === 'totalBufferedBytes' ? Number.MAX_SAFE_INTEGER : INT32_MAX
    if (!Number.isSafeInteger(value) || value < 1 || value > max) {
      throw new RangeError(`user limit ${name} must be a whole number from 1 to ${max}, not ${value}`)
    }
  }
  return limits
}
