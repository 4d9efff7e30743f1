import type { Hash } from '../consensus/types.js'
import { asBytes, bytesToHex, CodecError, decodeCanonical, HASH_BYTES, hexToBytes } from './canonical.js'
import * as pbConsensus from './pb/consensus.js'
import * as pb from './pb/npl.js'
import { fromPbSigned, type Signed, toPbSigned } from './signed.js'

/** Largest data of one party line message, and of its envelope. */
const NPL_DATA_BYTES = 131_072
const NPL_ENVELOPE_BYTES = NPL_DATA_BYTES + 1024

export interface NplPayload {
  networkId: Hash
  seq: number
  lcl: Hash
  ordinal: number
  /** null: nothing follows. */
  data: Uint8Array | null
}

export function encodeNplPayload(message: NplPayload): Uint8Array {
  return pb.NplMessage.encode({
    networkId: hexToBytes(message.networkId, HASH_BYTES, 'party line message: networkId'),
    seq: message.seq,
    lcl: hexToBytes(message.lcl, HASH_BYTES, 'party line message: lcl'),
    ordinal: message.ordinal,
    data: message.data === null ? new Uint8Array(0) : asBytes(message.data),
    end: message.data === null
  })
}

/** @throws CodecError */
export function decodeNplPayload(payload: Uint8Array): NplPayload {
  const name = 'party line message'
  const message = decodeCanonical(pb.NplMessage, payload, { maxBytes: NPL_ENVELOPE_BYTES, name })
  if (message.end && message.data.length > 0) throw new CodecError('malformed', `${name}: data after its end`)
  if (message.data.length > NPL_DATA_BYTES) throw new CodecError('too-large', `${name}: over ${NPL_DATA_BYTES} bytes`)
  return {
    networkId: bytesToHex(message.networkId, HASH_BYTES, name),
    seq: message.seq,
    lcl: bytesToHex(message.lcl, HASH_BYTES, name),
    ordinal: message.ordinal,
    data: message.end ? null : message.data
  }
}

/** A signed payload on its own. */
export function encodeSigned(signed: Signed): Uint8Array {
  return pbConsensus.Signed.encode(toPbSigned(signed))
}

/** @throws CodecError */
export function decodeSignedNpl(bytes: Uint8Array): Signed {
  const options = { maxBytes: NPL_ENVELOPE_BYTES + 256, name: 'party line message' }
  return fromPbSigned(decodeCanonical(pbConsensus.Signed, bytes, options), 'party line message')
}
