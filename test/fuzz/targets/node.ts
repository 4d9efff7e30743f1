import {
  CodecError,
  type ConsensusMessage,
  configHashOf,
  decodeConsensusMessage,
  encodeCandidatePayload,
  encodeConsensusMessage,
  encodeLedgerRecord,
  encodeProposalMessage,
  encodeSigned,
  genesisLedger,
  networkIdOf,
  type ParsedMessage,
  parseLedgerRecord,
  proposalHashOf,
  SIGNING_DOMAINS,
  type Signed,
  type SigningDomain,
  signPayload,
  voteBytes
} from '../../../src/codec/index.js'
import * as pb from '../../../src/codec/pb/consensus.js'
import { Invitation } from '../../../src/codec/pb/join.js'
import { JournalRecord } from '../../../src/codec/pb/journal.js'
import { NplMessage } from '../../../src/codec/pb/npl.js'
import * as sync from '../../../src/codec/pb/sync.js'
import type { ConsensusEvent } from '../../../src/consensus/events.js'
import { blake3 } from '../../../src/crypto/index.js'
import { findLedgerProblem } from '../../../src/ledger/index.js'
import type { Network, RequestHandler } from '../../../src/network/index.js'
import { RequestError } from '../../../src/network/index.js'
import { NodeError } from '../../../src/node/errors.js'
import { GossipIntake } from '../../../src/node/gossip-intake.js'
import { invitationOf } from '../../../src/node/join/join-services.js'
import { readInvitation } from '../../../src/node/join/prepare.js'
import { Journal, JournalError, type JournalFile } from '../../../src/node/journal.js'
import { restoreJournaled } from '../../../src/node/journaled.js'
import { NplBridge } from '../../../src/node/npl-bridge.js'
import { ProposalPool } from '../../../src/node/proposal-pool.js'
import { serve } from '../../../src/node/services.js'
import type { Random } from '../../sim/random.js'
import { GENESIS as CHAIN_GENESIS, type certify, makeChain, ZERO } from '../../unit/ledger/chain.js'
import { mutateProtobuf } from '../engine/mutate/protobuf.js'
import { claim, target } from '../engine/target.js'
import { GENESIS, NETWORK_ID, PROPOSAL_MESSAGE } from './codec.js'
import { hashHex, mustWork, SIGNERS, silent, UNL, utf8 } from './shared.js'

const MAX_GOSSIP = 1024 * 1024
const SELF = UNL[3]!
const [FIRST, SECOND] = SIGNERS as [(typeof SIGNERS)[0], (typeof SIGNERS)[0]]
const SEQ = 8

function signed(domain: SigningDomain, payload: Uint8Array, signer = FIRST): Signed {
  return signPayload(domain, payload, signer)
}

const votePayload = (attempt: number, kind: 'prevote' | 'precommit', hash: string | null): Uint8Array =>
  voteBytes(NETWORK_ID, { seq: SEQ, attempt, kind, hash })

const LEDGER = hashHex('a ledger')
const PREVOTES = {
  seq: SEQ,
  attempt: 0,
  hash: LEDGER,
  signatures: SIGNERS.slice(0, 3).map((signer) => ({
    validator: signer.publicKey,
    signature: signed(SIGNING_DOMAINS.vote, votePayload(0, 'prevote', LEDGER), signer).signature
  }))
}
/** The coordinator of attempt 1. */
const COORDINATOR = SIGNERS[(SEQ + 1) % SIGNERS.length]!
const CANDIDATE = signed(
  SIGNING_DOMAINS.candidate,
  encodeCandidatePayload({
    networkId: NETWORK_ID,
    seq: SEQ,
    attempt: 1,
    hash: LEDGER,
    proposals: [hashHex('p1'), hashHex('p2'), hashHex('p3')]
  }),
  COORDINATOR
)

