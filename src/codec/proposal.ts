import type { ConfigWish, ExecutionResult, Hash, ProposalUser } from '../consensus/types.js'
import { taggedHash } from '../crypto/index.js'
import {
  asBytes,
  bytesToHex,
  CodecError,
  checkAscending,
  checkInteger,
  checkLength,
  decodeCanonical,
  HASH_BYTES,
  hexToBytes,
  KEY_BYTES,
  SIGNATURE_BYTES
} from './canonical.js'
import * as pb from './pb/consensus.js'
import { fromPbSigned, type Signed, toPbSigned } from './signed.js'
import { decodeWishes, encodeWishes } from './wishes.js'

export const PROPOSAL_LIMITS = {
  /** Connected users of one node that one proposal may name. */
  users: 4096,
  /** Inputs in one proposal. */
  inputs: 16_384,
  /** Encoded user list: a key, a proof and framing for each user. */
  usersBytes: 1024 * 1024,
  /** Encoded input list: content and framing. */
  inputsBytes: 72 * 1024 * 1024,
  /** Encoded payload: hashes, a result, numbers, wishes, hashes of forward batches. */
  payloadBytes: 8192,
  /** Forward batches in one proposal. */
  forwards: 64,
  /** One forward batch, encoded and with its signature. */
  forwardBytes: 9 * 1024 * 1024,
  /** Inputs of one forward batch. */
  forwardInputs: 4096,
  /** Content bytes of the inputs of one forward batch: with users and framing it stays below `forwardBytes`. */
  forwardContentBytes: 8 * 1024 * 1024,
  /** User entries of all forward batches in one proposal; the users that they name are limited by `users`. */
  forwardUserEntries: 16_384,
  /** A proposal with all its parts. */
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
  wishes: ConfigWish[]
  /** Hashes of the forward batches that it takes up, each once. */
  forwards: Hash[]
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
    wishes: encodeWishes(payload.wishes),
    forwards: payload.forwards.map(hashToBytes)
  })
}

/** @throws CodecError */
export function decodeProposalPayload(payload: Uint8Array): ProposalPayload {
  const name = 'proposal'
  const message = decodeCanonical(pb.Proposal, payload, { maxBytes: PROPOSAL_LIMITS.payloadBytes, name })
  const { result } = message
  if (result === undefined) throw new CodecError('malformed', 'proposal: there is no result')
  if (result.status > 1) throw new CodecError('out-of-range', `proposal: result status ${result.status} is not known`)
  if (message.forwards.length > PROPOSAL_LIMITS.forwards) {
    const count = message.forwards.length
    throw new CodecError('too-large', `proposal: ${count} forward batches, at most ${PROPOSAL_LIMITS.forwards}`)
  }
  const forwards = message.forwards.map((hash) => hashOf(hash, 'proposal: forward batch'))
  if (new Set(forwards).size !== forwards.length) {
    throw new CodecError('out-of-range', 'proposal: a forward batch is named twice')
  }
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
    },
    wishes: decodeWishes(message.wishes),
    forwards
  }
}

export function encodeUserList(users: ProposalUser[]): Uint8Array {
  return pb.UserList.encode({ users: users.map(userToPb) })
}

function userToPb({ key, proof }: ProposalUser): pb.UserEntry {
  return {
    key: hexToBytes(key, KEY_BYTES, 'user key'),
    expiryMs: proof.expiryMs,
    nonce: asBytes(proof.nonce),
    signature: asBytes(proof.signature)
  }
}

/** Users ascending by key, with proofs of the right form; the proofs themselves are not checked here. @throws CodecError */
export function decodeUserList(part: Uint8Array): ProposalUser[] {
  const { users } = decodeCanonical(pb.UserList, part, {
    maxBytes: PROPOSAL_LIMITS.usersBytes,
    name: 'user list',
    limits: { users: PROPOSAL_LIMITS.users }
  })
  return usersFromPb(users, 'user list')
}

function usersFromPb(users: readonly pb.UserEntry[], name: string): ProposalUser[] {
  const list = users.map((user) => {
    checkLength(user.nonce, PROPOSAL_LIMITS.nonceBytes, `${name}: nonce`)
    checkLength(user.signature, SIGNATURE_BYTES, `${name}: signature`)
    const proof = { expiryMs: user.expiryMs, nonce: user.nonce, signature: user.signature }
    return { key: bytesToHex(user.key, KEY_BYTES, `${name}: key`), proof }
  })
  checkAscending(
    list.map((user) => user.key),
    name
  )
  return list
}

export function encodeInputList(inputs: ProposalListInput[]): Uint8Array {
  return pb.InputList.encode({ inputs: inputs.map(inputToPb) })
}

function inputToPb({ user, ordinal, content }: ProposalListInput): pb.UserInput {
  return { user, ordinal, content: asBytes(content) }
}

/** @throws CodecError */
export function decodeInputList(part: Uint8Array, userCount: number): ProposalListInput[] {
  const { inputs } = decodeCanonical(pb.InputList, part, {
    maxBytes: PROPOSAL_LIMITS.inputsBytes,
    name: 'input list',
    limits: { inputs: PROPOSAL_LIMITS.inputs }
  })
  checkUserIndices(inputs, userCount, 'input list')
  return inputs
}

function checkUserIndices(inputs: readonly ProposalListInput[], userCount: number, name: string): void {
  for (const { user } of inputs) {
    if (user >= userCount) throw new CodecError('out-of-range', `${name}: user ${user} of ${userCount}`)
  }
}

/** What an observer signs for its users, so that a validator can put their inputs into its proposals. */
export interface ForwardBatch {
  networkId: Hash
  /** The last ledger that may take it. */
  untilSeq: number
  users: ProposalUser[]
  inputs: ProposalListInput[]
}

/** @throws CodecError */
export function encodeForwardBatch(batch: ForwardBatch): Uint8Array {
  return pb.ForwardBatch.encode({
    networkId: hashToBytes(batch.networkId),
    untilSeq: checkInteger(batch.untilSeq, 1, Number.MAX_SAFE_INTEGER, 'forward batch: untilSeq'),
    users: batch.users.map(userToPb),
    inputs: batch.inputs.map(inputToPb)
  })
}

/** Of the right form; neither the signature around it nor the proofs of its users are checked here. @throws CodecError */
export function decodeForwardBatch(payload: Uint8Array): ForwardBatch {
  const name = 'forward batch'
  const message = decodeCanonical(pb.ForwardBatch, payload, {
    maxBytes: PROPOSAL_LIMITS.forwardBytes,
    name,
    limits: { users: PROPOSAL_LIMITS.users, inputs: PROPOSAL_LIMITS.forwardInputs }
  })
  const users = usersFromPb(message.users, name)
  checkUserIndices(message.inputs, users.length, name)
  const untilSeq = checkInteger(message.untilSeq, 1, Number.MAX_SAFE_INTEGER, `${name}: untilSeq`)
  return { networkId: hashOf(message.networkId, name), untilSeq, users, inputs: message.inputs }
}

/** A forward batch with its signature, as it travels: a part of a proposal, named by `partHashOf`. */
export function encodeSignedForward(signed: Signed): Uint8Array {
  return pb.Signed.encode(toPbSigned(signed))
}

/** @throws CodecError */
export function decodeSignedForward(part: Uint8Array): Signed {
  const options = { maxBytes: PROPOSAL_LIMITS.forwardBytes, name: 'forward batch' }
  return fromPbSigned(decodeCanonical(pb.Signed, part, options), 'forward batch')
}
