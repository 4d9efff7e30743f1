import { open, readdir, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { contractPaths, loadConfig, parseConfigText, readConfigText } from '../config/index.js'
import type { Hash } from '../consensus/types.js'
import type { LedgerStore } from '../ledger/index.js'
import { BLOCK_BYTES, type DirNode, type FileNode, type StateStore } from '../state/index.js'
import { blockCount, blockHash, blockLength, checkLinkTarget, checkName } from '../state/tree.js'
import { VERSION } from '../version.js'
import { type ArchiveWriter, writeArchive } from './archive.js'
import { BACKUP_FRAMES, PIECE_BYTES_MAX, writeEntry, writeFileEntry } from './entries.js'
import { ArchiveError, toArchiveError } from './errors.js'
import { type LedgerProgress, writeLedgerFrames } from './ledger-frames.js'

/** Ledgers below the tip among which that of the state is looked for. */
const ROOTS_TRIED = 10_000
/** Tries to read a state that is being changed faster than it is read. */
const TRIES = 5
/** Small values of the node that are kept: docs in ledger/keys.ts. */
export const METAS = ['wishes']

/** What a backup is made of: the open parts of a node, which may go on with their work. */
export interface BackupParts {
  /** The contract directory. */
  dir: string
  ledgers: LedgerStore
  state: StateStore
}

export interface BackupOptions extends LedgerProgress {
  /** False leaves the key pair out: whoever restores it gets a new one. Default true. */
  keys?: boolean | undefined
}

/** JSON of the manifest frame. */
export interface Manifest {
  /** Of the program that wrote it. */
  version: string
  networkId: Hash
  /** The ledger that agreed on the state. */
  seq: number
  stateRoot: Hash
  keys: boolean
}

export interface BackupWritten {
  path: string
  bytes: number
  /** The ledger that agreed on the state. */
  seq: number
  /** The last ledger. */
  tip: number
  stateRoot: Hash
  /** What was left out, in words. */
  notes: string[]
}

/**
 * Writes hp.cfg, the contract in bin/, the last agreed state, the ledgers and the operator's wishes into one new file,
 * readable by its owner alone.
 *
 * @throws ArchiveError 'exists', 'io', 'missing'
 */
export async function writeBackup(
  parts: BackupParts,
  path: string,
  options: BackupOptions = {}
): Promise<BackupWritten> {
  const { ledgers, state } = parts
  const unpin = ledgers.pin()
  try {
    for (let tries = 1; ; tries++) {
      const source = await findState(ledgers, state)
      try {
        return await writeOnce(parts, path, options, source)
      } catch (error) {
        if (!(error instanceof StateGone)) throw error
        if (tries >= TRIES) {
          const message = `the state changes faster than it can be read: try again when there is less to do, or stop the node`
          throw new ArchiveError('io', message)
        }
      }
    }
  } finally {
    unpin()
  }
}

/** The state was changed by so much that the old one could not be held. */
class StateGone extends Error {}

interface AgreedState {
  seq: number
  root: Hash
  tree: DirNode
}

/** The last agreed state, and the newest ledger that agreed on it. */
async function findState(ledgers: LedgerStore, { reader, isIntact }: StateStore): Promise<AgreedState> {
  const { root, tree } = reader
  const tip = ledgers.tip().seq
  if (isIntact) {
    for (let seq = tip; seq > Math.max(-1, tip - ROOTS_TRIED); seq--) {
      const header = await ledgers.header(seq)
      if (header === null) break
      if (header.result.stateRoot === root) return { seq, root, tree }
    }
  }
  const message = 'there is no agreed state of a kept ledger here: run the node until it is in sync, and try again'
  throw new ArchiveError('missing', message)
}

async function writeOnce(
  { dir, ledgers, state }: BackupParts,
  path: string,
  options: BackupOptions,
  { seq, root, tree }: AgreedState
): Promise<BackupWritten> {
  const keys = options.keys ?? true
  const networkId = (await ledgers.header(0))?.networkId as Hash
  const {
    result,
    bytes,
    path: place
  } = await writeArchive(path, 'backup', async (archive) => {
    const manifest: Manifest = { version: VERSION, networkId, seq, stateRoot: root, keys }
    await archive.write(BACKUP_FRAMES.manifest, Buffer.from(JSON.stringify(manifest)))
    const notes = await writeConfigEntry(archive, dir, keys)
    notes.push(...(await writeContract(archive, dir)))
    await writeState(archive, { state, root, signal: options.signal }, 'state', tree)
    const last = ledgers.tip().seq
    await writeLedgerFrames(archive, ledgers, { first: Math.min(ledgers.first(), last + 1), last }, options)
    for (const name of METAS) {
      const value = await ledgers.getMeta(name)
      if (value === null) continue
      const text = JSON.stringify({ name, value: Buffer.from(value).toString('base64') })
      await archive.write(BACKUP_FRAMES.meta, Buffer.from(text))
    }
    return { notes, last }
  })
  return { path: place, bytes, seq, tip: result.last, stateRoot: root, notes: result.notes }
}

async function writeConfigEntry(archive: ArchiveWriter, dir: string, keys: boolean): Promise<string[]> {
  const { text } = await readConfigText(dir)
  const value = parseConfigText(text)
  const { pubkey: _, seckey: __, ...others } = value
  const bytes = Buffer.from(keys ? text : `${JSON.stringify(others, null, 2)}\n`)
  await writeFileEntry(archive, { path: 'cfg/hp.cfg', bytes: bytes.length, executable: false }, once(bytes))
  const config = await loadConfig(dir, { checkFiles: false })
  const { tls } = config.users
  const notes = tls === null ? [] : [`certificate and key for users, ${tls.certPath} and ${tls.keyPath}, are not in it`]
  if (!config.contract.binary.startsWith(`${contractPaths(dir).dir}/`)) {
    notes.push(`the contract's executable, ${config.contract.binary}, is not in it`)
  }
  return notes
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** bin/, with links as they are; what cannot be restored elsewhere is left out and named. */
async function writeContract(
  archive: ArchiveWriter,
  dir: string,
  path = 'bin',
  notes: string[] = []
): Promise<string[]> {
  const place = join(contractPaths(dir).dir, path)
  const entries = await readdir(place, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw toArchiveError(error, `${place} cannot be read`)
  })
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = `${path}/${entry.name}`
    const target = entry.isSymbolicLink() ? await readlink(join(place, entry.name)) : ''
    const isLink = entry.isSymbolicLink() && checkLinkTarget(target, path.split('/').length - 1) === undefined
    if (checkName(entry.name) !== undefined || !(entry.isDirectory() || entry.isFile() || isLink)) {
      notes.push(`${name} is not in it: only directories, files and links within bin/ are`)
    } else if (isLink) await writeEntry(archive, { kind: 'link', path: name, target })
    else if (entry.isFile()) await writeBinary(archive, join(place, entry.name), name)
    else {
      await writeEntry(archive, { kind: 'dir', path: name })
      await writeContract(archive, dir, name, notes)
    }
  }
  return notes
}

