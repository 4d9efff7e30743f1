import type { Hash } from '../consensus/types.js'
import { blake3Hex } from '../crypto/index.js'
import { BLOCK_BYTES, LIST_FANOUT } from './limits.js'
import {
  blockCount,
  blockLength,
  decodeRootChunk,
  encodeListing,
  hashLevel,
  hashList,
  listDepth,
  ROOT_CHUNK_BYTES,
  type TreeNode
} from './tree.js'

/** Level of the chunk that a root is the hash of: size and content hash of the top listing. */
export const ROOT_LEVEL = 255

/**
 * One piece of a state as peers ask for it: at most 64 KiB, of a length and hash known beforehand. `path` says whose
 * content it is part of, so that the one who serves needs no index by hash.
 */
export interface ChunkWant {
  /** Of the directory (its listing) or file; '' is the top directory. */
  path: string
  /** 0: a block of content; 1 and up: a list of the hashes one level below; ROOT_LEVEL: the root's own chunk. */
  level: number
  /** Which block or list of its level. */
  index: number
  hash: Hash
  /** Exact length. */
  bytes: number
}

export function rootWant(root: Hash): ChunkWant {
  return { path: '', level: ROOT_LEVEL, index: 0, hash: root, bytes: ROOT_CHUNK_BYTES }
}

/** True when `bytes` are exactly what was asked for. */
export function isChunk(want: ChunkWant, bytes: Uint8Array): boolean {
  if (bytes.length !== want.bytes) return false
  if (want.level === ROOT_LEVEL) return decodeRootChunk(want.hash, bytes) !== undefined
  if (want.level === 0) return blake3Hex(bytes) === want.hash
  return hashList(bytes).toString('hex') === want.hash
}

/** Chunks of a level of content of `size` bytes. */
export function chunkCount(size: number, level: number): number {
  let count = blockCount(size)
  for (let i = 0; i < level; i++) count = Math.ceil(count / LIST_FANOUT)
  return count
}

/** Bytes of one chunk of content of `size` bytes. */
export function chunkBytes(size: number, level: number, index: number): number {
  if (level === 0) return blockLength(size, index)
  return Math.min(LIST_FANOUT, chunkCount(size, level - 1) - index * LIST_FANOUT) * 32
}

/** The listing chunk or hash list that `want` names out of `node`; undefined when there is none, or it is a file's block. */
export function chunkOfNode(node: TreeNode, want: ChunkWant): Uint8Array | undefined {
  if (node.kind === 'link' || want.level > listDepth(node.size)) return undefined
  if (want.index >= chunkCount(node.size, want.level)) return undefined
  if (node.kind === 'file' && want.level === 0) return undefined
  const content = node.kind === 'dir' ? encodeListing(node.children) : undefined
  if (want.level === 0) return content?.subarray(want.index * BLOCK_BYTES, (want.index + 1) * BLOCK_BYTES)
  let hashes = content === undefined ? (node as { blocks: Uint8Array }).blocks : hashBlocks(content)
  for (let level = 1; level < want.level; level++) hashes = hashLevel(hashes)
  return hashes.subarray(want.index * LIST_FANOUT * 32, (want.index + 1) * LIST_FANOUT * 32)
}

function hashBlocks(content: Buffer): Uint8Array {
  const hashes: Buffer[] = []
  for (let at = 0; at < content.length; at += BLOCK_BYTES) {
    hashes.push(Buffer.from(blake3Hex(content.subarray(at, at + BLOCK_BYTES)), 'hex'))
  }
  return Buffer.concat(hashes)
}