const MESSAGES: ConsensusMessage[] = [
  { type: 'proposal', proposal: PROPOSAL_MESSAGE },
  { type: 'proposal', proposal: { ...PROPOSAL_MESSAGE, parts: [] } },
  {
    type: 'vote',
    vote: { signed: signed(SIGNING_DOMAINS.vote, votePayload(0, 'prevote', LEDGER)), proposals: [hashHex('p1')] }
  },
  { type: 'vote', vote: { signed: signed(SIGNING_DOMAINS.vote, votePayload(2, 'precommit', null)), proposals: [] } },
  { type: 'candidate', candidate: { signed: CANDIDATE, prevotes: PREVOTES } },
  { type: 'candidate', candidate: { signed: CANDIDATE, prevotes: null } },
  {
    type: 'evidence',
    first: PROPOSAL_MESSAGE.signed,
    second: signed(SIGNING_DOMAINS.proposal, changedTime(PROPOSAL_MESSAGE.signed.payload))
  }
]
const ENCODED = MESSAGES.map((message) => encodeConsensusMessage(message, UNL))

function changedTime(payload: Uint8Array): Uint8Array {
  const proposal = pb.Proposal.decode(payload)
  return pb.Proposal.encode({ ...proposal, timeMs: proposal.timeMs + 1 })
}

function toMessage(parsed: ParsedMessage): ConsensusMessage {
  if (parsed.type !== 'candidate') return parsed
  const { signed: from, prevotes } = parsed.candidate
  return { type: 'candidate', candidate: { signed: from, prevotes: prevotes === null ? null : prevotes(UNL) } }
}

/** Mutates what is signed and signs it anew: what a hostile validator can send. */
function mutateSigned(part: pb.Signed | undefined, domain: SigningDomain, random: Random): pb.Signed | undefined {
  if (part === undefined) return undefined
  const payload = mutateProtobuf(part.payload, part.payload, random)
  const fresh = signed(domain, payload, random.pick(SIGNERS))
  return {
    payload: new Uint8Array(fresh.payload),
    key: new Uint8Array(Buffer.from(fresh.key, 'hex')),
    signature: new Uint8Array(fresh.signature)
  }
}

function mutateGossip(input: Uint8Array, random: Random): Uint8Array {
  let message: pb.ConsensusMessage
  try {
    message = pb.ConsensusMessage.decode(input)
  } catch {
    return mutateProtobuf(input, random.pick(ENCODED), random)
  }
  const { proposal, vote, candidate, evidence } = message
  const { proposal: forProposal, vote: forVote, candidate: forCandidate } = SIGNING_DOMAINS
  if (proposal !== undefined) proposal.signed = mutateSigned(proposal.signed, forProposal, random)
  if (vote !== undefined) vote.signed = mutateSigned(vote.signed, forVote, random)
  if (candidate !== undefined) candidate.signed = mutateSigned(candidate.signed, forCandidate, random)
  if (evidence !== undefined) evidence.second = mutateSigned(evidence.second, forProposal, random)
  return pb.ConsensusMessage.encode(message)
}

function makePool(networkId = NETWORK_ID): ProposalPool {
  return new ProposalPool({
    networkId,
    signer: SIGNERS[3]!,
    log: silent,
    inputBytes: () => 8 * 1024 * 1024,
    fetch: async () => []
  })
}

function makeIntake(push: (event: ConsensusEvent) => void): GossipIntake {
  return new GossipIntake({
    networkId: NETWORK_ID,
    self: SELF,
    maxGossipBytes: MAX_GOSSIP,
    pool: makePool(),
    log: silent,
    core: {
      tip: { ...genesisLedger(GENESIS).header, seq: SEQ - 1 } as never,
      seq: SEQ,
      attempt: 1,
      unl: [...UNL],
      members: new Set(UNL),
      quorum: 3,
      hasPrevoteQuorum: () => false
    },
    push,
    isFull: () => false,
    onBehind: (seq) => claim(seq > SEQ, 'an old ledger counts as one ahead')
  })
}

