/**
 * The domain types shared by the whole node. Hashes and public keys are lower-case hex strings (64 digits for 32
 * bytes), so that they can be compared and used as map keys; the codec turns them into bytes.
 */

/** BLAKE3-256 of domain-tagged bytes, 64 hex digits. */
export type Hash = string
/** An ed25519 public key, 64 hex digits. */
export type PublicKey = string

export interface ConsensusConfig {
  /** Public keys of the validators, sorted, distinct, 1..128 of them. */
  unl: PublicKey[]
  /** Percent of the UNL that closes a ledger, 67..100. */
  threshold: number
  /** Longest time between two ledgers of an idle network, ms. */
  roundtimeMs: number
  /** Shortest time between two ledgers, ms. */
  minRoundtimeMs: number
  /** Input bytes in one ledger. */
  ledgerInputBytes: number
  /** Output bytes of one user in one execution. */
  userOutputBytes: number
  /** Output bytes of all users in one execution. */
  ledgerOutputBytes: number
  /** Party line bytes that one node may send in one execution. */
  nplBytes: number
  /** Wall time of one execution, ms. */
  execTimeoutMs: number
}

/** The name of a number of the config. */
export type ConfigNumber = Exclude<keyof ConsensusConfig, 'unl'>

/** A change of the config that the operator of a validator wishes for. It is made once a quorum wishes for the same. */
export type ConfigWish =
  | { kind: 'add-validator'; key: PublicKey }
  | { kind: 'remove-validator'; key: PublicKey }
  | { kind: 'set'; name: ConfigNumber; value: number }

/** What names a network: every member computes the same `networkId` from it. */
export interface Genesis {
  contractId: string
  config: ConsensusConfig
  /** Root of the state that every member starts with. */
  stateRoot: Hash
}

/** Result of one execution as its node sees it. A failed execution keeps the state root before it and has no output. */
export interface ExecutionResult {
  status: 'ok' | 'failed'
  stateRoot: Hash
  outputsRoot: Hash
  /** Of the config that the ledger executed has put in force. */
  configHash: Hash
}

/** Result of seq - 1 as a ledger agrees on it; void when no result had enough support. */
export interface AgreedResult {
  status: 'ok' | 'failed' | 'void'
  stateRoot: Hash
  outputsRoot: Hash
  /** Of the config in force from seq + 1 on. */
  configHash: Hash
}

export interface LedgerHeader {
  networkId: Hash
  seq: number
  prevHash: Hash
  /** Agreed time, ms since the epoch; larger than the previous ledger's. */
  timeMs: number
  usersHash: Hash
  inputsHash: Hash
  /** Of the execution of seq - 1. */
  result: AgreedResult
  /** How many proposals of the candidate carried the result. */
  support: number
  /** Hashes of the candidate's proposals, ascending. */
  proposals: Hash[]
}

export interface LedgerInput {
  user: PublicKey
  id: Hash
  content: Uint8Array
  /** Of an input that an observer forwarded: the last ledger that might take it. 0 for those of a validator's own users. */
  untilSeq: number
}

export interface Ledger {
  header: LedgerHeader
  hash: Hash
  /** Every connected user, ascending by key: idle ledgers then share one list. */
  users: PublicKey[]
  /** Grouped by user in the order of hash(lcl, user key), which nobody can choose; each user's in its own order. */
  inputs: LedgerInput[]
  /** In force from seq + 1 on when this ledger changes the config, else null. */
  config: ConsensusConfig | null
}

export interface VoteSignature {
  validator: PublicKey
  /** ed25519, 64 bytes. */
  signature: Uint8Array
}

/** q votes of one kind in one attempt for one hash. */
export interface VoteSet {
  seq: number
  attempt: number
  hash: Hash
  signatures: VoteSignature[]
}

/** q precommits of one attempt: proof that the ledger is closed. */
export type Certificate = VoteSet

export interface UserProof {
  /** When the challenge ran out, ms since the epoch. */
  expiryMs: number
  /** 16 bytes. */
  nonce: Uint8Array
  /** ed25519 of the user over the UTF-8 challenge string, 64 bytes. */
  signature: Uint8Array
}

export interface ProposalUser {
  key: PublicKey
  proof: UserProof
}

export interface ProposalInput {
  user: PublicKey
  id: Hash
  content: Uint8Array
  /** As in LedgerInput. */
  untilSeq: number
}

/** A verified proposal with all its parts in hand. */
export interface Proposal {
  /** Hash of the signed payload. */
  hash: Hash
  validator: PublicKey
  seq: number
  lcl: Hash
  timeMs: number
  result: ExecutionResult
  /** Those of the proposer, and those of the observers whose batches it took up. */
  users: ProposalUser[]
  /** Each user's inputs in their own order. */
  inputs: ProposalInput[]
  /** What its operator wishes to be changed, in the order of `compareWishes`. */
  wishes: ConfigWish[]
}

export type VoteKind = 'prevote' | 'precommit'

export interface Vote {
  validator: PublicKey
  seq: number
  attempt: number
  kind: VoteKind
  /** null is a vote for nil. */
  hash: Hash | null
  signature: Uint8Array
  /** For a prevote: hashes of the proposals that the ledger is built from; a hint, not signed. */
  proposals: Hash[]
}

/** What the coordinator of attempt >= 1 puts to the vote. */
export interface Candidate {
  validator: PublicKey
  seq: number
  attempt: number
  hash: Hash
  proposals: Hash[]
  /** When the ledger is the coordinator's valid value: the q prevotes of an earlier attempt that made it so. */
  prevotes: VoteSet | null
}

/** One user's output of one execution. */
export interface UserOutput {
  user: PublicKey
  content: Uint8Array
}
