import {
  CodecError,
  decodeForwardBatch,
  decodeSignedForward,
  type ForwardBatch,
  isSignatureValid,
  LIMITS,
  PROPOSAL_LIMITS,
  partHashOf,
  SIGNING_DOMAINS,
  type Signed
} from '../../codec/index.js'
import type { Hash, ProposalInput, ProposalUser, PublicKey } from '../../consensus/types.js'
import { challengeOf, inputIdOf } from '../../users/index.js'
import type { UserProofs } from '../user-proofs.js'

/** A forward batch whose signature and proofs are in order. */
export interface ForwardedBatch {
  hash: Hash
  /** As it travels. */
  part: Uint8Array
  observer: PublicKey
  /** The last ledger that may take it. */
  untilSeq: number
  users: ProposalUser[]
  inputs: ProposalInput[]
  /** Of the inputs' content. */
  bytes: number
}

/** A forward batch of the right form and for this network; nothing in it is proven yet. */
export interface OpenedBatch {
  hash: Hash
  part: Uint8Array
  signed: Signed
  batch: ForwardBatch
}

/** Checked batches that are kept, so that one which waits costs its checks once and not once a proposal. */
const BATCHES_KEPT = 2048
const BYTES_KEPT = 160 * 1024 * 1024

/** Opens forward batches, checks them, and remembers those that are in order until no ledger may take them. */
export class BatchBook {
  readonly #networkId: Hash
  readonly #proofs: UserProofs
  readonly #known = new Map<Hash, ForwardedBatch>()
  readonly #checking = new Map<Hash, Promise<ForwardedBatch>>()
  #bytes = 0

  constructor(networkId: Hash, proofs: UserProofs) {
    this.#networkId = networkId
    this.#proofs = proofs
  }

  get(hash: Hash): ForwardedBatch | undefined {
    return this.#known.get(hash)
  }

  /** @throws CodecError when it is malformed or of another network */
  open(part: Uint8Array): OpenedBatch {
    const signed = decodeSignedForward(part)
    const batch = decodeForwardBatch(signed.payload)
    if (batch.networkId !== this.#networkId) throw new CodecError('out-of-range', 'forward batch: of another network')
    return { hash: partHashOf(part), part, signed, batch }
  }

  /**
   * Checks the observer's signature and that every user met the observer.
   *
   * @throws CodecError
   */
  check(opened: OpenedBatch): Promise<ForwardedBatch> {
    const known = this.#known.get(opened.hash)
    if (known !== undefined) return Promise.resolve(known)
    const checking = this.#checking.get(opened.hash)
    if (checking !== undefined) return checking
    const work = this.#check(opened).finally(() => this.#checking.delete(opened.hash))
    this.#checking.set(opened.hash, work)
    return work
  }

  /** Drops what no ledger from `seq` on may take. */
  forgetBefore(seq: number): void {
    for (const batch of this.#known.values()) if (batch.untilSeq < seq) this.#forget(batch)
  }

  async #check({ hash, part, signed, batch }: OpenedBatch): Promise<ForwardedBatch> {
    if (!isSignatureValid(SIGNING_DOMAINS.forward, signed)) {
      throw new CodecError('malformed', 'forward batch: the signature is not its observer’s')
    }
    await this.#proofs.check(signed.key, batch.users)
    const inputs = readInputs(this.#networkId, signed.key, batch)
    const bytes = inputs.reduce((sum, { content }) => sum + content.length, 0)
    if (bytes > PROPOSAL_LIMITS.forwardContentBytes) {
      throw new CodecError('too-large', `forward batch: ${bytes} bytes of inputs`)
    }
    const checked = { hash, part, observer: signed.key, untilSeq: batch.untilSeq, users: batch.users, inputs, bytes }
    this.#keep(checked)
    return checked
  }

  #keep(batch: ForwardedBatch): void {
    this.#known.set(batch.hash, batch)
    this.#bytes += batch.part.length
    for (const oldest of this.#known.values()) {
      if (this.#known.size <= BATCHES_KEPT && this.#bytes <= BYTES_KEPT) break
      this.#forget(oldest)
    }
  }

  #forget(batch: ForwardedBatch): void {
    if (this.#known.delete(batch.hash)) this.#bytes -= batch.part.length
  }
}

/** True when a ledger `seq` may take what the batch holds (see `closeLedger`). */
export function isInTime({ untilSeq }: { untilSeq: number }, seq: number): boolean {
  return untilSeq >= seq && untilSeq < seq + LIMITS.forwardLedgers
}

/** @throws CodecError when an input is in it twice */
function readInputs(networkId: Hash, observer: PublicKey, { users, inputs, untilSeq }: ForwardBatch): ProposalInput[] {
  const challenges = new Map<number, string>()
  const ids = new Set<Hash>()
  return inputs.map(({ user: index, ordinal, content }) => {
    const { key, proof } = users[index] as ProposalUser
    let challenge = challenges.get(index)
    if (challenge === undefined) {
      challenge = challengeOf(networkId, observer, proof.expiryMs, proof.nonce)
      challenges.set(index, challenge)
    }
    const id = inputIdOf(key, challenge, ordinal, content)
    if (ids.has(id)) throw new CodecError('out-of-range', 'forward batch: an input is in it twice')
    ids.add(id)
    return { user: key, id, content, untilSeq }
  })
}
