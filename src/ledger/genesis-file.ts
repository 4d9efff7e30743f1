import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CodecError, decodeGenesis, encodeGenesis, LIMITS } from '../codec/index.js'
import type { Genesis } from '../consensus/types.js'
import { LedgerStoreError } from './errors.js'

/**
 * The genesis once more, beside the database: with it alone everything else can be fetched from peers again when the
 * database is lost or was moved away because it was damaged.
 */
export const genesisFileOf = (storePath: string): string => `${storePath}.genesis`

/** null when there is no such file. @throws LedgerStoreError 'damaged' or 'io' */
export async function readGenesisFile(storePath: string): Promise<Genesis | null> {
  const path = genesisFileOf(storePath)
  let bytes: Uint8Array
  try {
    const file = await open(path, 'r')
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(LIMITS.genesisBytes + 1))
      bytes = buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw ioError(path, error)
  }
  try {
    return decodeGenesis(bytes)
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    const message = `The genesis in ${path} is damaged (${error.message}). Take a copy from another node of the network (hist/ledgers.genesis), or delete the file when this node is to begin a new one.`
    throw new LedgerStoreError('damaged', message, { cause: error })
  }
}

/** On disk when this returns, whole or not at all. @throws LedgerStoreError 'io' */
export async function writeGenesisFile(storePath: string, genesis: Genesis): Promise<void> {
  const path = genesisFileOf(storePath)
  const bytes = encodeGenesis(genesis)
  const known = await readFile(path).catch(() => null)
  if (known?.equals(bytes)) return
  try {
    const file = await open(`${path}.new`, 'w', 0o600)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${path}.new`, path)
    const folder = await open(dirname(path), 'r')
    await folder.sync().finally(() => folder.close())
  } catch (error) {
    throw ioError(path, error)
  }
}

function ioError(path: string, error: unknown): LedgerStoreError {
  const reason = error instanceof Error ? error.message : String(error)
  return new LedgerStoreError('io', `The genesis in ${path} cannot be read or written: ${reason}`, { cause: error })
}
