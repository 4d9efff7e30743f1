import fs from 'node:fs'
import { promisify } from 'node:util'
import { blake3Hex } from '../crypto/index.js'
import { errnoOf } from './errors.js'
import { OPEN_READ } from './files.js'
import { BLOCK_BYTES } from './limits.js'
import { blockHash, blockLength, type FileNode } from './tree.js'

const read = promisify(fs.read)
const buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES)

/** Reads blocks out of the files of a directory; the last file stays open, as blocks are mostly read in order. */
export class BlockSource {
  readonly #dir: string
  #path: string | undefined
  #fd = -1

  constructor(dir: string) {
    this.#dir = dir
  }

  /**
   * Block `index` of `path`, or undefined when what is there is not the block of `node`: missing, changed, damaged.
   * The bytes are only good until the next read of any source, unless `copy`.
   */
  async read(path: string, node: FileNode, index: number, copy = false): Promise<Uint8Array | undefined> {
    const length = blockLength(node.size, index)
    const target = copy || node.size > BLOCK_BYTES ? Buffer.allocUnsafe(length) : buffer.subarray(0, length)
    try {
      this.#open(path)
      let done = 0
      while (done < length) {
        const at = index * BLOCK_BYTES + done
        const got =
          node.size > BLOCK_BYTES
            ? (await read(this.#fd, target, done, length - done, at)).bytesRead
            : fs.readSync(this.#fd, target, done, length - done, at)
        if (got === 0) return undefined
        done += got
      }
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP' || errno === 'EISDIR') return undefined
      throw error
    }
    return blake3Hex(target) === blockHash(node, index) ? target : undefined
  }

  close(): void {
    if (this.#fd >= 0) fs.closeSync(this.#fd)
    this.#fd = -1
    this.#path = undefined
  }

  #open(path: string): void {
    if (this.#path === path) return
    this.close()
    this.#fd = fs.openSync(`${this.#dir}/${path}`, OPEN_READ)
    this.#path = path
  }
}
