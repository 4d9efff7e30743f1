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
  type DiffOptions,
  type DirNode,
  diffState,
  REQUEST_CHUNKS_MAX,
  rootOfChunk,
  type StateDiff,
  type StateStore,
  type SyncProgress,
  syncState
} from '../state/index.js'

export const STATE_SERVICE = 'state'

/** A path in a state, its hash and numbers, for each chunk wanted. */
const REQUEST_BYTES = REQUEST_CHUNKS_MAX * 5000
const ANSWER_BYTES = REQUEST_CHUNKS_MAX * (BLOCK_BYTES + 64)
/** Requests of one peer: about 2 MiB each, so that a copy runs at some hundred MB/s and no faster. */
const RATE_LIMIT = { perSecond: 200, burst: 400 }
const PARALLEL = { perPeer: 8, observers: 16 }
/** Who copies asks one source no more often than this, below that limit, which would cost it its score. */
const ASK_INTERVAL_MS = 8
/** Who does not keep to these is asked last, and all are asked for less at a time (down to one chunk). */
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
    const found = root === null ? [state.reader.readRootChunk()] : await state.reader.readChunks(root, wants)
    const chunks = found.map((content) => ({ present: content !== undefined, content: asBytes(content) }))
    return pb.StateChunks.encode({ chunks })
  })
}

function asBytes(content: Uint8Array | undefined): Uint8Array<ArrayBuffer> {
  return (content ?? new Uint8Array(0)) as Uint8Array<ArrayBuffer>
}

/** root null: which root is it that the state has now? */
function readRequest(request: Uint8Array): { root: Hash | null; wants: ChunkWant[] } {
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
    if (message.root.length === 0 && wants.length === 0) return { root: null, wants }
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
  const sources = new Sources(network)
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
    fetchChunks: (wants, attempt, requestSignal) => sources.fetch(root, wants, attempt, requestSignal)
  })
}

/** The root that the committed state of a peer has now. Throws RequestError. */
export async function askStateRoot(network: Network, peer: PublicKey, signal?: AbortSignal): Promise<Hash> {
  const request = pb.StateRequest.encode({ root: new Uint8Array(0), wants: [] })
  const chunks = await ask(network, peer, request, 1, signal)
  const root = chunks[0] === undefined ? undefined : rootOfChunk(chunks[0])
  if (root === undefined) throw new RequestError('failed', 'the peer has no state that it could name')
  return root
}

/** Compares a state of ours with the one that the peer has now. Throws RequestError and StateError. */
export async function diffWithPeer(
  network: Network,
  peer: PublicKey,
  local: DirNode,
  options: Pick<DiffOptions, 'limits' | 'maxDifferences' | 'signal'> = {}
): Promise<StateDiff> {
  const remote = await askStateRoot(network, peer, options.signal)
  const sources = new Sources(network, peer)
  return await diffState({
    ...options,
    local,
    remote,
    onBadSource: (source, error) => network.report(source, 'wrong-answer', `state: ${error.message}`),
    fetchChunks: (wants, attempt, signal) => sources.fetch(remote, wants, attempt, signal)
  })
}

/** Chooses whom to ask, and asks. */
class Sources {
  /** Sent what is not the state. */
  readonly bad = new Set<PublicKey>()
  readonly #network: Network
  readonly #only: PublicKey | undefined
  /** Did not answer in time, or did not have a chunk. */
  readonly #poor = new Set<PublicKey>()
  readonly #open = new Map<PublicKey, number>()
  /** When each may be asked again, performance.now(). */
  readonly #nextMs = new Map<PublicKey, number>()
  #turn = 0

  constructor(network: Network, only?: PublicKey) {
    this.#network = network
    this.#only = only
  }

  async fetch(root: Hash, wants: ChunkWant[], attempt: number, signal: AbortSignal): Promise<ChunkAnswer> {
    const source = this.#choose(attempt)
    if (source === undefined) throw new RequestError('not-connected', 'no peer is connected that could have the state')
    const request = pb.StateRequest.encode({
      root: hexToBytes(root, HASH_BYTES),
      wants: wants.map((want) => ({ ...want, hash: hexToBytes(want.hash, HASH_BYTES) }))
    })
    this.#open.set(source, (this.#open.get(source) ?? 0) + 1)
    try {
      await this.#waitForTurn(source)
      const chunks = await ask(this.#network, source, request, wants.length, signal)
      if (chunks.every((chunk) => chunk !== undefined)) this.#poor.delete(source)
      else this.#poor.add(source)
      return { source, chunks }
    } catch (error) {
      this.#poor.add(source)
      throw error
    } finally {
      this.#open.set(source, (this.#open.get(source) ?? 1) - 1)
    }
  }

  /** Whoever answers before those who did not, validators before observers; of these the one that has least to do. */
  #choose(attempt: number): PublicKey | undefined {
    const peers = this.#network
      .peers()
      .filter(
        ({ connected, publicKey }) => connected && !this.bad.has(publicKey) && publicKey === (this.#only ?? publicKey)
      )
    const quick = peers.filter(({ publicKey }) => !this.#poor.has(publicKey))
    const validators = quick.filter(({ inUnl }) => inUnl)
    // Every other attempt goes to all, since the quick ones may not have this state.
    const choice = attempt % 2 === 1 || quick.length === 0 ? peers : validators.length > 0 ? validators : quick
    const open = choice.map(({ publicKey }) => this.#open.get(publicKey) ?? 0)
    const least = choice.filter((_, index) => open[index] === Math.min(...open))
    this.#turn += 1
    return least[this.#turn % Math.max(1, least.length)]?.publicKey
  }

  async #waitForTurn(source: PublicKey): Promise<void> {
    const nowMs = performance.now()
    const atMs = Math.max(nowMs, this.#nextMs.get(source) ?? 0)
    this.#nextMs.set(source, atMs + ASK_INTERVAL_MS)
    if (atMs > nowMs) await delay(atMs - nowMs)
  }
}

/** One request to one peer; the chunks that it has, unchecked. */
async function ask(
  network: Network,
  source: PublicKey,
  request: Uint8Array,
  count: number,
  signal?: AbortSignal
): Promise<(Uint8Array | undefined)[]> {
  const answer = await network.request(source, STATE_SERVICE, request, {
    maxResponseBytes: ANSWER_BYTES,
    timeouts: ANSWER_TIMEOUTS,
    ...(signal === undefined ? {} : { signal })
  })
  try {
    // Not compared with its canonical form, which would be one more copy: each chunk is known by its hash.
    const { chunks } = pb.StateChunks.decode(answer, { limits: { chunks: REQUEST_CHUNKS_MAX } })
    return Array.from({ length: count }, (_, index) => (chunks[index]?.present ? chunks[index].content : undefined))
  } catch (error) {
    const message = `state chunks: ${error instanceof Error ? error.message : String(error)}`
    network.report(source, 'wrong-answer', message)
    throw new RequestError('bad-response', message, error)
  }
}
