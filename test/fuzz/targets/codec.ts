import {
  CodecError,
  decodeCandidatePayload,
  decodeCertificate,
  decodeConsensusConfig,
  decodeForwardBatch,
  decodeGenesis,
  decodeInputList,
  decodeLedgerBody,
  decodeLedgerHeader,
  decodeNplPayload,
  decodeOutputList,
  decodeProposalMessage,
  decodeProposalPayload,
  decodeSignedForward,
  decodeSignedNpl,
  decodeUserList,
  decodeVotePayload,
  decodeVoteSet,
  encodeCandidatePayload,
  encodeCertificate,
  encodeConsensusConfig,
  encodeForwardBatch,
  encodeGenesis,
  encodeInputList,
  encodeLedgerBody,
  encodeLedgerHeader,
  encodeNplPayload,
  encodeOutputList,
  encodeProposalMessage,
  encodeProposalPayload,
  encodeSigned,
  encodeSignedForward,
  encodeUserList,
  encodeVoteSet,
  ledgerHashOf,
  networkIdOf,
  parseLedgerRecord,
  signPayload,
  voteBytes
} from '../../../src/codec/index.js'
import * as pb from '../../../src/codec/pb/consensus.js'
import * as pbLedger from '../../../src/codec/pb/ledger.js'
import { claim, target } from '../engine/target.js'
import { canonical, hashBytes, hashHex, mustWork, SIGNERS, UNL, USERS, utf8 } from './shared.js'

const CONFIG = {
  unl: [...UNL],
  threshold: 67,
  roundtimeMs: 1000,
  minRoundtimeMs: 0,
  ledgerInputBytes: 8_388_608,
  userOutputBytes: 8_388_608,
  ledgerOutputBytes: 33_554_432,
  nplBytes: 4_194_304,
  execTimeoutMs: 30_000
}
export const GENESIS = { contractId: 'a contract', config: CONFIG, stateRoot: hashHex('state') }
export const NETWORK_ID = networkIdOf(GENESIS)

const HEADER = {
  networkId: NETWORK_ID,
  seq: 7,
  prevHash: hashHex('ledger 6'),
  timeMs: 1_700_000_000_000,
  usersHash: hashHex('users'),
  inputsHash: hashHex('inputs'),
  result: {
    status: 'ok' as const,
    stateRoot: hashHex('state'),
    outputsRoot: hashHex('outputs'),
    configHash: hashHex('config')
  },
  support: 2,
  proposals: [hashHex('p1'), hashHex('p2')].sort()
}

const SIGNATURE = new Uint8Array(64).fill(5)
const CERTIFICATE = {
  seq: 7,
  attempt: 1,
  hash: ledgerHashOf(HEADER),
  signatures: UNL.slice(0, 3).map((validator) => ({ validator, signature: SIGNATURE }))
}

export const PROPOSAL_PAYLOAD = pb.Proposal.encode({
  networkId: new Uint8Array(Buffer.from(NETWORK_ID, 'hex')),
  seq: 8,
  lcl: hashBytes('ledger 7'),
  timeMs: 1_700_000_001_000,
  usersHash: hashBytes('user list'),
  inputsHash: hashBytes('input list'),
  result: {
    status: 0,
    stateRoot: hashBytes('state'),
    outputsRoot: hashBytes('outputs'),
    configHash: hashBytes('config')
  },
  wishes: [
    { kind: 1, key: hashBytes('a new validator'), field: 0, value: 0 },
    { kind: 3, key: new Uint8Array(0), field: 3, value: 500 }
  ],
  forwards: [hashBytes('a batch')]
})

const keyBytes = (key: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(key, 'hex'))

export const USER_LIST = pb.UserList.encode({
  users: USERS.map((key) => ({
    key: keyBytes(key),
    expiryMs: 1_700_000_000_000,
    nonce: new Uint8Array(16).fill(3),
    signature: SIGNATURE
  }))
})

export const INPUT_LIST = pb.InputList.encode({
  inputs: [
    { user: 0, ordinal: 0, content: new Uint8Array(Buffer.from('add 5')) },
    { user: 0, ordinal: 1, content: new Uint8Array(0) },
    { user: 2, ordinal: 2 ** 40, content: new Uint8Array(70) }
  ]
})

