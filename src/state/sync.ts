import fs from 'node:fs'
import path from 'node:path'
import type { Logger } from 'pino'
import type { Hash } from '../consensus/types.js'
import { type BlockReader, type Change, changedBlocks, largeChanges, planChanges } from './changes.js'
import { type ChunkWant, isChunk } from './chunks.js'
import { StateError, toStateError } from './errors.js'
import { type FetchChunks, type Fetched, type FetchMany, fetchAll } from './fetcher.js'
import { DEFAULT_LIMITS, type StateLimits } from './limits.js'
import { LocalBlocks } from './local-blocks.js'
import { ChunkPack } from './pack.js'
import { type StagedFile, StagingArea } from './staging.js'
import type { StateStore } from './store.js'
import { fetchTree } from './target-tree.js'
import { blockCount, blockHash, blockLength, type DirNode, type FileNode, findNode } from './tree.js'

/** How far a copy is; what a log line, `status` and a bar on a terminal need. */
export interface SyncProgress {
  /** tree: learning what differs; content: getting it; applying: putting it in place. */
  phase: 'tree' | 'content' | 'applying' | 'done'
  /** Bytes of content that have to be put in place, known from phase 'content' on. */
  totalBytes: number
  /** Of these, here by now: localBytes + resumedBytes + fetchedContentBytes. */
  doneBytes: number
  /** Of these, found on this node in another place or state. */
  localBytes: number
  /** Of these, fetched by an earlier, cut copy. */
  resumedBytes: number
  /** Files that are new or differ, known from phase 'content' on. */
  totalFiles: number
  /** Fetched now: content, listings and lists of hashes. */
  fetchedBytes: number
  fetchedChunks: number
  /** Sources that have sent something good. */
  sources: number
  /** Sources that have sent something wrong. */
  badSources: number
  /** Since the copy began. */
  elapsedMs: number
}

export interface SyncOptions {
  store: StateStore
  /** The root to copy: agreed by a certificate. */
  target: Hash
  fetchChunks: FetchChunks
  /** Called for each wrong answer; do not ask that source again. */
  onBadSource: (source: string, error: StateError) => void
  /** At most every 100 ms, and at each change of the phase. */
  onProgress?: (progress: SyncProgress) => void
  log: Logger
  signal?: AbortSignal
  limits?: Partial<StateLimits>
  /** Requests at the same time, at most; default 3. */
  parallel?: number
  /** Longest wait for one answer, ms; default 30,000. */
  timeoutMs?: number
  /** How often one chunk is asked for before giving up; default 8. */
  attempts?: number
}

/** What copies that were given up have left is thrown away above this. */
const LEFT_BYTES_MAX = 4 * 1024 ** 3
const PROGRESS_INTERVAL_MS = 100
/** Blocks that are wanted more than once are fetched once, as long as they are no more than this. */
const REPEATED_MAX = 256 * 1024

/**
 * Copies the state `target` from peers into the store: only what this node does not hold in one of its trees, each
 * chunk checked before it is written beside them; then all of it becomes the committed state in one step, and the state
 * directory is made equal to it. What was fetched is kept on disk, so that another call, for this root or a newer one,
 * goes on from there. Throws StateError 'unavailable' when no source has a chunk, 'limit' when the state is too large,
 * 'disk-full', and the reason of `signal` when that was aborted.
 */
export async function syncState(options: SyncOptions): Promise<SyncProgress> {
  const { store, target, log } = options
  const signal = options.signal ?? new AbortController().signal
  try {
    const trees = await store.localTrees()
    const packFile = path.join(store.metaDir, 'fetched', 'chunks')
    fs.mkdirSync(path.dirname(packFile), { recursive: true })
    if ((fs.statSync(packFile, { throwIfNoEntry: false })?.size ?? 0) > LEFT_BYTES_MAX) fs.rmSync(packFile)
    const pack = await ChunkPack.open(packFile)
    let copy: Copy | undefined
    try {
      const staging = await StagingArea.open(store.metaDir, signal)
      const dirs = { snapshot: store.snapshotDir, state: store.stateDir, staged: staging.dir }
      const local = new LocalBlocks(dirs, { ...trees, staged: staging.found })
      copy = new Copy(options, { pack, staging, local, ...trees, signal })
      await copy.run(target)
    } finally {
      pack.close()
      await copy?.close()
    }
    fs.rmSync(path.join(store.metaDir, 'fetched'), { recursive: true, force: true })
    copy.report('done')
    log.info({ root: target, ...copy.progress }, 'the state was copied from peers')
    return copy.progress
  } catch (error) {
    if (signal.aborted) throw signal.reason
    throw toStateError(error, 'copying the state')
  }
}

