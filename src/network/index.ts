import './shim.js'

export { parseAddress } from './addresses.js'
export {
  isRequestErrorCode,
  NetworkError,
  type NetworkErrorCode,
  RequestError,
  type RequestErrorCode
} from './errors.js'
export { askForInvitation } from './invitation.js'
export { DEFAULT_LIMITS, type NetworkLimits } from './limits.js'
export { createNetwork, type Network } from './network.js'
export { toPeerId, toPublicKey } from './peer-id.js'
export { TokenBucket } from './rate-limit.js'
export type { HandlerOptions, RequestHandler, RequestOptions } from './request-response.js'
export { PENALTIES, type ScoreRule } from './scores.js'
export {
  type Ban,
  type GossipHandler,
  type HelloInfo,
  type NetworkEvents,
  type NetworkOptions,
  type PeerInfo,
  type PeerStatus,
  type PortMappingInfo,
  PROTOCOL_VERSION,
  type ReachabilityInfo,
  type RelayInfo,
  type Role,
  type SelfDescription,
  type Topic,
  type TransportName,
  type Verdict
} from './types.js'
