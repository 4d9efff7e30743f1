import type { Logger } from 'pino'
import { CodecError, checkInteger, decodeCanonical, encodeGenesis, LIMITS } from '../../codec/index.js'
import * as pb from '../../codec/pb/join.js'
import type { NodeConfig } from '../../config/index.js'
import type { Genesis } from '../../consensus/types.js'
import { type LedgerStore, LINK_RECORD_BYTES } from '../../ledger/index.js'
import { type Network, RequestError } from '../../network/index.js'
import { NodeError } from '../errors.js'
import { encodeManifest, MANIFEST_BYTES_MAX, readManifest, readPiece } from './contract-files.js'

/** Names of the request protocols; protocols/join.md specifies them. */
export const JOIN_SERVICES = { contract: 'contract', start: 'start' } as const

const REQUEST_BYTES = 2048
/** A manifest costs reading all of bin/. */
const MANIFEST_KEPT_MS = 10_000
/** A new node reads one file after another; 100 MB/s is more than any needs. */
const CONTRACT_RATE = { perSecond: 200, burst: 400 }
const START_RATE = { perSecond: 1, burst: 5 }

/** What strangers are told who want to join. */
export function invitationOf(genesis: Genesis, seq: number): Uint8Array {
  return pb.Invitation.encode({ genesis: Uint8Array.from(encodeGenesis(genesis)), seq })
}

/** Answers new nodes: the contract with its files, and from where the ledgers are to be had. */
export async function serveJoining(
  network: Network,
  config: NodeConfig,
  ledgers: LedgerStore,
  log: Logger
): Promise<void> {
  const contract = new ContractService(config, log)
  await network.handle(
    JOIN_SERVICES.contract,
    1,
    {
      maxRequestBytes: REQUEST_BYTES,
      maxResponseBytes: MANIFEST_BYTES_MAX,
      rateLimit: CONTRACT_RATE,
      parallel: { perPeer: 4, observers: 16 }
    },
    (request) => contract.answer(request)
  )
  await network.handle(
    JOIN_SERVICES.start,
    1,
    {
      maxRequestBytes: REQUEST_BYTES,
      maxResponseBytes: LINK_RECORD_BYTES,
      rateLimit: START_RATE,
      parallel: { perPeer: 1, observers: 4 }
    },
    (request) => serveStart(ledgers, request)
  )
}

class ContractService {
  readonly #config: NodeConfig
  readonly #log: Logger
  #manifest: Promise<Uint8Array> | null = null

  constructor(config: NodeConfig, log: Logger) {
    this.#config = config
    this.#log = log
  }

  async answer(request: Uint8Array): Promise<Uint8Array> {
    const { path, offset } = readRequest(() =>
      decodeCanonical(pb.ContractRequest, request, { maxBytes: REQUEST_BYTES, name: 'contract request' })
    )
    try {
      if (path === '') return await this.#readManifest()
      const at = readRequest(() => checkInteger(offset, 0, Number.MAX_SAFE_INTEGER, 'contract request: offset'))
      const content = Uint8Array.from(await readPiece(this.#config, path, at))
      return pb.ContractPiece.encode({ content })
    } catch (error) {
      if (error instanceof NodeError || error instanceof CodecError) throw new RequestError('refused', error.message)
      throw error
    }
  }

  #readManifest(): Promise<Uint8Array> {
    if (this.#manifest !== null) return this.#manifest
    const reading = readManifest(this.#config).then(encodeManifest)
    this.#manifest = reading
    const forget = (): void => {
      if (this.#manifest === reading) this.#manifest = null
    }
    reading.then(
      () => setTimeout(forget, MANIFEST_KEPT_MS).unref(),
      (error: unknown) => {
        this.#log.warn(`the contract cannot be handed to new nodes: ${(error as Error).message}`)
        forget()
      }
    )
    return reading
  }
}

/** Milestones up to the base, then the base; nothing when all ledgers from the first on are kept and wanted. */
async function* serveStart(ledgers: LedgerStore, request: Uint8Array): AsyncGenerator<Uint8Array> {
  const { ledgers: wanted } = readRequest(() =>
    decodeCanonical(pb.StartRequest, request, { maxBytes: REQUEST_BYTES, name: 'start request' })
  )
  const { seq: tip } = ledgers.tip()
  // What comes first is pruned first: where little is kept, half of it, for the others to be there when they are asked for.
  const first = ledgers.first()
  const oldest = first === 1 ? 0 : first - 1 + Math.floor((tip - first + 1) / 2)
  const base = Math.max(oldest, tip - Math.max(wanted, LIMITS.forwardLedgers))
  if (base < 1) return
  for await (const seq of ledgers.milestoneSeqs()) {
    if (seq >= base) break
    const record = await ledgers.linkRecord(seq)
    if (record !== null) yield record
  }
  const record = await ledgers.linkRecord(base)
  if (record === null) throw new RequestError('refused', `ledger ${base} is not kept any more: ask again`)
  yield record
}

function readRequest<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof CodecError) throw new RequestError('refused', error.message)
    throw error
  }
}
