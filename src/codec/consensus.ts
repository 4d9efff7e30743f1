import type { Hash, PublicKey, VoteKind, VoteSet } from '../consensus/types.js'
import {
  asBytes,
  bytesToHex,
  CodecError,
  checkLength,
  decodeCanonical,
  HASH_BYTES,
  hexToBytes,
  SIGNATURE_BYTES
} from './canonical.js'
import { LIMITS } from './limits.js'
import * as pb from './pb/consensus.js'
import { PROPOSAL_LIMITS } from './proposal.js'
import { fromPbSigned, type Signed, toPbSigned } from './signed.js'

/** A proposal as it travels: signed, with those of its parts that are sent along. */
export interface ProposalMessage {
  signed: Signed
  parts: Uint8Array[]
}

export interface VotePayload {
  networkId: Hash
  seq: number
  attempt: number
  kind: VoteKind
  hash: Hash | null
}

export interface VoteMessage {
  signed: Signed
  /** For a prevote: what its ledger is built from; a hint, not signed. */
  proposals: Hash[]
}

export interface CandidatePayload {
  networkId: Hash
  seq: number
  attempt: number
  hash: Hash
  proposals: Hash[]
}

export interface CandidateMessage {
  signed: Signed
  prevotes: VoteSet | null
}

/** A candidate whose UNL need not be known yet. */
export interface ParsedCandidate {
  signed: Signed
  /** @throws CodecError when a signer's index is outside `unl` */
  prevotes: ((unl: readonly PublicKey[]) => VoteSet) | null
}

/** A message as it is decoded. */
export type ParsedMessage =
  | Exclude<ConsensusMessage, { type: 'candidate' }>
  | { type: 'candidate'; candidate: ParsedCandidate }

export type ConsensusMessage =
  | { type: 'proposal'; proposal: ProposalMessage }
  | { type: 'vote'; vote: VoteMessage }
  | { type: 'candidate'; candidate: CandidateMessage }
  | { type: 'evidence'; first: Signed; second: Signed }

/** @param unl sorted; gives the index of each signer of a candidate's prevotes, and matters to nothing else */
export function encodeConsensusMessage(message: ConsensusMessage, unl: readonly PublicKey[] = []): Uint8Array {
  return pb.ConsensusMessage.encode(toPbMessage(message, unl))
}

function toPbMessage(message: ConsensusMessage, unl: readonly PublicKey[]): Partial<pb.ConsensusMessage> {
  switch (message.type) {
    case 'proposal':
      return { proposal: toPbProposal(message.proposal) }
    case 'vote':
      return { vote: { signed: toPbSigned(message.vote.signed), proposals: message.vote.proposals.map(hashToBytes) } }
    case 'candidate': {
      const { signed, prevotes } = message.candidate
      return {
        candidate: {
          signed: toPbSigned(signed),
          ...(prevotes === null ? {} : { prevotes: toPbVoteSet(prevotes, unl) })
        }
      }
    }
    case 'evidence':
      return { evidence: { first: toPbSigned(message.first), second: toPbSigned(message.second) } }
  }
}

/**
 * Decodes a gossip message; signatures and payloads are still to be checked.
 *
 * @throws CodecError
 */
export function decodeConsensusMessage(bytes: Uint8Array, maxBytes: number): ParsedMessage {
  const message = decodeCanonical(pb.ConsensusMessage, bytes, { maxBytes, name: 'consensus message' })
  const { proposal, vote, candidate, evidence } = message
  if (proposal !== undefined) return { type: 'proposal', proposal: fromPbProposal(proposal) }
  if (vote !== undefined) {
    const proposals = hashList(vote.proposals, LIMITS.validators, 'vote')
    return { type: 'vote', vote: { signed: fromPbSigned(vote.signed, 'vote'), proposals } }
  }
  if (candidate !== undefined) {
    const set = candidate.prevotes
    if (set !== undefined && set.signatures.length > LIMITS.validators) {
      throw new CodecError('too-large', 'candidate: more prevotes than a UNL may have validators')
    }
    const prevotes = set === undefined ? null : (unl: readonly PublicKey[]) => fromPbVoteSet(set, unl)
    return { type: 'candidate', candidate: { signed: fromPbSigned(candidate.signed, 'candidate'), prevotes } }
  }
  if (evidence !== undefined) {
    const first = fromPbSigned(evidence.first, 'evidence')
    return { type: 'evidence', first, second: fromPbSigned(evidence.second, 'evidence') }
  }
  throw new CodecError('malformed', 'consensus message: of no known kind')
}

/** A proposal on its own, as it is fetched by hash and kept in the journal. */
export function encodeProposalMessage(message: ProposalMessage): Uint8Array {
  return pb.ProposalMessage.encode(toPbProposal(message))
}

