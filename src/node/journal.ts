import { randomBytes } from 'node:crypto'
import { fdatasync, writeSync } from 'node:fs'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import {
  asBytes,
  CodecError,
  decodeCanonical,
  HASH_BYTES,
  hexToBytes,
  KEY_BYTES,
  PROPOSAL_LIMITS
} from '../codec/index.js'
import * as pb from '../codec/pb/journal.js'
import type { Hash, PublicKey } from '../consensus/types.js'
import { blake3 } from '../crypto/index.js'

const VERSION = 1
/** Before each record: a mark, its length (u32, big-endian), and the first bytes of BLAKE3 over salt, length and payload. */
const MARK = Buffer.from('hpj1')
const LENGTH_BYTES = 4
const CHECKSUM_BYTES = 8
const SALT_BYTES = 16
const NO_SALT = new Uint8Array(0)
const FRAME_BYTES = MARK.length + LENGTH_BYTES + CHECKSUM_BYTES
/** Marks behind a broken record that are looked at: content may hold many that are none. */
const MARKS_TRIED_MAX = 256
/** The journal is cut back to its owner record once it is longer than this and a ledger has closed. */
const RESET_BYTES = 4 * 1024 * 1024

export type JournalRecord = pb.JournalRecord

export class JournalError extends Error {
  override readonly name = 'JournalError'
}

/** The disk under a journal: small enough to be simulated. */
export interface JournalFile {
  read(): Promise<Uint8Array>
  /** Appends at the end; not yet durable. */
  append(bytes: Uint8Array): Promise<void>
  /** Returns once all that was appended survives a power cut. */
  sync(): Promise<void>
  truncate(length: number): Promise<void>
  close(): Promise<void>
}

const datasync = promisify(fdatasync)

/** Opens (or makes, readable by its owner only) the journal file at `path`. */
export async function openJournalFile(path: string): Promise<JournalFile> {
  const handle: FileHandle = await open(path, 'a+', 0o600)
  const { fd } = handle
  // The file itself must survive a power cut, not just what is in it.
  const folder = await open(dirname(path), 'r')
  await folder.sync().finally(() => folder.close())
  return {
    read: () => handle.readFile(),
    // A copy into the page cache takes microseconds, a trip through the thread pool ten times as long.
    append: async (bytes) => {
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done)
    },
    sync: () => datasync(fd),
    truncate: (length) => handle.truncate(length),
    close: () => handle.close()
  }
}

/**
 * Reads the journal file at `path` and changes nothing; a running node may write to it meanwhile. Throws JournalError
 * when it is damaged or another's, and what reading a file throws.
 */
export async function inspectJournalFile(
  path: string,
  networkId: Hash,
  key: PublicKey
): Promise<{ records: number; bytes: number }> {
  const bytes = await readFile(path)
  const { records } = parseJournal(bytes)
  if (records[0] !== undefined) checkOwner(records[0], networkId, key)
  return { records: records.length, bytes: bytes.length }
}

/**
 * What this validator has said in the seq being decided, written down before it is sent, so that a node killed at any
 * instant never says another thing. A record whose end is missing was never sent, since sending waits for the sync.
 */
export class Journal {
  readonly #file: JournalFile
  /** Encoded first record. */
  #owner: Uint8Array
  #salt: Uint8Array
  #length: number
  /** Encoded records not yet written. */
  #pending: Uint8Array[] = []

  private constructor(file: JournalFile, owner: Uint8Array, salt: Uint8Array, length: number) {
    this.#file = file
    this.#owner = owner
    this.#salt = salt
    this.#length = length
  }

