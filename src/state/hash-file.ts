import fs, { type BigIntStats } from 'node:fs'
import { open } from 'node:fs/promises'
import { blake3 } from '../crypto/index.js'
import { StateError } from './errors.js'
import { OPEN_READ } from './files.js'
import { BLOCK_BYTES } from './limits.js'
import type { Pacer } from './pacer.js'
import { type FileNode, makeFile } from './tree.js'

/** Read at once; a whole number of blocks. */
const CHUNK_BYTES = 16 * BLOCK_BYTES
/** A file may be written by someone while it is read: that often is it read again. */
const ATTEMPTS = 3
const SMALL_BUFFER = Buffer.allocUnsafeSlow(CHUNK_BYTES)

export interface HashedFile {
  node: FileNode
  /** After the content was read; the same as before. */
  stat: BigIntStats
  /** Before the content was read, ms since the epoch. */
  nowMs: number
}

/**
 * Hashes one regular file. `rel` is for messages. Throws StateError 'changing' when the file changes each time it is
 * read, and file system errors as they are.
 */
export async function hashFile(file: string, rel: string, pacer: Pacer): Promise<HashedFile> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const nowMs = Date.now()
    const fd = fs.openSync(file, OPEN_READ)
    try {
      const stat = fs.fstatSync(fd, { bigint: true })
      if (!stat.isFile()) continue
      const size = Number(stat.size)
      const blocks = size <= CHUNK_BYTES ? hashSmall(fd, size) : await hashLarge(file, stat)
      if (blocks === undefined) continue
      const after = fs.fstatSync(fd, { bigint: true })
      if (after.size !== stat.size || after.mtimeNs !== stat.mtimeNs || after.ctimeNs !== stat.ctimeNs) continue
      pacer.due(size >> 12)
      return { node: makeFile((stat.mode & 0o100n) !== 0n, size, blocks), stat, nowMs }
    } finally {
      fs.closeSync(fd)
    }
  }
  throw new StateError('changing', `${JSON.stringify(rel)} changed while it was read; is something still writing it?`, {
    path: rel
  })
}

function hashBlocks(bytes: Uint8Array, hashes: Uint8Array, firstIndex: number): void {
  for (let at = 0, index = firstIndex; at < bytes.length; at += BLOCK_BYTES, index++) {
    hashes.set(blake3(bytes.subarray(at, Math.min(at + BLOCK_BYTES, bytes.length))), index * 32)
  }
}

/** undefined when the file is shorter than it was said to be. */
function hashSmall(fd: number, size: number): Uint8Array | undefined {
  if (size === 0) return new Uint8Array(0)
  let length = 0
  while (length < size) {
    const read = fs.readSync(fd, SMALL_BUFFER, length, size - length, length)
    if (read === 0) return undefined
    length += read
  }
  if (size <= BLOCK_BYTES) return blake3(SMALL_BUFFER.subarray(0, size))
  const hashes = new Uint8Array(Math.ceil(size / BLOCK_BYTES) * 32)
  hashBlocks(SMALL_BUFFER.subarray(0, size), hashes, 0)
  return hashes
}

/** Reads the next chunk while one is hashed. */
async function hashLarge(file: string, stat: BigIntStats): Promise<Uint8Array | undefined> {
  const size = Number(stat.size)
  const hashes = new Uint8Array(Math.ceil(size / BLOCK_BYTES) * 32)
  const buffers = [Buffer.allocUnsafeSlow(CHUNK_BYTES), Buffer.allocUnsafeSlow(CHUNK_BYTES)] as const
  const handle = await open(file, OPEN_READ)
  try {
    if ((await handle.stat({ bigint: true })).ino !== stat.ino) return undefined
    const readChunk = async (at: number, buffer: Buffer): Promise<Buffer | undefined> => {
      const wanted = Math.min(CHUNK_BYTES, size - at)
      let length = 0
      while (length < wanted) {
        const { bytesRead } = await handle.read(buffer, length, wanted - length, at + length)
        if (bytesRead === 0) return undefined
        length += bytesRead
      }
      return buffer.subarray(0, wanted)
    }
    let next = readChunk(0, buffers[0])
    for (let at = 0, turn = 1; at < size; at += CHUNK_BYTES, turn ^= 1) {
      const bytes = await next
      if (bytes === undefined) return undefined
      if (at + CHUNK_BYTES < size) next = readChunk(at + CHUNK_BYTES, buffers[turn === 1 ? 1 : 0])
      hashBlocks(bytes, hashes, at / BLOCK_BYTES)
    }
    return hashes
  } finally {
    await handle.close()
  }
}
