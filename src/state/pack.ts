import fs from 'node:fs'
import { promisify } from 'node:util'
import type { Hash } from '../consensus/types.js'
import { type ChunkWant, isChunk } from './chunks.js'
import { BLOCK_BYTES } from './limits.js'
import { Pacer } from './pacer.js'

const write = promisify(fs.write)
const read = promisify(fs.read)

/** Hash, length. */
const HEAD_BYTES = 32 + 4
/** Reading or writing so little is done before another thread would have begun. */
const SMALL_BYTES = 8 * 1024

/**
 * Fetched chunks on disk, one after another in one file, found by hash: what a cut copy has fetched is there for the
 * next one. Bytes are checked when they are put in and again each time they are taken out.
 */
export class ChunkPack {
  readonly #file: string
  readonly #fd: number
  readonly #places = new Map<Hash, number>()
  #end = 0

  private constructor(file: string, fd: number) {
    this.#file = file
    this.#fd = fd
  }

  /** Opens or makes the pack; what a crash left incomplete at its end is cut off. */
  static async open(file: string): Promise<ChunkPack> {
    const fd = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600)
    const pack = new ChunkPack(file, fd)
    const pacer = new Pacer()
    const head = Buffer.alloc(HEAD_BYTES)
    const { size } = fs.fstatSync(fd)
    while (pack.#end + HEAD_BYTES <= size) {
      if (fs.readSync(fd, head, 0, HEAD_BYTES, pack.#end) < HEAD_BYTES) break
      const length = head.readUInt32BE(32)
      if (length === 0 || length > BLOCK_BYTES || pack.#end + HEAD_BYTES + length > size) break
      pack.#places.set(head.toString('hex', 0, 32), pack.#end)
      pack.#end += HEAD_BYTES + length
      if (pacer.due()) await pacer.pause()
    }
    fs.ftruncateSync(fd, pack.#end)
    return pack
  }

  /** Chunks in the pack; more than one state's when a copy went on to a newer root. */
  get count(): number {
    return this.#places.size
  }

  get bytes(): number {
    return this.#end
  }

  has(hash: Hash): boolean {
    return this.#places.has(hash)
  }

  /** Adds a chunk that was checked. Several may be added at the same time. */
  async put(hash: Hash, bytes: Uint8Array): Promise<void> {
    if (this.#places.has(hash)) return
    const head = Buffer.alloc(HEAD_BYTES)
    head.write(hash, 0, 'hex')
    head.writeUInt32BE(bytes.length, 32)
    const record = Buffer.concat([head, bytes])
    const at = this.#end
    this.#end += record.length
    for (let done = 0; done < record.length; ) {
      const left = record.length - done
      done +=
        record.length <= SMALL_BYTES
          ? fs.writeSync(this.#fd, record, done, left, at + done)
          : (await write(this.#fd, record, done, left, at + done)).bytesWritten
    }
    this.#places.set(hash, at)
  }

  /** The chunk, or undefined when it is not there or is no longer what it was. */
  async get(want: ChunkWant): Promise<Uint8Array | undefined> {
    const at = this.#places.get(want.hash)
    if (at === undefined) return undefined
    const bytes = Buffer.allocUnsafe(want.bytes)
    let done = 0
    while (done < bytes.length) {
      const left = bytes.length - done
      const place = at + HEAD_BYTES + done
      const count =
        bytes.length <= SMALL_BYTES
          ? fs.readSync(this.#fd, bytes, done, left, place)
          : (await read(this.#fd, bytes, done, left, place)).bytesRead
      if (count === 0) break
      done += count
    }
    if (done === bytes.length && isChunk(want, bytes)) return bytes
    this.#places.delete(want.hash)
    return undefined
  }

  close(): void {
    fs.closeSync(this.#fd)
  }

  /** Closes and removes the pack. */
  discard(): void {
    this.close()
    fs.rmSync(this.#file, { force: true })
  }
}
