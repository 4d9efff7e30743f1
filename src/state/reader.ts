import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Hash } from '../consensus/types.js'
import type { Change } from './changes.js'
import { type ChunkWant, chunkOfNode, isChunk, ROOT_LEVEL } from './chunks.js'
import { errnoOf } from './errors.js'
import { OPEN_READ } from './files.js'
import { BLOCK_BYTES } from './limits.js'
import type { Snapshot } from './snapshot.js'
import { BlockSource } from './source.js'
import {
  blockCount,
  blockHash,
  blockLength,
  type DirNode,
  encodeRootChunk,
  type FileNode,
  findNode,
  type TreeNode
} from './tree.js'

const read = promisify(fs.read)
/** Read at once. */
const RUN_BLOCKS_MAX = 64
/** Read before another thread would have begun. */
const SMALL_BYTES = 16 * 1024

/** A root that someone asked for is kept readable for so long after the last question, while newer ones follow. */
const HOLD_MS = 60_000
const HELD_ROOTS_MAX = 8
/** Old blocks kept for held roots; beyond it held roots are given up. */
const HELD_BYTES_MAX = 256 * 1024 * 1024

interface HeldRoot {
  tree: DirNode
  lastAskedMs: number
}

/**
 * Reads the last agreed state for peers that copy it. The root that a peer has begun to copy stays readable for a while
 * when newer ones are committed: blocks that are about to be overwritten are put aside.
 */
export class SnapshotReader {
  readonly #snapshot: Snapshot
  readonly #heldFile: string
  readonly #held = new Map<Hash, HeldRoot>()
  readonly #heldBlocks = new Map<Hash, { at: number; bytes: number }>()
  #heldFd = -1
  #heldBytes = 0
  readonly #reading = new Set<Promise<unknown>>()

