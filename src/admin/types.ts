import type { Hash, PublicKey } from '../consensus/types.js'
import type { ConfigView, PendingChangeView, UnlView } from './membership.js'
import type { AdminOperations, StateRootView } from './operations.js'

/** Plain JSON views of a node, as the admin API sends them. Times are ms since the epoch, sizes bytes. */

export interface NodeId {
  publicKey: PublicKey
  peerId: string
  /** Null before the first ledger is known. */
  networkId: Hash | null
  contractId: string
  /** Multiaddrs with the peer id, to hand to others. */
  multiaddrs: string[]
}

export type NodeRole = 'validator' | 'observer'
/**
 * synced: stands on the last ledger that it knows of. catching-up: executes or copies ledgers that it missed.
 * waiting-for-quorum: too few validators are connected. stalled: enough are, and yet no ledger closes. diverged: its own results differ from the agreed ones.
 */
export type SyncState =
  | 'starting'
  | 'synced'
  | 'catching-up'
  | 'waiting-for-quorum'
  | 'stalled'
  | 'diverged'
  | 'stopping'

export interface QuorumStatus {
  /** Votes that close a ledger. */
  needed: number
  /** Validators in touch, this one included. */
  present: number
  validators: number
}

export interface PaceStatus {
  roundtimeMs: number
  minRoundtimeMs: number
  /** From the start of the last ledger's round to its close; null before the first. */
  lastLedgerMs: number | null
  ledgersPerMinute: number
}

export interface ExecutionStatus {
  seq: number
  status: 'ok' | 'failed'
  /** Why it failed, in words. */
  reason: string | null
  durationMs: number
}

export interface NodeStatus {
  version: string
  publicKey: PublicKey
  peerId: string
  networkId: Hash | null
  contractId: string
  role: NodeRole
  /** Hash of the last closed ledger. */
  lcl: Hash
  seq: number
  /** When the last ledger closed; null for genesis. */
  lclTimeMs: number | null
  sync: SyncState
  quorum: QuorumStatus
  peers: number
  /** Connections of users to this node. */
  users: number
  pendingInputs: number
  pace: PaceStatus
  lastExecution: ExecutionStatus | null
  /** Ledgers not executed here whose outputs are still to be got from peers. */
  outputsAwaited: number
  /** Changes of the config that are wished for and not in force. */
  pendingChanges: PendingChangeView[]
  uptimeS: number
  /** What is listened on: ws:// URLs for users. */
  userUrls: string[]
  /** Multiaddrs for peers. */
  addresses: string[]
  warnings: string[]
}

export interface PeerRow {
  publicKey: PublicKey | null
  peerId: string
  role: NodeRole | 'unknown'
  connected: boolean
  /** Open connections. */
  connections: number
  /** Remote address while connected, else the one that would be dialled first. */
  address: string | null
  /** Every address known, the best first. */
  addresses: string[]
  /** All bytes go through a relay; null while not connected. */
  relayed: boolean | null
  /** The relay that they go through. */
  relay: PublicKey | null
  transport: string | null
  direction: 'inbound' | 'outbound' | null
  /** Round trip. */
  latencyMs: number | null
  /** The peer's clock minus ours. */
  clockOffsetMs: number | null
  agent: string | null
  /** The last ledger that the peer told us of. */
  seq: number | null
  lcl: Hash | null
  synced: boolean | null
  /** It serves others as relay. */
  offersRelay: boolean | null
  /** Validators that it says it cannot reach. */
  unreached: PublicKey[]
  /** 0 is good; -100 is cut and banned. */
  score: number
  /** Gossip and requests, without what libp2p itself sends. */
  bytesIn: number
  bytesOut: number
  connectedSinceMs: number | null
  /** Why it is not connected, and since when. */
  lastError: string | null
  lastErrorAtMs: number | null
  /** Null when it is not banned. */
  bannedUntilMs: number | null
  banReason: string | null
}

