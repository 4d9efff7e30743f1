import type { DecodeOptions } from 'protons-runtime'
import { withArrayBuffer } from 'uint8arrays/with-array-buffer'

/**
 * malformed: not this message at all, or a field of the wrong length; not-canonical: readable, but not the one encoding
 * of what it says; too-large: more bytes or elements than the limit; out-of-range: a value that is not allowed.
 */
export type CodecErrorCode = 'malformed' | 'not-canonical' | 'too-large' | 'out-of-range'

/** The only error that the codec throws for bytes or values that it does not accept. */
export class CodecError extends Error {
  override readonly name = 'CodecError'
  readonly code: CodecErrorCode

  constructor(code: CodecErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export const HASH_BYTES = 32
export const KEY_BYTES = 32
export const SIGNATURE_BYTES = 64

/** A generated protobuf codec (the namespace of a message in `pb/`). */
export interface PbCodec<T> {
  encode(message: Partial<T>): Uint8Array<ArrayBuffer>
  decode(bytes: Uint8Array, options?: DecodeOptions<T>): T
}

export interface DecodeCanonicalOptions<T> {
  maxBytes: number
  /** What is decoded, for the error message, e.g. "ledger header". */
  name: string
  /** How many elements each repeated field may have. */
  limits?: DecodeOptions<T>['limits']
}

/**
 * Decodes `bytes` and accepts them only when encoding the result gives the same bytes: unknown fields, other field
 * orders, defaults that are spelled out and overlong numbers are all refused, so that one value has one encoding and
 * one hash. The result shares memory with `bytes`.
 *
 * @throws CodecError and nothing else
 */
export function decodeCanonical<T>(codec: PbCodec<T>, bytes: Uint8Array, options: DecodeCanonicalOptions<T>): T {
  const { maxBytes, name, limits } = options
  if (bytes.length > maxBytes) {
    throw new CodecError('too-large', `${name}: ${bytes.length} bytes, at most ${maxBytes} are allowed`)
  }
  let message: T
  let again: Uint8Array
  try {
    message = codec.decode(bytes, { limits })
    again = codec.encode(message as Partial<T>)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const tooMany = cause instanceof Error && cause.name === 'MaxLengthError'
    throw new CodecError(tooMany ? 'too-large' : 'malformed', `${name}: ${reason}`, { cause })
  }
  if (again.length !== bytes.length || Buffer.compare(again, bytes) !== 0) {
    throw new CodecError('not-canonical', `${name}: the bytes are not its canonical encoding`)
  }
  return message
}

const LOWER_HEX = /^[0-9a-f]*$/

/**
 * The bytes of a lower-case hex string of exactly `length` bytes.
 *
 * @throws CodecError 'malformed'
 */
export function hexToBytes(hex: string, length: number, name = 'hex string'): Uint8Array<ArrayBuffer> {
  if (typeof hex !== 'string' || hex.length !== length * 2 || !LOWER_HEX.test(hex)) {
    throw new CodecError('malformed', `${name}: ${length * 2} lower-case hex digits are needed`)
  }
  return Buffer.from(hex, 'hex')
}

/**
 * Lower-case hex of exactly `length` bytes.
 *
 * @throws CodecError 'malformed'
 */
export function bytesToHex(bytes: Uint8Array, length: number, name = 'bytes'): string {
  checkLength(bytes, length, name)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/** @throws CodecError 'malformed' when `bytes` has another length. */
export function checkLength(bytes: Uint8Array, length: number, name: string): void {
  if (bytes.length !== length) {
    throw new CodecError('malformed', `${name}: ${bytes.length} bytes, ${length} are needed`)
  }
}

/** @throws CodecError 'out-of-range' when `value` is not a whole number in min..max. */
export function checkInteger(value: number, min: number, max: number, name: string): number {
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw new CodecError('out-of-range', `${name}: ${value} is not a whole number in ${min}..${max}`)
  }
  return value
}

/** @throws CodecError 'too-large' when there are more than `max`. */
export function checkCount(count: number, max: number, name: string): void {
  if (count > max) throw new CodecError('too-large', `${name}: ${count}, at most ${max} are allowed`)
}

/** @throws CodecError 'out-of-range' when the hex strings are not strictly ascending. */
export function checkAscending(values: readonly string[], name: string): void {
  for (let index = 1; index < values.length; index++) {
    if ((values[index - 1] as string) >= (values[index] as string)) {
      throw new CodecError('out-of-range', `${name}: not in strictly ascending order at position ${index}`)
    }
  }
}

/** The same bytes in the type that the generated code wants; copies only what lies in shared memory. */
export const asBytes = withArrayBuffer

export const UINT32_MAX = 0xffff_ffff
