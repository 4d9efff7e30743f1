import type { Hash, PublicKey, UserProof } from '../consensus/types.js'
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES, taggedHash, verifySignature } from '../crypto/index.js'

const CHALLENGE_DOMAIN = 'hp-p2p/user-challenge/1'
const INPUT_DOMAIN = 'hp-p2p/input/1'

export const NONCE_BYTES = 16
const HEX_32_BYTES = /^[0-9a-f]{64}$/

/**
 * Encodings of the points of order 1, 2, 4 and 8, the non-canonical ones included, without the sign bit. For such a
 * key a signature can be made without a secret (RFC 8032 leaves it open), so it can name nobody.
 */
const WEAK_KEYS = new Set([
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  '00'.repeat(32),
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`
])

/** True for a lower-case hex ed25519 key that may name a user. */
export function isUserKey(key: PublicKey): boolean {
  if (!HEX_32_BYTES.test(key)) return false
  const signByte = Number.parseInt(key.slice(62), 16) & 0x7f
  return !WEAK_KEYS.has(key.slice(0, 62) + signByte.toString(16).padStart(2, '0'))
}

/** Eight bytes, big-endian. */
function encodeUint64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

/**
 * The challenge that `nodeKey` sends to a user, 64 hex digits: it commits to the network and the node, so that the
 * user's signature over it proves to anyone that this user met this node.
 *
 * @param expiryMs when the challenge runs out, ms since the epoch
 * @param nonce 16 random bytes
 */
export function challengeOf(networkId: Hash, nodeKey: PublicKey, expiryMs: number, nonce: Uint8Array): string {
  return taggedHash(
    CHALLENGE_DOMAIN,
    Buffer.from(networkId, 'hex'),
    Buffer.from(nodeKey, 'hex'),
    encodeUint64(expiryMs),
    nonce
  )
}

/**
 * True when `proof` shows that the user connected to `nodeKey` in this network; false for anything malformed, never an
 * error. Time plays no part: the node kept the expiry when it took the answer, and every node must come to the same
 * verdict whenever it looks.
 */
export function verifyUserProof(networkId: Hash, nodeKey: PublicKey, userKey: PublicKey, proof: UserProof): boolean {
  if (!HEX_32_BYTES.test(networkId) || !HEX_32_BYTES.test(nodeKey) || !isUserKey(userKey)) return false
  if (!Number.isSafeInteger(proof.expiryMs) || proof.expiryMs < 0) return false
  if (proof.nonce.length !== NONCE_BYTES || proof.signature.length !== SIGNATURE_BYTES) return false
  const challenge = challengeOf(networkId, nodeKey, proof.expiryMs, proof.nonce)
  return verifySignature(userKey, Buffer.from(challenge), proof.signature)
}

/**
 * What names an input everywhere: the user, the session (its challenge), the place of the input in the session, and
 * the content. Other nodes compute it from a proposal.
 *
 * @param ordinal how many inputs the user sent on the same connection before this one
 */
export function inputIdOf(userKey: PublicKey, challenge: string, ordinal: number, content: Uint8Array): Hash {
  const key = Buffer.from(userKey, 'hex')
  if (key.length !== PUBLIC_KEY_BYTES) throw new RangeError(`user key must be 64 hex digits, not "${userKey}"`)
  if (!HEX_32_BYTES.test(challenge)) throw new RangeError('challenge must be 64 lower-case hex digits')
  return taggedHash(INPUT_DOMAIN, key, Buffer.from(challenge), encodeUint64(ordinal), content)
}
