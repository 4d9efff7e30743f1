/**
 * Users over WebSockets: who is connected to this node, with the proof of it; their inputs until a ledger has them;
 * the way back for outputs. The wire is specified in protocols/users.md; one file per wire protocol.
 */
export { CloseCode } from './close-codes.js'
export { checkUserLimits, DEFAULT_USER_LIMITS, type UserLimits } from './limits.js'
export { ListenError, type TlsFiles } from './listener.js'
export {
  DEFAULT_PENDING_LIMITS,
  FAIR_SHARE,
  type FairShare,
  type PendingInput,
  PendingInputs,
  type PendingLimits,
  type PendingSource,
  type PendingVerdict,
  type Selection
} from './pending-inputs.js'
export { challengeOf, inputIdOf, isUserKey, NONCE_BYTES, verifyUserProof } from './proof.js'
export { prototypeProtocol } from './prototype-protocol.js'
export type { ProtocolLink, ProtocolSession, UserNotice, UserProtocol } from './user-protocol.js'
export {
  type InputSource,
  type InputVerdict,
  UserServer,
  type UserServerOptions,
  type UserServerStatus
} from './user-server.js'
