import { mkdir, readdir } from 'node:fs/promises'
import { ClassicLevel } from 'classic-level'
import { LevelDatastore } from 'datastore-level'
import type { Key } from 'interface-datastore'
import { LedgerStoreError, REMEDY_DAMAGED } from './errors.js'
import { seqDigits } from './keys.js'

export type WriteOp = { type: 'put'; key: Key; value: Uint8Array } | { type: 'del'; key: Key }

export interface WriteOptions {
  /** Return only when the data is on disk (fsync). */
  sync: boolean
}

export interface SeqRange {
  from: number
  /** Inclusive. */
  to: number
  reverse?: boolean
  limit?: number
}

/**
 * One LevelDB directory, read through its datastore. Batches go to LevelDB itself, because the datastore has no way to
 * ask for a synced write; a batch is written whole or not at all.
 */
export class LedgerDb {
  readonly path: string
  readonly #level: ClassicLevel<string, Uint8Array>
  readonly #datastore: LevelDatastore

  private constructor(path: string, level: ClassicLevel<string, Uint8Array>) {
    this.path = path
    this.#level = level
    this.#datastore = new LevelDatastore(level as unknown as ConstructorParameters<typeof LevelDatastore>[0])
  }

  /** @throws LedgerStoreError 'locked', 'damaged' or 'io' */
  static async open(path: string): Promise<LedgerDb> {
    await checkFiles(path)
    const level = new ClassicLevel<string, Uint8Array>(path, { keyEncoding: 'utf8', valueEncoding: 'view' })
    try {
      await level.open()
    } catch (error) {
      await level.close().catch(() => {})
      throw storeError(error, path)
    }
    return new LedgerDb(path, level)
  }

  async get(key: Key): Promise<Uint8Array | null> {
    try {
      return await this.#datastore.get(key)
    } catch (error) {
      if (error instanceof Error && error.name === 'NotFoundError') return null
      throw storeError(error, this.path)
    }
  }

  async has(key: Key): Promise<boolean> {
    try {
      return await this.#datastore.has(key)
    } catch (error) {
      throw storeError(error, this.path)
    }
  }

  async write(ops: WriteOp[], options: WriteOptions): Promise<void> {
    if (ops.length === 0) return
    const batch = ops.map((op) => ({ ...op, key: op.key.toString() }))
    try {
      await this.#level.batch(batch, { sync: options.sync })
    } catch (error) {
      throw storeError(error, this.path)
    }
  }

  /** All keys below `prefix`, in order. */
  async *keys(prefix: Key): AsyncGenerator<Key> {
    const path = prefix.toString()
    try {
      yield* this.#datastore.queryKeys({ prefix: path.endsWith('/') ? path : `${path}/` })
    } catch (error) {
      throw storeError(error, this.path)
    }
  }

  /** Numbers at the end of the keys below `prefix`, in order or from the highest down. */
  async *seqs(prefix: Key, range: SeqRange): AsyncGenerator<number> {
    const { from, to, reverse = false, limit = -1 } = range
    const at = (seq: number) => `${prefix.toString()}/${seqDigits(seq)}`
    try {
      for await (const key of this.#level.keys({ gte: at(from), lte: at(to), reverse, limit })) {
        yield Number(key.slice(key.lastIndexOf('/') + 1))
      }
    } catch (error) {
      throw storeError(error, this.path)
    }
  }

  async close(): Promise<void> {
    await this.#datastore.close()
  }
}

/** LevelDB takes a directory without its CURRENT file for a new one and deletes what lies in it: not with our ledgers. */
async function checkFiles(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
    const names = await readdir(path)
    const hasData = names.some((name) => /\.(ldb|sst|log)$/.test(name) || name.startsWith('MANIFEST-'))
    if (hasData && !names.includes('CURRENT')) {
      throw new LedgerStoreError('damaged', `The ledger store ${path} lacks its file CURRENT. ${REMEDY_DAMAGED}`)
    }
  } catch (error) {
    throw error instanceof LedgerStoreError ? error : storeError(error, path)
  }
}

function storeError(error: unknown, path: string): LedgerStoreError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const reason = cause instanceof Error ? cause.message : String(cause)
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (code === 'LEVEL_LOCKED') {
    const message = `The ledger store ${path} is in use by another process. Stop that node first.`
    return new LedgerStoreError('locked', message, { cause })
  }
  if (code === 'LEVEL_DATABASE_NOT_OPEN' || /not open/.test(reason)) {
    return new LedgerStoreError('closed', `The ledger store ${path} is closed.`, { cause })
  }
  if (code === 'LEVEL_CORRUPTION' || /corrupt|no such file|does not exist|snappy|invalid/i.test(reason)) {
    const message = `The ledger store ${path} is damaged (${reason}). ${REMEDY_DAMAGED}`
    return new LedgerStoreError('damaged', message, { cause })
  }
  return new LedgerStoreError('io', `The ledger store ${path} cannot be read or written: ${reason}`, { cause })
}
