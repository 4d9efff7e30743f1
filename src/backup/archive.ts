import { randomBytes } from 'node:crypto'
import { type FileHandle, open, rename, stat, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Hash } from '../consensus/types.js'
import { createHasher } from '../crypto/index.js'
import { ArchiveError, toArchiveError } from './errors.js'

/**
 * A file of frames, written and read from its beginning to its end:
 *
 *     "hp-p2p <kind> <version>\n"
 *     frames: type (1 byte), length of the payload (4 bytes, big-endian), payload
 *     the last frame: type 255, 32 bytes, BLAKE3-256 of all bytes of the file before it
 */
export type ArchiveKind = 'ledgers' | 'backup'

const VERSION = 1
const END = 255
const FRAME_HEAD_BYTES = 5
const HASH_BYTES = 32
const END_BYTES = FRAME_HEAD_BYTES + HASH_BYTES
const FIRST_LINE = /^hp-p2p (ledgers|backup) ([1-9][0-9]{0,8})\n/
const FIRST_LINE_MAX = 32
/** Bytes that are written or read at once. */
const PIECE_BYTES = 1024 * 1024

export interface Frame {
  type: number
  payload: Buffer
}

export interface Written {
  path: string
  bytes: number
  /** BLAKE3-256 of all that is before the last frame. */
  hash: Hash
}

/** Writes a new archive under another name beside its place, and puts it there when it is whole. */
export class ArchiveWriter {
  readonly #path: string
  readonly #draft: string
  readonly #file: FileHandle
  readonly #hasher = createHasher()
  #pending: Uint8Array[] = []
  #pendingBytes = 0
  #bytes = 0

  private constructor(path: string, draft: string, file: FileHandle) {
    this.#path = path
    this.#draft = draft
    this.#file = file
  }

  /** Readable by its owner alone. @throws ArchiveError 'exists' or 'io' */
  static async create(path: string, kind: ArchiveKind): Promise<ArchiveWriter> {
    const place = resolve(path)
    if (await stat(place).catch(() => null)) {
      throw new ArchiveError('exists', `${place} is there already: name another file or remove it`)
    }
    const draft = `${place}.${randomBytes(6).toString('hex')}.part`
    try {
      const writer = new ArchiveWriter(place, draft, await open(draft, 'wx', 0o600))
      writer.#add(Buffer.from(`hp-p2p ${kind} ${VERSION}\n`))
      return writer
    } catch (error) {
      throw toArchiveError(error, `${place} cannot be made`)
    }
  }

  get path(): string {
    return this.#path
  }

