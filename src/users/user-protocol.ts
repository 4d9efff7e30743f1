import type { PublicKey } from '../consensus/types.js'

/** A JSON object that tells a user what became of their input or of a ledger. */
export interface UserNotice {
  /** What happened: `input_refused`, `ledger_void`, `execution_failed` or a later one. */
  notice: string
  [field: string]: string | number | boolean | null
}

/** What a wire protocol may do with its connection. */
export interface ProtocolLink {
  /** The challenge to sign, 64 hex digits. */
  readonly challenge: string
  /** Checks the answer to the challenge; false when the connection was closed with the reason. */
  authenticate(user: PublicKey, signature: Uint8Array): boolean
  /** Hands an input to the node; a refusal comes back as `sendNotice`. */
  takeInput(content: Uint8Array): void
  /** Sends one WebSocket message; false when the connection is closed or was closed now as a slow reader. */
  send(data: Uint8Array, binary: boolean): boolean
  close(code: number, reason: string): void
}

/** One connection as its wire protocol sees it. */
export interface ProtocolSession {
  /** The connection is open: the node speaks first. */
  start(): void
  /** A message before the user is known. */
  receiveHandshake(data: Buffer, binary: boolean): void
  /** A message of a known user. */
  receive(data: Buffer, binary: boolean): void
  sendOutput(output: Uint8Array, isText: boolean): boolean
  sendNotice(notice: UserNotice): boolean
}

/** A wire protocol for users. Limits, keys, proofs, delivery and closing are the server's and the same for all. */
export interface UserProtocol {
  readonly name: string
  /** Largest message before the user is known, bytes. */
  readonly handshakeBytes: number
  open(link: ProtocolLink): ProtocolSession
}
