import fs from 'node:fs'
import path from 'node:path'
import type { Logger } from 'pino'
import type { Hash } from '../consensus/types.js'
import { type ChunkWant, isChunk, rootWant } from './chunks.js'
import { StateError, toStateError } from './errors.js'
import { type FetchChunks, fetchAll } from './fetcher.js'
import { DEFAULT_LIMITS, type StateLimits } from './limits.js'
import { LocalBlocks } from './local-blocks.js'
import { ChunkPack } from './pack.js'
import type { StateStore } from './store.js'
import { TargetTree } from './target-tree.js'
import { blockCount, blockHash, blockLength, type DirNode, type FileNode } from './tree.js'

export interface SyncProgress {
  /** Bytes of the files that are looked at because their directory differs; known once the tree is. */
  totalBytes: number
  /** Of these, here already: in the same place or in another one. */
  localBytes: number
  /** Of these, fetched by an earlier, cut copy. */
  resumedBytes: number
  /** Fetched now: content, listings and lists of hashes. */
  fetchedBytes: number
  fetchedChunks: number
  phase: 'tree' | 'content' | 'applying' | 'done'
}

export interface SyncOptions {
  store: StateStore
  /** The root to copy: agreed by a certificate. */
  target: Hash
  fetchChunks: FetchChunks
  onBadSource: (source: string, error: StateError) => void
  onProgress?: (progress: SyncProgress) => void
  log: Logger
  signal?: AbortSignal
  limits?: Partial<StateLimits>
  /** Requests at the same time; default 4. */
  parallel?: number
  /** Longest wait for one answer, ms; default 30,000. */
  timeoutMs?: number
  /** How often one chunk is asked for before giving up; default 8. */
  attempts?: number
}

/** The bytes fetched for states that were given up are thrown away above this. */
const PACK_SLACK_BYTES = 4 * 1024 ** 3

/**
 * Copies the state `target` from peers into the store: only what the store does not hold in one of its trees, each
 * chunk checked before it is used; then puts it in place and commits it. What was fetched is kept on disk, so that
 * another call, for this root or a newer one, goes on from there. Throws StateError 'unavailable' when no source has a
 * chunk, 'limit' when the state is too large, and the reason of `signal` when that was aborted.
 */
export async function syncState(options: SyncOptions): Promise<SyncProgress> {
  const { store, target, log } = options
  const signal = options.signal ?? new AbortController().signal
  const progress: SyncProgress = {
    totalBytes: 0,
    localBytes: 0,
    resumedBytes: 0,
    fetchedBytes: 0,
    fetchedChunks: 0,
    phase: 'tree'
  }
  const file = path.join(store.metaDir, 'fetched')
  if ((fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0) > PACK_SLACK_BYTES) fs.rmSync(file)
  const pack = await ChunkPack.open(file)
  const local = new LocalBlocks(store, await store.localTrees())
  try {
    const copy = new Copy(options, pack, local, progress, signal)
    const tree = await copy.fetch(target)
    copy.report('applying')
    await store.replace(tree, (at, node, index) => copy.readBlock(at, node, index))
    copy.report('done')
    log.info({ root: target, ...progress }, 'the state was copied from peers')
  } catch (error) {
    pack.close()
    if (signal.aborted) throw signal.reason
    throw toStateError(error, 'copying the state')
  } finally {
    local.close()
  }
  pack.discard()
  return progress
}

class Copy {
  readonly #options: SyncOptions
  readonly #pack: ChunkPack
  readonly #local: LocalBlocks
  readonly #progress: SyncProgress
  readonly #signal: AbortSignal

  constructor(options: SyncOptions, pack: ChunkPack, local: LocalBlocks, progress: SyncProgress, signal: AbortSignal) {
    this.#options = options
    this.#pack = pack
    this.#local = local
    this.#progress = progress
    this.#signal = signal
  }

  report(phase: SyncProgress['phase']): void {
    this.#progress.phase = phase
    this.#options.onProgress?.({ ...this.#progress })
  }

  /** Fetches all that is missing here of the state `root`; the blocks are in the pack or in the snapshot then. */
  async fetch(root: Hash): Promise<DirNode> {
    const limits = { ...DEFAULT_LIMITS, ...this.#options.limits }
    const target = new TargetTree(root, limits, this.#local)
    // First the shape of the tree, level by level, then the content of its files.
    let wants = [rootWant(root)]
    while (wants.length > 0) wants = await this.#fetchLevel(target, wants)
    const tree = target.finish()
    this.#progress.totalBytes = target.newFiles.reduce((sum, file) => sum + file.node.size, 0)
    this.report('content')
    const blocks = this.#missingBlocks(target.newFiles)
    await this.#fetchAll(async () => (await blocks.next()).value)
    return tree
  }

  /** A block of the target's file at `at`, from wherever it is. */
  async readBlock(at: string, node: FileNode, index: number): Promise<Uint8Array> {
    const want = wantOf(at, node, index)
    const bytes = (await this.#pack.get(want)) ?? (await this.#local.read(want.hash))
    if (bytes !== undefined && isChunk(want, bytes)) return bytes
    throw new StateError('unavailable', `a block of ${JSON.stringify(at)} that was here is no longer good: copy again`)
  }

  /** Returns what the chunks of one level lead to. */
  async #fetchLevel(target: TargetTree, wants: ChunkWant[]): Promise<ChunkWant[]> {
    let at = 0
    await this.#fetchAll(async () => {
      while (at < wants.length && this.#pack.has(wants[at]!.hash)) at++
      return wants[at++]
    })
    const next: ChunkWant[] = []
    for (const want of wants) {
      const bytes = await this.#pack.get(want)
      if (bytes === undefined) next.push(want)
      else for (const further of target.add(want, bytes)) next.push(further)
    }
    return next
  }

  /** Blocks that are neither in the pack nor in the snapshot; those that only the state directory has go into the pack. */
  async *#missingBlocks(files: readonly { path: string; node: FileNode }[]): AsyncGenerator<ChunkWant, undefined> {
    for (const { path: at, node } of files) {
      for (let index = 0; index < blockCount(node.size); index++) {
        this.#signal.throwIfAborted()
        const want = wantOf(at, node, index)
        if (this.#pack.has(want.hash) && (await this.#pack.get(want)) !== undefined) {
          this.#progress.resumedBytes += want.bytes
        } else if (await this.#local.keep(want, this.#pack)) this.#progress.localBytes += want.bytes
        else yield want
      }
    }
    return undefined
  }

  async #store(want: ChunkWant, bytes: Uint8Array): Promise<void> {
    await this.#pack.put(want.hash, bytes)
    this.#progress.fetchedBytes += bytes.length
    this.#progress.fetchedChunks++
    this.#options.onProgress?.({ ...this.#progress })
  }

  #fetchAll(next: () => Promise<ChunkWant | undefined>): Promise<void> {
    const { fetchChunks, onBadSource, parallel = 4, timeoutMs = 30_000, attempts = 8 } = this.#options
    const options = { fetchChunks, onBadSource, parallel, timeoutMs, attempts, signal: this.#signal }
    return fetchAll(options, next, (want, bytes) => this.#store(want, bytes))
  }
}

function wantOf(at: string, node: FileNode, index: number): ChunkWant {
  return { path: at, level: 0, index, hash: blockHash(node, index), bytes: blockLength(node.size, index) }
}
