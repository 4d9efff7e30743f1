import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { bytesToHex, CodecError, decodeCanonical, HASH_BYTES, hexToBytes } from '../codec/index.js'
import * as pb from '../codec/pb/sync.js'
import type { Hash, PublicKey } from '../consensus/types.js'
import { type Network, RequestError } from '../network/index.js'
import {
  BLOCK_BYTES,
  type ChunkAnswer,
  type ChunkWant,
  REQUEST_CHUNKS_MAX,
  type StateStore,
  type SyncProgress,
  syncState
} from '../state/index.js'

export const STATE_SERVICE = 'state'

/** A path in a state, its hash and numbers, for each chunk wanted. */
const REQUEST_BYTES = REQUEST_CHUNKS_MAX * 5000
const ANSWER_BYTES = REQUEST_CHUNKS_MAX * (BLOCK_BYTES + 64)
/** Requests of one peer: 64 chunks of 64 KiB each, so that a copy runs at some hundred MB/s and no faster. */
const RATE_LIMIT = { perSecond: 200, burst: 400 }
const PARALLEL = { perPeer: 8, observers: 32 }
/** Who copies asks one source no more often than this, below that limit, which would cost it its score. */
const ASK_INTERVAL_MS = 8
/** A chunk answer of a MiB takes no longer over any line on which a node is of use; who does is asked last. */
const ANSWER_TIMEOUTS = { firstByteMs: 5000, totalMs: 15_000 }

/** Answers for chunks of agreed states. */
export async function serveState(network: Network, state: StateStore): Promise<void> {
  const options = {
    maxRequestBytes: REQUEST_BYTES,
    maxResponseBytes: ANSWER_BYTES,
    rateLimit: RATE_LIMIT,
    parallel: PARALLEL
  }
  await network.handle(STATE_SERVICE, 1, options, async (request) => {
    const { root, wants } = readRequest(request)
    const chunks: pb.StateChunk[] = []
    for (const want of wants) {
      const content = await state.reader.readChunk(root, want)
      const bytes = content === undefined ? new Uint8Array(0) : new Uint8Array(content)
      chunks.push({ present: content !== undefined, content: bytes })
    }
    return pb.StateChunks.encode({ chunks })
  })
}

function readRequest(request: Uint8Array): { root: Hash; wants: ChunkWant[] } {
  try {
    const limits = { wants: REQUEST_CHUNKS_MAX }
    const message = decodeCanonical(pb.StateRequest, request, {
      maxBytes: REQUEST_BYTES,
      name: 'state request',
      limits
    })
    const wants = message.wants.map(({ path, level, index, hash, bytes }) => ({
      path,
      level,
      index,
      hash: bytesToHex(hash, HASH_BYTES, 'state request: hash'),
      bytes
    }))
    return { root: bytesToHex(message.root, HASH_BYTES, 'state request: root'), wants }
  } catch (error) {
    if (error instanceof CodecError) throw new RequestError('refused', error.message)
    throw error
  }
}

export interface StateCopyOptions {
  network: Network
  state: StateStore
  log: Logger
  signal: AbortSignal
  onProgress: (progress: SyncProgress) => void
}

/** Copies the agreed state `root` from the peers that are connected, and commits it. Rejects when they do not have it. */
export async function copyState(root: Hash, options: StateCopyOptions): Promise<void> {
  const { network, state, log, signal, onProgress } = options
  const sources: Sources = { bad: new Set(), slow: new Set(), nextMs: new Map(), turn: 0 }
  await syncState({
    store: state,
    target: root,
    log,
    signal,
    onProgress,
    onBadSource: (source, error) => {
      sources.bad.add(source)
      network.report(source, 'wrong-answer', `state: ${error.message}`)
    },
    fetchChunks: (wants, attempt, requestSignal) => fetchChunks(network, root, wants, attempt, sources, requestSignal)
  })
}

interface Sources {
  /** Sent what is not the state. */
  bad: Set<PublicKey>
  /** Did not answer in time. */
  slow: Set<PublicKey>
  /** When each may be asked again, performance.now(). */
  nextMs: Map<PublicKey, number>
  turn: number
}

/** Validators before observers, whoever answers before those who do not, and of these each in its turn. */
function chooseSource(network: Network, sources: Sources, attempt: number): PublicKey | undefined {
  const peers = network.peers().filter(({ connected, publicKey }) => connected && !sources.bad.has(publicKey))
  const quick = peers.filter(({ publicKey }) => !sources.slow.has(publicKey))
  const validators = quick.filter(({ inUnl }) => inUnl)
  // Every other attempt goes to all, since the quick ones may not have this state.
  const choice = attempt % 2 === 1 || quick.length === 0 ? peers : validators.length > 0 ? validators : quick
  sources.turn += 1
  return choice[sources.turn % Math.max(1, choice.length)]?.publicKey
}

async function waitForTurn(sources: Sources, source: PublicKey): Promise<void> {
  const nowMs = performance.now()
  const atMs = Math.max(nowMs, sources.nextMs.get(source) ?? 0)
  sources.nextMs.set(source, atMs + ASK_INTERVAL_MS)
  if (atMs > nowMs) await delay(atMs - nowMs)
}

async function fetchChunks(
  network: Network,
  root: Hash,
  wants: ChunkWant[],
  attempt: number,
  sources: Sources,
  signal: AbortSignal
): Promise<ChunkAnswer> {
  const source = chooseSource(network, sources, attempt)
  if (source === undefined) throw new RequestError('not-connected', 'no peer is connected that could have the state')
  const request = pb.StateRequest.encode({
    root: hexToBytes(root, HASH_BYTES),
    wants: wants.map((want) => ({ ...want, hash: hexToBytes(want.hash, HASH_BYTES) }))
  })
  await waitForTurn(sources, source)
  let answer: Uint8Array
  try {
    const timeouts = ANSWER_TIMEOUTS
    answer = await network.request(source, STATE_SERVICE, request, { maxResponseBytes: ANSWER_BYTES, timeouts, signal })
  } catch (error) {
    if (error instanceof RequestError && error.code === 'timeout') sources.slow.add(source)
    throw error
  }
  const options = { maxBytes: ANSWER_BYTES, name: 'state chunks', limits: { chunks: REQUEST_CHUNKS_MAX } }
  try {
    const { chunks } = decodeCanonical(pb.StateChunks, answer, options)
    return { source, chunks: wants.map((_, index) => (chunks[index]?.present ? chunks[index].content : undefined)) }
  } catch (error) {
    if (error instanceof CodecError) network.report(source, 'wrong-answer', error.message)
    throw error
  }
}
