import { configHashOf, inputsHashOf, ledgerHashOf, usersHashOf } from '../codec/index.js'
import { quorumOf } from '../consensus/quorum.js'
import type { Certificate, ConsensusConfig, Hash, Ledger, LedgerHeader } from '../consensus/types.js'
import { findCertificateProblem } from './certificate.js'

/** Header and hash of a ledger. */
export interface LedgerLink {
  header: LedgerHeader
  hash: Hash
}

/** Why `ledger` contradicts itself, or null: header against hash, body against header. */
export function findBodyProblem(ledger: Ledger): string | null {
  const { header, hash, users, inputs, config } = ledger
  if (ledgerHashOf(header) !== hash) return 'hash is not that of the header'
  if (usersHashOf(users) !== header.usersHash) return 'users are not those of the header'
  if (inputsHashOf(inputs) !== header.inputsHash) return 'inputs are not those of the header'
  if (config !== null && configHashOf(config) !== header.result.configHash) return 'config is not that of the header'
  return null
}

/** Why `ledger` says otherwise than its header whether it changes the config that `previous` agreed on, or null. */
export function findConfigProblem(ledger: Ledger, previous: LedgerLink): string | null {
  const changes = ledger.header.result.configHash !== previous.header.result.configHash
  if (changes && ledger.config === null) return 'it changes the config, and the new one is not in it'
  return !changes && ledger.config !== null ? 'it has a config, and does not change it' : null
}

/** Why `header` does not follow `previous`, or null. */
export function findLinkProblem(header: LedgerHeader, previous: LedgerLink): string | null {
  if (header.networkId !== previous.header.networkId) return `networkId ${header.networkId} is of another network`
  if (header.seq !== previous.header.seq + 1) return `seq ${header.seq} does not follow ${previous.header.seq}`
  if (header.prevHash !== previous.hash)
    return `prevHash ${header.prevHash} is not the previous ledger ${previous.hash}`
  if (header.timeMs <= previous.header.timeMs) return `time ${header.timeMs} is not after ${previous.header.timeMs}`
  return null
}

/** Why `certificate` does not close the ledger `link` under `config`, the config of the ledger before it; or null. */
export function findClosingProblem(link: LedgerLink, certificate: Certificate, config: ConsensusConfig): string | null {
  const { header, hash } = link
  if (certificate.seq !== header.seq) return `certificate is for seq ${certificate.seq}`
  if (certificate.hash !== hash) return `certificate is for ledger ${certificate.hash}`
  const q = quorumOf(config.unl.length, config.threshold)
  return findCertificateProblem(certificate, config.unl, q, header.networkId)
}

/**
 * Why a ledger with its certificate may not be appended after `previous`, or null. This is the whole check of a ledger
 * that comes from a peer: `config` must be the one that `previous` agreed on.
 */
export function findLedgerProblem(
  ledger: Ledger,
  certificate: Certificate,
  previous: LedgerLink,
  config: ConsensusConfig
): string | null {
  return (
    findBodyProblem(ledger) ??
    findLinkProblem(ledger.header, previous) ??
    findConfigProblem(ledger, previous) ??
    findClosingProblem(ledger, certificate, config)
  )
}
