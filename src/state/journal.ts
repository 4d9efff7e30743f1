import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { promisify } from 'node:util'
import type { Hash } from '../consensus/types.js'
import { blake3 } from '../crypto/index.js'
import type { Operation } from './changes.js'
import { replaceFile } from './files.js'
import { BLOCK_BYTES, LINK_BYTES_MAX, PATH_BYTES_MAX } from './limits.js'
import { Pacer } from './pacer.js'

const write = promisify(fs.write)
const fdatasync = promisify(fs.fdatasync)

const MAGIC = Buffer.from('hp-p2p state journal 1\n')
const SALT_BYTES = 16
const SUM_BYTES = 8
/** Magic, salt, root, checksum. */
const HEADER_BYTES = MAGIC.length + SALT_BYTES + 32 + SUM_BYTES
/** Length of the payload, checksum. */
const FRAME_HEAD_BYTES = 4 + SUM_BYTES
const FRAME_BYTES_MAX = BLOCK_BYTES + 6 * (PATH_BYTES_MAX + LINK_BYTES_MAX) + 1024
const WRITE_BYTES = 1024 * 1024

/** Ends a group of operations: from here on the snapshot stands for `root`. */
interface CommitMark {
  kind: 'commit'
  root: Hash
}

/**
 * The write-ahead journal of the snapshot: groups of operations, each closed by the root that they lead to. A group
 * counts once its closing frame is on the disk. Frames are chained by a checksum over the file's salt and their
 * position, so a torn write or old bytes are never taken for a group.
 */
export class Journal {
  readonly #file: string
  #fd: number
  #salt: Buffer
  /** Root of the last complete group, or that of the header. */
  root: Hash
  /** Where the next group starts. */
  #end: number
  /** Where the next frame of the open group goes. */
  #at: number
  #pending: Buffer[] = []
  #pendingBytes = 0

  private constructor(file: string, fd: number, salt: Buffer, root: Hash, end: number) {
    this.#file = file
    this.#fd = fd
    this.#salt = salt
    this.root = root
    this.#end = end
    this.#at = end
  }

