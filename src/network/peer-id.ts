import './shim.js'
import { privateKeyFromRaw, publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { PeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import type { PublicKey } from '../consensus/types.js'
import { isKeyPair, type KeyPair } from '../crypto/index.js'
import { NetworkError } from './errors.js'

/** The libp2p peer id of a node key. Throws NetworkError 'bad-key' for anything but 64 hex digits of an ed25519 key. */
export function toPeerId(publicKey: PublicKey): PeerId {
  if (!/^[0-9a-f]{64}$/.test(publicKey)) throw new NetworkError('bad-key', 'a public key is 64 lower-case hex digits')
  return peerIdFromPublicKey(publicKeyFromRaw(Buffer.from(publicKey, 'hex')))
}

/** The node key of a peer id; null when the peer's key is not ed25519. */
export function toPublicKey(peerId: PeerId): PublicKey | null {
  if (peerId.type !== 'Ed25519') return null
  return Buffer.from(peerId.publicKey.raw).toString('hex')
}

/**
 * The libp2p identity of a key pair. Both halves are checked here, since libp2p accepts a public half that does not
 * match, and reads 32 bytes as a key of another kind.
 */
export function toPrivateKey(keyPair: KeyPair): PrivateKey {
  if (keyPair.secretKey.length !== 64) {
    throw new NetworkError('bad-key', 'the secret key must be 64 bytes: seed and public key')
  }
  if (!isKeyPair(keyPair.publicKey, keyPair.secretKey)) {
    throw new NetworkError('bad-key', 'the public key does not belong to the secret key')
  }
  const key = privateKeyFromRaw(keyPair.secretKey)
  if (key.type !== 'Ed25519' || Buffer.from(key.publicKey.raw).toString('hex') !== keyPair.publicKey) {
    throw new NetworkError('bad-key', 'libp2p does not read the key pair as the same ed25519 key')
  }
  return key
}
