import fs from 'node:fs'
import { promisify } from 'node:util'
import { blake3Hex } from '../crypto/index.js'
import { errnoOf } from './errors.js'
import { OPEN_READ } from './files.js'
import { BLOCK_BYTES } from './limits.js'
import { blockHash, blockLength, type FileNode } from './tree.js'

const read = promisify(fs.read)
const AHEAD_BYTES = 16 * BLOCK_BYTES

/** Reads blocks out of the files of a directory; the last file stays open, as blocks are mostly read in order. */
export class BlockSource {
  readonly #dir: string
  #path: string | undefined
  #fd = -1
  #small: Buffer | undefined
  #ahead: Buffer | undefined
  #aheadStart = 0
  #aheadEnd = 0

  constructor(dir: string) {
    this.#dir = dir
  }

  /**
   * Block `index` of `path`, or undefined when what is there is not the block of `node`: missing, changed, damaged.
   * The bytes are only good until the next read. One read at a time.
   */
  async read(path: string, node: FileNode, index: number): Promise<Uint8Array | undefined> {
    let bytes: Uint8Array | undefined
    try {
      this.#open(path)
      bytes = node.size <= BLOCK_BYTES ? this.#readSmall(node.size) : await this.#readAhead(node, index)
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP' || errno === 'EISDIR') return undefined
      throw error
    }
    if (bytes === undefined || blake3Hex(bytes) !== blockHash(node, index)) return undefined
    return bytes
  }

  #readSmall(size: number): Uint8Array | undefined {
    this.#small ??= Buffer.allocUnsafeSlow(BLOCK_BYTES)
    for (let done = 0; done < size; ) {
      const count = fs.readSync(this.#fd, this.#small, done, size - done, done)
      if (count === 0) return undefined
      done += count
    }
    return this.#small.subarray(0, size)
  }

  /** Blocks that are asked for in order are read many at once. */
  async #readAhead(node: FileNode, index: number): Promise<Uint8Array | undefined> {
    const start = index * BLOCK_BYTES
    const length = blockLength(node.size, index)
    if (start < this.#aheadStart || start + length > this.#aheadEnd) {
      const isInOrder = start === this.#aheadEnd || index === 0
      const wanted = isInOrder ? Math.min(AHEAD_BYTES, node.size - start) : length
      this.#ahead ??= Buffer.allocUnsafeSlow(AHEAD_BYTES)
      this.#aheadStart = start
      this.#aheadEnd = start
      while (this.#aheadEnd - start < wanted) {
        const done = this.#aheadEnd - start
        const { bytesRead } = await read(this.#fd, this.#ahead, done, wanted - done, this.#aheadEnd)
        if (bytesRead === 0) break
        this.#aheadEnd += bytesRead
      }
    }
    if (start + length > this.#aheadEnd) return undefined
    return this.#ahead?.subarray(start - this.#aheadStart, start - this.#aheadStart + length)
  }

  close(): void {
    if (this.#fd >= 0) fs.closeSync(this.#fd)
    this.#fd = -1
    this.#path = undefined
    this.#aheadStart = 0
    this.#aheadEnd = 0
  }

  #open(path: string): void {
    if (this.#path === path) return
    this.close()
    this.#fd = fs.openSync(`${this.#dir}/${path}`, OPEN_READ)
    this.#path = path
  }
}
