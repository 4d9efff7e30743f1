import type { Hash } from '../consensus/types.js'
import type { ChunkWant } from './chunks.js'
import type { ChunkPack } from './pack.js'
import { BlockSource } from './source.js'
import { blockCount, blockHash, type DirNode, type FileNode } from './tree.js'

/** Blocks that are looked up by hash at most; the rest is fetched although it may be here. */
const BLOCKS_MAX = 1_000_000

interface Place {
  isSnapshot: boolean
  path: string
  node: FileNode
  index: number
}

/** What this node has already, wherever it is: in its snapshot and in its state directory. */
export class LocalBlocks {
  readonly #snapshot: BlockSource
  readonly #state: BlockSource
  readonly #places = new Map<Hash, Place>()
  readonly #dirs = new Map<string, DirNode>()
  readonly #files = new Map<string, FileNode>()

  constructor(
    dirs: { stateDir: string; snapshotDir: string },
    trees: { state: DirNode | undefined; snapshot: DirNode }
  ) {
    this.#snapshot = new BlockSource(dirs.snapshotDir)
    this.#state = new BlockSource(dirs.stateDir)
    this.#collect(trees.snapshot, '', true)
    if (trees.state !== undefined && trees.state.hash !== trees.snapshot.hash) this.#collect(trees.state, '', false)
  }

  /** A directory of the snapshot with that listing. */
  findDir(size: number, hash: Hash): DirNode | undefined {
    return this.#dirs.get(`${size}:${hash}`)
  }

  /** A file of several blocks with that content. */
  findFile(size: number, hash: Hash): FileNode | undefined {
    return this.#files.get(`${size}:${hash}`)
  }

  /** True when the block is here and stays here while the state directory is written: if need be it goes into `pack`. */
  async keep(want: ChunkWant, pack: ChunkPack): Promise<boolean> {
    const place = this.#places.get(want.hash)
    if (place === undefined) return false
    const source = place.isSnapshot ? this.#snapshot : this.#state
    const bytes = await source.read(place.path, place.node, place.index)
    if (bytes === undefined || bytes.length !== want.bytes) return false
    if (!place.isSnapshot) await pack.put(want.hash, bytes)
    return true
  }

  /** A block of the snapshot. */
  async read(hash: Hash): Promise<Uint8Array | undefined> {
    const place = this.#places.get(hash)
    return place?.isSnapshot ? this.#snapshot.read(place.path, place.node, place.index) : undefined
  }

  close(): void {
    this.#snapshot.close()
    this.#state.close()
  }

  #collect(dir: DirNode, path: string, isSnapshot: boolean): void {
    if (isSnapshot) this.#dirs.set(`${dir.size}:${dir.hash}`, dir)
    for (const [name, node] of dir.children) {
      const at = path === '' ? name : `${path}/${name}`
      if (node.kind === 'dir') this.#collect(node, at, isSnapshot)
      if (node.kind !== 'file') continue
      if (node.blocks.length > 0) this.#files.set(`${node.size}:${node.hash}`, node)
      for (let index = 0; index < blockCount(node.size) && this.#places.size < BLOCKS_MAX; index++) {
        const hash = blockHash(node, index)
        if (!this.#places.has(hash)) this.#places.set(hash, { isSnapshot, path: at, node, index })
      }
    }
  }
}
