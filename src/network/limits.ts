/** Every limit of the network in one place: what a peer may send, open, hold or ask for, and how long it may take. */
export interface NetworkLimits {
  /** Bytes of one gossip message without its frame; at most 4 MiB, above which gossipsub delivers nothing. */
  maxGossipBytes: number
  /** Gossip messages of one peer: sustained rate and burst. */
  gossipMessagesPerSecond: number
  gossipMessagesBurst: number
  /** Of a peer outside of the UNL, which has next to nothing to say: what is more is dropped unread. */
  outsiderMessagesPerSecond: number
  outsiderMessagesBurst: number
  /** Gossip bytes of one peer, duplicates and control messages included. */
  gossipBytesPerSecond: number
  gossipBytesBurst: number
  /** Messages of one peer that are with their handlers at one time; more are dropped. */
  maxPendingGossipPerPeer: number
  /** Bytes that wait to be sent to one slow peer before its gossip stream is reset. */
  maxGossipBacklogBytes: number
  /** 0: every message goes straight to every subscriber (a fully connected network). Above: a mesh of this degree. */
  meshDegree: number

  /** Requests of one peer: sustained rate and burst, for a handler that names none. */
  requestsPerSecond: number
  requestsBurst: number
  /** Requests of one peer in work at one time, over all handlers. */
  maxParallelRequestsPerPeer: number
  maxRequestBytes: number
  maxResponseBytes: number
  /** Time that a request may take to connect and open its stream. */
  dialTimeoutMs: number
  firstByteTimeoutMs: number
  totalTimeoutMs: number
  /** A handler is told to stop after this time, and the stream is closed. */
  handlerTimeoutMs: number
  /** Silence of a reader or a writer in the middle of a response. */
  stallTimeoutMs: number

  maxConnections: number
  maxConnectionsPerAddress: number
  maxConnectionsPerPeer: number
  maxPendingConnections: number
  inboundConnectionsPerSecond: number
  /** Connected peers outside the UNL. */
  maxObservers: number
  /** Nodes that this one serves as relay. */
  maxRelayed: number
  helloTimeoutMs: number
  upgradeTimeoutMs: number

  maxParallelDials: number
  redialMinMs: number
  redialMaxMs: number
  /** A peer of another network is dialled no sooner than after this time. */
  mismatchRedialMs: number
  /** Failed dials after which a peer that is neither in the UNL nor configured is forgotten. */
  forgetAfterFailures: number
  /** How long the node of the higher key waits for the other one to dial. */
  dialTurnDelayMs: number

  maxKnownPeers: number
  maxAddressesPerPeer: number
  maxAddressLength: number
  peersExchangeIntervalMs: number
  /** While members of the UNL are missing, a few peers are asked for peers this often. */
  missingPeersIntervalMs: number

  pingIntervalMs: number
  pingTimeoutMs: number
  /** A peer of which nothing was heard for this time is pinged at once. */
  quietPeerAfterMs: number
  /** A peer of which nothing was heard for this time is dialled anew, beside the connection that may be dead. */
  doubtPeerAfterMs: number
  /** A peer of which nothing was heard for this time counts as one that is not reached. */
  suspectPeerAfterMs: number
  /** A peer of which nothing was heard for this time is cut. */
  silentPeerTimeoutMs: number
  /**
   * A peer that is connected and has no gossip after this time is connected anew; twice as long after each time, up to
   * eight times. Its gossip streams are opened anew before, each third of this time.
   */
  noGossipTimeoutMs: number
  /** Own status goes to the peers no more often than this. */
  statusIntervalMs: number

  /** Score at which a peer is cut and banned; penalties are in scores.ts. */
  banBelowScore: number
  banMs: number
  /** Time in which a score falls back to half. */
  scoreHalfLifeMs: number
}

const KIB = 1024
const MIB = 1024 * KIB

export const DEFAULT_LIMITS: Readonly<NetworkLimits> = {
  maxGossipBytes: MIB,
  gossipMessagesPerSecond: 5000,
  gossipMessagesBurst: 20000,
  outsiderMessagesPerSecond: 200,
  outsiderMessagesBurst: 2000,
  gossipBytesPerSecond: 64 * MIB,
  gossipBytesBurst: 256 * MIB,
  maxPendingGossipPerPeer: 4096,
  maxGossipBacklogBytes: 64 * MIB,
  meshDegree: 0,

  requestsPerSecond: 500,
  requestsBurst: 2000,
  maxParallelRequestsPerPeer: 64,
  maxRequestBytes: 64 * KIB,
  maxResponseBytes: 64 * MIB,
  dialTimeoutMs: 5000,
  firstByteTimeoutMs: 10_000,
  totalTimeoutMs: 60_000,
  handlerTimeoutMs: 60_000,
  stallTimeoutMs: 20_000,

  maxConnections: 400,
  maxConnectionsPerAddress: 128,
  maxConnectionsPerPeer: 3,
  maxPendingConnections: 64,
  inboundConnectionsPerSecond: 100,
  maxObservers: 128,
  maxRelayed: 1000,
  helloTimeoutMs: 10_000,
  upgradeTimeoutMs: 15_000,

  maxParallelDials: 16,
  redialMinMs: 250,
  redialMaxMs: 5000,
  mismatchRedialMs: 60_000,
  forgetAfterFailures: 20,
  dialTurnDelayMs: 300,

  maxKnownPeers: 1000,
  maxAddressesPerPeer: 12,
  maxAddressLength: 256,
  peersExchangeIntervalMs: 30_000,
  missingPeersIntervalMs: 3000,

  pingIntervalMs: 4000,
  pingTimeoutMs: 10_000,
  quietPeerAfterMs: 3000,
  doubtPeerAfterMs: 5500,
  suspectPeerAfterMs: 10_000,
  silentPeerTimeoutMs: 20_000,
  noGossipTimeoutMs: 15_000,
  statusIntervalMs: 2000,

  banBelowScore: -100,
  banMs: 60_000,
  scoreHalfLifeMs: 60_000
}