interface Parts {
  pack: ChunkPack
  staging: StagingArea
  local: LocalBlocks
  snapshot: DirNode
  /** What the state directory holds; undefined when that is no state. */
  state: DirNode | undefined
  signal: AbortSignal
}

/** A block that is needed, and where it goes: into a staged file, or into the pack. */
interface Need {
  want: ChunkWant
  file: StagedFile | undefined
}

class Copy {
  readonly progress: SyncProgress = {
    phase: 'tree',
    totalBytes: 0,
    doneBytes: 0,
    localBytes: 0,
    resumedBytes: 0,
    totalFiles: 0,
    fetchedBytes: 0,
    fetchedChunks: 0,
    sources: 0,
    badSources: 0,
    elapsedMs: 0
  }
  readonly #options: SyncOptions
  readonly #parts: Parts
  readonly #sources = new Set<string>()
  readonly #badSources = new Set<string>()
  readonly #staged = new Map<string, StagedFile>()
  readonly #startMs = performance.now()
  #reportedMs = 0
  #fetchedContentBytes = 0

  constructor(options: SyncOptions, parts: Parts) {
    this.#options = options
    this.#parts = parts
  }

  async run(root: Hash): Promise<void> {
    const { store } = this.#options
    const { pack, local, snapshot, staging } = this.#parts
    this.report('tree')
    const limits = { ...DEFAULT_LIMITS, ...this.#options.limits }
    const fetch: FetchMany = (next, accept) => this.#fetchAll(next, accept)
    const tree = await fetchTree({ root, limits, known: local, cache: pack, fetch })
    const changes = planChanges(snapshot, tree)
    await this.#plan(changes)
    this.report('content')
    await this.#getBlocks(changes)
    this.report('applying')
    await staging.finish([...this.#staged.values()])
    const staged = new Map([...this.#staged].map(([at, file]) => [at, `fetched/${file.name}`]))
    const readBlock: BlockReader = (at, node, index) => this.#readBlock(at, node, index)
    const twins = new Map<string, string>()
    for (const [at, { twin }] of this.#staged) if (twin !== undefined) twins.set(at, `fetched/${twin}`)
    await store.install(tree, { from: snapshot, changes, staged, twins, readBlock })
  }

  async close(): Promise<void> {
    this.#parts.local.close()
    await this.#parts.staging.close()
  }

  report(phase: SyncProgress['phase']): void {
    this.progress.phase = phase
    this.#tell(true)
  }

  #tell(now: boolean): void {
    const nowMs = performance.now()
    if (!now && nowMs - this.#reportedMs < PROGRESS_INTERVAL_MS) return
    this.#reportedMs = nowMs
    const { localBytes, resumedBytes, totalBytes } = this.progress
    this.progress.doneBytes = Math.min(totalBytes, localBytes + resumedBytes + this.#fetchedContentBytes)
    this.progress.elapsedMs = Math.round(nowMs - this.#startMs)
    this.#options.onProgress?.({ ...this.progress })
  }

  /** Large changes become staged files, which then only have to be moved into place. */
  async #plan(changes: Change[]): Promise<void> {
    const { staging, state } = this.#parts
    const found = staging.keys()
    for (const change of largeChanges(changes)) {
      const isTwice = state !== undefined && findNode(state, change.path) === undefined
      this.#staged.set(change.path, staging.claim(change.path, change.node, found, isTwice))
    }
    const keep = new Set([...this.#staged.values()].map(({ name }) => name))
    await staging.trim(keep, LEFT_BYTES_MAX)
    for (const need of this.#needs(changes)) this.progress.totalBytes += need.want.bytes
    for (const change of changes) if (change.kind === 'file') this.progress.totalFiles++
  }

  /** Every block that has to be written. */
  *#needs(changes: readonly Change[]): Generator<Need> {
    for (const change of changes) {
      if (change.kind !== 'file') continue
      const { path: at, node } = change
      const file = this.#staged.get(at)
      const base = file === undefined ? change.base : undefined
      for (const index of changedBlocks(node, base)) yield { want: wantOf(at, node, index), file }
    }
  }

  /** Fetches what is nowhere here; the rest is put into its staged file, or left where it is until it is read. */
  async #getBlocks(changes: readonly Change[]): Promise<void> {
    const seen = new Set<Hash>()
    const repeated: Need[] = []
    const first = this.#missing(this.#needs(changes), (need) => {
      const { hash } = need.want
      if (seen.has(hash)) return repeated.push(need) <= REPEATED_MAX
      if (seen.size < REPEATED_MAX) seen.add(hash)
      return false
    })
    await this.#fetchAll(
      async () => (await first.next()).value,
      (fetched) => this.#store(fetched)
    )
    // Those that are wanted more than once are here now, save when they could not be remembered.
    this.#parts.local.refresh()
    const second = this.#missing(repeated, () => false)
    await this.#fetchAll(
      async () => (await second.next()).value,
      (fetched) => this.#store(fetched)
    )
  }

  async *#missing(
    needs: Iterable<Need>,
    isPutOff: (need: Need) => boolean
  ): AsyncGenerator<ChunkWant, undefined, undefined> {
    for (const need of needs) {
      this.#parts.signal.throwIfAborted()
      if ((await this.#findHere(need)) || isPutOff(need)) continue
      yield need.want
    }
    return undefined
  }

  /** True when the block is here: for a staged file it is in it then. */
  async #findHere({ want, file }: Need): Promise<boolean> {
    const { pack, local, staging } = this.#parts
    const inPack = pack.has(want.hash) ? await pack.get(want) : undefined
    if (file === undefined && inPack !== undefined) return this.#countHere(want, true)
    if (file?.found !== undefined && hasBlock(file.found, want)) return this.#countHere(want, true)
    const isStaged = inPack !== undefined || local.sideOf(want.hash) === 'staged'
    const bytes = inPack ?? (await local.read(want.hash))
    if (bytes === undefined || bytes.length !== want.bytes) return false
    if (file !== undefined) await staging.write(file, want.index, [bytes])
    return this.#countHere(want, isStaged)
  }

  #countHere(want: ChunkWant, isResumed: boolean): true {
    if (isResumed) this.progress.resumedBytes += want.bytes
    else this.progress.localBytes += want.bytes
    this.#tell(false)
    return true
  }

  async #store(fetched: Fetched[]): Promise<void> {
    const { pack, staging, local } = this.#parts
    for (let i = 0; i < fetched.length; ) {
      const { want, bytes } = fetched[i]!
      const file = this.#staged.get(want.path)
      const run = [bytes]
      if (file === undefined) await pack.put(want.hash, bytes)
      else {
        while (isNext(want, fetched[i + run.length]?.want, run.length)) run.push(fetched[i + run.length]!.bytes)
        await staging.write(file, want.index, run)
        for (let at = 0; at < run.length; at++) {
          local.add(fetched[i + at]!.want.hash, file.name, file.node, want.index + at)
        }
      }
      for (const block of run) this.#fetchedContentBytes += block.length
      i += run.length
    }
    this.#tell(false)
  }

  /** A block that goes through the journal, from wherever it is. */
  async #readBlock(at: string, node: FileNode, index: number): Promise<Uint8Array> {
    const want = wantOf(at, node, index)
    const bytes = (await this.#parts.pack.get(want)) ?? (await this.#parts.local.read(want.hash))
    if (bytes !== undefined && isChunk(want, bytes)) return bytes
    throw new StateError('unavailable', `a block of ${JSON.stringify(at)} that was here is no longer good: copy again`)
  }

  #fetchAll(next: () => Promise<ChunkWant | undefined>, accept: (fetched: Fetched[]) => Promise<void>): Promise<void> {
    const { fetchChunks, parallel = 3, timeoutMs = 30_000, attempts = 8 } = this.#options
    const { progress } = this
    const options = {
      fetchChunks,
      parallel,
      timeoutMs,
      attempts,
      signal: this.#parts.signal,
      onBadSource: (source: string, error: StateError) => {
        progress.badSources = this.#badSources.add(source).size
        this.#options.onBadSource(source, error)
      },
      onGoodSource: (source: string) => {
        progress.sources = this.#sources.add(source).size
      }
    }
    return fetchAll(options, next, (fetched) => {
      progress.fetchedChunks += fetched.length
      for (const { bytes } of fetched) progress.fetchedBytes += bytes.length
      return accept(fetched)
    })
  }
}

function wantOf(at: string, node: FileNode, index: number): ChunkWant {
  return { path: at, level: 0, index, hash: blockHash(node, index), bytes: blockLength(node.size, index) }
}

/** True when `next` is the block of the same file that comes `distance` after `want`. */
function isNext(want: ChunkWant, next: ChunkWant | undefined, distance: number): boolean {
  return next !== undefined && next.path === want.path && next.index === want.index + distance
}

/** True when the file holds the wanted block in its place. */
function hasBlock(found: FileNode, want: ChunkWant): boolean {
  return want.index < blockCount(found.size) && blockHash(found, want.index) === want.hash
}