/** How far a copy of the state from peers is, or how the last one went. */
export interface StateCopyView {
  running: boolean
  phase: string
  /** Bytes to be put in place, and of these here by now. */
  totalBytes: number
  doneBytes: number
  fetchedBytes: number
  /** Of these, found on this node. */
  localBytes: number
  totalFiles: number
  sources: number
  badSources: number
  elapsedMs: number
  /** Of the last progress. */
  atMs: number
}

/** The contract's state. */
export interface StateView {
  /** The last committed root. */
  root: Hash
  /** False when the snapshot does not hold a committed root. */
  isIntact: boolean
  /** Null before the first look at the files after a start. */
  files: number | null
  bytes: number | null
  /** Null when none was needed since the start. */
  copy: StateCopyView | null
}

/** problem: the node does not work so. warning: it works, and something is amiss. note: worth knowing. */
export type CheckState = 'ok' | 'note' | 'warning' | 'problem'

export interface DoctorCheck {
  /** What was looked at, in a word or two. */
  name: string
  state: CheckState
  found: string
  /** What to do about it; null when nothing is. */
  advice: string | null
}

export interface DoctorReport {
  /** Whether the node was asked, or only its directory looked at. */
  running: boolean
  checks: DoctorCheck[]
}

/** One line of `ledger ls`; the shape of src/ledger's own summary. */
export interface LedgerSummary {
  seq: number
  hash: Hash
  prevHash: Hash
  /** ISO 8601; the genesis has 1970-01-01. */
  time: string
  users: number
  inputs: number
  inputBytes: number
  /** Of the execution of the ledger before. */
  result: { status: string; stateRoot: Hash; outputsRoot: Hash; configHash: Hash }
  /** Proposals that carried the result, of all that the ledger is built from: "3/4". */
  support: string
  /** Null for the genesis. */
  certificate: { attempt: number; signers: number } | null
}

/** A content shortened for reading. */
export interface ContentView {
  bytes: number
  encoding: 'text' | 'hex'
  preview: string
}

export interface LedgerUserView {
  key: PublicKey
  inputs: number
  inputBytes: number
  firstInputs: (ContentView & { id: Hash })[]
}

/** `ledger show`; the shape of src/ledger's own view, of bounded size. */
export interface LedgerView extends Omit<LedgerSummary, 'certificate'> {
  certificate: { attempt: number; signers: PublicKey[] } | null
  proposals: Hash[]
  networkId: Hash
  usersHash: Hash
  inputsHash: Hash
  userList: LedgerUserView[]
  /** Users that userList leaves out. */
  usersNotListed: number
  /** Outputs of the execution of this ledger, when they are stored. */
  outputs: { users: number; bytes: number; firstOutputs: (ContentView & { user: PublicKey })[] } | null
}

export interface VerifyResult {
  ok: boolean
  /** Ledgers that were found sound. */
  checked: number
  /** Ledgers found sound that changed the config, also those of which no more is kept. */
  milestones: number
  /** The first ledger at fault and what is wrong with it. */
  problem: { seq: number; what: string } | null
}

export type LedgerRef = number | Hash | 'latest'

/** What a running node shows. */
export interface AdminReads {
  id(): NodeId
  status(): NodeStatus
  peers(): PeerRow[]
  unl(): UnlView
  config(): ConfigView
  state(): StateView
  /** Looks for the newest ledger that agrees on a state. */
  stateRoot(root: Hash): Promise<StateRootView>
  /** Looks at the node and its machine; takes some seconds at most. */
  doctor(): Promise<DoctorReport>
  ledger(ref: LedgerRef): Promise<LedgerView | null>
  /** At most `count` ledgers from `from` upwards. */
  ledgers(from: number, count: number): Promise<LedgerSummary[]>
  /** Checks the whole chain; takes its time and lets the node go on with its work. */
  verify?(): Promise<VerifyResult>
}

/** A running node as its operator sees it; the composition root implements it. */
export interface AdminSource extends AdminReads, AdminOperations {}

/** Most ledgers of one answer. */
export const MAX_LEDGERS = 1000
