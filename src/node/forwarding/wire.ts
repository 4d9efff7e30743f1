import { asBytes, bytesToHex, CodecError, decodeCanonical, HASH_BYTES, hexToBytes } from '../../codec/index.js'
import * as pb from '../../codec/pb/forward.js'
import type { Hash } from '../../consensus/types.js'

/** Batches up to this size travel in the request itself; a larger one is fetched when there is room for it. */
export const INLINE_BATCH_BYTES = 48 * 1024
export const FORWARD_REQUEST_BYTES = 64 * 1024
export const FORWARD_ANSWER_BYTES = 2048
export const BATCH_REQUEST_BYTES = 64
const REASON_CHARS = 300

/** A batch, or the name of one that is too large for a request. */
export type ForwardRequest = { batch: Uint8Array } | { hash: Hash; bytes: number }

export interface ForwardAnswer {
  /** `known`: ledgers have all that is in it, or it waits there already. */
  verdict: 'taken' | 'known' | 'refused'
  /** Of a refusal. */
  reason: string
}

const VERDICTS = ['taken', 'known', 'refused'] as const

export function encodeForwardRequest(request: ForwardRequest): Uint8Array {
  if ('batch' in request) return pb.ForwardRequest.encode({ batch: asBytes(request.batch) })
  return pb.ForwardRequest.encode({ hash: hexToBytes(request.hash, HASH_BYTES), bytes: request.bytes })
}

/** @throws CodecError */
export function decodeForwardRequest(bytes: Uint8Array): ForwardRequest {
  const name = 'forward request'
  const request = decodeCanonical(pb.ForwardRequest, bytes, { maxBytes: FORWARD_REQUEST_BYTES, name })
  if (request.batch.length === 0) return { hash: bytesToHex(request.hash, HASH_BYTES, name), bytes: request.bytes }
  if (request.hash.length > 0 || request.bytes > 0) throw new CodecError('malformed', `${name}: a batch and a name`)
  return { batch: request.batch }
}

export function encodeForwardAnswer({ verdict, reason }: ForwardAnswer): Uint8Array {
  return pb.ForwardAnswer.encode({ verdict: VERDICTS.indexOf(verdict) + 1, reason: reason.slice(0, REASON_CHARS) })
}

/** @throws CodecError */
export function decodeForwardAnswer(bytes: Uint8Array): ForwardAnswer {
  const name = 'forward answer'
  const { verdict, reason } = decodeCanonical(pb.ForwardAnswer, bytes, { maxBytes: FORWARD_ANSWER_BYTES, name })
  const word = VERDICTS[verdict - 1]
  if (word === undefined) throw new CodecError('out-of-range', `${name}: verdict ${verdict} is not known`)
  return { verdict: word, reason: reason.slice(0, REASON_CHARS) }
}

export function encodeBatchRequest(hash: Hash): Uint8Array {
  return pb.BatchRequest.encode({ hash: hexToBytes(hash, HASH_BYTES) })
}

/** @throws CodecError */
export function decodeBatchRequest(bytes: Uint8Array): Hash {
  const { hash } = decodeCanonical(pb.BatchRequest, bytes, { maxBytes: BATCH_REQUEST_BYTES, name: 'batch request' })
  return bytesToHex(hash, HASH_BYTES, 'batch request')
}
