import type { Hash } from '../consensus/types.js'
import { blake3, blake3Hex, taggedHash } from '../crypto/index.js'
import { StateError } from './errors.js'
import { BLOCK_BYTES, LINK_BYTES_MAX, LIST_FANOUT, NAME_BYTES_MAX } from './limits.js'

/**
 * The hash tree of a state; docs/state.md has the format. Nodes never change once made, so that the trees of two
 * states share what they have in common and comparing two nodes by identity, then by hash, is enough.
 */
export interface FileNode {
  readonly kind: 'file'
  readonly executable: boolean
  /** Bytes. */
  readonly size: number
  /** Content hash of the file's bytes. */
  readonly hash: Hash
  /** Hashes of the blocks, 32 bytes each, in order; empty for a file of at most one block (`hash` is the block's). */
  readonly blocks: Uint8Array
}

export interface DirNode {
  readonly kind: 'dir'
  /** By name, in the order of the names' UTF-8 bytes. */
  readonly children: ReadonlyMap<string, TreeNode>
  /** Bytes of the listing. */
  readonly size: number
  /** Content hash of the listing. */
  readonly hash: Hash
}

export interface LinkNode {
  readonly kind: 'link'
  readonly target: string
}

export type TreeNode = FileNode | DirNode | LinkNode

/** An entry of a listing as it is written: a directory or file is named by its size and hash. */
export type ListingEntry =
  | { name: string; kind: 'file'; executable: boolean; size: number; hash: Hash }
  | { name: string; kind: 'dir'; size: number; hash: Hash }
  | { name: string; kind: 'link'; target: string }

const HASH_BYTES = 32
const KIND_FILE = 0
const KIND_EXECUTABLE = 1
const KIND_DIR = 2
const KIND_LINK = 3
const LIST_TAG = Buffer.from('hp-p2p/state-list/1\0')
const ROOT_DOMAIN = 'hp-p2p/state-root/1'
export const NO_BLOCKS: Uint8Array = new Uint8Array(0)
/** Bytes of what a root is the hash of: the size and the content hash of the top listing. */
export const ROOT_CHUNK_BYTES = 8 + HASH_BYTES

/** Content hash of zero bytes. */
export const EMPTY_CONTENT: Hash = blake3Hex(new Uint8Array(0))
export const EMPTY_DIR: DirNode = { kind: 'dir', children: new Map(), size: 0, hash: EMPTY_CONTENT }
/** Root of a state without any entry. */
export const EMPTY_ROOT: Hash = rootOf(EMPTY_DIR)

/** The root that names a state, from the top directory. */
export function rootOf(dir: { size: number; hash: Hash }): Hash {
  return taggedHash(ROOT_DOMAIN, encodeRootChunk(dir))
}

export function encodeRootChunk(dir: { size: number; hash: Hash }): Buffer {
  const bytes = Buffer.alloc(ROOT_CHUNK_BYTES)
  bytes.writeBigUInt64BE(BigInt(dir.size), 0)
  bytes.write(dir.hash, 8, 'hex')
  return bytes
}

/** Size and content hash of the top listing; undefined when `bytes` is not what `root` is the hash of. */
export function decodeRootChunk(root: Hash, bytes: Uint8Array): { size: number; hash: Hash } | undefined {
  if (bytes.length !== ROOT_CHUNK_BYTES || taggedHash(ROOT_DOMAIN, bytes) !== root) return undefined
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  return { size: Number(view.readBigUInt64BE(0)), hash: view.toString('hex', 8) }
}

/** The root that the chunk of a root makes; undefined for bytes that are none. */
export function rootOfChunk(bytes: Uint8Array): Hash | undefined {
  return bytes.length === ROOT_CHUNK_BYTES ? taggedHash(ROOT_DOMAIN, bytes) : undefined
}

/** Blocks of content of `size` bytes. */
export function blockCount(size: number): number {
  return Math.ceil(size / BLOCK_BYTES)
}

/** Bytes of block `index` of content of `size` bytes. */
export function blockLength(size: number, index: number): number {
  return Math.min(BLOCK_BYTES, size - index * BLOCK_BYTES)
}

/** Levels of list nodes above the blocks: 0 for content of at most one block. */
export function listDepth(size: number): number {
  let depth = 0
  for (let count = blockCount(size); count > 1; count = Math.ceil(count / LIST_FANOUT)) depth++
  return depth
}

