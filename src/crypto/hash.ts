import { Blake3Hasher, blake3 as nativeBlake3 } from '@napi-rs/blake-hash'
import type { Hash } from '../consensus/types.js'

/** BLAKE3-256 of `data`, 32 bytes. */
export function blake3(data: Uint8Array): Buffer {
  return nativeBlake3(data)
}

/** BLAKE3-256 of `data` as 64 hex digits. */
export function blake3Hex(data: Uint8Array): Hash {
  return nativeBlake3(data).toString('hex')
}

/** BLAKE3-256 over `domain`, a zero byte and the parts, as 64 hex digits. The parts must be self-delimiting. */
export function taggedHash(domain: string, ...parts: Uint8Array[]): Hash {
  return nativeBlake3(Buffer.concat([Buffer.from(`${domain}\0`), ...parts])).toString('hex')
}

/** A BLAKE3-256 hasher for data that comes in pieces. */
export function createHasher(): { update(data: Uint8Array): void; digest(): Buffer } {
  const hasher = new Blake3Hasher()
  return { update: (data) => void hasher.update(data), digest: () => hasher.digestBuffer() }
}