  /**
   * Reads the journal back. A torn last record is dropped. `isNew`: nothing was readable, as in an empty file. The file
   * is closed when this rejects.
   *
   * @throws JournalError when it belongs to another key or network, or is damaged before its end
   */
  static async open(
    file: JournalFile,
    networkId: Hash,
    key: PublicKey
  ): Promise<{ journal: Journal; records: JournalRecord[]; isNew: boolean }> {
    try {
      const { records, length } = parseJournal(await file.read())
      const first = records[0]
      if (first !== undefined) checkOwner(first, networkId, key)
      const salt = first?.owner?.salt ?? randomBytes(SALT_BYTES)
      const journal = new Journal(file, encodeOwner(networkId, key, salt), salt, length)
      if (first === undefined) await journal.#begin()
      else {
        await file.truncate(length)
        // A process that was killed may have written what no sync has reached: it is sent again, and must last.
        await file.sync()
      }
      return { journal, records: records.slice(1), isNew: first === undefined }
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** Random, 32 hex digits: tells this journal from any other. */
  get salt(): string {
    return Buffer.from(this.#salt).toString('hex')
  }

  /** Adds a record; `flush` makes it durable. */
  add(record: Partial<JournalRecord>): void {
    this.#pending.push(frame(pb.JournalRecord.encode(record), this.#salt))
  }

  /** Returns once all added records are durable. */
  async flush(): Promise<void> {
    if (this.#pending.length === 0) return
    const bytes = Buffer.concat(this.#pending)
    this.#pending = []
    await this.#file.append(bytes)
    await this.#file.sync()
    this.#length += bytes.length
  }

  /** Called once a ledger is durable: what was said about it binds no more. Cheap until the journal has grown. */
  async ledgerClosed(): Promise<void> {
    if (this.#length > RESET_BYTES) await this.#begin()
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  async #begin(): Promise<void> {
    await this.#file.truncate(0)
    await this.#file.append(this.#owner)
    await this.#file.sync()
    this.#length = this.#owner.length
  }
}

function encodeOwner(networkId: Hash, key: PublicKey, salt: Uint8Array): Uint8Array {
  const owner = {
    version: VERSION,
    networkId: hexToBytes(networkId, HASH_BYTES),
    key: hexToBytes(key, KEY_BYTES),
    salt: asBytes(salt)
  }
  return frame(pb.JournalRecord.encode({ owner }), NO_SALT)
}

function frame(payload: Uint8Array, salt: Uint8Array): Uint8Array {
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32BE(payload.length)
  return Buffer.concat([MARK, length, checksumOf(salt, length, payload), payload])
}

function checksumOf(salt: Uint8Array, length: Uint8Array, payload: Uint8Array): Buffer {
  return blake3(Buffer.concat([salt, length, payload])).subarray(0, CHECKSUM_BYTES)
}

function checkOwner(record: JournalRecord, networkId: Hash, key: PublicKey): void {
  const { owner } = record
  if (owner === undefined || owner.version !== VERSION) {
    throw new JournalError(
      'the journal (hist/journal) is of another version of hp-p2p: start it with that version once'
    )
  }
  // Of any length: the checksum says that it was written so, not that we wrote it.
  if (Buffer.from(owner.key).toString('hex') !== key) {
    throw new JournalError(
      'the journal (hist/journal) belongs to another key: a copied contract directory needs `hp-p2p rekey` first'
    )
  }
  if (Buffer.from(owner.networkId).toString('hex') !== networkId) {
    throw new JournalError(
      'the journal (hist/journal) belongs to another network: restore the UNL and parameters of hp.cfg, or move hist/ away to begin anew'
    )
  }
}

interface ParsedJournal {
  records: JournalRecord[]
  /** Bytes up to the end of the last whole record. */
  length: number
}

function parseJournal(bytes: Uint8Array): ParsedJournal {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const records: JournalRecord[] = []
  let offset = 0
  let salt: Uint8Array = NO_SALT
  while (offset < buffer.length) {
    const record = readRecord(buffer, offset, salt)
    if (record === null) {
      if (hasRecordAfter(buffer, offset + 1, salt)) {
        throw new JournalError(
          `the journal (hist/journal) is damaged at byte ${offset}: what this validator has said is not known; move hist/journal away: it gives no vote then before the network is a minute further`
        )
      }
      break
    }
    records.push(record.record)
    if (record.record.owner !== undefined) salt = record.record.owner.salt
    offset = record.end
  }
  return { records, length: offset }
}

function readRecord(buffer: Buffer, offset: number, salt: Uint8Array): { record: JournalRecord; end: number } | null {
  if (offset + FRAME_BYTES > buffer.length || !buffer.subarray(offset, offset + MARK.length).equals(MARK)) return null
  const lengthBytes = buffer.subarray(offset + MARK.length, offset + MARK.length + LENGTH_BYTES)
  const length = lengthBytes.readUInt32BE()
  const start = offset + FRAME_BYTES
  if (length === 0 || length > PROPOSAL_LIMITS.messageBytes || start + length > buffer.length) return null
  const payload = buffer.subarray(start, start + length)
  if (!checksumOf(salt, lengthBytes, payload).equals(buffer.subarray(start - CHECKSUM_BYTES, start))) return null
  try {
    const options = { maxBytes: PROPOSAL_LIMITS.messageBytes, name: 'journal record' }
    return { record: decodeCanonical(pb.JournalRecord, payload, options), end: start + length }
  } catch (error) {
    if (error instanceof CodecError) return null
    throw error
  }
}

/** True when a whole record stands somewhere behind a broken one: then it was not just the end that was torn. */
function hasRecordAfter(buffer: Buffer, from: number, salt: Uint8Array): boolean {
  let offset = buffer.indexOf(MARK, from)
  for (let tried = 0; offset >= 0 && tried < MARKS_TRIED_MAX; tried++) {
    if (readRecord(buffer, offset, salt) !== null) return true
    offset = buffer.indexOf(MARK, offset + 1)
  }
  return false
}
