import type { Certificate, ConsensusConfig, Ledger, LedgerInput, PublicKey, VoteSignature } from '../consensus/types.js'
import {
  asBytes,
  bytesToHex,
  CodecError,
  checkAscending,
  checkCount,
  checkInteger,
  checkLength,
  decodeCanonical,
  HASH_BYTES,
  hexToBytes,
  KEY_BYTES,
  SIGNATURE_BYTES,
  UINT32_MAX
} from './canonical.js'
import { decodeConsensusConfig, encodeConsensusConfig } from './genesis.js'
import { ledgerHashOfBytes } from './hashes.js'
import { decodeLedgerHeader, encodeLedgerHeader } from './header.js'
import { LIMITS } from './limits.js'
import * as pb from './pb/ledger.js'

export interface LedgerBody {
  users: PublicKey[]
  inputs: LedgerInput[]
}

function checkUsers(users: readonly PublicKey[]): void {
  checkCount(users.length, LIMITS.usersPerLedger, 'ledger body: users')
  checkAscending(users, 'ledger body: users')
}

/** `userIndices` has the position in the users of each input's user. */
function checkInputs(inputs: readonly LedgerInput[], userIndices: readonly number[], userCount: number): void {
  checkCount(inputs.length, LIMITS.inputsPerLedger, 'ledger body: inputs')
  const seen = new Set<number>()
  let bytes = 0
  let last = -1
  for (const [position, input] of inputs.entries()) {
    const index = userIndices[position] as number
    if (index >= userCount) throw new CodecError('out-of-range', `ledger body: input ${position} has no listed user`)
    if (index !== last && seen.has(index)) {
      throw new CodecError('out-of-range', `ledger body: input ${position} is apart from the others of its user`)
    }
    seen.add(index)
    last = index
    bytes += input.content.length
    checkInteger(input.untilSeq, 0, Number.MAX_SAFE_INTEGER, `ledger body: untilSeq of input ${position}`)
  }
  if (new Set(inputs.map(({ id }) => id)).size !== inputs.length) {
    throw new CodecError('out-of-range', 'ledger body: an input is listed twice')
  }
  checkCount(bytes, LIMITS.inputBytesPerLedger, 'ledger body: input bytes')
}

/**
 * The body. Its encoding is that of the users followed by that of the inputs, so that the two may be kept apart: see
 * `encodeUsersPart` and `encodeInputsPart`.
 *
 * @throws CodecError
 */
export function encodeLedgerBody(body: LedgerBody): Uint8Array {
  return Buffer.concat([encodeUsersPart(body.users), encodeInputsPart(body)])
}

/** A body with the users alone. @throws CodecError */
export function encodeUsersPart(users: readonly PublicKey[]): Uint8Array {
  checkUsers(users)
  return pb.LedgerBody.encode({
    users: users.map((key) => hexToBytes(key, KEY_BYTES, 'ledger body: user key')),
    inputs: []
  })
}

/** A body with the inputs alone; their user is an index into `body.users`. @throws CodecError */
export function encodeInputsPart(body: LedgerBody): Uint8Array {
  const indexOf = new Map(body.users.map((user, index) => [user, index]))
  const indices = body.inputs.map((input) => indexOf.get(input.user) ?? Number.POSITIVE_INFINITY)
  checkInputs(body.inputs, indices, body.users.length)
  const inputs = body.inputs.map((input, position) => ({
    user: indices[position] as number,
    id: hexToBytes(input.id, HASH_BYTES, 'ledger body: input id'),
    content: asBytes(input.content),
    untilSeq: input.untilSeq
  }))
  return pb.LedgerBody.encode({ users: [], inputs })
}

/** Contents share memory with `bytes`. @throws CodecError */
export function decodeLedgerBody(bytes: Uint8Array): LedgerBody {
  const message = decodeCanonical(pb.LedgerBody, bytes, {
    maxBytes: LIMITS.bodyBytes,
    name: 'ledger body',
    limits: { users: LIMITS.usersPerLedger, inputs: LIMITS.inputsPerLedger }
  })
  const users = message.users.map((key) => bytesToHex(key, KEY_BYTES, 'ledger body: user key'))
  checkUsers(users)
  const inputs = message.inputs.map(({ user, id, content, untilSeq }) => ({
    user: users[user] ?? '',
    id: bytesToHex(id, HASH_BYTES, 'ledger body: input id'),
    content,
    untilSeq
  }))
  const indices = message.inputs.map((input) => input.user)
  checkInputs(inputs, indices, users.length)
  return { users, inputs }
}

function certificateToPb(certificate: Certificate, unl: readonly PublicKey[]): pb.Certificate {
  checkInteger(certificate.seq, 0, Number.MAX_SAFE_INTEGER, 'certificate: seq')
  checkInteger(certificate.attempt, 0, UINT32_MAX, 'certificate: attempt')
  const indexOf = new Map(unl.map((key, index) => [key, index]))
  const signatures = certificate.signatures.map(({ validator, signature }) => {
    const index = indexOf.get(validator)
    if (index === undefined) throw new CodecError('out-of-range', `certificate: ${validator} is not in the UNL`)
    checkLength(signature, SIGNATURE_BYTES, 'certificate: signature')
    return { validator: index, signature: asBytes(signature) }
  })
  signatures.sort((a, b) => a.validator - b.validator)
  checkSignatureOrder(signatures)
  return {
    seq: certificate.seq,
    attempt: certificate.attempt,
    hash: hexToBytes(certificate.hash, HASH_BYTES, 'certificate: hash'),
    signatures
  }
}

