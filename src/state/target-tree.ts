import type { Hash } from '../consensus/types.js'
import { type ChunkWant, chunkBytes, ROOT_LEVEL, rootWant } from './chunks.js'
import { StateError } from './errors.js'
import type { FetchMany } from './fetcher.js'
import { DEPTH_MAX, LINK_BYTES_MAX, LIST_FANOUT, NAME_BYTES_MAX, PATH_BYTES_MAX, type StateLimits } from './limits.js'
import {
  blockCount,
  type DirNode,
  decodeListing,
  decodeRootChunk,
  EMPTY_DIR,
  type FileNode,
  type ListingEntry,
  listDepth,
  makeDir,
  makeFile,
  NO_BLOCKS,
  rootOf,
  type TreeNode
} from './tree.js'

/** Of one entry in a listing. */
const ENTRY_BYTES_MAX = 2 + NAME_BYTES_MAX + Math.max(2 + LINK_BYTES_MAX, 40)

/** Nodes that are here already and need not be fetched. */
export interface KnownNodes {
  findDir(size: number, hash: Hash): DirNode | undefined
  findFile(size: number, hash: Hash): FileNode | undefined
}

export interface TreeRequest {
  root: Hash
  limits: StateLimits
  known: KnownNodes
  /** Chunks that were fetched before; those fetched now are added. */
  cache?: { get(want: ChunkWant): Promise<Uint8Array | undefined>; put(hash: Hash, bytes: Uint8Array): Promise<void> }
  fetch: FetchMany
  /** Leaves out the hashes of the blocks of files: the tree is good for comparing, not for copying. */
  shapeOnly?: boolean
}

/** Fetches the tree of a root: of directories that are known here not even the listing. Throws StateError. */
export async function fetchTree(request: TreeRequest): Promise<DirNode> {
  const { root, limits, known, cache, fetch } = request
  const tree = new TargetTree(root, limits, known, request.shapeOnly ?? false)
  const queue = [rootWant(root)]
  const add = (want: ChunkWant, bytes: Uint8Array) => {
    for (const next of tree.add(want, bytes)) queue.push(next)
  }
  await fetch(
    async () => {
      for (let want = queue.pop(); want !== undefined; want = queue.pop()) {
        const bytes = await cache?.get(want)
        if (bytes === undefined) return want
        add(want, bytes)
      }
      return undefined
    },
    async (fetched) => {
      for (const { want, bytes } of fetched) {
        await cache?.put(want.hash, bytes)
        add(want, bytes)
      }
    }
  )
  return tree.finish()
}

/** A directory of the wanted state on the way to being known. */
interface OpenDir {
  kind: 'dir'
  path: string
  depth: number
  size: number
  /** Parts of the listing, by block. */
  parts: Uint8Array[]
  missing: number
  entries: ListingEntry[]
}

/** A file of more than one block whose block hashes are being fetched. */
interface OpenFile {
  kind: 'file'
  path: string
  executable: boolean
  size: number
  blocks: Uint8Array
}

/**
 * Grows the tree of a wanted root out of chunks that were checked against their hashes. Everything in it is checked
 * again as what it stands for: names, order, symlinks, depth, path length, number of entries, bytes.
 */
export class TargetTree {
  readonly #root: Hash
  readonly #limits: StateLimits
  readonly #known: KnownNodes
  readonly #shapeOnly: boolean
  readonly #open = new Map<string, OpenDir | OpenFile>()
  readonly #knownDirs = new Map<string, DirNode>()
  #entries = 0
  #bytes = 0

  constructor(root: Hash, limits: StateLimits, known: KnownNodes, shapeOnly = false) {
    this.#shapeOnly = shapeOnly
    this.#root = root
    this.#limits = limits
    this.#known = known
  }

