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
  proposalHashOf
} from '../codec/index.js'
import * as pb from '../codec/pb/sync.js'
import type { Hash, PublicKey, UserOutput } from '../consensus/types.js'
import type { LedgerStore } from '../ledger/index.js'
import { type Network, RequestError } from '../network/index.js'
import { LEDGERS_PER_REQUEST } from './catch-up.js'
import type { ProposalPool } from './proposal-pool.js'

/** Names of the request protocols; protocols/sync.md specifies them. */
export const SERVICES = { proposals: 'proposals', ledgers: 'ledgers', outputs: 'outputs' } as const

const SMALL_REQUEST_BYTES = 64
const PROPOSALS_REQUEST_BYTES = LIMITS.validators * 40
/** Time for a proposal to arrive, also a large one over a slow line. */
const FETCH_TIMEOUT_MS = 30_000

/** Answers what peers ask for: proposals by hash, ledgers by range, outputs by ledger. */
export async function serve(network: Network, pool: ProposalPool, ledgers: LedgerStore): Promise<void> {
  await network.handle(
    SERVICES.proposals,
    1,
    { maxRequestBytes: PROPOSALS_REQUEST_BYTES, maxResponseBytes: PROPOSAL_LIMITS.messageBytes },
    (request) => serveProposals(pool, request)
  )
  await network.handle(
    SERVICES.ledgers,
    1,
    { maxRequestBytes: SMALL_REQUEST_BYTES, maxResponseBytes: LIMITS.recordBytes },
    (request) => serveLedgers(ledgers, request)
  )
  await network.handle(
    SERVICES.outputs,
    1,
    { maxRequestBytes: SMALL_REQUEST_BYTES, maxResponseBytes: LIMITS.outputListBytes },
    (request) => serveOutputs(ledgers, request)
  )
}

async function* serveProposals(pool: ProposalPool, request: Uint8Array): AsyncGenerator<Uint8Array> {
  const options = { maxBytes: PROPOSALS_REQUEST_BYTES, name: 'proposals request' }
  const { hashes } = readRequest(() => decodeCanonical(pb.ProposalsRequest, request, options))
  for (const hash of hashes.slice(0, LIMITS.validators)) {
    const whole = pool.whole(readRequest(() => bytesToHex(hash, HASH_BYTES, 'proposal hash')))
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
  yield* ledgers.records(from, from + wanted - 1)
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

/** Fetches whole proposals by hash, from the first of `from` that has any of those still missing. */
export async function fetchProposals(
  network: Network,
  hashes: Hash[],
  from: PublicKey[],
  log: Logger
): Promise<ProposalMessage[]> {
  const missing = new Set(hashes)
  const found: ProposalMessage[] = []
  for (const peer of from) {
    if (missing.size === 0) break
    const request = pb.ProposalsRequest.encode({
      hashes: [...missing].map((hash) => hexToBytes(hash, HASH_BYTES)) as Uint8Array<ArrayBuffer>[]
    })
    try {
      const answers = network.requestStream(peer, SERVICES.proposals, request, {
        maxResponseBytes: PROPOSAL_LIMITS.messageBytes,
        timeouts: { totalMs: FETCH_TIMEOUT_MS }
      })
      for await (const answer of answers) {
        const message = decodeProposalMessage(answer)
        const hash = proposalHashOf(message.signed)
        if (!missing.delete(hash)) {
          network.report(peer, 'wrong-answer', 'a proposal that was not asked for')
          break
        }
        found.push(message)
        if (missing.size === 0) break
      }
    } catch (error) {
      if (error instanceof CodecError) network.report(peer, 'wrong-answer', error.message)
      log.debug(`proposals could not be fetched from ${peer}: ${(error as Error).message}`)
    }
  }
  return found
}

/** The agreed outputs of ledger `seq` from any of `from`; null when nobody has them. */
export async function fetchOutputs(
  network: Network,
  seq: number,
  root: Hash,
  from: PublicKey[],
  log: Logger
): Promise<UserOutput[] | null> {
  for (const peer of from) {
    try {
      const request = pb.OutputsRequest.encode({ seq })
      const answer = await network.request(peer, SERVICES.outputs, request, {
        maxResponseBytes: LIMITS.outputListBytes
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