  /** @param type 1..254 */
  async write(type: number, payload: Uint8Array): Promise<void> {
    const head = Buffer.alloc(FRAME_HEAD_BYTES)
    head.writeUInt8(type)
    head.writeUInt32BE(payload.length, 1)
    this.#add(head)
    this.#add(payload)
    if (this.#pendingBytes >= PIECE_BYTES) await this.#flush()
  }

  /** The file is in its place and on disk when this returns. @throws ArchiveError 'io', 'exists' */
  async finish(): Promise<Written> {
    const hash = this.#hasher.digest()
    const head = Buffer.alloc(FRAME_HEAD_BYTES)
    head.writeUInt8(END)
    head.writeUInt32BE(HASH_BYTES, 1)
    this.#push(Buffer.concat([head, hash]))
    await this.#flush()
    try {
      await this.#file.sync()
      await this.#file.close()
      if (await stat(this.#path).catch(() => null)) {
        throw new ArchiveError('exists', `${this.#path} was made by somebody else meanwhile: name another file`)
      }
      await rename(this.#draft, this.#path)
      await syncDir(dirname(this.#path))
    } catch (error) {
      throw toArchiveError(error, `${this.#path} cannot be written`)
    }
    return { path: this.#path, bytes: this.#bytes, hash: hash.toString('hex') }
  }

  /** Leaves nothing behind. */
  async abort(): Promise<void> {
    await this.#file.close().catch(() => {})
    await unlink(this.#draft).catch(() => {})
  }

  #add(bytes: Uint8Array): void {
    this.#hasher.update(bytes)
    this.#push(bytes)
  }

  #push(bytes: Uint8Array): void {
    this.#pending.push(bytes)
    this.#pendingBytes += bytes.length
    this.#bytes += bytes.length
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#pending)
    this.#pending = []
    this.#pendingBytes = 0
    try {
      for (let done = 0; done < bytes.length; ) done += (await this.#file.write(bytes, done)).bytesWritten
    } catch (error) {
      throw toArchiveError(error, `${this.#path} cannot be written`)
    }
  }
}

/** Runs `write` and finishes the archive, or leaves nothing behind. */
export async function writeArchive<T>(
  path: string,
  kind: ArchiveKind,
  write: (archive: ArchiveWriter) => Promise<T>
): Promise<Written & { result: T }> {
  const archive = await ArchiveWriter.create(path, kind)
  try {
    const result = await write(archive)
    return { ...(await archive.finish()), result }
  } catch (error) {
    await archive.abort()
    throw error
  }
}

/** Returns once what was renamed or made in a directory survives a power cut. */
export async function syncDir(path: string): Promise<void> {
  const folder = await open(path, 'r')
  await folder.sync().finally(() => folder.close())
}

/** Reads an archive in pieces. Nothing of it is given before the whole was found to be as it was written. */
export class ArchiveReader {
  readonly path: string
  readonly bytes: number
  readonly #file: FileHandle
  readonly #firstBytes: number
  readonly #hash: Buffer

  private constructor(path: string, file: FileHandle, bytes: number, firstBytes: number, hash: Buffer) {
    this.path = path
    this.bytes = bytes
    this.#file = file
    this.#firstBytes = firstBytes
    this.#hash = hash
  }

  /** @throws ArchiveError 'io', 'no-archive', 'newer-version' or 'damaged' */
  static async open(path: string, kind: ArchiveKind): Promise<ArchiveReader> {
    const place = resolve(path)
    let file: FileHandle | null = null
    try {
      const found = await stat(place)
      if (!found.isFile()) throw new ArchiveError('no-archive', `${place} is not a file`)
      file = await open(place, 'r')
      const { size } = await file.stat()
      const firstBytes = await checkFirstLine(file, place, kind)
      const hash = await checkWhole(file, place, size, firstBytes)
      return new ArchiveReader(place, file, size, firstBytes, hash)
    } catch (error) {
      await file?.close()
      throw toArchiveError(error, `${place} cannot be read`)
    }
  }

  /** BLAKE3-256 of all that is before the last frame. */
  get hash(): Hash {
    return this.#hash.toString('hex')
  }

  /**
   * All frames but the last one, in order.
   *
   * @param maxBytes for each type the most bytes of its payload; undefined for one that does not belong here
   * @throws ArchiveError 'damaged', also when the file was changed since it was opened
   */
  async *frames(maxBytes: (type: number) => number | undefined): AsyncGenerator<Frame> {
    const end = this.bytes - END_BYTES
    const input = new PieceReader(this.#file, this.#firstBytes, end)
    const hasher = createHasher()
    hasher.update(await readExactly(this.#file, 0, this.#firstBytes))
    while (input.at < end) {
      const head = await input.take(FRAME_HEAD_BYTES)
      const type = head?.readUInt8() ?? 0
      const length = head?.readUInt32BE(1) ?? 0
      const most = maxBytes(type)
      if (most === undefined) throw this.damaged(`it holds a part of type ${type}, which does not belong there`)
      if (length > most) throw this.damaged(`it holds a part of ${length} bytes, at most ${most} are allowed there`)
      const payload = await input.take(length)
      if (head === null || payload === null) throw this.damaged('a part does not end within it')
      hasher.update(head)
      hasher.update(payload)
      yield { type, payload }
    }
    if (!hasher.digest().equals(this.#hash)) throw this.damaged('it was changed while it was read')
  }

  damaged(what: string): ArchiveError {
    return new ArchiveError('damaged', `${this.path} is damaged: ${what}.`)
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

async function checkFirstLine(file: FileHandle, path: string, kind: ArchiveKind): Promise<number> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(FIRST_LINE_MAX), 0, FIRST_LINE_MAX, 0)
  const found = FIRST_LINE.exec(buffer.toString('latin1', 0, bytesRead))
  const wanted = kind === 'ledgers' ? 'file of `hp-p2p ledger export`' : 'file of `hp-p2p backup`'
  if (found === null) throw new ArchiveError('no-archive', `${path} is no ${wanted}`)
  const [line, has, version] = found as unknown as [string, ArchiveKind, string]
  if (has !== kind) {
    const instead = has === 'backup' ? '`hp-p2p restore` reads it' : '`hp-p2p ledger import` reads it'
    throw new ArchiveError('no-archive', `${path} is no ${wanted}: ${instead}`)
  }
  if (Number(version) !== VERSION) {
    const message = `${path} has version ${version}, this program reads ${VERSION}: use the newer hp-p2p that wrote it`
    throw new ArchiveError('newer-version', message)
  }
  return line.length
}

/** The file must end in the hash of all before. */
async function checkWhole(file: FileHandle, path: string, size: number, firstBytes: number): Promise<Buffer> {
  const cut = new ArchiveError('damaged', `${path} is damaged: its end is missing, it was not copied or written whole.`)
  const end = size - END_BYTES
  if (end < firstBytes) throw cut
  const last = await readExactly(file, end, END_BYTES)
  if (last.readUInt8() !== END || last.readUInt32BE(1) !== HASH_BYTES) throw cut
  const hasher = createHasher()
  const input = new PieceReader(file, 0, end)
  for (let piece = await input.takeSome(); piece !== null; piece = await input.takeSome()) hasher.update(piece)
  const hash = last.subarray(FRAME_HEAD_BYTES)
  if (input.at !== end || !hasher.digest().equals(hash)) {
    throw new ArchiveError('damaged', `${path} is damaged: its bytes were altered since it was written.`)
  }
  return hash
}

async function readExactly(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at)
  return buffer.subarray(0, bytesRead)
}

/** Reads a file from `at` up to `end` through one buffer. */
class PieceReader {
  at: number
  readonly #file: FileHandle
  readonly #end: number
  #piece: Buffer = Buffer.alloc(0)

  constructor(file: FileHandle, at: number, end: number) {
    this.#file = file
    this.at = at
    this.#end = end
  }

  /** The next bytes, however many; null at the end. The next call may overwrite them. */
  async takeSome(): Promise<Buffer | null> {
    if (this.#piece.length === 0) await this.#fill()
    const piece = this.#piece
    if (piece.length === 0) return null
    this.#piece = piece.subarray(piece.length)
    this.at += piece.length
    return piece
  }

  /** Exactly `length` bytes, in memory of their own; null when there are fewer. */
  async take(length: number): Promise<Buffer | null> {
    if (length > this.#end - this.at) return null
    const bytes = Buffer.allocUnsafe(length)
    let done = 0
    while (done < length) {
      if (this.#piece.length === 0) await this.#fill()
      if (this.#piece.length === 0) return null
      const taken = this.#piece.copy(bytes, done)
      this.#piece = this.#piece.subarray(taken)
      this.at += taken
      done += taken
    }
    return bytes
  }

  async #fill(): Promise<void> {
    const length = Math.min(PIECE_BYTES, this.#end - this.at)
    if (length > 0) this.#piece = await readExactly(this.#file, this.at, length)
  }
}
