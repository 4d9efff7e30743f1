import { Key } from 'interface-datastore'
import type { Hash } from '../consensus/types.js'

/**
 * Layout of the database, version 1:
 *
 *     /layout            version of this layout, decimal
 *     /genesis           Genesis
 *     /tip               seq (8 bytes, big-endian), hash
 *     /first             seq (8 bytes) of the oldest ledger kept; absent while that is 1
 *     /ledger/<seq>      LedgerRecord with an empty body; below first: of first - 1, the base, and of milestones
 *     /milestone/<seq>   hash of the config that ledger seq puts in force, for each ledger that changes it
 *     /inputs/<seq>      LedgerBody without users; absent when the ledger has no inputs
 *     /outputs/<seq>     OutputList of the execution of seq
 *     /hash/<hash>       seq (8 bytes), BLAKE3-256 of the value of /ledger/<seq>, that of the genesis without
 *     /users/<hash>      LedgerBody without inputs, once for all ledgers with these users
 *     /users-until/<h>   seq (8 bytes) of the last ledger with these users; absent while the tip has them
 *     /config/<hash>     ConsensusConfig, of the genesis and of every milestone
 *     /meta/<name>       small values of the node
 *
 * The genesis lies once more beside the database (genesis-file.ts). <seq> has 16 decimal digits, so that keys sort by seq.
 */
export const LAYOUT_VERSION = 1

const key = (path: string) => new Key(path, false)
/** As keys have it. */
export const seqDigits = (seq: number) => String(seq).padStart(16, '0')

export const KEYS = {
  root: key('/'),
  layout: key('/layout'),
  genesis: key('/genesis'),
  tip: key('/tip'),
  first: key('/first'),
  ledger: (seq: number) => key(`/ledger/${seqDigits(seq)}`),
  inputs: (seq: number) => key(`/inputs/${seqDigits(seq)}`),
  outputs: (seq: number) => key(`/outputs/${seqDigits(seq)}`),
  hash: (hash: Hash) => key(`/hash/${hash}`),
  milestone: (seq: number) => key(`/milestone/${seqDigits(seq)}`),
  users: (hash: Hash) => key(`/users/${hash}`),
  usersUntil: (hash: Hash) => key(`/users-until/${hash}`),
  config: (hash: Hash) => key(`/config/${hash}`),
  meta: (name: string) => key(`/meta/${name}`),
  allLedgers: key('/ledger'),
  allInputs: key('/inputs'),
  allOutputs: key('/outputs'),
  allHashes: key('/hash'),
  allMilestones: key('/milestone'),
  allUsers: key('/users')
}

/** 8 bytes, big-endian, then the hash if there is one. */
export function encodeSeq(seq: number, hash: Hash = ''): Uint8Array {
  const bytes = Buffer.alloc(8 + hash.length / 2)
  bytes.writeBigUInt64BE(BigInt(seq))
  bytes.write(hash, 8, 'hex')
  return bytes
}

/** The opposite of `encodeSeq`; null when the bytes have another length. */
export function decodeSeq(bytes: Uint8Array | null): { seq: number; hash: Hash } | null {
  if (bytes === null || (bytes.length !== 8 && bytes.length !== 40)) return null
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const seq = Number(buffer.readBigUInt64BE())
  return Number.isSafeInteger(seq) ? { seq, hash: buffer.subarray(8).toString('hex') } : null
}
