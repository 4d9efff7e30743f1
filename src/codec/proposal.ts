import type { ExecutionResult, Hash, ProposalUser } from '../consensus/types.js'
import { taggedHash } from '../crypto/index.js'
import {
  asBytes,
  bytesToHex,
  CodecError,
  checkAscending,
  checkLength,
  decodeCanonical,
  HASH_BYTES,
  hexToBytes,
  KEY_BYTES,
  SIGNATURE_BYTES
} from './canonical.js'
import * as pb from './pb/consensus.js'
import type { Signed } from './signed.js'

export const PROPOSAL_LIMITS = {
  /** Connected users of one node that one proposal may name. */
  users: 4096,
  /** Inputs in one proposal. */
  inputs: 16_384,
  /** Encoded user list: a key, a proof and framing for each user. */
  usersBytes: 1024 * 1024,
  /** Encoded input list: content and framing. */
  inputsBytes: 72 * 1024 * 1024,
  /** Encoded payload: five hashes, a result and numbers. */
  payloadBytes: 4096,
  /** A proposal with both its parts. */
  messageBytes: 77 * 1024 * 1024,
  nonceBytes: 16
} as const

const PROPOSAL_HASH_DOMAIN = 'hp-p2p/proposal-hash/1'
const PART_HASH_DOMAIN = 'hp-p2p/part/1'

/** What one validator signs for one seq; the user and input lists stand in it by hash. */
export interface ProposalPayload {
  networkId: Hash
  seq: number
  lcl: Hash
  timeMs: number
  usersHash: Hash
  inputsHash: Hash
  result: ExecutionResult
}

export interface ProposalListInput {
  /** Index in the user list. */
  user: number
  ordinal: number
  content: Uint8Array
}

function hashToBytes(hash: Hash): Uint8Array<ArrayBuffer> {
  return hexToBytes(hash, HASH_BYTES, 'hash')
}

function hashOf(bytes: Uint8Array, name: string): Hash {
  return bytesToHex(bytes, HASH_BYTES, name)
}

export function partHashOf(part: Uint8Array): Hash {
  return taggedHash(PART_HASH_DOMAIN, part)
}

/** Names a proposal: its validator and what it signed. Two validators may well sign the same payload. */
export function proposalHashOf({ key, payload }: Pick<Signed, 'key' | 'payload'>): Hash {
  return taggedHash(PROPOSAL_HASH_DOMAIN, hexToBytes(key, KEY_BYTES, 'key'), payload)
}

export function encodeProposalPayload(payload: ProposalPayload): Uint8Array {
  return pb.Proposal.encode({
    networkId: hashToBytes(payload.networkId),
    seq: payload.seq,
    lcl: hashToBytes(payload.lcl),
    timeMs: payload.timeMs,
    usersHash: hashToBytes(payload.usersHash),
    inputsHash: hashToBytes(payload.inputsHash),
    result: {
      status: payload.result.status === 'ok' ? 0 : 1,
      stateRoot: hashToBytes(payload.result.stateRoot),
      outputsRoot: hashToBytes(payload.result.outputsRoot),
      configHash: hashToBytes(payload.result.configHash)
    },
    wishes: []
  })
}

/** @throws CodecError */
export function decodeProposalPayload(payload: Uint8Array): ProposalPayload {
  const name = 'proposal'
  const message = decodeCanonical(pb.Proposal, payload, { maxBytes: PROPOSAL_LIMITS.payloadBytes, name })
  const { result } = message
  if (result === undefined) throw new CodecError('malformed', 'proposal: there is no result')
  if (result.status > 1) throw new CodecError('out-of-range', `proposal: result status ${result.status} is not known`)
  if (message.wishes.length > 0) throw new CodecError('out-of-range', 'proposal: wishes are not known')
  return {
    networkId: hashOf(message.networkId, name),
    seq: message.seq,
    lcl: hashOf(message.lcl, name),
    timeMs: message.timeMs,
    usersHash: hashOf(message.usersHash, name),
    inputsHash: hashOf(message.inputsHash, name),
    result: {
      status: result.status === 0 ? 'ok' : 'failed',
      stateRoot: hashOf(result.stateRoot, name),
      outputsRoot: hashOf(result.outputsRoot, name),
      configHash: hashOf(result.configHash, name)
    }
  }
}

export function encodeUserList(users: ProposalUser[]): Uint8Array {
  return pb.UserList.encode({
    users: users.map(({ key, proof }) => ({
      key: hexToBytes(key, KEY_BYTES, 'user key'),
      expiryMs: proof.expiryMs,
      nonce: asBytes(proof.nonce),
      signature: asBytes(proof.signature)
    }))
  })
}

/** Users ascending by key, with proofs of the right form; the proofs themselves are not checked here. @throws CodecError */
export function decodeUserList(part: Uint8Array): ProposalUser[] {
  const { users } = decodeCanonical(pb.UserList, part, {
    maxBytes: PROPOSAL_LIMITS.usersBytes,
    name: 'user list',
    limits: { users: PROPOSAL_LIMITS.users }
  })
  const list = users.map((user) => {
    checkLength(user.nonce, PROPOSAL_LIMITS.nonceBytes, 'user list: nonce')
    checkLength(user.signature, SIGNATURE_BYTES, 'user list: signature')
    const proof = { expiryMs: user.expiryMs, nonce: user.nonce, signature: user.signature }
    return { key: bytesToHex(user.key, KEY_BYTES, 'user list: key'), proof }
  })
  checkAscending(
    list.map((user) => user.key),
    'user list'
  )
  return list
}

export function encodeInputList(inputs: ProposalListInput[]): Uint8Array {
  return pb.InputList.encode({
    inputs: inputs.map(({ user, ordinal, content }) => ({ user, ordinal, content: asBytes(content) }))
  })
}

/** @throws CodecError */
export function decodeInputList(part: Uint8Array, userCount: number): ProposalListInput[] {
  const { inputs } = decodeCanonical(pb.InputList, part, {
    maxBytes: PROPOSAL_LIMITS.inputsBytes,
    name: 'input list',
    limits: { inputs: PROPOSAL_LIMITS.inputs }
  })
  for (const { user } of inputs) {
    if (user >= userCount) throw new CodecError('out-of-range', `input list: user ${user} of ${userCount}`)
  }
  return inputs
}