const FORWARD = encodeForwardBatch({
  networkId: NETWORK_ID,
  untilSeq: 20,
  users: decodeUserList(USER_LIST),
  inputs: decodeInputList(INPUT_LIST, USERS.length)
})

const BODY = pbLedger.LedgerBody.encode({
  users: USERS.map(keyBytes),
  inputs: [
    { user: 1, id: hashBytes('i1'), content: new Uint8Array(Buffer.from('get')) },
    { user: 1, id: hashBytes('i2'), content: new Uint8Array(0) },
    { user: 0, id: hashBytes('i3'), content: new Uint8Array(40) }
  ].map((input, index) => ({ ...input, untilSeq: index * 40 }))
})

const VOTE = voteBytes(NETWORK_ID, { seq: 8, attempt: 2, kind: 'prevote', hash: hashHex('a ledger') })
const NIL_VOTE = voteBytes(NETWORK_ID, { seq: 8, attempt: 0, kind: 'precommit', hash: null })
const CANDIDATE = {
  networkId: NETWORK_ID,
  seq: 8,
  attempt: 1,
  hash: hashHex('a ledger'),
  proposals: [hashHex('p1'), hashHex('p2'), hashHex('p3')]
}
const VOTE_SET = { ...CERTIFICATE, signatures: CERTIFICATE.signatures }
const NPL = { networkId: NETWORK_ID, seq: 7, lcl: hashHex('ledger 7'), ordinal: 3 }
const errors = [CodecError]

function signed(domain: Parameters<typeof signPayload>[0], payload: Uint8Array) {
  return signPayload(domain, payload, SIGNERS[0]!)
}

export const PROPOSAL_MESSAGE = {
  signed: signed('hp-p2p/proposal/1', PROPOSAL_PAYLOAD),
  parts: [USER_LIST, INPUT_LIST]
}

