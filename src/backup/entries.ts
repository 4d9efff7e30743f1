import { type FileHandle, mkdir, open, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PATH_BYTES_MAX } from '../state/limits.js'
import { checkLinkTarget, checkName } from '../state/tree.js'
import type { ArchiveReader, ArchiveWriter } from './archive.js'
import { ArchiveError, toArchiveError } from './errors.js'
import type { FrameQueue } from './ledger-frames.js'

/**
 * Frames of a backup beside those of its chain: what it is; an entry of a directory, its content following in pieces;
 * a small value of the node.
 */
export const BACKUP_FRAMES = { manifest: 16, entry: 17, piece: 18, meta: 19 } as const

export const PIECE_BYTES_MAX = 1024 * 1024
/** A manifest, an entry or a value, as JSON. */
export const JSON_BYTES_MAX = 256 * 1024

/** JSON of an entry frame; paths are relative, with slashes, below cfg/, bin/ or state/. */
export type Entry =
  | { kind: 'dir'; path: string }
  | { kind: 'file'; path: string; bytes: number; executable: boolean }
  | { kind: 'link'; path: string; target: string }

export async function writeEntry(archive: ArchiveWriter, entry: Entry): Promise<void> {
  await archive.write(BACKUP_FRAMES.entry, Buffer.from(JSON.stringify(entry)))
}

/** Writes a file of exactly `bytes` bytes, which `pieces` give. @throws ArchiveError when they give another number */
export async function writeFileEntry(
  archive: ArchiveWriter,
  file: { path: string; bytes: number; executable: boolean },
  pieces: AsyncIterable<Uint8Array>
): Promise<void> {
  await writeEntry(archive, { kind: 'file', ...file })
  let written = 0
  for await (const piece of pieces) {
    written += piece.length
    if (piece.length > 0) await archive.write(BACKUP_FRAMES.piece, piece)
  }
  if (written !== file.bytes) {
    throw new ArchiveError('io', `${file.path} changed while it was read: try again`)
  }
}

/** Checks an entry of an archive, which anybody may have made. */
export function readEntry(archive: ArchiveReader, payload: Buffer): Entry {
  const value = readJson(archive, payload)
  const { kind, path, bytes, executable, target } = value
  if (typeof path !== 'string') throw archive.damaged('an entry has no path')
  const shown = JSON.stringify(path.slice(0, 100))
  const problem = findPathProblem(path)
  if (problem !== null) throw archive.damaged(`the path ${shown} of an entry cannot be: ${problem}`)
  if (kind === 'dir') return { kind, path }
  if (kind === 'file' && typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes >= 0) {
    return { kind, path, bytes, executable: executable === true }
  }
  if (kind === 'link' && typeof target === 'string') {
    const wrong = checkLinkTarget(target, path.split('/').length - 2)
    if (wrong !== undefined) throw archive.damaged(`the target of the link ${shown} ${wrong}`)
    return { kind, path, target }
  }
  throw archive.damaged(`the entry ${shown} is neither a directory nor a file nor a link`)
}

export function readJson(archive: ArchiveReader, payload: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(payload.toString('utf8'))
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // Told below.
  }
  throw archive.damaged('a part that should be JSON is none')
}

function findPathProblem(path: string): string | null {
  if (Buffer.byteLength(path) > PATH_BYTES_MAX + 16) return 'it is too long'
  const parts = path.split('/')
  for (const part of parts) {
    const problem = checkName(part)
    if (problem !== undefined) return `a name in it is wrong: ${problem}`
  }
  if (path === 'cfg/hp.cfg') return null
  const [top] = parts
  return parts.length > 1 && (top === 'bin' || top === 'state') ? null : 'it is not below bin/ or state/'
}

/**
 * Makes entries below a directory that nobody else writes to. Each stands in a directory that was made here, and
 * nothing is replaced: so nothing is ever written through a link.
 */
export class EntryWriter {
  readonly #dir: string
  readonly #dirs: Set<string>

  /** @param dirs that are there already, relative */
  constructor(dir: string, dirs: string[]) {
    this.#dir = dir
    this.#dirs = new Set(dirs)
  }

  async write(archive: ArchiveReader, frames: FrameQueue, entry: Entry): Promise<void> {
    const parent = dirname(entry.path)
    if (!this.#dirs.has(parent)) {
      throw archive.damaged(`${JSON.stringify(entry.path.slice(0, 100))} stands in no directory of the backup`)
    }
    const place = join(this.#dir, entry.path)
    try {
      if (entry.kind === 'dir') {
        await mkdir(place)
        this.#dirs.add(entry.path)
      } else if (entry.kind === 'link') await symlink(entry.target, place)
      else await this.#writeFile(archive, frames, entry, place)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
        throw archive.damaged(`${JSON.stringify(entry.path.slice(0, 100))} is there twice`)
      }
      throw toArchiveError(error, `${entry.path} cannot be restored`)
    }
  }

  async #writeFile(
    archive: ArchiveReader,
    frames: FrameQueue,
    entry: Entry & { kind: 'file' },
    place: string
  ): Promise<void> {
    const mode = entry.path.startsWith('cfg/') ? 0o600 : entry.executable ? 0o755 : 0o644
    const file = await open(place, 'wx', mode)
    try {
      await copyPieces(archive, frames, entry, file)
      // The state is durable in its snapshot.
      if (!entry.path.startsWith('state/')) await file.sync()
    } finally {
      await file.close()
    }
  }
}

async function copyPieces(
  archive: ArchiveReader,
  frames: FrameQueue,
  entry: Entry & { kind: 'file' },
  file: FileHandle
): Promise<void> {
  let left = entry.bytes
  while (left > 0) {
    const frame = await frames.take(BACKUP_FRAMES.piece)
    if (frame === null || frame.payload.length === 0 || frame.payload.length > left) {
      throw archive.damaged(`${JSON.stringify(entry.path.slice(0, 100))} has not ${entry.bytes} bytes`)
    }
    await file.writeFile(frame.payload)
    left -= frame.payload.length
  }
}
