import type { ConsensusConfig } from '../consensus/types.js'
import type { KeyPair } from '../crypto/index.js'

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

export interface NetworkConfig {
  /** IP address to bind. */
  host: string
  /** libp2p over WebSocket; null when off. */
  wsPort: number | null
  /** libp2p over TCP; null when off. */
  tcpPort: number | null
  /** Multiaddrs to dial. */
  peers: string[]
  /** Multiaddrs to tell others instead of those bound; empty for those bound. */
  announce: string[]
  /** Connections to peers in all. */
  maxConnections: number
  maxConnectionsPerAddress: number
  /** Connections that have not finished their handshake yet. */
  maxPendingConnections: number
  /** Only validators and `observers` may connect. */
  restrict: boolean
  observers: string[]
  /** Whether others can dial this node; 'auto' finds out. */
  reachability: 'auto' | 'public' | 'private'
  /** Whether this node serves others as relay. */
  relay: 'auto' | 'on' | 'off'
  /** Multiaddrs of relays to be reached through; empty for any connected ones. */
  relays: string[]
  relayCount: number
  upnp: 'auto' | 'on' | 'off'
  mdns: boolean
  webrtc: boolean
  /** host:port */
  stun: string[]
}

/** The part of the limits of the users' server that hp.cfg sets. */
export interface UserLimitsConfig {
  /** Bytes of one message. */
  messageBytes: number
  /** Messages that one connection may send in a minute. */
  messagesPerMinute: number
  /** Connections in all. */
  connections: number
  connectionsPerAddress: number
  /** New connections in a second: in all, and from one address. */
  connectionsPerSecond: number
  addressConnectionsPerSecond: number
  connectionsPerUser: number
  /** Connections that have not yet answered their challenge. */
  pendingHandshakes: number
  /** Bytes that wait for a user who reads too slowly. */
  bufferedBytes: number
  /** Bytes that wait for all users together. */
  totalBufferedBytes: number
}

export interface UsersConfig {
  /** IP address to bind. */
  host: string
  /** WebSocket for users; null when off. */
  port: number | null
  limits: UserLimitsConfig
  /** Absolute paths of PEM files; null for plain ws. */
  tls: { certPath: string; keyPath: string } | null
}

/** The limits of the contract that each node sets for itself; those in ConsensusConfig are agreed. */
export interface ContractLimitsConfig {
  cpuSeconds: number
  memoryBytes: number
  openFiles: number
  processes: number
  /** Bytes of one file that a process of the contract may write. */
  fileBytes: number
  /** Disk space of the contract's own in the contract directory. */
  stateBytes: number
  /** Bytes of /tmp in the sandbox. */
  tmpBytes: number
  /** Bytes of a log file of the contract's stdout or stderr before it is rotated. */
  logBytes: number
  /** Log files kept of each, the current one included. */
  logFiles: number
}

export interface SandboxConfig {
  /** auto: where it works. on: or the node does not start. */
  mode: 'auto' | 'on' | 'off'
  network: 'none' | 'host'
  /** Absolute paths that the contract may read besides. */
  paths: string[]
}

export interface ContractConfig {
  /** Absolute path of the executable. */
  binary: string
  args: string[]
  limits: ContractLimitsConfig
  sandbox: SandboxConfig
}

/** hp.cfg, checked and normalised. */
export interface NodeConfig {
  /** Absolute path of the contract directory. */
  dir: string
  keys: KeyPair
  contractId: string
  /** What the network starts with; a running network may have agreed on another since. */
  consensus: ConsensusConfig
  network: NetworkConfig
  users: UsersConfig
  contract: ContractConfig
  /** Ledgers to keep. */
  history: 'full' | number
  logLevel: LogLevel
  /** False when the own key is not in the UNL: the node follows and serves users, and does not vote. */
  isValidator: boolean
  /** Things that are allowed and that the operator should know, one line each. */
  warnings: string[]
}
