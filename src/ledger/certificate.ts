import { SIGNING_DOMAINS, signingBytes, voteBytes } from '../codec/index.js'
import type { Certificate, Hash, PublicKey } from '../consensus/types.js'
import { verifySignature } from '../crypto/index.js'

/**
 * Says in words why a certificate does not prove that its ledger is closed, or null when it does: at least `q` distinct
 * members of `unl` signed a precommit for exactly its network, seq, attempt and hash, and no signature is wrong.
 */
export function findCertificateProblem(
  certificate: Certificate,
  unl: readonly PublicKey[],
  q: number,
  networkId: Hash
): string | null {
  const { seq, attempt, hash, signatures } = certificate
  if (signatures.length > unl.length)
    return `certificate has ${signatures.length} signatures for a UNL of ${unl.length}`
  const members = new Set(unl)
  const signers = new Set(signatures.map(({ validator }) => validator))
  if (signers.size !== signatures.length) return 'certificate counts a validator twice'
  if (signers.size < q) return `certificate has ${signers.size} signatures, the quorum is ${q}`
  for (const signer of signers)
    if (!members.has(signer)) return `certificate signer ${signer} is not in the UNL in force`
  let signed: Uint8Array
  try {
    signed = signingBytes(SIGNING_DOMAINS.vote, voteBytes(networkId, { seq, attempt, kind: 'precommit', hash }))
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  const wrong = signatures.find(({ validator, signature }) => !verifySignature(validator, signed, signature))
  return wrong === undefined ? null : `certificate signature of ${wrong.validator} is wrong`
}

/** True when `findCertificateProblem` finds nothing. */
export function verifyCertificate(
  certificate: Certificate,
  unl: readonly PublicKey[],
  q: number,
  networkId: Hash
): boolean {
  return findCertificateProblem(certificate, unl, q, networkId) === null
}
