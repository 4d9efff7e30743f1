import fs from 'node:fs'
import path from 'node:path'
import type { Hash } from '../consensus/types.js'
import type { Change } from './changes.js'
import { type ChunkWant, chunkOfNode, isChunk, ROOT_LEVEL } from './chunks.js'
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
  readonly #source: BlockSource
  readonly #heldFile: string
  readonly #held = new Map<Hash, HeldRoot>()
  readonly #heldBlocks = new Map<Hash, { at: number; bytes: number }>()
  #heldFd = -1
  #heldBytes = 0
  #queue: Promise<unknown> = Promise.resolve()

  constructor(snapshot: Snapshot, metaDir: string) {
    this.#snapshot = snapshot
    this.#source = new BlockSource(snapshot.dir)
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
  readChunk(root: Hash, want: ChunkWant): Promise<Uint8Array | undefined> {
    const result = this.#queue.then(() => this.#readChunk(root, want))
    this.#queue = result.catch(() => undefined)
    return result
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
    await this.#queue
    this.#source.close()
    this.#release()
  }

  async #readChunk(root: Hash, want: ChunkWant): Promise<Uint8Array | undefined> {
    if (![want.level, want.index, want.bytes].every((value) => Number.isSafeInteger(value) && value >= 0))
      return undefined
    const tree = this.#findTree(root)
    if (tree === undefined) return undefined
    if (want.level === ROOT_LEVEL) return want.hash === root ? encodeRootChunk(tree) : undefined
    const node = findNode(tree, want.path)
    if (node === undefined) return undefined
    const bytes = node.kind === 'file' && want.level === 0 ? await this.#readBlock(want, node) : chunkOfNode(node, want)
    return bytes !== undefined && isChunk(want, bytes) ? bytes : undefined
  }

  #findTree(root: Hash): DirNode | undefined {
    const nowMs = Date.now()
    const held = this.#held.get(root)
    if (held !== undefined) {
      held.lastAskedMs = nowMs
      return held.tree
    }
    if (root !== this.#snapshot.root || !this.#snapshot.isIntact) return undefined
    if (this.#held.size >= HELD_ROOTS_MAX) this.#held.delete(this.#held.keys().next().value as Hash)
    this.#held.set(root, { tree: this.#snapshot.tree, lastAskedMs: nowMs })
    return this.#snapshot.tree
  }

  async #readBlock(want: ChunkWant, node: FileNode): Promise<Uint8Array | undefined> {
    if (want.index >= blockCount(node.size)) return undefined
    const found = await this.#source.read(want.path, node, want.index, true)
    if (found !== undefined) return found
    // The file that is open may have been replaced by another one since.
    this.#source.close()
    const again = await this.#source.read(want.path, node, want.index, true)
    if (again !== undefined) return again
    const kept = this.#heldBlocks.get(want.hash)
    if (kept === undefined || this.#heldFd < 0) return undefined
    const bytes = Buffer.alloc(kept.bytes)
    fs.readSync(this.#heldFd, bytes, 0, kept.bytes, kept.at)
    return bytes
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
