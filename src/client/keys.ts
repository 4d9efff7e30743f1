import { keygenAsync, signAsync } from '@noble/ed25519'
import { HotPocketClientError } from './errors.js'

/** A user's ed25519 keys. */
export interface KeyPair {
  /** 64 hex digits. */
  publicKey: string
  /** 32 bytes seed, then 32 bytes public key. */
  secretKey: Uint8Array
}

/** How keys are made and used; the browser's by WebCrypto, Node's by its own crypto. */
export interface KeyTools {
  createKeyPair(): KeyPair | Promise<KeyPair>
  /** ed25519 signature of the exact bytes, 64 bytes. */
  sign(data: Uint8Array, keyPair: KeyPair): Uint8Array | Promise<Uint8Array>
}

export function toHex(bytes: Uint8Array): string {
  let hex = ''
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0')
  return hex
}

/** Throws when the environment has no WebCrypto: browsers offer it to pages of https:// and localhost alone. */
function requireWebCrypto(): void {
  if (globalThis.crypto?.subtle === undefined) {
    const message = 'WebCrypto is not available: serve the page over https:// or from localhost'
    throw new HotPocketClientError('unsupported', message)
  }
}

/** Keys for every environment with WebCrypto. */
export const webKeyTools: KeyTools = {
  async createKeyPair() {
    requireWebCrypto()
    const { secretKey, publicKey } = await keygenAsync()
    const both = new Uint8Array(64)
    both.set(secretKey)
    both.set(publicKey, 32)
    return { publicKey: toHex(publicKey), secretKey: both }
  },
  async sign(data, keyPair) {
    requireWebCrypto()
    return signAsync(data, keyPair.secretKey.subarray(0, 32))
  }
}
