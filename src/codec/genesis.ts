import type { ConfigNumber, ConsensusConfig, Genesis } from '../consensus/types.js'
import {
  bytesToHex,
  CodecError,
  checkAscending,
  checkCount,
  checkInteger,
  decodeCanonical,
  HASH_BYTES,
  hexToBytes,
  KEY_BYTES
} from './canonical.js'
import { CONFIG_RANGES, LIMITS } from './limits.js'
import * as pb from './pb/ledger.js'

/** Version of the genesis, and with it of every rule that members of a network must share. */
export const GENESIS_VERSION = 2

/**
 * Checks a config as every node does before it uses one: UNL sorted, distinct, 1..128 keys, numbers in their ranges.
 *
 * @throws CodecError with the name of the field
 */
export function checkConsensusConfig(config: ConsensusConfig): void {
  if (config.unl.length === 0) throw new CodecError('out-of-range', 'config: unl is empty, it needs a validator')
  checkCount(config.unl.length, LIMITS.validators, 'config: validators in unl')
  checkAscending(config.unl, 'config: unl')
  for (const key of Object.keys(CONFIG_RANGES) as ConfigNumber[]) {
    const { min, max } = CONFIG_RANGES[key]
    checkInteger(config[key], min, max, `config: ${key}`)
  }
  if (config.minRoundtimeMs > config.roundtimeMs) {
    throw new CodecError('out-of-range', 'config: minRoundtimeMs is larger than roundtimeMs')
  }
}

function configToPb(config: ConsensusConfig): pb.ConsensusConfig {
  checkConsensusConfig(config)
  return { ...config, unl: config.unl.map((key) => hexToBytes(key, KEY_BYTES, 'config: key in unl')) }
}

function configFromPb(message: pb.ConsensusConfig): ConsensusConfig {
  const config = { ...message, unl: message.unl.map((key) => bytesToHex(key, KEY_BYTES, 'config: key in unl')) }
  checkConsensusConfig(config)
  return config
}

/** @throws CodecError */
export function encodeConsensusConfig(config: ConsensusConfig): Uint8Array {
  return pb.ConsensusConfig.encode(configToPb(config))
}

/** @throws CodecError */
export function decodeConsensusConfig(bytes: Uint8Array): ConsensusConfig {
  const limits = { unl: LIMITS.validators }
  return configFromPb(
    decodeCanonical(pb.ConsensusConfig, bytes, { maxBytes: LIMITS.configBytes, name: 'config', limits })
  )
}

function checkContractId(contractId: string): void {
  if (Buffer.from(contractId).toString() !== contractId)
    throw new CodecError('malformed', 'genesis: contractId is not valid Unicode')
  checkCount(Buffer.byteLength(contractId), LIMITS.contractIdBytes, 'genesis: bytes of contractId')
}

/** @throws CodecError */
export function encodeGenesis(genesis: Genesis): Uint8Array {
  checkContractId(genesis.contractId)
  return pb.Genesis.encode({
    version: GENESIS_VERSION,
    contractId: genesis.contractId,
    config: configToPb(genesis.config),
    stateRoot: hexToBytes(genesis.stateRoot, HASH_BYTES, 'genesis: stateRoot')
  })
}

/** @throws CodecError */
export function decodeGenesis(bytes: Uint8Array): Genesis {
  const message = decodeCanonical(pb.Genesis, bytes, {
    maxBytes: LIMITS.genesisBytes,
    name: 'genesis',
    limits: { config: { unl: LIMITS.validators } }
  })
  checkVersion(message.version, GENESIS_VERSION, 'genesis')
  if (message.config === undefined) throw new CodecError('malformed', 'genesis: it has no config')
  checkContractId(message.contractId)
  return {
    contractId: message.contractId,
    config: configFromPb(message.config),
    stateRoot: bytesToHex(message.stateRoot, HASH_BYTES, 'genesis: stateRoot')
  }
}

/** @throws CodecError 'out-of-range' when a message was made by another version of the format. */
export function checkVersion(version: number, known: number, name: string): void {
  if (version !== known) {
    throw new CodecError('out-of-range', `${name}: version ${version} is not known here, this node reads ${known}`)
  }
}
