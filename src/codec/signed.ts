import type { PublicKey } from '../consensus/types.js'
import { type Signer, verifySignature } from '../crypto/index.js'
import { asBytes, bytesToHex, CodecError, checkLength, hexToBytes, KEY_BYTES, SIGNATURE_BYTES } from './canonical.js'
import type * as pb from './pb/consensus.js'
import { type SigningDomain, signingBytes } from './signing.js'

/** Exact bytes with the key and signature that vouch for them. */
export interface Signed {
  payload: Uint8Array
  key: PublicKey
  signature: Uint8Array
}

export function signPayload(domain: SigningDomain, payload: Uint8Array, signer: Signer): Signed {
  return { payload, key: signer.publicKey, signature: signer.sign(signingBytes(domain, payload)) }
}

export function isSignatureValid(domain: SigningDomain, signed: Signed): boolean {
  return verifySignature(signed.key, signingBytes(domain, signed.payload), signed.signature)
}

export function toPbSigned(signed: Signed): pb.Signed {
  return {
    payload: asBytes(signed.payload),
    key: hexToBytes(signed.key, KEY_BYTES, 'key'),
    signature: asBytes(signed.signature)
  }
}

/** @throws CodecError when a part of it is missing or of the wrong length */
export function fromPbSigned(signed: pb.Signed | undefined, name: string): Signed {
  if (signed === undefined) throw new CodecError('malformed', `${name}: there is no signed part`)
  checkLength(signed.signature, SIGNATURE_BYTES, `${name}: signature`)
  return {
    payload: signed.payload,
    key: bytesToHex(signed.key, KEY_BYTES, `${name}: key`),
    signature: signed.signature
  }
}
