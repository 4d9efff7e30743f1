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
  /** The sender serves as relay. */
  relay: boolean
  /** The multiaddr from which the sender sees the receiver. */
  observed: string
}

export interface PeerStatus {
  seq: number
  lcl: Hash
  role: Role
  agent: string
  /** Multiaddrs with /p2p. */
  addresses: string[]
  /** The node serves as relay. */
  relay: boolean
  /** Members of the UNL to which the node has no working connection. */
  unreached: PublicKey[]
}

export type TransportName = 'tcp' | 'ws' | 'wss' | 'webrtc'

export interface PeerInfo {
  publicKey: PublicKey
  peerId: string
  /** In the current UNL of this node. */
  inUnl: boolean
  connected: boolean
  /** Open connections; 1, save for a moment after both sides have dialled or while a relayed one is replaced. */
  connections: number
  /** What the peer says that it is. */
  role: Role | null
  /** Remote address while connected, else the address that would be dialled first. */
  address: string | null
  /** Every address known of it, the best first. */
  addresses: string[]
  /** All bytes go through a relay; null while not connected. */
  relayed: boolean | null
  /** The relay that they go through. */
  relay: PublicKey | null
  transport: TransportName | null
  direction: 'inbound' | 'outbound' | null
  /** Round trip. */
  latencyMs: number | null
  /** The peer's clock minus ours, as of its hello, good to about half a round trip. */
  clockOffsetMs: number | null
  agent: string | null
  seq: number | null
  lcl: Hash | null
  /** It serves others as relay. */
  offersRelay: boolean | null
  /** Members of the UNL that it says it cannot reach. */
  unreached: PublicKey[]
  /** 0 is good; -100 is cut and banned. */
  score: number
  /** Gossip and requests, without what libp2p itself sends; since the start of this node. */
  bytesIn: number
  bytesOut: number
  /** ms since the epoch. */
  connectedSince: number | null
  /** Why it is not connected, and when that was, ms since the epoch. */
  lastError: string | null
  lastErrorAt: number | null
  /** ms since the epoch; null when it is not banned. */
  bannedUntil: number | null
  banReason: string | null
}

export interface Ban {
  publicKey: PublicKey
  peerId: string
  /** ms since the epoch. */
  until: number
  reason: string
}

export interface RelayInfo {
  publicKey: PublicKey
  peerId: string
  /** ms since the epoch. */
  since: number
  /** Full multiaddrs at which this node is reached through it. */
  addresses: string[]
}

export interface PortMappingInfo {
  protocol: 'upnp' | 'nat-pmp'
  /** IP address and port that the router forwards. */
  externalHost: string
  externalPort: number
  internalPort: number
}

export interface ReachabilityInfo {
  /** Whether other nodes can dial this one. */
  state: 'public' | 'private' | 'unknown'
  /** How that is known: the operator said so (config, announce), or peers tried. */
  source: 'config' | 'announce' | 'peers'
  /** IP addresses from which peers see this node. */
  observed: string[]
  /** none: no NAT. cone: it keeps ports, symmetric: it does not, as far as it can be told. */
  natKind: 'none' | 'cone' | 'symmetric' | 'unknown'
  /** Full multiaddrs that others are told. */
  addresses: string[]
  /** Places at relays. */
  relays: RelayInfo[]
  /** This node serves as relay now. */
  offersRelay: boolean
  portMappings: PortMappingInfo[]
  /** Why there is no port mapping though one was asked for, or null. */
  portMappingError: string | null
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
  /** The peer is connected directly now, after it was through a relay. */
  'peer:direct': { publicKey: PublicKey; address: string }
  /** Relays, port mappings or the answer to whether others can dial this node have changed. */
  reachability: ReachabilityInfo
}

export interface NetworkOptions {
  keyPair: KeyPair
  networkId: Hash
  /** The UNL in force. */
  validators: () => PublicKey[]
  describe: () => SelfDescription
  /** What strangers are told who want to join; without it they are told nothing. */
  invitation?: () => Uint8Array
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
  /** Only members of the UNL and `observers` may connect. */
  restrict?: boolean
  observers?: PublicKey[]
  /** Whether others can dial this node; 'auto', the default, asks peers to try. */
  reachability?: 'auto' | 'public' | 'private'
  /** Whether this node serves as relay for nodes of the network; 'auto', the default: when it can be dialled. */
  relay?: 'auto' | 'on' | 'off'
  /** Multiaddrs of the relays to use; none for any connected ones. */
  relays?: string[]
  /** Relays to be reached through while this node cannot be dialled; 3 unless given. */
  relayCount?: number
  /** Whether to ask the router to forward the ports; 'off' unless given. */
  upnp?: 'auto' | 'on' | 'off'
  mdns?: boolean
  webrtc?: boolean
  /** STUN servers, host:port. */
  stun?: string[]
  /** The peer store is `<dataDir>/peers`. */
  dataDir: string
  agentVersion: string
  limits?: Partial<NetworkLimits>
  log: Logger
}