  /** Takes a chunk that was asked for and checked; returns what is needed next because of it. */
  add(want: ChunkWant, bytes: Uint8Array): ChunkWant[] {
    if (want.level === ROOT_LEVEL) {
      const top = decodeRootChunk(this.#root, bytes)
      if (top === undefined) throw new StateError('bad-chunk', 'the chunk of the root is not that of the wanted root')
      return this.#addDir('', 0, top.size, top.hash)
    }
    const open = this.#open.get(want.path)
    if (open === undefined)
      throw new StateError('bad-chunk', `a chunk of ${JSON.stringify(want.path)} was not expected`)
    if (want.level > 0) return this.#addList(open, want, bytes)
    return open.kind === 'dir' ? this.#addListingPart(open, want.index, bytes) : []
  }

  /** The whole tree, once nothing more is needed. */
  finish(): DirNode {
    const tree = this.#build('')
    if (rootOf(tree) !== this.#root) throw new StateError('bad-chunk', 'the chunks of the state do not make its root')
    return tree
  }

  #addDir(path: string, depth: number, size: number, hash: Hash): ChunkWant[] {
    const known = size === 0 ? EMPTY_DIR : this.#known.findDir(size, hash)
    // The same directory at another depth could have symlinks that lead outside from there, or paths too long.
    if (known !== undefined && (size === 0 || this.#isSafePlace(known, path, depth))) {
      this.#countAll(known)
      this.#knownDirs.set(path, known)
      return []
    }
    if (size > this.#limits.entries * ENTRY_BYTES_MAX) {
      throw new StateError('limit', `a directory of the wanted state has more than ${this.#limits.entries} entries`)
    }
    this.#open.set(path, { kind: 'dir', path, depth, size, parts: [], missing: blockCount(size), entries: [] })
    return [topWant(path, size, hash)]
  }

  /** False when the directory has to be looked at in full to know whether it may stand here. */
  #isSafePlace(dir: DirNode, path: string, depth: number): boolean {
    if (depth > DEPTH_MAX) return false
    for (const [name, node] of dir.children) {
      if (node.kind === 'link' || Buffer.byteLength(path) + 1 + Buffer.byteLength(name) > PATH_BYTES_MAX) return false
      if (node.kind === 'dir' && !this.#isSafePlace(node, `${path}/${name}`, depth + 1)) return false
    }
    return true
  }

  #countAll(dir: DirNode): void {
    for (const node of dir.children.values()) {
      this.#count(node.kind === 'file' ? node.size : 0)
      if (node.kind === 'dir') this.#countAll(node)
    }
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    if (++this.#entries > this.#limits.entries) {
      throw new StateError('limit', `the wanted state has more than ${this.#limits.entries} entries`)
    }
    if (this.#bytes > this.#limits.bytes) {
      throw new StateError('limit', `the files of the wanted state have more than ${this.#limits.bytes} bytes`)
    }
  }

  #addList(open: OpenDir | OpenFile, want: ChunkWant, bytes: Uint8Array): ChunkWant[] {
    const first = want.index * LIST_FANOUT
    if (want.level === 1 && open.kind === 'file') {
      open.blocks.set(bytes, first * 32)
      return []
    }
    const hashes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const level = want.level - 1
    const wants: ChunkWant[] = []
    for (let i = 0; i * 32 < bytes.length; i++) {
      const index = first + i
      const hash = hashes.toString('hex', i * 32, i * 32 + 32)
      wants.push({ path: open.path, level, index, hash, bytes: chunkBytes(open.size, level, index) })
    }
    return wants
  }

  #addListingPart(dir: OpenDir, index: number, bytes: Uint8Array): ChunkWant[] {
    if (dir.parts[index] === undefined) dir.missing--
    dir.parts[index] = bytes
    if (dir.missing > 0) return []
    const wants: ChunkWant[] = []
    dir.entries = decodeListing(Buffer.concat(dir.parts), dir.depth)
    dir.parts = []
    const prefix = dir.path === '' ? '' : `${dir.path}/`
    for (const entry of dir.entries) {
      const path = prefix + entry.name
      if (Buffer.byteLength(path) > PATH_BYTES_MAX) {
        throw new StateError('bad-chunk', 'the wanted state has a path that is too long')
      }
      this.#count(entry.kind === 'file' ? entry.size : 0)
      if (entry.kind === 'dir') {
        if (dir.depth + 1 > DEPTH_MAX) throw new StateError('limit', 'the wanted state is nested too deep')
        wants.push(...this.#addDir(path, dir.depth + 1, entry.size, entry.hash))
      } else if (entry.kind === 'file') wants.push(...this.#addFile(path, entry))
    }
    return wants
  }

  #addFile(path: string, entry: { executable: boolean; size: number; hash: Hash }): ChunkWant[] {
    const { executable, size, hash } = entry
    if (this.#shapeOnly || blockCount(size) <= 1) return []
    const known = this.#known.findFile(size, hash)
    const blocks = known?.blocks ?? new Uint8Array(blockCount(size) * 32)
    this.#open.set(path, { kind: 'file', path, executable, size, blocks })
    return known === undefined ? [topWant(path, size, hash)] : []
  }

  #build(path: string): DirNode {
    const known = this.#knownDirs.get(path)
    if (known !== undefined) return known
    const open = this.#open.get(path)
    if (open?.kind !== 'dir' || open.missing > 0) throw new StateError('bad-chunk', 'a directory is not complete')
    const children = new Map<string, TreeNode>()
    for (const entry of open.entries) {
      const at = path === '' ? entry.name : `${path}/${entry.name}`
      if (entry.kind === 'link') children.set(entry.name, { kind: 'link', target: entry.target })
      else if (entry.kind === 'dir') children.set(entry.name, this.#build(at))
      else children.set(entry.name, this.#buildFile(at, entry))
    }
    return makeDir(children)
  }

  #buildFile(path: string, entry: { executable: boolean; size: number; hash: Hash }): FileNode {
    const { executable, size, hash } = entry
    const open = this.#open.get(path)
    if (open?.kind === 'file') return makeFile(executable, size, open.blocks)
    return { kind: 'file', executable, size, hash, blocks: NO_BLOCKS }
  }
}

/** The chunk that a content hash is the hash of. */
function topWant(path: string, size: number, hash: Hash): ChunkWant {
  const level = listDepth(size)
  return { path, level, index: 0, hash, bytes: chunkBytes(size, level, 0) }
}
