import type { Logger } from 'pino'
import type { Hash, PublicKey } from '../consensus/types.js'
import type { KeyPair } from '../crypto/index.js'
import type { NetworkLimits } from './limits.js'

export type Role = 'validator' | 'observer'

/** Version of the protocols in network.md that this node speaks. */
export const PROTOCOL_VERSION = 1

/** What the node says of itself; the network id is a hash over the first group, sent apart to say what differs. */
export interface SelfDescription {
  contractId: string
  /** Hash of the initial UNL. */
  unlHash: Hash
  /** Hash of the initial consensus parameters. */
  configHash: Hash
  genesisStateRoot: Hash
  threshold: number
  roundtimeMs: number
  minRoundtimeMs: number
  /** Hash of the initial byte and time limits. */
  limitsHash: Hash

  role: Role
  seq: number
  lcl: Hash
}

/** What two nodes tell each other when they meet. */
export interface HelloInfo extends SelfDescription {
  protocolVersion: number
  agent: string
  networkId: Hash
  publicKey: PublicKey
  /** Multiaddrs with /p2p. */
  addresses: string[]
  timeMs: number
  /** Random for each start of the node, 32 hex digits. */
  instance: string
  /** The sender has no other connection to the receiver. */
  alone: boolean
}

export interface PeerStatus {
  seq: number
  lcl: Hash
  role: Role
  agent: string
}

export interface PeerInfo {
  publicKey: PublicKey
  peerId: string
  /** In the current UNL of this node. */
  inUnl: boolean
  connected: boolean
  /** Open connections; 1, save for a moment after both sides have dialled. */
  connections: number
  role: Role | null
  /** Remote address while connected, else the address that would be dialled first. */
  address: string | null
  direction: 'inbound' | 'outbound' | null
  latencyMs: number | null
  agent: string | null
  seq: number | null
  lcl: Hash | null
  /** 0 is good; -100 is cut and banned. */
  score: number
  /** Gossip and requests, without what libp2p itself sends. */
  bytesIn: number
  bytesOut: number
  /** ms since the epoch. */
  connectedSince: number | null
  lastError: string | null
}

export type Topic = 'consensus' | 'npl'
export type Verdict = 'accept' | 'ignore' | 'reject'
/** `from` is the peer that handed the message on, and no proof of who wrote it. */
export type GossipHandler = (content: Uint8Array, from: PublicKey) => Verdict | Promise<Verdict>

export interface NetworkEvents {
  /** The peer has passed hello. */
  'peer:connect': { publicKey: PublicKey; role: Role; address: string }
  /** The peer has passed hello and listens to both topics: what is published now reaches it. */
  'peer:ready': { publicKey: PublicKey }
  'peer:disconnect': { publicKey: PublicKey; reason: string }
  'peer:status': { publicKey: PublicKey; status: PeerStatus }
  /** A peer was refused at hello, by us or by it; once for each peer and reason. */
  'peer:refused': { publicKey: PublicKey; reason: string; by: 'us' | 'peer' }
  'peer:banned': { publicKey: PublicKey; reason: string }
}

export interface NetworkOptions {
  keyPair: KeyPair
  networkId: Hash
  /** The UNL in force. */
  validators: () => PublicKey[]
  describe: () => SelfDescription
  listen: {
    /** An IP address; 0.0.0.0 or :: for all. */
    host: string
    /** Ports; 0 for any free one, null for none. */
    wsPort: number | null
    tcpPort: number | null
  }
  /** Multiaddrs that others shall dial, when they are not those we listen on. */
  announce?: string[]
  /** Multiaddrs with or without /p2p; dialled for ever. */
  peers: string[]
  /** The peer store is `<dataDir>/peers`. */
  dataDir: string
  agentVersion: string
  limits?: Partial<NetworkLimits>
  log: Logger
}
