import { CodecError } from '../codec/index.js'
import type { Hash, ProposalUser, PublicKey } from '../consensus/types.js'
import { verifyUserProof } from '../users/index.js'

/** Checked proofs that are remembered, so that a connected user costs one signature check and not one a ledger. */
const PROOFS_REMEMBERED = 65_536
/** Proofs checked in one go before other work gets its turn. */
const PROOFS_AT_ONCE = 50

/** Checks that users met the node that speaks for them, each proof once. */
export class UserProofs {
  readonly #networkId: Hash
  readonly #known = new Set<string>()

  constructor(networkId: Hash) {
    this.#networkId = networkId
  }

  /**
   * Every user must have signed a challenge of `node`: it cannot speak for users that it never met.
   *
   * @throws CodecError that names the first one who did not
   */
  async check(node: PublicKey, users: readonly ProposalUser[]): Promise<void> {
    let checked = 0
    for (const { key, proof } of users) {
      const nonce = Buffer.from(proof.nonce).toString('latin1')
      const name = `${key}${node}${proof.expiryMs}${nonce}${Buffer.from(proof.signature).toString('latin1')}`
      if (this.#known.has(name)) continue
      if (!verifyUserProof(this.#networkId, node, key, proof)) {
        throw new CodecError('malformed', `there is no proof that user ${key} connected to ${node}`)
      }
      if (this.#known.size >= PROOFS_REMEMBERED) this.#known.delete(this.#known.values().next().value as string)
      this.#known.add(name)
      checked++
      if (checked % PROOFS_AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