export function hashList(hashes: Uint8Array): Buffer {
  return blake3(Buffer.concat([LIST_TAG, hashes]))
}

/** The hashes one level up: one for every LIST_FANOUT of `hashes` (32 bytes each). */
export function hashLevel(hashes: Uint8Array): Uint8Array {
  const step = LIST_FANOUT * HASH_BYTES
  const parts: Buffer[] = []
  for (let at = 0; at < hashes.length; at += step) parts.push(hashList(hashes.subarray(at, at + step)))
  return Buffer.concat(parts)
}

/** Content hash from the block hashes (32 bytes each). */
export function contentHash(blocks: Uint8Array): Hash {
  if (blocks.length === 0) return EMPTY_CONTENT
  let level = blocks
  while (level.length > HASH_BYTES) level = hashLevel(level)
  return Buffer.from(level).toString('hex')
}

/** Content hash of bytes in memory. */
export function hashContent(bytes: Uint8Array): Hash {
  if (bytes.length <= BLOCK_BYTES) return blake3Hex(bytes)
  const hashes: Buffer[] = []
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) hashes.push(blake3(bytes.subarray(at, at + BLOCK_BYTES)))
  return contentHash(Buffer.concat(hashes))
}

/** Hash of block `index` of a file. */
export function blockHash(file: FileNode, index: number): Hash {
  if (file.blocks.length === 0) return file.hash
  return Buffer.from(file.blocks.buffer, file.blocks.byteOffset + index * HASH_BYTES, HASH_BYTES).toString('hex')
}

/** A file node from the hashes of its blocks. */
export function makeFile(executable: boolean, size: number, blocks: Uint8Array): FileNode {
  return {
    kind: 'file',
    executable,
    size,
    hash: contentHash(blocks),
    blocks: blockCount(size) > 1 ? blocks : NO_BLOCKS
  }
}

/** A directory node; `children` are put into the order of the format. */
export function makeDir(children: Map<string, TreeNode>): DirNode {
  if (children.size === 0) return EMPTY_DIR
  const names = [...children.keys()]
  let sorted = true
  for (let i = 1; i < names.length && sorted; i++) sorted = compareNames(names[i - 1]!, names[i]!) < 0
  let ordered = children
  if (!sorted) ordered = new Map(names.sort(compareNames).map((name) => [name, children.get(name)!]))
  const listing = encodeListing(ordered)
  return { kind: 'dir', children: ordered, size: listing.length, hash: hashContent(listing) }
}

/** Order of the names' UTF-8 bytes, which is the order of their code points, unlike that of UTF-16 units. */
export function compareNames(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    let x = a.charCodeAt(i)
    let y = b.charCodeAt(i)
    if (x === y) continue
    if (x >= 0xd800 && y >= 0xd800) {
      // Surrogates stand for code points above all others of the basic plane.
      x = x >= 0xe000 ? x - 0x800 : x + 0x2000
      y = y >= 0xe000 ? y - 0x800 : y + 0x2000
    }
    return x - y
  }
  return a.length - b.length
}

/** The listing of a directory: its entries one after another in the order of their names. */
export function encodeListing(children: ReadonlyMap<string, TreeNode>): Buffer {
  let size = 0
  for (const [name, node] of children) {
    size += 2 + Buffer.byteLength(name) + (node.kind === 'link' ? 2 + Buffer.byteLength(node.target) : 8 + HASH_BYTES)
  }
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for (const [name, node] of children) {
    bytes[at] =
      node.kind === 'dir' ? KIND_DIR : node.kind === 'link' ? KIND_LINK : node.executable ? KIND_EXECUTABLE : KIND_FILE
    const nameBytes = bytes.write(name, at + 2)
    bytes[at + 1] = nameBytes
    at += 2 + nameBytes
    if (node.kind === 'link') {
      const targetBytes = bytes.write(node.target, at + 2)
      bytes.writeUInt16BE(targetBytes, at)
      at += 2 + targetBytes
    } else {
      bytes.writeUInt32BE(Math.floor(node.size / 2 ** 32), at)
      bytes.writeUInt32BE(node.size >>> 0, at + 4)
      bytes.write(node.hash, at + 8, 'hex')
      at += 8 + HASH_BYTES
    }
  }
  return bytes
}

/**
 * The entries of a listing, checked: known kinds, valid names in ascending order without duplicates, symlinks that
 * stay inside the tree from a directory `depth` levels below the top, sizes that a number holds. Throws StateError
 * 'bad-chunk' for anything else.
 */