async function writeBinary(archive: ArchiveWriter, place: string, path: string): Promise<void> {
  const { size, mode } = await stat(place)
  await writeFileEntry(archive, { path, bytes: size, executable: (mode & 0o111) !== 0 }, readPieces(place, size))
}

async function* readPieces(path: string, size: number): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r')
  try {
    for (let at = 0; at < size; ) {
      const { buffer, bytesRead } = await file.read(
        Buffer.allocUnsafe(Math.min(PIECE_BYTES_MAX, size - at)),
        0,
        null,
        at
      )
      if (bytesRead === 0) return
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

interface StateSource {
  state: StateStore
  root: Hash
  signal: AbortSignal | undefined
}

async function writeState(archive: ArchiveWriter, source: StateSource, path: string, dir: DirNode): Promise<void> {
  for (const [name, node] of dir.children) {
    source.signal?.throwIfAborted()
    const place = `${path}/${name}`
    if (node.kind === 'link') await writeEntry(archive, { kind: 'link', path: place, target: node.target })
    else if (node.kind === 'file') {
      const { size, executable } = node
      const pieces = readBlocks(source, place.slice('state/'.length), node)
      await writeFileEntry(archive, { path: place, bytes: size, executable }, pieces)
    } else {
      await writeEntry(archive, { kind: 'dir', path: place })
      await writeState(archive, source, place, node)
    }
  }
}

/** Blocks of a file of the agreed state, each checked, gathered into larger pieces. */
async function* readBlocks({ state, root }: StateSource, path: string, file: FileNode): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = []
  const count = blockCount(file.size)
  for (let index = 0; index < count; index++) {
    const want = { path, level: 0, index, hash: blockHash(file, index), bytes: blockLength(file.size, index) }
    const block = await state.reader.readChunk(root, want)
    if (block === undefined) throw new StateGone()
    pieces.push(block)
    if (pieces.length * BLOCK_BYTES < PIECE_BYTES_MAX && index + 1 < count) continue
    yield Buffer.concat(pieces)
    pieces = []
  }
}
