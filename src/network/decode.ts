import type { DecodeOptions } from 'protons-runtime'
import { CodecError, type PbCodec } from '../codec/canonical.js'

/**
 * Decodes what a peer says of itself. Not `decodeCanonical`: fields of a later version are passed over, so that two
 * versions can tell each other that they differ.
 *
 * @throws CodecError and nothing else
 */
export function decodeLenient<T>(
  codec: PbCodec<T>,
  bytes: Uint8Array,
  name: string,
  limits?: DecodeOptions<T>['limits']
): T {
  try {
    return codec.decode(bytes, { limits })
  } catch (cause) {
    const tooMany = cause instanceof Error && cause.name === 'MaxLengthError'
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CodecError(tooMany ? 'too-large' : 'malformed', `${name}: ${reason}`, { cause })
  }
}

/** A text of a peer as one that every encoding keeps: halves of surrogate pairs become the replacement character. */
export function wellFormed(text: string): string {
  return Buffer.from(text).toString()
}