export function decodeListing(listing: Uint8Array, depth: number): ListingEntry[] {
  const bytes = Buffer.from(listing.buffer, listing.byteOffset, listing.length)
  const entries: ListingEntry[] = []
  let at = 0
  let last: Buffer | undefined
  const take = (count: number): Buffer => {
    if (at + count > bytes.length)
      throw new StateError('bad-chunk', 'a directory listing ends in the middle of an entry')
    at += count
    return bytes.subarray(at - count, at)
  }
  while (at < bytes.length) {
    const head = take(2)
    const kind = head[0]!
    const nameBytes = take(head[1]!)
    if (last !== undefined && Buffer.compare(last, nameBytes) >= 0) {
      throw new StateError('bad-chunk', 'the names of a directory listing are not in order or not distinct')
    }
    last = nameBytes
    const name = decodeText(nameBytes)
    const wrong = name === undefined ? 'it is not valid UTF-8' : checkName(name)
    if (name === undefined || wrong !== undefined) {
      throw new StateError('bad-chunk', `a directory listing has a name that cannot be: ${wrong}`)
    }
    if (kind === KIND_LINK) {
      const target = decodeText(take(take(2).readUInt16BE(0)))
      const reason = target === undefined ? 'is not valid UTF-8' : checkLinkTarget(target, depth)
      if (target === undefined || reason !== undefined) {
        throw new StateError('bad-chunk', `a directory listing has a symlink whose target ${reason}`)
      }
      entries.push({ name, kind: 'link', target })
      continue
    }
    const size = Number(take(8).readBigUInt64BE(0))
    const hash = take(HASH_BYTES).toString('hex')
    if (!Number.isSafeInteger(size)) throw new StateError('bad-chunk', 'a directory listing has an impossible size')
    if (kind === KIND_DIR) entries.push({ name, kind: 'dir', size, hash })
    else if (kind === KIND_FILE || kind === KIND_EXECUTABLE) {
      entries.push({ name, kind: 'file', executable: kind === KIND_EXECUTABLE, size, hash })
    } else throw new StateError('bad-chunk', `a directory listing has an entry of unknown kind ${kind}`)
  }
  return entries
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text that the bytes are in UTF-8; undefined when they are not valid UTF-8. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** What is wrong with the name of an entry; undefined when it is fine. */
export function checkName(name: string): string | undefined {
  if (name === '') return 'it is empty'
  if (name === '.' || name === '..') return 'it is a reference to a directory'
  if (name.includes('/')) return 'it has a slash'
  if (name.includes('\0')) return 'it has a zero byte'
  if (name.length * 3 > NAME_BYTES_MAX && Buffer.byteLength(name) > NAME_BYTES_MAX) {
    return `it is longer than ${NAME_BYTES_MAX} bytes`
  }
  return undefined
}

/**
 * What is wrong with a symlink's target in a directory `depth` levels below the top; undefined when it stays inside.
 * `..` may stand at the start only: after a name, which may be a symlink itself, it could lead anywhere.
 */
export function checkLinkTarget(target: string, depth: number): string | undefined {
  if (target === '' || Buffer.byteLength(target) > LINK_BYTES_MAX) return 'is empty or too long'
  if (target.includes('\0')) return 'has a zero byte'
  if (target.startsWith('/')) return 'is an absolute path'
  let up = 0
  let named = false
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') {
      named = true
      continue
    }
    if (named) return 'has ".." after a name'
    if (++up > depth) return 'leaves the state directory'
  }
  return undefined
}

/** True when both nodes stand for the same entry. */
export function sameNode(a: TreeNode | undefined, b: TreeNode | undefined): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined || a.kind !== b.kind) return false
  if (a.kind === 'link') return a.target === (b as LinkNode).target
  if (a.hash !== (b as FileNode | DirNode).hash || a.size !== (b as FileNode | DirNode).size) return false
  return a.kind === 'dir' || a.executable === (b as FileNode).executable
}

/** The node at `path` ('' is the top), or undefined. */
export function findNode(top: DirNode, path: string): TreeNode | undefined {
  let node: TreeNode = top
  if (path === '') return node
  for (const part of path.split('/')) {
    if (node.kind !== 'dir') return undefined
    const next: TreeNode | undefined = node.children.get(part)
    if (next === undefined) return undefined
    node = next
  }
  return node
}
