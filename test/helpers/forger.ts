import { randomBytes } from 'node:crypto'
import {
  type ConsensusMessage,
  EMPTY_OUTPUTS_ROOT,
  encodeCandidatePayload,
  encodeInputList,
  encodeNplPayload,
  encodeProposalPayload,
  encodeSigned,
  encodeUserList,
  networkIdOf,
  partHashOf,
  SIGNING_DOMAINS,
  signPayload,
  voteBytes
} from '../../src/codec/index.js'
import type { Genesis, Hash, ProposalUser, VoteKind } from '../../src/consensus/types.js'
import { type KeyPair, Signer } from '../../src/crypto/index.js'

/** Makes what the holder of a key can sign that an honest node would not. */
export class Forger {
  readonly networkId: Hash
  readonly unl: string[]
  /** The ledger that the honest nodes decide next: what is said of one that is closed is not even looked at. */
  seq = 1
  lcl: Hash = '00'.repeat(32)
  readonly #signer: Signer

  constructor(genesis: Genesis, keys: KeyPair) {
    this.networkId = networkIdOf(genesis)
    this.unl = [...genesis.config.unl].sort()
    this.#signer = new Signer(keys)
  }

  get publicKey(): string {
    return this.#signer.publicKey
  }

  /** A proposal for the current ledger (or `seq`), signed, with the parts that are given. */
  proposal(options: {
    seq?: number
    timeMs?: number
    users?: ProposalUser[]
    parts?: 'none' | 'all'
  }): ConsensusMessage {
    const { seq = this.seq, timeMs = Date.now(), users = [], parts = 'all' } = options
    const usersPart = parts === 'none' ? randomBytes(64) : encodeUserList(users)
    const inputsPart = encodeInputList([])
    const payload = encodeProposalPayload({
      networkId: this.networkId,
      seq,
      lcl: this.lcl,
      timeMs,
      usersHash: partHashOf(usersPart),
      inputsHash: partHashOf(inputsPart),
      wishes: [],
      forwards: [],
      result: {
        status: 'ok',
        stateRoot: randomBytes(32).toString('hex'),
        outputsRoot: EMPTY_OUTPUTS_ROOT,
        configHash: '00'.repeat(32)
      }
    })
    const signed = signPayload(SIGNING_DOMAINS.proposal, payload, this.#signer)
    return { type: 'proposal', proposal: { signed, parts: parts === 'none' ? [] : [usersPart, inputsPart] } }
  }

  vote(
    kind: VoteKind,
    hash: Hash | null,
    at: { seq?: number; attempt?: number; hint?: Hash[] } = {}
  ): ConsensusMessage {
    const { seq = this.seq, attempt = 0, hint = [] } = at
    const payload = voteBytes(this.networkId, { seq, attempt, kind, hash })
    return { type: 'vote', vote: { signed: signPayload(SIGNING_DOMAINS.vote, payload, this.#signer), proposals: hint } }
  }

  /** A candidate of an attempt that it coordinates, with prevotes that nobody gave. */
  candidate(): ConsensusMessage {
    const own = this.unl.indexOf(this.publicKey)
    const attempt = 1 + ((own - this.seq - 1 + 4 * this.unl.length) % this.unl.length)
    const hash = randomHash()
    const payload = encodeCandidatePayload({
      networkId: this.networkId,
      seq: this.seq,
      attempt,
      hash,
      proposals: [hash]
    })
    const signatures = this.unl.map((validator) => ({ validator, signature: randomBytes(64) }))
    const prevotes = { seq: this.seq, attempt: 0, hash, signatures }
    return {
      type: 'candidate',
      candidate: { signed: signPayload(SIGNING_DOMAINS.candidate, payload, this.#signer), prevotes }
    }
  }

  /** One message of the party line for a ledger that comes soon. */
  npl(ordinal: number, data: Uint8Array): Uint8Array {
    const payload = encodeNplPayload({ networkId: this.networkId, seq: this.seq, lcl: this.lcl, ordinal, data })
    return encodeSigned(signPayload(SIGNING_DOMAINS.npl, payload, this.#signer))
  }
}

export function randomHash(): Hash {
  return randomBytes(32).toString('hex')
}