function checkSignatureOrder(signatures: readonly pb.CertificateSignature[]): void {
  checkCount(signatures.length, LIMITS.validators, 'certificate: signatures')
  for (let index = 1; index < signatures.length; index++) {
    if ((signatures[index - 1]?.validator as number) >= (signatures[index]?.validator as number)) {
      throw new CodecError('out-of-range', 'certificate: validators are not distinct and ascending')
    }
  }
}

function certificateFromPb(message: pb.Certificate, unl: readonly PublicKey[]): Certificate {
  checkSignatureOrder(message.signatures)
  const signatures = message.signatures.map(({ validator, signature }): VoteSignature => {
    const key = unl[validator]
    if (key === undefined) {
      throw new CodecError('out-of-range', `certificate: validator ${validator} of a UNL of ${unl.length}`)
    }
    checkLength(signature, SIGNATURE_BYTES, 'certificate: signature')
    return { validator: key, signature }
  })
  const hash = bytesToHex(message.hash, HASH_BYTES, 'certificate: hash')
  return { seq: message.seq, attempt: message.attempt, hash, signatures }
}

/**
 * Validators travel as indices in the UNL in force for the ledger; they are written in ascending order.
 *
 * @throws CodecError
 */
export function encodeCertificate(certificate: Certificate, unl: readonly PublicKey[]): Uint8Array {
  return pb.Certificate.encode(certificateToPb(certificate, unl))
}

/** The signatures are not verified here. @throws CodecError */
export function decodeCertificate(bytes: Uint8Array, unl: readonly PublicKey[]): Certificate {
  const message = decodeCanonical(pb.Certificate, bytes, {
    maxBytes: LIMITS.certificateBytes,
    name: 'certificate',
    limits: { signatures: LIMITS.validators }
  })
  return certificateFromPb(message, unl)
}

/** The parts of a record as they are kept: `body` without the users when the store keeps those elsewhere. */
export interface RecordParts {
  header: Uint8Array
  body: Uint8Array
  certificate: pb.Certificate | undefined
  /** Empty when the ledger does not change the config. */
  config: Uint8Array
}

/** Exact bytes of a record from the exact bytes of its parts. */
export function encodeRecordParts(parts: RecordParts): Uint8Array {
  return pb.LedgerRecord.encode({
    header: asBytes(parts.header),
    body: asBytes(parts.body),
    certificate: parts.certificate,
    config: asBytes(parts.config)
  })
}

/** The parts, themselves not decoded. @throws CodecError */
export function decodeRecordParts(bytes: Uint8Array): RecordParts {
  const { header, body, certificate, config } = decodeCanonical(pb.LedgerRecord, bytes, {
    maxBytes: LIMITS.recordBytes,
    name: 'ledger record',
    limits: { certificate: { signatures: LIMITS.validators } }
  })
  return { header, body, certificate, config }
}

/** @throws CodecError */
export function encodeLedgerRecord(ledger: Ledger, certificate: Certificate, unl: readonly PublicKey[]): Uint8Array {
  return encodeRecordParts({
    header: encodeLedgerHeader(ledger.header),
    body: encodeLedgerBody(ledger),
    certificate: certificateToPb(certificate, unl),
    config: ledger.config === null ? new Uint8Array(0) : encodeConsensusConfig(ledger.config)
  })
}

/** A record whose UNL need not be known yet. */
export interface ParsedRecord {
  ledger: Ledger
  /** @throws CodecError when a validator index is outside `unl` */
  certificate(unl: readonly PublicKey[]): Certificate
}

/**
 * Decodes a record. Nothing is verified: not the hashes of the body against the header, not the signatures.
 *
 * @throws CodecError
 */
export function parseLedgerRecord(bytes: Uint8Array): ParsedRecord {
  const parts = decodeRecordParts(bytes)
  const message = parts.certificate
  if (message === undefined) throw new CodecError('malformed', 'ledger record: it has no certificate')
  const header = decodeLedgerHeader(parts.header)
  const config: ConsensusConfig | null = parts.config.length === 0 ? null : decodeConsensusConfig(parts.config)
  const ledger = { header, hash: ledgerHashOfBytes(parts.header), ...decodeLedgerBody(parts.body), config }
  return { ledger, certificate: (unl) => certificateFromPb(message, unl) }
}

/** `parseLedgerRecord` for a known UNL. @throws CodecError */
export function decodeLedgerRecord(
  bytes: Uint8Array,
  unl: readonly PublicKey[]
): { ledger: Ledger; certificate: Certificate } {
  const { ledger, certificate } = parseLedgerRecord(bytes)
  return { ledger, certificate: certificate(unl) }
}