  constructor(snapshot: Snapshot, metaDir: string) {
    this.#snapshot = snapshot
    this.#heldFile = path.join(metaDir, 'held')
    fs.rmSync(this.#heldFile, { force: true })
    snapshot.onBeforeChange = (changes) => this.#preserve(changes)
  }

  /** Root of the last agreed state. */
  get root(): Hash {
    return this.#snapshot.root
  }

  /** Tree of the last agreed state. */
  get tree(): DirNode {
    return this.#snapshot.tree
  }

  /** The last agreed state as an ordinary directory; the next commit changes it. */
  get dir(): string {
    return this.#snapshot.dir
  }

  /** The chunk, checked against its hash, or undefined when this node does not have (or no longer has) it. */
  async readChunk(root: Hash, want: ChunkWant): Promise<Uint8Array | undefined> {
    return (await this.readChunks(root, [want]))[0]
  }

  /** Several chunks of one root, in their order; as `readChunk`. Blocks that follow each other are read at once. */
  readChunks(root: Hash, wants: readonly ChunkWant[]): Promise<(Uint8Array | undefined)[]> {
    const work = this.#readChunks(root, wants).finally(() => this.#reading.delete(work))
    this.#reading.add(work)
    return work
  }

  /** What the state has as its root now: 40 bytes that the root is the hash of. */
  readRootChunk(): Uint8Array | undefined {
    return this.#snapshot.isReadable ? encodeRootChunk(this.#snapshot.tree) : undefined
  }

  /** Block `index` of the file at `path` of the last agreed state. */
  async readBlock(file: string, index: number): Promise<Uint8Array | undefined> {
    const node = findNode(this.#snapshot.tree, file)
    if (node?.kind !== 'file' || !(index >= 0 && index < blockCount(node.size))) return undefined
    return this.readChunk(this.root, {
      path: file,
      level: 0,
      index,
      hash: blockHash(node, index),
      bytes: blockLength(node.size, index)
    })
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#reading)
    this.#release()
  }

  async #readChunks(root: Hash, wants: readonly ChunkWant[]): Promise<(Uint8Array | undefined)[]> {
    const tree = this.#findTree(root)
    const chunks: (Uint8Array | undefined)[] = []
    while (chunks.length < wants.length) {
      const want = wants[chunks.length]!
      const node = tree === undefined || !isReadable(want) ? undefined : findNode(tree, want.path)
      if (tree === undefined || node === undefined) chunks.push(undefined)
      else if (want.level === ROOT_LEVEL) chunks.push(want.hash === root ? encodeRootChunk(tree) : undefined)
      else if (node.kind === 'file' && want.level === 0) {
        const run = takeRun(wants, chunks.length, node)
        for (const chunk of await this.#readRun(want.path, node, run)) chunks.push(chunk)
      } else {
        const bytes = chunkOfNode(node, want)
        chunks.push(bytes !== undefined && isChunk(want, bytes) ? bytes : undefined)
      }
    }
    return chunks
  }

  #findTree(root: Hash): DirNode | undefined {
    const nowMs = Date.now()
    const held = this.#held.get(root)
    if (held !== undefined) {
      held.lastAskedMs = nowMs
      return held.tree
    }
    if (root !== this.#snapshot.root || !this.#snapshot.isReadable) return undefined
    if (this.#held.size >= HELD_ROOTS_MAX) {
      const [oldest] = [...this.#held].sort(([, a], [, b]) => a.lastAskedMs - b.lastAskedMs)
      if (oldest !== undefined) this.#held.delete(oldest[0])
    }
    this.#held.set(root, { tree: this.#snapshot.tree, lastAskedMs: nowMs })
    return this.#snapshot.tree
  }

  /** Blocks of one file that follow each other. */
  async #readRun(file: string, node: FileNode, run: readonly ChunkWant[]): Promise<(Uint8Array | undefined)[]> {
    const start = run[0]!.index * BLOCK_BYTES
    const length = Math.min(run.length * BLOCK_BYTES, node.size - start)
    const bytes = length > 0 ? await readPart(`${this.#snapshot.dir}/${file}`, start, length) : undefined
    return run.map((want, i) => {
      const block = bytes?.subarray(i * BLOCK_BYTES, Math.min((i + 1) * BLOCK_BYTES, length))
      if (block !== undefined && isChunk(want, block)) return block
      const kept = this.#readHeld(want)
      // Of a former root it may be gone; of the last one it must be there.
      if (kept === undefined && want.index < blockCount(node.size) && blockHash(node, want.index) === want.hash) {
        if (findNode(this.#snapshot.tree, file) === node) this.#snapshot.suspect(file)
      }
      return kept
    })
  }

  #readHeld(want: ChunkWant): Uint8Array | undefined {
    const kept = this.#heldBlocks.get(want.hash)
    if (kept === undefined || this.#heldFd < 0) return undefined
    const bytes = Buffer.alloc(kept.bytes)
    fs.readSync(this.#heldFd, bytes, 0, kept.bytes, kept.at)
    return isChunk(want, bytes) ? bytes : undefined
  }

  /** Before the snapshot changes: puts aside the blocks that held roots still need. */
  async #preserve(changes: readonly Change[]): Promise<void> {
    const tooOld = Date.now() - HOLD_MS
    for (const [root, held] of this.#held) if (held.lastAskedMs < tooOld) this.#held.delete(root)
    if (this.#held.size === 0) return this.#release()
    const source = new BlockSource(this.#snapshot.dir)
    try {
      for (const change of changes) {
        const old = findNode(this.#snapshot.tree, change.path)
        if (old !== undefined) await this.#preserveNode(source, change.path, old, change)
      }
    } catch {
      // No room, or damage: those who copy have to begin anew with the next root.
      this.#release()
    } finally {
      source.close()
    }
  }

  async #preserveNode(source: BlockSource, file: string, old: TreeNode, change: Change | undefined): Promise<void> {
    if (old.kind === 'dir') {
      for (const [name, child] of old.children) await this.#preserveNode(source, `${file}/${name}`, child, undefined)
    }
    if (old.kind !== 'file') return
    const next = change?.kind === 'file' ? change.node : undefined
    for (let index = 0; index < blockCount(old.size); index++) {
      const hash = blockHash(old, index)
      if (next !== undefined && index < blockCount(next.size) && blockHash(next, index) === hash) continue
      if (this.#heldBlocks.has(hash)) continue
      const bytes = await source.read(file, old, index)
      if (bytes === undefined) continue
      if (this.#heldBytes + bytes.length > HELD_BYTES_MAX) throw new Error('too many blocks to hold')
      if (this.#heldFd < 0) this.#heldFd = fs.openSync(this.#heldFile, 'w+', 0o600)
      fs.writeSync(this.#heldFd, bytes, 0, bytes.length, this.#heldBytes)
      this.#heldBlocks.set(hash, { at: this.#heldBytes, bytes: bytes.length })
      this.#heldBytes += bytes.length
    }
  }

  #release(): void {
    this.#held.clear()
    this.#heldBlocks.clear()
    this.#heldBytes = 0
    if (this.#heldFd < 0) return
    fs.closeSync(this.#heldFd)
    this.#heldFd = -1
    fs.rmSync(this.#heldFile, { force: true })
  }
}

/** Numbers that can be used as they are: whoever asks may have written anything. */
function isReadable(want: ChunkWant): boolean {
  return [want.level, want.index, want.bytes].every((value) => Number.isSafeInteger(value) && value >= 0)
}

/** The wants from `first` on that ask for blocks of one file in their order. */
function takeRun(wants: readonly ChunkWant[], first: number, node: FileNode): ChunkWant[] {
  const { path: file, index } = wants[first]!
  const run = [wants[first]!]
  for (let next = wants[first + 1]; next !== undefined; next = wants[first + run.length]) {
    if (next.path !== file || next.level !== 0 || next.index !== index + run.length) break
    if (run.length >= RUN_BLOCKS_MAX || next.index >= blockCount(node.size)) break
    run.push(next)
  }
  return run
}

/** A part of a regular file; undefined when it is not there, or shorter. */
async function readPart(file: string, start: number, length: number): Promise<Uint8Array | undefined> {
  let fd = -1
  try {
    fd = fs.openSync(file, OPEN_READ)
    const bytes = Buffer.allocUnsafeSlow(length)
    for (let done = 0; done < length; ) {
      const count =
        length <= SMALL_BYTES
          ? fs.readSync(fd, bytes, done, length - done, start + done)
          : (await read(fd, bytes, done, length - done, start + done)).bytesRead
      if (count === 0) return undefined
      done += count
    }
    return bytes
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP' || errno === 'EISDIR') return undefined
    throw error
  } finally {
    if (fd >= 0) fs.closeSync(fd)
  }
}