export const codecTargets = [
  target('ledger-header', 'a header is refused or canonical', () => ({
    shape: 'protobuf',
    errors,
    seeds: [
      encodeLedgerHeader(HEADER),
      encodeLedgerHeader({ ...HEADER, seq: 0, timeMs: 0, support: 0, proposals: [] })
    ],
    run: canonical(decodeLedgerHeader, encodeLedgerHeader)
  })),
  target('ledger-body', 'users and inputs of a ledger are refused or canonical', () => ({
    shape: 'protobuf',
    errors,
    seeds: [BODY, new Uint8Array(0)],
    run: canonical(decodeLedgerBody, encodeLedgerBody)
  })),
  target('ledger-record', 'a record with header, body and certificate is refused or canonical', () => ({
    shape: 'protobuf',
    errors,
    seeds: [new Uint8Array(0), new Uint8Array(encodeConsensusConfig(CONFIG))].map((config) =>
      pbLedger.LedgerRecord.encode({
        header: new Uint8Array(encodeLedgerHeader(HEADER)),
        body: new Uint8Array(BODY),
        certificate: pbLedger.Certificate.decode(encodeCertificate(CERTIFICATE, UNL)),
        config
      })
    ),
    run: (input) => {
      const { ledger, certificate } = parseLedgerRecord(input)
      const parts = pbLedger.LedgerRecord.decode(input)
      const header = mustWork('encoding its header', () => encodeLedgerHeader(ledger.header))
      const body = mustWork('encoding its body', () => encodeLedgerBody(ledger))
      claim(Buffer.compare(header, parts.header) === 0, 'the header encodes to other bytes')
      claim(Buffer.compare(body, parts.body) === 0, 'the body encodes to other bytes')
      claim(ledgerHashOf(ledger.header) === ledger.hash, 'the hash is not that of the header')
      encodeCertificate(certificate(UNL), UNL)
    }
  })),
  target('certificate', 'a certificate is refused or canonical', () => ({
    shape: 'protobuf',
    errors,
    seeds: [encodeCertificate(CERTIFICATE, UNL), encodeCertificate({ ...CERTIFICATE, signatures: [] }, UNL)],
    run: canonical(
      (bytes) => decodeCertificate(bytes, UNL),
      (value) => encodeCertificate(value, UNL)
    )
  })),
  target('genesis', 'a genesis is refused or canonical', () => ({
    shape: 'protobuf',
    errors,
    seeds: [encodeGenesis(GENESIS), encodeGenesis({ ...GENESIS, contractId: '' })],
    run: canonical(decodeGenesis, encodeGenesis)
  })),
  target('consensus-config', 'a config is refused or canonical', () => ({
    shape: 'protobuf',
    errors,
    seeds: [encodeConsensusConfig(CONFIG), encodeConsensusConfig({ ...CONFIG, unl: [UNL[0]!], nplBytes: 0 })],
    run: canonical(decodeConsensusConfig, encodeConsensusConfig)
  })),
  target('output-list', 'the outputs of an execution are refused or canonical', () => ({
    shape: 'protobuf',
    errors,
    seeds: [
      encodeOutputList(USERS.map((user, index) => ({ user, content: new Uint8Array(index * 50 + 1) }))),
      new Uint8Array(0)
    ],
    run: canonical(decodeOutputList, encodeOutputList)
  })),
  target('proposal-message', 'a proposal with its parts is refused or canonical', () => ({
    shape: 'protobuf',
    errors,
    seeds: [encodeProposalMessage(PROPOSAL_MESSAGE), encodeProposalMessage({ ...PROPOSAL_MESSAGE, parts: [] })],
    run: canonical(decodeProposalMessage, encodeProposalMessage)
  })),
  target('proposal-payload', 'what a validator signs as its proposal is refused or canonical', () => ({
    shape: 'protobuf',
    errors,
    seeds: [PROPOSAL_PAYLOAD],
    run: canonical(decodeProposalPayload, encodeProposalPayload)
  })),
  target('user-list', 'the users of a proposal with their proofs are refused or canonical', () => ({
    shape: 'protobuf',
    errors,
    seeds: [USER_LIST, new Uint8Array(0)],
    run: canonical(decodeUserList, encodeUserList)
  })),
  target('input-list', 'the inputs of a proposal are refused or canonical', () => ({
    shape: 'protobuf',
    errors,
    seeds: [INPUT_LIST, new Uint8Array(0)],
    run: canonical((bytes) => decodeInputList(bytes, 3), encodeInputList)
  })),
  target('vote-payload', 'what a validator signs as its vote is refused or canonical', () => ({
    shape: 'protobuf',
    errors,
    seeds: [VOTE, NIL_VOTE],
    run: canonical(decodeVotePayload, (vote) => voteBytes(vote.networkId, vote))
  })),
  target('vote-set', 'a quorum of prevotes is refused or canonical', () => ({
    shape: 'protobuf',
    errors,
    seeds: [encodeVoteSet(VOTE_SET, UNL)],
    run: canonical(
      (bytes) => decodeVoteSet(bytes, UNL),
      (votes) => encodeVoteSet(votes, UNL)
    )
  })),
  target('candidate-payload', 'what a coordinator signs is refused or canonical', () => ({
    shape: 'protobuf',
    errors,
    seeds: [encodeCandidatePayload(CANDIDATE), encodeCandidatePayload({ ...CANDIDATE, proposals: [] })],
    run: canonical(decodeCandidatePayload, encodeCandidatePayload)
  })),
  target('forward-batch', 'what an observer signs for its users is refused or canonical', () => ({
    shape: 'protobuf',
    errors,
    seeds: [FORWARD],
    run: canonical(decodeForwardBatch, encodeForwardBatch)
  })),
  target('forward-envelope', 'a signed forward batch is refused or canonical', () => ({
    shape: 'protobuf',
    errors,
    seeds: [encodeSignedForward(signed('hp-p2p/npl/1', FORWARD))],
    run: canonical(decodeSignedForward, encodeSignedForward)
  })),
  target('npl-payload', 'a party line message is refused or canonical', () => ({
    shape: 'protobuf',
    errors,
    seeds: [
      encodeNplPayload({ ...NPL, data: utf8('hello, nodes') }),
      encodeNplPayload({ ...NPL, data: null }),
      encodeNplPayload({ ...NPL, ordinal: 0, data: new Uint8Array(300) })
    ],
    run: canonical(decodeNplPayload, encodeNplPayload)
  })),
  target('npl-envelope', 'a signed party line message is refused or canonical', () => ({
    shape: 'protobuf',
    errors,
    seeds: [encodeSigned(signed('hp-p2p/npl/1', encodeNplPayload({ ...NPL, data: utf8('hello') })))],
    run: canonical(decodeSignedNpl, encodeSigned)
  }))
]
