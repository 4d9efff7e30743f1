import type { AgreedResult, LedgerHeader } from '../consensus/types.js'
import {
  bytesToHex,
  CodecError,
  checkAscending,
  checkCount,
  checkInteger,
  decodeCanonical,
  HASH_BYTES,
  hexToBytes
} from './canonical.js'
import { checkVersion } from './genesis.js'
import { LIMITS } from './limits.js'
import * as pb from './pb/ledger.js'

/** Version of the ledger header. */
export const LEDGER_VERSION = 2

const RESULT_STATUSES: readonly AgreedResult['status'][] = ['ok', 'failed', 'void']

function checkHeader(header: LedgerHeader): void {
  checkInteger(header.seq, 0, Number.MAX_SAFE_INTEGER, 'ledger header: seq')
  checkInteger(header.timeMs, 0, Number.MAX_SAFE_INTEGER, 'ledger header: timeMs')
  checkCount(header.proposals.length, LIMITS.validators, 'ledger header: proposals')
  checkAscending(header.proposals, 'ledger header: proposals')
  checkInteger(header.support, 0, header.proposals.length, 'ledger header: support')
}

/** @throws CodecError */
export function encodeLedgerHeader(header: LedgerHeader): Uint8Array {
  checkHeader(header)
  const bytes = (hash: string, name: string) => hexToBytes(hash, HASH_BYTES, `ledger header: ${name}`)
  const resultStatus = RESULT_STATUSES.indexOf(header.result.status)
  checkInteger(resultStatus, 0, RESULT_STATUSES.length - 1, 'ledger header: index of the result status')
  return pb.LedgerHeader.encode({
    version: LEDGER_VERSION,
    networkId: bytes(header.networkId, 'networkId'),
    seq: header.seq,
    prevHash: bytes(header.prevHash, 'prevHash'),
    timeMs: header.timeMs,
    usersHash: bytes(header.usersHash, 'usersHash'),
    inputsHash: bytes(header.inputsHash, 'inputsHash'),
    resultStatus,
    stateRoot: bytes(header.result.stateRoot, 'stateRoot'),
    outputsRoot: bytes(header.result.outputsRoot, 'outputsRoot'),
    configHash: bytes(header.result.configHash, 'configHash'),
    support: header.support,
    proposals: header.proposals.map((hash) => bytes(hash, 'hash in proposals'))
  })
}

/** @throws CodecError */
export function decodeLedgerHeader(bytes: Uint8Array): LedgerHeader {
  const message = decodeCanonical(pb.LedgerHeader, bytes, {
    maxBytes: LIMITS.headerBytes,
    name: 'ledger header',
    limits: { proposals: LIMITS.validators }
  })
  checkVersion(message.version, LEDGER_VERSION, 'ledger header')
  const hex = (value: Uint8Array, name: string) => bytesToHex(value, HASH_BYTES, `ledger header: ${name}`)
  const status = RESULT_STATUSES[message.resultStatus]
  if (status === undefined) {
    throw new CodecError('out-of-range', `ledger header: result status ${message.resultStatus} is not known`)
  }
  const header: LedgerHeader = {
    networkId: hex(message.networkId, 'networkId'),
    seq: message.seq,
    prevHash: hex(message.prevHash, 'prevHash'),
    timeMs: message.timeMs,
    usersHash: hex(message.usersHash, 'usersHash'),
    inputsHash: hex(message.inputsHash, 'inputsHash'),
    result: {
      status,
      stateRoot: hex(message.stateRoot, 'stateRoot'),
      outputsRoot: hex(message.outputsRoot, 'outputsRoot'),
      configHash: hex(message.configHash, 'configHash')
    },
    support: message.support,
    proposals: message.proposals.map((hash) => hex(hash, 'hash in proposals'))
  }
  checkHeader(header)
  return header
}
