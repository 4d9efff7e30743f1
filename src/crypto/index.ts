export { blake3, blake3Hex, createHasher, taggedHash } from './hash.js'
export {
  createKeyPair,
  isKeyPair,
  type KeyPair,
  PUBLIC_KEY_BYTES,
  SIGNATURE_BYTES,
  Signer,
  verifySignature
} from './keys.js'
