import type { Hash, VoteKind } from '../consensus/types.js'
import { CodecError, checkInteger, HASH_BYTES, hexToBytes, UINT32_MAX } from './canonical.js'
import * as pb from './pb/consensus.js'

/** Domain of each signature: a signature made for one purpose never passes for another. */
export const SIGNING_DOMAINS = {
  proposal: 'hp-p2p/proposal/1',
  vote: 'hp-p2p/vote/1',
  candidate: 'hp-p2p/candidate/1',
  npl: 'hp-p2p/npl/1',
  forward: 'hp-p2p/forward/1'
} as const

export type SigningDomain = (typeof SIGNING_DOMAINS)[keyof typeof SIGNING_DOMAINS]

/** What is signed: the domain in UTF-8, a zero byte, the payload. */
export function signingBytes(domain: SigningDomain, payload: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${domain}\0`), payload])
}

/** What a vote says; the validator is known from the key that signs. */
export interface VoteContent {
  seq: number
  attempt: number
  kind: VoteKind
  /** null is a vote for nil. */
  hash: Hash | null
}

const VOTE_KINDS: Record<VoteKind, number> = { prevote: 1, precommit: 2 }

/** Canonical payload of a vote. @throws CodecError */
export function voteBytes(networkId: Hash, vote: VoteContent): Uint8Array {
  const kind: number | undefined = VOTE_KINDS[vote.kind]
  if (kind === undefined) throw new CodecError('out-of-range', `vote: kind ${vote.kind} is not known`)
  return pb.Vote.encode({
    networkId: hexToBytes(networkId, HASH_BYTES, 'vote: networkId'),
    seq: checkInteger(vote.seq, 0, Number.MAX_SAFE_INTEGER, 'vote: seq'),
    attempt: checkInteger(vote.attempt, 0, UINT32_MAX, 'vote: attempt'),
    kind,
    hash: vote.hash === null ? new Uint8Array(0) : hexToBytes(vote.hash, HASH_BYTES, 'vote: hash')
  })
}