  /** Opens the journal; undefined when there is none or its header is damaged. */
  static async open(file: string): Promise<Journal | undefined> {
    const fd = openIfThere(file)
    if (fd === undefined) return undefined
    const header = Buffer.alloc(HEADER_BYTES)
    if (!readFully(fd, header, 0) || !hasValidHeader(header)) {
      fs.closeSync(fd)
      return undefined
    }
    const salt = Buffer.from(header.subarray(MAGIC.length, MAGIC.length + SALT_BYTES))
    const root = header.toString('hex', MAGIC.length + SALT_BYTES, MAGIC.length + SALT_BYTES + 32)
    const journal = new Journal(file, fd, salt, root, HEADER_BYTES)
    for await (const { operation, end } of journal.#frames(HEADER_BYTES)) {
      if (operation.kind !== 'commit') continue
      journal.root = operation.root
      journal.#end = end
    }
    journal.#at = journal.#end
    fs.ftruncateSync(fd, journal.#end)
    return journal
  }

  /** A new journal without groups in place of the one there, if any. Durable when it returns. */
  static async create(file: string, root: Hash): Promise<Journal> {
    const salt = randomBytes(SALT_BYTES)
    const body = Buffer.concat([MAGIC, salt, Buffer.from(root, 'hex')])
    await replaceFile(file, Buffer.concat([body, blake3(body).subarray(0, SUM_BYTES)]), true)
    return new Journal(file, fs.openSync(file, 'r+'), salt, root, HEADER_BYTES)
  }

  /** Bytes of the groups. */
  get size(): number {
    return this.#end - HEADER_BYTES
  }

  /** Adds an operation to the open group. */
  async append(operation: Operation | CommitMark): Promise<void> {
    const payload = encodeOperation(operation)
    const head = Buffer.alloc(FRAME_HEAD_BYTES)
    head.writeUInt32BE(payload.length, 0)
    this.#checksum(this.#at + this.#pendingBytes, payload).copy(head, 4)
    this.#pending.push(head, payload)
    this.#pendingBytes += head.length + payload.length
    if (this.#pendingBytes >= WRITE_BYTES) await this.#flush()
  }

  /** Closes the open group. Durable when it returns; on an error the group does not count. */
  async commit(root: Hash): Promise<void> {
    try {
      await this.append({ kind: 'commit', root })
      await this.#flush()
      await fdatasync(this.#fd)
    } catch (error) {
      this.abort()
      throw error
    }
    this.#end = this.#at
    this.root = root
  }

  /** Drops the open group. */
  abort(): void {
    this.#pending = []
    this.#pendingBytes = 0
    this.#at = this.#end
    fs.ftruncateSync(this.#fd, this.#end)
  }

  /** The operations of complete groups, from `start` (a former `end`, or the first). */
  async *operations(start = HEADER_BYTES): AsyncGenerator<Operation> {
    for await (const { operation, end } of this.#frames(start)) {
      if (operation.kind !== 'commit') yield operation
      if (end >= this.#end) return
    }
  }

  /** Position after the last complete group. */
  get end(): number {
    return this.#end
  }

  /** Forgets all groups: the snapshot is on the disk as `root`. Durable when it returns. */
  async reset(): Promise<void> {
    const next = await Journal.create(this.#file, this.root)
    fs.closeSync(this.#fd)
    this.#fd = next.#fd
    this.#salt = next.#salt
    this.#end = HEADER_BYTES
    this.#at = HEADER_BYTES
  }

  close(): void {
    if (this.#fd >= 0) fs.closeSync(this.#fd)
    this.#fd = -1
  }

  #checksum(position: number, payload: Uint8Array): Buffer {
    const place = Buffer.alloc(8)
    place.writeBigUInt64BE(BigInt(position))
    return blake3(Buffer.concat([this.#salt, place, payload])).subarray(0, SUM_BYTES)
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#pending)
    this.#pending = []
    this.#pendingBytes = 0
    let done = 0
    while (done < bytes.length) {
      const left = bytes.length - done
      const isSmall = bytes.length <= BLOCK_BYTES
      done += isSmall
        ? fs.writeSync(this.#fd, bytes, done, left, this.#at + done)
        : (await write(this.#fd, bytes, done, left, this.#at + done)).bytesWritten
    }
    this.#at += bytes.length
  }

  /** Frames in order until one is incomplete or damaged. */
  async *#frames(start: number): AsyncGenerator<{ operation: Operation | CommitMark; end: number }> {
    const head = Buffer.alloc(FRAME_HEAD_BYTES)
    const pacer = new Pacer()
    for (let at = start; ; ) {
      if (!readFully(this.#fd, head, at)) return
      const length = head.readUInt32BE(0)
      if (length === 0 || length > FRAME_BYTES_MAX) return
      const payload = Buffer.alloc(length)
      if (!readFully(this.#fd, payload, at + FRAME_HEAD_BYTES)) return
      if (!this.#checksum(at, payload).equals(head.subarray(4))) return
      at += FRAME_HEAD_BYTES + length
      if (pacer.due(4)) await pacer.pause()
      yield { operation: decodeOperation(payload), end: at }
    }
  }
}

function openIfThere(file: string): number | undefined {
  try {
    return fs.openSync(file, 'r+')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function hasValidHeader(header: Buffer): boolean {
  const body = header.subarray(0, HEADER_BYTES - SUM_BYTES)
  if (!header.subarray(0, MAGIC.length).equals(MAGIC)) return false
  return blake3(body)
    .subarray(0, SUM_BYTES)
    .equals(header.subarray(HEADER_BYTES - SUM_BYTES))
}

/** Synchronous: mostly what was written a moment ago, and in pieces of one block. */
function readFully(fd: number, buffer: Buffer, at: number): boolean {
  let done = 0
  while (done < buffer.length) {
    const count = fs.readSync(fd, buffer, done, buffer.length - done, at + done)
    if (count === 0) return false
    done += count
  }
  return true
}

/** Length of the head, the operation without its data as JSON, the data. */
function encodeOperation(operation: Operation | CommitMark): Buffer {
  const data = operation.kind === 'block' ? operation.data : undefined
  const json = data === undefined ? JSON.stringify(operation) : JSON.stringify({ ...operation, data: undefined })
  const head = Buffer.from(json)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(head.length)
  return data === undefined ? Buffer.concat([length, head]) : Buffer.concat([length, head, data])
}

/** Only for payloads whose checksum is right: they are what this class wrote. */
function decodeOperation(payload: Buffer): Operation | CommitMark {
  const headEnd = 2 + payload.readUInt16BE(0)
  const operation = JSON.parse(payload.toString('utf8', 2, headEnd)) as Operation | CommitMark
  return operation.kind === 'block' ? { ...operation, data: payload.subarray(headEnd) } : operation
}