/** A file that is a buffer. */
class MemoryFile implements JournalFile {
  constructor(public bytes: Uint8Array) {}
  async read(): Promise<Uint8Array> {
    return this.bytes
  }
  async append(bytes: Uint8Array): Promise<void> {
    this.bytes = Buffer.concat([this.bytes, bytes])
  }
  async sync(): Promise<void> {}
  async truncate(length: number): Promise<void> {
    this.bytes = this.bytes.slice(0, length)
  }
  async close(): Promise<void> {}
}

const JOURNAL_HEAD = 16
const encodeRecord = (record: Partial<JournalRecord>): Uint8Array => JournalRecord.encode(record)

async function makeJournal(): Promise<Uint8Array> {
  const file = new MemoryFile(new Uint8Array(0))
  const { journal } = await Journal.open(file, NETWORK_ID, FIRST.publicKey)
  const vote = signed(SIGNING_DOMAINS.vote, votePayload(0, 'prevote', LEDGER))
  const whole = new Uint8Array(encodeProposalMessage(PROPOSAL_MESSAGE))
  journal.add({ proposal: whole })
  journal.add({
    vote: {
      payload: new Uint8Array(vote.payload),
      signature: new Uint8Array(vote.signature),
      proposals: [new Uint8Array(Buffer.from(hashHex('p1'), 'hex'))]
    }
  })
  journal.add({ content: whole })
  journal.add({
    lock: {
      seq: SEQ,
      attempt: 0,
      hash: new Uint8Array(Buffer.from(LEDGER, 'hex')),
      proposals: [new Uint8Array(Buffer.from(proposalHashOf(PROPOSAL_MESSAGE.signed), 'hex'))],
      prevotes: new Uint8Array(8)
    }
  })
  await journal.flush()
  return file.bytes
}

/** The payloads of the records, as far as they are whole. */
function splitJournal(bytes: Uint8Array): Uint8Array[] {
  const buffer = Buffer.from(bytes)
  const payloads: Uint8Array[] = []
  for (let at = 0; at + JOURNAL_HEAD <= buffer.length; ) {
    const length = buffer.readUInt32BE(at + 4)
    payloads.push(buffer.subarray(at + JOURNAL_HEAD, at + JOURNAL_HEAD + length))
    at += JOURNAL_HEAD + length
  }
  return payloads
}

/** Writes records as the journal does, checksums included. */
function joinJournal(payloads: readonly Uint8Array[]): Uint8Array {
  let salt: Uint8Array = new Uint8Array(0)
  const frames = payloads.map((payload) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(payload.length)
    const sum = blake3(Buffer.concat([salt, length, payload])).subarray(0, 8)
    try {
      salt = JournalRecord.decode(payload).owner?.salt ?? salt
    } catch {
      // It is no record any more.
    }
    return Buffer.concat([Buffer.from('hpj1'), length, sum, payload])
  })
  return Buffer.concat(frames)
}

function mutateJournal(input: Uint8Array, random: Random): Uint8Array {
  const payloads = splitJournal(input)
  if (payloads.length === 0) return input
  const at = random.between(0, payloads.length - 1)
  const payload = payloads[at] as Uint8Array
  const record = random.chance(0.2)
    ? encodeRecord({ content: new Uint8Array(mutateProtobuf(payload, payload, random)) })
    : mutateProtobuf(payload, random.pick(payloads), random)
  return joinJournal(random.chance(0.1) ? payloads.toSpliced(at, 1) : payloads.with(at, record))
}

const CHAIN = makeChain(3)

