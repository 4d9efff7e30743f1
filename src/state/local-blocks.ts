import type { Hash } from '../consensus/types.js'
import { BlockSource } from './source.js'
import { blockCount, blockHash, type DirNode, type FileNode } from './tree.js'

/** Blocks that are looked up by hash at most (16 GiB); the rest is fetched although it may be here. */
const BLOCKS_MAX = 256 * 1024

type Side = 'snapshot' | 'state' | 'staged'

interface Place {
  side: Side
  path: string
  node: FileNode
  index: number
}

export interface LocalTrees {
  state: DirNode | undefined
  snapshot: DirNode
  /** Files that an earlier copy left. */
  staged: readonly { name: string; node: FileNode }[]
}

/** What this node has already, wherever it is: in its snapshot, in its state directory, in files of an earlier copy. */
export class LocalBlocks {
  readonly #sources: Record<Side, BlockSource>
  readonly #places = new Map<Hash, Place>()
  readonly #dirs = new Map<string, DirNode>()
  readonly #files = new Map<string, FileNode>()

  constructor(dirs: Record<Side, string>, trees: LocalTrees) {
    this.#sources = {
      snapshot: new BlockSource(dirs.snapshot),
      state: new BlockSource(dirs.state),
      staged: new BlockSource(dirs.staged)
    }
    this.#collect(trees.snapshot, '', 'snapshot')
    if (trees.state !== undefined && trees.state.hash !== trees.snapshot.hash) this.#collect(trees.state, '', 'state')
    for (const { name, node } of trees.staged) this.#collectFile(name, node, 'staged')
  }

  /** A directory of the snapshot with that listing. */
  findDir(size: number, hash: Hash): DirNode | undefined {
    return this.#dirs.get(`${size}:${hash}`)
  }

  /** A file of several blocks with that content. */
  findFile(size: number, hash: Hash): FileNode | undefined {
    return this.#files.get(`${size}:${hash}`)
  }

  /** Where a block is: in files of an earlier copy, or elsewhere on this node. */
  sideOf(hash: Hash): Side | undefined {
    return this.#places.get(hash)?.side
  }

  /** The block, checked; good until the next read. undefined when it is not here, or no longer. One read at a time. */
  async read(hash: Hash): Promise<Uint8Array | undefined> {
    const place = this.#places.get(hash)
    if (place === undefined) return undefined
    const bytes = await this.#sources[place.side].read(place.path, place.node, place.index)
    if (bytes === undefined) this.#places.delete(hash)
    return bytes
  }

  /** Says that a block is in a staged file from now on; forgotten when there are too many. */
  add(hash: Hash, name: string, node: FileNode, index: number): void {
    if (this.#places.size < BLOCKS_MAX && !this.#places.has(hash)) {
      this.#places.set(hash, { side: 'staged', path: name, node, index })
    }
  }

  /** Forgets what was read ahead: files have been written since. */
  refresh(): void {
    this.close()
  }

  close(): void {
    for (const source of Object.values(this.#sources)) source.close()
  }

  #collect(dir: DirNode, path: string, side: Side): void {
    if (side === 'snapshot') this.#dirs.set(`${dir.size}:${dir.hash}`, dir)
    for (const [name, node] of dir.children) {
      const at = path === '' ? name : `${path}/${name}`
      if (node.kind === 'dir') this.#collect(node, at, side)
      else if (node.kind === 'file') this.#collectFile(at, node, side)
    }
  }

  #collectFile(path: string, node: FileNode, side: Side): void {
    if (node.blocks.length > 0) this.#files.set(`${node.size}:${node.hash}`, node)
    for (let index = 0; index < blockCount(node.size) && this.#places.size < BLOCKS_MAX; index++) {
      const hash = blockHash(node, index)
      if (!this.#places.has(hash)) this.#places.set(hash, { side, path, node, index })
    }
  }
}