/** @throws CodecError */
export function decodeProposalMessage(bytes: Uint8Array): ProposalMessage {
  const options = { maxBytes: PROPOSAL_LIMITS.messageBytes, name: 'proposal message' }
  return fromPbProposal(decodeCanonical(pb.ProposalMessage, bytes, options))
}

/** @throws CodecError */
export function decodeVotePayload(payload: Uint8Array): VotePayload {
  const vote = decodeCanonical(pb.Vote, payload, { maxBytes: LIMITS.voteBytes, name: 'vote' })
  if (vote.kind !== 1 && vote.kind !== 2) throw new CodecError('out-of-range', `vote: kind ${vote.kind} is not known`)
  return {
    networkId: hashOf(vote.networkId, 'vote'),
    seq: vote.seq,
    attempt: vote.attempt,
    kind: vote.kind === 1 ? 'prevote' : 'precommit',
    hash: vote.hash.length === 0 ? null : hashOf(vote.hash, 'vote')
  }
}

export function encodeCandidatePayload(candidate: CandidatePayload): Uint8Array {
  return pb.Candidate.encode({
    networkId: hashToBytes(candidate.networkId),
    seq: candidate.seq,
    attempt: candidate.attempt,
    hash: hashToBytes(candidate.hash),
    proposals: candidate.proposals.map(hashToBytes)
  })
}

/** @throws CodecError */
export function decodeCandidatePayload(payload: Uint8Array): CandidatePayload {
  const candidate = decodeCanonical(pb.Candidate, payload, { maxBytes: LIMITS.headerBytes, name: 'candidate' })
  return {
    networkId: hashOf(candidate.networkId, 'candidate'),
    seq: candidate.seq,
    attempt: candidate.attempt,
    hash: hashOf(candidate.hash, 'candidate'),
    proposals: hashList(candidate.proposals, LIMITS.validators, 'candidate')
  }
}

/** @throws CodecError */
export function encodeVoteSet(votes: VoteSet, unl: readonly PublicKey[]): Uint8Array {
  return pb.VoteSet.encode(toPbVoteSet(votes, unl))
}

/** @throws CodecError */
export function decodeVoteSet(bytes: Uint8Array, unl: readonly PublicKey[]): VoteSet {
  const options = { maxBytes: LIMITS.certificateBytes, name: 'vote set' }
  return fromPbVoteSet(decodeCanonical(pb.VoteSet, bytes, options), unl)
}

function toPbProposal({ signed, parts }: ProposalMessage): pb.ProposalMessage {
  return { signed: toPbSigned(signed), parts: parts.map((part) => asBytes(part)) }
}

function fromPbProposal(message: pb.ProposalMessage): ProposalMessage {
  const max = 2 + PROPOSAL_LIMITS.forwards
  if (message.parts.length > max) throw new CodecError('too-large', `proposal message: more than ${max} parts`)
  return { signed: fromPbSigned(message.signed, 'proposal message'), parts: message.parts }
}

function toPbVoteSet({ seq, attempt, hash, signatures }: VoteSet, unl: readonly PublicKey[]): pb.VoteSet {
  return {
    seq,
    attempt,
    hash: hashToBytes(hash),
    signatures: signatures.map(({ validator, signature }) => {
      const index = unl.indexOf(validator)
      if (index < 0) throw new CodecError('out-of-range', `vote set: ${validator} is not in the UNL`)
      return { validator: index, signature: asBytes(signature) }
    })
  }
}

function fromPbVoteSet({ seq, attempt, hash, signatures }: pb.VoteSet, unl: readonly PublicKey[]): VoteSet {
  if (signatures.length > unl.length) throw new CodecError('too-large', 'vote set: more signatures than validators')
  return {
    seq,
    attempt,
    hash: hashOf(hash, 'vote set'),
    signatures: signatures.map(({ validator, signature }) => {
      const key = unl[validator]
      if (key === undefined) throw new CodecError('out-of-range', `vote set: there is no validator ${validator}`)
      checkLength(signature, SIGNATURE_BYTES, 'vote set: signature')
      return { validator: key, signature }
    })
  }
}

function hashList(hashes: Uint8Array[], max: number, name: string): Hash[] {
  if (hashes.length > max) throw new CodecError('too-large', `${name}: ${hashes.length} proposals, at most ${max}`)
  return hashes.map((hash) => hashOf(hash, name))
}

function hashToBytes(hash: Hash): Uint8Array<ArrayBuffer> {
  return hexToBytes(hash, HASH_BYTES, 'hash')
}

function hashOf(bytes: Uint8Array, name: string): Hash {
  return bytesToHex(bytes, HASH_BYTES, name)
}
