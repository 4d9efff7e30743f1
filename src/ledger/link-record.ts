import { CodecError, decodeRecordParts, encodeLedgerRecord, LIMITS, parseLedgerRecord } from '../codec/index.js'
import type { Certificate, ConsensusConfig, Ledger, PublicKey } from '../consensus/types.js'
import type { LedgerLink } from './check.js'

/** A ledger without its users and inputs. */
export interface LedgerEntry extends LedgerLink {
  /** In force from the next ledger on when this one changes it, else null. */
  config: ConsensusConfig | null
  /** Validators are indices until the UNL in force is named. @throws CodecError */
  certificate(unl: readonly PublicKey[]): Certificate
}

/** Most bytes of a link record: header, certificate, config and what frames them. */
export const LINK_RECORD_BYTES = LIMITS.headerBytes + LIMITS.certificateBytes + LIMITS.configBytes + 64

/** A ledger record whose body is left out, whatever users and inputs the ledger has. @throws CodecError */
export function encodeLinkRecord(
  ledger: Pick<Ledger, 'header' | 'hash' | 'config'>,
  certificate: Certificate,
  unl: readonly PublicKey[]
): Uint8Array {
  return encodeLedgerRecord({ ...ledger, users: [], inputs: [] }, certificate, unl)
}

/**
 * Decodes a link record. Nothing is verified: not the config against the header, not the signatures.
 *
 * @throws CodecError, also for a record with a body
 */
export function decodeLinkRecord(bytes: Uint8Array): LedgerEntry {
  if (bytes.length > LINK_RECORD_BYTES) {
    throw new CodecError('too-large', `link record: ${bytes.length} bytes, at most ${LINK_RECORD_BYTES} are allowed`)
  }
  if (decodeRecordParts(bytes).body.length > 0) throw new CodecError('malformed', 'link record: it has a body')
  const { ledger, certificate } = parseLedgerRecord(bytes)
  return { header: ledger.header, hash: ledger.hash, config: ledger.config, certificate }
}
