import type { Logger } from 'pino'
import {
  bytesToHex,
  CodecError,
  decodeCanonical,
  decodeOutputList,
  decodeProposalMessage,
  encodeOutputList,
  encodeProposalMessage,
  HASH_BYTES,
  hexToBytes,
  LIMITS,
  outputsRootOf,
  PROPOSAL_LIMITS,
  type ProposalMessage,
  partHashOf,
  proposalHashOf
} from '../codec/index.js'
import * as pb from '../codec/pb/sync.js'
import type { Hash, PublicKey, UserOutput } from '../consensus/types.js'
import type { LedgerStore } from '../ledger/index.js'
import { type Network, RequestError } from '../network/index.js'
import { LEDGERS_PER_REQUEST } from './catch-up.js'
import { openProposal, type ProposalPool } from './proposal-pool.js'

/** Names of the request protocols; protocols/sync.md specifies them. */
export const SERVICES = { proposals: 'proposals', ledgers: 'ledgers', outputs: 'outputs' } as const

const SMALL_REQUEST_BYTES = 64
const PROPOSALS_REQUEST_BYTES = LIMITS.validators * 40
/** Time for a proposal to arrive, also a large one over a slow line. */
const FETCH_TIMEOUT_MS = 30_000
const OUTPUTS_FIRST_BYTE_MS = 3000

/** Answers what peers ask for: proposals by hash, ledgers by range, outputs by ledger. */
export async function serve(network: Network, pool: ProposalPool, ledgers: LedgerStore): Promise<void> {
  await network.handle(
    SERVICES.proposals,
    1,
    {
      maxRequestBytes: PROPOSALS_REQUEST_BYTES,
      maxResponseBytes: PROPOSAL_LIMITS.messageBytes,
      parallel: { perPeer: 4, observers: 8 }
    },
    (request) => serveProposals(pool, request)
  )
  await network.handle(
    SERVICES.ledgers,
    1,
    {
      maxRequestBytes: SMALL_REQUEST_BYTES,
      maxResponseBytes: LIMITS.recordBytes,
      parallel: { perPeer: 2, observers: 16 }
    },
    (request) => serveLedgers(ledgers, request)
  )
  await network.handle(
    SERVICES.outputs,
    1,
    {
      maxRequestBytes: SMALL_REQUEST_BYTES,
      maxResponseBytes: LIMITS.outputListBytes,
      parallel: { perPeer: 2, observers: 4 }
    },
    (request) => serveOutputs(ledgers, request)
  )
}

async function* serveProposals(pool: ProposalPool, request: Uint8Array): AsyncGenerator<Uint8Array> {
  const options = { maxBytes: PROPOSALS_REQUEST_BYTES, name: 'proposals request' }
  const { hashes } = readRequest(() => decodeCanonical(pb.ProposalsRequest, request, options))
  const names = hashes
    .slice(0, LIMITS.validators)
    .map((hash) => readRequest(() => bytesToHex(hash, HASH_BYTES, 'proposal hash')))
  for (const hash of new Set(names)) {
    const whole = pool.whole(hash)
    if (whole !== undefined) yield encodeProposalMessage(whole)
  }
}

async function* serveLedgers(ledgers: LedgerStore, request: Uint8Array): AsyncGenerator<Uint8Array> {
  const options = { maxBytes: SMALL_REQUEST_BYTES, name: 'ledgers request' }
  const { from, count } = readRequest(() => decodeCanonical(pb.LedgersRequest, request, options))
  const wanted = Math.min(count, LEDGERS_PER_REQUEST)
  if (from < ledgers.first()) {
    throw new RequestError('refused', `ledgers before ${ledgers.first()} are not kept here`)
  }
  const { seq } = ledgers.tip()
  if (from <= seq) yield* ledgers.records(from, Math.min(from + wanted - 1, seq))
}

async function serveOutputs(ledgers: LedgerStore, request: Uint8Array): Promise<Uint8Array> {
  const options = { maxBytes: SMALL_REQUEST_BYTES, name: 'outputs request' }
  const { seq } = readRequest(() => decodeCanonical(pb.OutputsRequest, request, options))
  const outputs = await ledgers.getOutputs(seq)
  if (outputs === null) throw new RequestError('refused', `the outputs of ledger ${seq} are not here`)
  return encodeOutputList(outputs)
}

