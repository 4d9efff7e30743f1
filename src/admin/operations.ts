import type { ConfigWish, Hash, PublicKey } from '../consensus/types.js'
import type { PendingChangeView } from './membership.js'

export interface WishRequest {
  wish: ConfigWish
  /** Although it would leave the network without a quorum, or name a node that is not ready. */
  force?: boolean | undefined
}

export interface WishResult {
  /**
   * pending: it waits for the wishes of others. in-force: it is so already, nothing changes. taken-back: it is so
   * already, and a wish for another value is withdrawn. not-counted: this node is an observer, whose wishes count for
   * nothing and are not kept.
   */
  outcome: 'pending' | 'in-force' | 'taken-back' | 'not-counted'
  /** Who wishes for it, when it is pending. */
  change: PendingChangeView | null
  /** What was amiss, when it was done by force. */
  notes: string[]
}

export interface BanRequest {
  peer: string
  reason?: string | undefined
  /** For how long; a day unless given. */
  seconds?: number | undefined
}

export interface PingResult {
  publicKey: PublicKey
  /** Round trips in order, ms; null for one without an answer. */
  roundTripsMs: (number | null)[]
  /** What was wrong with the last one that failed. */
  error: string | null
}

export interface BackupRequest {
  /** Absolute; nothing may be there. */
  path: string
  /** False leaves the key pair out; true unless given. */
  keys?: boolean | undefined
}

export interface BackupResult {
  path: string
  bytes: number
  /** The ledger that agreed on the state. */
  seq: number
  /** The last ledger. */
  tip: number
  stateRoot: Hash
  /** What was left out, in words. */
  notes: string[]
}

/** Where a state stands in the chain. A ledger agrees on the state that the execution of the ledger before left. */
export interface StateRootView {
  root: Hash
  /** The newest ledger that agrees on it, of those looked at; null when none does. */
  ledger: number | null
  /** The ledgers looked at. */
  from: number
  to: number
}

export interface ExportRequest {
  /** Absolute; nothing may be there. */
  path: string
  /** Default: the oldest ledger that is kept. */
  from?: number | undefined
  /** Default: the last ledger. */
  to?: number | undefined
}

export interface ExportView {
  path: string
  bytes: number
  /** Of the file. */
  hash: Hash
  first: number
  last: number
}

export interface StateDiffRequest {
  peer: string
  /** Compare what lies in the state directory now instead of the last agreed state. */
  files?: boolean | undefined
}

/** An entry of a state in few words: bytes of a file or of a link's target, entries right inside a directory. */
export interface StateEntryView {
  kind: 'file' | 'executable' | 'dir' | 'link'
  size: number
}

export interface StateDifferenceView {
  /** Inside the state; any valid name, cut when it is very long. */
  path: string
  /** added: only the peer has it; removed: only this node has it; mode: only the executable bit differs. */
  kind: 'added' | 'removed' | 'changed' | 'mode' | 'kind'
  local: StateEntryView | null
  remote: StateEntryView | null
}

/** What a state of this node and the agreed one of a peer differ in. */
export interface StateDiffView {
  peer: PublicKey
  /** What was compared here. */
  compared: 'agreed' | 'files'
  local: StateRootView
  remote: StateRootView
  isEqual: boolean
  /** The first ones; `total` tells how many there are. */
  differences: StateDifferenceView[]
  total: number
  fetchedBytes: number
}

/**
 * What an operator can do with a running node. A peer is named by its public key, its peer id, or the first digits of
 * the key of a known one. Each throws `AdminError` 'refused' or 'bad-request' with the reason.
 */
export interface AdminOperations {
  wish(request: WishRequest): Promise<WishResult>
  connectPeer(address: string): Promise<{ publicKey: PublicKey }>
  banPeer(request: BanRequest): { publicKey: PublicKey; untilMs: number }
  unbanPeer(peer: string): { publicKey: PublicKey; wasBanned: boolean }
  ping(peer: string, count: number): Promise<PingResult>
  /** Writes the node's ledgers and state into one file. */
  backup(request: BackupRequest): Promise<BackupResult>
  /** Writes ledgers, with all that proves them, into one file. */
  exportLedgers(request: ExportRequest): Promise<ExportView>
  /** Compares the state with the one that a peer has now. */
  stateDiff(request: StateDiffRequest): Promise<StateDiffView>
}
