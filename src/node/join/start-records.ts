import * as pb from '../../codec/pb/join.js'
import type { PublicKey } from '../../consensus/types.js'
import { LINK_RECORD_BYTES } from '../../ledger/index.js'
import { type Network, RequestError } from '../../network/index.js'
import { NodeError } from '../errors.js'
import { JOIN_SERVICES } from './join-services.js'

/** Milestones and the base: more than any network changes its config. */
const START_RECORDS_MAX = 100_000
const START_TIMEOUT_MS = 120_000

/**
 * Link records from a peer, not checked here: the ledgers that changed the config, ascending, then the base, a ledger
 * at least `ledgers` before its last one. None when it has all ledgers and they are not more, or `ledgers` is Infinity.
 *
 * @throws NodeError
 */
export async function fetchStartRecords(
  network: Network,
  peer: PublicKey,
  ledgers: number,
  signal: AbortSignal
): Promise<Uint8Array[]> {
  if (ledgers === Number.POSITIVE_INFINITY) return []
  const request = pb.StartRequest.encode({ ledgers })
  const records: Uint8Array[] = []
  const options = {
    maxResponseBytes: LINK_RECORD_BYTES,
    timeouts: { firstByteMs: 10_000, totalMs: START_TIMEOUT_MS },
    signal
  }
  try {
    for await (const record of network.requestStream(peer, JOIN_SERVICES.start, request, options)) {
      if (records.length >= START_RECORDS_MAX)
        throw new NodeError('the node does not end with its changes of the config')
      records.push(record)
    }
  } catch (error) {
    if (error instanceof RequestError) throw new NodeError(`the node did not hand over its ledgers: ${error.message}`)
    throw error
  }
  return records
}
