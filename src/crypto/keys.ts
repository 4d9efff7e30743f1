import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import type { PublicKey } from '../consensus/types.js'

/** DER prefixes of an ed25519 key (RFC 8410); the raw 32 bytes follow. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

export const SIGNATURE_BYTES = 64
export const PUBLIC_KEY_BYTES = 32

export interface KeyPair {
  /** 64 hex digits. */
  publicKey: PublicKey
  /** libsodium's form: 32 bytes seed, then 32 bytes public key. */
  secretKey: Uint8Array
}

/** A key pair from a fresh random seed, or from the 32-byte `seed`. */
export function createKeyPair(seed?: Uint8Array): KeyPair {
  const privateKey =
    seed === undefined
      ? generateKeyPairSync('ed25519').privateKey
      : createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  const rawSeed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32)
  const publicKey = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32)
  return { publicKey: publicKey.toString('hex'), secretKey: Buffer.concat([rawSeed, publicKey]) }
}

/** True when the 64-byte libsodium secret key belongs to the public key: both halves are checked. */
export function isKeyPair(publicKey: PublicKey, secretKey: Uint8Array): boolean {
  if (secretKey.length !== 64) return false
  const derived = createKeyPair(secretKey.subarray(0, 32))
  return derived.publicKey === publicKey && Buffer.from(secretKey.subarray(32)).toString('hex') === publicKey
}

/** Signs with one key; the parsed key is kept, which makes it ten times faster than parsing it each time. */
export class Signer {
  readonly publicKey: PublicKey
  readonly #key: KeyObject

  constructor(pair: KeyPair) {
    this.publicKey = pair.publicKey
    const seed = pair.secretKey.subarray(0, 32)
    this.#key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  }

  /** ed25519 signature of the exact bytes, 64 bytes. */
  sign(data: Uint8Array): Uint8Array {
    return sign(null, data, this.#key)
  }
}

const parsedKeys = new Map<PublicKey, KeyObject>()
/** Enough for every validator and for the users of one node; beyond it the oldest is dropped. */
const PARSED_KEYS_MAX = 4096

function parsePublicKey(key: PublicKey): KeyObject {
  const known = parsedKeys.get(key)
  if (known !== undefined) return known
  const raw = Buffer.from(key, 'hex')
  const parsed = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' })
  if (parsedKeys.size >= PARSED_KEYS_MAX) parsedKeys.delete(parsedKeys.keys().next().value as string)
  parsedKeys.set(key, parsed)
  return parsed
}

/** True when `signature` is the key's over exactly `data`; false for a malformed key or signature, never an error. */
export function verifySignature(key: PublicKey, data: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES || key.length !== PUBLIC_KEY_BYTES * 2) return false
  try {
    return verify(null, data, parsePublicKey(key), signature)
  } catch {
    return false
  }
}
