import type {
  ConsensusConfig,
  Genesis,
  Hash,
  Ledger,
  LedgerHeader,
  LedgerInput,
  PublicKey,
  UserOutput
} from '../consensus/types.js'
import { blake3, taggedHash } from '../crypto/index.js'
import { HASH_BYTES, hexToBytes, KEY_BYTES } from './canonical.js'
import { encodeConsensusConfig, encodeGenesis } from './genesis.js'
import { encodeLedgerHeader } from './header.js'
import { sortOutputs } from './outputs.js'

/** Domain of each hash; a zero byte and the hashed bytes follow. */
export const HASH_DOMAINS = {
  genesis: 'hp-p2p/genesis/1',
  config: 'hp-p2p/config/1',
  ledger: 'hp-p2p/ledger/1',
  users: 'hp-p2p/users/1',
  inputs: 'hp-p2p/inputs/1',
  outputs: 'hp-p2p/outputs/1'
} as const

/** The name of a network: hash of its genesis. @throws CodecError */
export function networkIdOf(genesis: Genesis): Hash {
  return taggedHash(HASH_DOMAINS.genesis, encodeGenesis(genesis))
}

/** @throws CodecError */
export function configHashOf(config: ConsensusConfig): Hash {
  return taggedHash(HASH_DOMAINS.config, encodeConsensusConfig(config))
}

/** @throws CodecError */
export function ledgerHashOf(header: LedgerHeader): Hash {
  return ledgerHashOfBytes(encodeLedgerHeader(header))
}

/** Hash of a ledger from the exact bytes of its header. */
export function ledgerHashOfBytes(headerBytes: Uint8Array): Hash {
  return taggedHash(HASH_DOMAINS.ledger, headerBytes)
}

/** Hash of the users, which must be in their order: ascending. @throws CodecError for a malformed key */
export function usersHashOf(users: readonly PublicKey[]): Hash {
  return taggedHash(HASH_DOMAINS.users, Buffer.concat(users.map((key) => hexToBytes(key, KEY_BYTES, 'user key'))))
}

const contentHashes = new WeakMap<Uint8Array, Uint8Array>()

/**
 * BLAKE3-256 of a content, remembered for as long as this very array lives, because the consensus core hashes the
 * same inputs several times a ledger. The array must not change afterwards.
 */
export function contentHashOf(content: Uint8Array): Uint8Array {
  const known = contentHashes.get(content)
  if (known !== undefined) return known
  const hash = blake3(content)
  contentHashes.set(content, hash)
  return hash
}

/** Hash of the inputs in the order given: user key, id, hash of the content and untilSeq of each. @throws CodecError */
export function inputsHashOf(inputs: readonly LedgerInput[]): Hash {
  const parts = inputs.flatMap(({ user, id, content, untilSeq }) => [
    hexToBytes(user, KEY_BYTES, 'user key'),
    hexToBytes(id, HASH_BYTES, 'input id'),
    contentHashOf(content),
    uint64Bytes(untilSeq)
  ])
  return taggedHash(HASH_DOMAINS.inputs, Buffer.concat(parts))
}

/** Eight bytes, big-endian. */
function uint64Bytes(value: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

/** Hash of the outputs in the order of the user keys; users without output do not count. @throws CodecError */
export function outputsRootOf(outputs: readonly UserOutput[]): Hash {
  const parts = sortOutputs(outputs).flatMap(({ user, content }) => [
    hexToBytes(user, KEY_BYTES, 'user key'),
    contentHashOf(content)
  ])
  return taggedHash(HASH_DOMAINS.outputs, Buffer.concat(parts))
}

export const EMPTY_USERS_HASH: Hash = taggedHash(HASH_DOMAINS.users)
export const EMPTY_INPUTS_HASH: Hash = taggedHash(HASH_DOMAINS.inputs)
export const EMPTY_OUTPUTS_ROOT: Hash = taggedHash(HASH_DOMAINS.outputs)

/** The ledger of seq 0, which every member computes for itself; it has no certificate. @throws CodecError */
export function genesisLedger(genesis: Genesis): Ledger {
  const networkId = networkIdOf(genesis)
  const header: LedgerHeader = {
    networkId,
    seq: 0,
    prevHash: networkId,
    timeMs: 0,
    usersHash: EMPTY_USERS_HASH,
    inputsHash: EMPTY_INPUTS_HASH,
    result: {
      status: 'ok',
      stateRoot: genesis.stateRoot,
      outputsRoot: EMPTY_OUTPUTS_ROOT,
      configHash: configHashOf(genesis.config)
    },
    support: 0,
    proposals: []
  }
  return { header, hash: ledgerHashOf(header), users: [], inputs: [], config: null }
}