export const nodeTargets = [
  target('invitation', 'what a node tells strangers of its network is refused in words, or canonical', () => ({
    shape: 'protobuf',
    errors: [NodeError],
    seeds: [invitationOf(GENESIS, 12), invitationOf(GENESIS, 0), invitationOf(CHAIN_GENESIS, 2 ** 40)],
    run: (input) => {
      const genesis = readInvitation(input, 'the peer')
      const { seq } = Invitation.decode(input)
      claim(Buffer.compare(invitationOf(genesis, seq), input) === 0, 'what was read encodes to other bytes')
      claim(/^[0-9a-f]{64}$/.test(networkIdOf(genesis)), 'the network has no id')
    }
  })),
  target('consensus-message', 'a gossip message is refused or canonical', () => ({
    shape: 'protobuf',
    errors: [CodecError],
    seeds: ENCODED,
    run: (input) => {
      const message = toMessage(decodeConsensusMessage(input, MAX_GOSSIP))
      const again = mustWork('encoding it again', () => encodeConsensusMessage(message, UNL))
      claim(Buffer.compare(again, input) === 0, 'what was decoded encodes to other bytes')
      return message.type
    }
  })),
  target(
    'gossip',
    'what a hostile validator signs is accepted, ignored or rejected; events are of members and near',
    () => ({
      shape: 'protobuf',
      errors: [],
      seeds: ENCODED,
      mutate: mutateGossip,
      run: async (input) => {
        const events: ConsensusEvent[] = []
        const intake = makeIntake((event) => events.push(event))
        const verdict = intake.receive(input, FIRST.publicKey)
        // Proposals are completed later.
        await new Promise((resolve) => setImmediate(resolve))
        for (const event of events) {
          if (event.type === 'vote') claim(UNL.includes(event.vote.validator), 'a vote of nobody')
          if (event.type === 'candidate') claim(event.candidate.seq <= SEQ + 1, 'a candidate from far ahead')
        }
        return `${verdict} ${events.map(({ type }) => type).join()}`
      }
    }),
    0.2
  ),
  target(
    'npl-wire',
    'party line messages of a hostile validator are delivered as they are, or rejected',
    () => {
      let delivered = 0
      const bridge = new NplBridge({
        networkId: NETWORK_ID,
        signer: SIGNERS[3]!,
        log: silent,
        isValidator: (key) => UNL.includes(key),
        publish: () => {},
        deliver: (message) => {
          claim(Number.isSafeInteger(message.seq) && Number.isSafeInteger(message.ordinal), 'a number that is none')
          delivered += 1
        }
      })
      const lcl = new Uint8Array(Buffer.from(LEDGER, 'hex'))
      const networkId = new Uint8Array(Buffer.from(NETWORK_ID, 'hex'))
      const messages = [
        { networkId, seq: 7, lcl, ordinal: 0, data: new Uint8Array(utf8('hello')), end: false },
        { networkId, seq: 7, lcl, ordinal: 1, data: new Uint8Array(0), end: true }
      ]
      return {
        shape: 'protobuf',
        errors: [],
        seeds: messages.map((message) => encodeSigned(signed(SIGNING_DOMAINS.npl, NplMessage.encode(message)))),
        mutate: (input, random) => {
          try {
            return pb.Signed.encode(mutateSigned(pb.Signed.decode(input), SIGNING_DOMAINS.npl, random) ?? {})
          } catch {
            return mutateProtobuf(input, input, random)
          }
        },
        run: (input) => {
          const before = delivered
          const verdict = bridge.receive(input, SECOND.publicKey)
          claim(
            (verdict === 'accept') === (delivered === before + 1),
            `${verdict}, and ${delivered - before} delivered`
          )
          return verdict
        },
        close: () => bridge.stop()
      }
    },
    0.3
  ),
  target(
    'peer-requests',
    'requests of peers for proposals, ledgers and outputs are answered or refused in words',
    async () => {
      const handlers = new Map<string, RequestHandler>()
      const network = {
        handle: async (name: string, _version: number, _options: unknown, handler: RequestHandler) => {
          handlers.set(name, handler)
          return async () => {}
        }
      } as unknown as Network
      const asked: [number, number][] = []
      const ledgers = {
        first: () => 3,
        tip: () => ({ seq: 9, hash: LEDGER }),
        records: async function* (from: number, to: number) {
          asked.push([from, to])
          yield ENCODED[0] as Uint8Array
        },
        getOutputs: async (seq: number) => (seq === 7 ? [] : null)
      }
      await serve(network, makePool(), ledgers as never)
      const names = [...handlers.keys()].sort()
      const request = (name: string, body: Uint8Array): Uint8Array =>
        Buffer.concat([Uint8Array.of(names.indexOf(name)), body])
      return {
        shape: 'bytes',
        errors: [RequestError],
        seeds: [
          request('ledgers', sync.LedgersRequest.encode({ from: 5, count: 300 })),
          request('ledgers', sync.LedgersRequest.encode({ from: 1, count: 1 })),
          request('outputs', sync.OutputsRequest.encode({ seq: 7 })),
          request('outputs', sync.OutputsRequest.encode({ seq: 6 })),
          request(
            'proposals',
            sync.ProposalsRequest.encode({ hashes: [new Uint8Array(32), new Uint8Array(32).fill(1)] })
          )
        ],
        mutate: (input, random) =>
          Buffer.concat([input.subarray(0, 1), mutateProtobuf(input.subarray(1), input, random)]),
        run: async (input) => {
          const name = names[(input[0] ?? 0) % names.length] as string
          const handler = handlers.get(name) as RequestHandler
          asked.length = 0
          const answer = handler(input.subarray(1), FIRST.publicKey, new AbortController().signal)
          if (Symbol.asyncIterator in answer) for await (const part of answer) claim(part.length > 0, 'an empty part')
          else await answer
          for (const [from, to] of asked) {
            claim(Number.isSafeInteger(from) && to - from < 256, `ledgers ${from} to ${to} are looked up`)
          }
          return name
        }
      }
    },
    0.3
  ),
  target(
    'peer-ledger',
    'a ledger that a peer sends is the next one, or why not is said in words',
    () => {
      const [one, two] = CHAIN as [(typeof CHAIN)[0], (typeof CHAIN)[0]]
      return {
        shape: 'protobuf',
        errors: [CodecError],
        seeds: [one, two].map(({ ledger, certificate }) => encodeRecordOf(ledger, certificate)),
        run: (input) => {
          const { ledger, certificate } = parseLedgerRecord(input)
          const problem = findLedgerProblem(ledger, certificate(CHAIN_GENESIS.config.unl), ZERO, CHAIN_GENESIS.config)
          claim(problem !== null || ledger.hash === one.ledger.hash, 'a ledger that nobody signed is taken')
          return problem?.replace(/[0-9a-f]{64}|\d+/g, '')
        }
      }
    },
    0.3
  ),
  target(
    'consensus-journal',
    'the journal is read back, begun anew, or refused in words; what it says is restored or refused in words',
    async () => {
      const genesis = genesisLedger(GENESIS)
      return {
        shape: 'bytes',
        errors: [JournalError],
        seeds: [await makeJournal(), new Uint8Array(0)],
        mutate: mutateJournal,
        maxBytes: 16_384,
        run: async (input) => {
          const file = new MemoryFile(input)
          const { records, isNew, journal } = await Journal.open(file, NETWORK_ID, FIRST.publicKey)
          const again = await Journal.open(new MemoryFile(file.bytes), NETWORK_ID, FIRST.publicKey)
          claim(again.records.length === records.length, 'opened again it has other records')
          const { networkId, timeMs, result } = genesis.header
          const { stateRoot, configHash } = result
          const before = { networkId, seq: SEQ - 1, hash: genesis.hash, timeMs, stateRoot, configHash, inputCount: 0 }
          const tip = { ...before, forwarded: new Map<string, number>() }
          const restored = await restoreJournaled(records, tip, makePool(), GENESIS.config, FIRST.publicKey, silent)
          await journal.close()
          return `${isNew} ${Math.min(records.length, 4)} ${restored === null}`
        }
      }
    },
    0.2
  )
]

function encodeRecordOf(ledger: (typeof CHAIN)[0]['ledger'], certificate: ReturnType<typeof certify>): Uint8Array {
  claim(configHashOf(CHAIN_GENESIS.config) === ledger.header.result.configHash, 'the chain has another config')
  return encodeLedgerRecord(ledger, certificate, CHAIN_GENESIS.config.unl)
}
