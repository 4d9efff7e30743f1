import type { ConfigWish, ConsensusConfig, Hash, PublicKey } from '../consensus/types.js'

/** A change of the config that is wished for and not in force. */
export interface PendingChangeView {
  wish: ConfigWish
  /** Validators whose last proposal carried the wish, ascending. */
  supporters: PublicKey[]
  /** The other validators, ascending. */
  missing: PublicKey[]
  /** Supporters that make it happen. */
  needed: number
  /** This node's operator wishes for it. */
  own: boolean
}

export interface UnlRow {
  publicKey: PublicKey
  role: 'validator' | 'observer'
  /** It is this node. */
  self: boolean
  connected: boolean
  /** Null when it has not said how far it is. */
  synced: boolean | null
  seq: number | null
  /** What is wished for it. */
  change: 'add' | 'remove' | null
}

/** The UNL in force, and who could be added to it. */
export interface UnlView {
  /** Of this node. */
  role: 'validator' | 'observer'
  threshold: number
  quorum: { needed: number; present: number; validators: number }
  /** Ascending by key. */
  validators: UnlRow[]
  /** Nodes outside the UNL: those connected, this one, and those that are wished for. */
  observers: UnlRow[]
  /** Changes of the UNL. */
  pending: PendingChangeView[]
}

/** The config that the network agrees on. */
export interface ConfigView {
  role: 'validator' | 'observer'
  /** In force for the next ledger. */
  agreed: ConsensusConfig
  /** Of the config in force, as ledgers carry it. */
  hash: Hash
  quorum: { needed: number; present: number; validators: number }
  pending: PendingChangeView[]
}
