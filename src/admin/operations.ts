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
}