function readRequest<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof CodecError) throw new RequestError('refused', error.message)
    throw error
  }
}

/** Fetches whole proposals from peers. */
export class ProposalFetcher {
  readonly #network: Network
  readonly #networkId: Hash
  readonly #log: Logger
  /** What is being asked of whom: large proposals on a slow line must not be asked for again and again. */
  readonly #asked = new Set<string>()

  constructor(network: Network, networkId: Hash, log: Logger) {
    this.#network = network
    this.#networkId = networkId
    this.#log = log
  }

  /** Those of `hashes` that any of `from` has; one peer after the other is asked for what is still missing. */
  async fetch(hashes: Hash[], from: PublicKey[], signal: AbortSignal): Promise<ProposalMessage[]> {
    const missing = new Set(hashes)
    const found: ProposalMessage[] = []
    for (const peer of new Set(from)) {
      if (missing.size === 0 || signal.aborted) break
      const wanted = [...missing].filter((hash) => !this.#asked.has(`${peer} ${hash}`))
      if (wanted.length === 0 || peer === this.#network.publicKey) continue
      for (const hash of wanted) this.#asked.add(`${peer} ${hash}`)
      try {
        for await (const message of this.#ask(peer, wanted, signal)) {
          missing.delete(proposalHashOf(message.signed))
          found.push(message)
        }
      } catch (error) {
        if (error instanceof CodecError) this.#network.report(peer, 'wrong-answer', error.message)
        this.#log.debug(`proposals could not be fetched from ${peer}: ${(error as Error).message}`)
      } finally {
        for (const hash of wanted) this.#asked.delete(`${peer} ${hash}`)
      }
    }
    return found
  }

  /** Checked: the wanted ones, signed, each with all its parts. Throws CodecError for another answer. */
  async *#ask(peer: PublicKey, wanted: Hash[], signal: AbortSignal): AsyncGenerator<ProposalMessage> {
    const missing = new Set(wanted)
    const request = pb.ProposalsRequest.encode({ hashes: wanted.map((hash) => hexToBytes(hash, HASH_BYTES)) })
    const answers = this.#network.requestStream(peer, SERVICES.proposals, request, {
      maxResponseBytes: PROPOSAL_LIMITS.messageBytes,
      timeouts: { totalMs: FETCH_TIMEOUT_MS },
      signal
    })
    for await (const answer of answers) {
      const message = decodeProposalMessage(answer)
      const { usersHash, inputsHash, forwards } = openProposal(message, this.#networkId)
      if (!missing.delete(proposalHashOf(message.signed))) {
        throw new CodecError('malformed', 'a proposal that was not asked for')
      }
      const names = [usersHash, inputsHash, ...forwards]
      const { parts } = message
      if (parts.length !== names.length || parts.some((part, index) => partHashOf(part) !== names[index])) {
        throw new CodecError('malformed', 'a proposal without all its parts')
      }
      yield message
      if (missing.size === 0) return
    }
  }
}

/** The agreed outputs of ledger `seq` from any of `from`; null when nobody has them. */
export async function fetchOutputs(
  network: Network,
  seq: number,
  root: Hash,
  from: PublicKey[],
  { log, signal }: { log: Logger; signal: AbortSignal }
): Promise<UserOutput[] | null> {
  for (const peer of from) {
    if (signal.aborted) return null
    try {
      const request = pb.OutputsRequest.encode({ seq })
      const answer = await network.request(peer, SERVICES.outputs, request, {
        maxResponseBytes: LIMITS.outputListBytes,
        signal,
        timeouts: { firstByteMs: OUTPUTS_FIRST_BYTE_MS, totalMs: FETCH_TIMEOUT_MS }
      })
      const outputs = decodeOutputList(answer)
      if (outputsRootOf(outputs) === root) return outputs
      network.report(peer, 'wrong-answer', `outputs of ledger ${seq} that were not agreed`)
    } catch (error) {
      if (error instanceof CodecError) network.report(peer, 'wrong-answer', error.message)
      log.debug(`outputs of ledger ${seq} could not be fetched from ${peer}: ${(error as Error).message}`)
    }
  }
  return null
}
