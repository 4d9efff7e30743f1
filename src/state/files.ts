import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { errnoOf } from './errors.js'
import { Pacer } from './pacer.js'

const O = fs.constants
/** Reads regular files only: a symlink is an error, a pipe does not block. */
export const OPEN_READ = O.O_RDONLY | O.O_NOFOLLOW | O.O_NONBLOCK
export const OPEN_WRITE = O.O_RDWR | O.O_NOFOLLOW | O.O_NONBLOCK
export const OPEN_CREATE = O.O_RDWR | O.O_CREAT | O.O_EXCL | O.O_NOFOLLOW

export const FILE_MODE = 0o644
export const EXECUTABLE_MODE = 0o755
export const DIR_MODE = 0o755
/** Paths longer than this are shortened by moving a directory before its content is removed; the system's limit is 4096. */
const PATH_SAFE_BYTES = 3500
/** More files than this are made durable by one sync of the file system instead of one by one. */
const FSYNC_FILES_MAX = 64

/** Writes a whole small file so that a crash leaves the old or the new one. */
export async function replaceFile(file: string, bytes: Uint8Array, durable: boolean): Promise<void> {
  const temporary = `${file}.tmp`
  try {
    const handle = await open(temporary, 'w', 0o600)
    try {
      await handle.writeFile(bytes)
      if (durable) await handle.sync()
    } finally {
      await handle.close()
    }
    fs.renameSync(temporary, file)
  } catch (error) {
    // On a full disk its bytes are wanted elsewhere.
    fs.rmSync(temporary, { force: true })
    throw error
  }
  if (durable) await syncPath(path.dirname(file))
}

/** fsync of a file or directory; one that is gone or is no regular file or directory is left alone. */
export async function syncPath(file: string): Promise<void> {
  let handle: fs.promises.FileHandle
  try {
    handle = await open(file, OPEN_READ)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP') return
    throw error
  }
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Makes files and directories below `dir` durable: one by one when they are few, else the whole file system at once.
 *
 * @param filesMax how many are few
 */
export async function syncPaths(dir: string, paths: ReadonlySet<string>, filesMax = FSYNC_FILES_MAX): Promise<void> {
  if (paths.size > filesMax) {
    try {
      await promisify(execFile)('sync', ['-f', dir])
      return
    } catch {
      // No such program here, or one that does not know -f: one by one.
    }
  }
  for (const file of paths) await syncPath(file)
}

type AnyPath = string | Buffer

function childPath(dir: AnyPath, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(dir), Buffer.from('/'), name])
}

function listDir(dir: AnyPath): Buffer[] {
  try {
    return fs.readdirSync(dir, 'buffer')
  } catch (error) {
    if (errnoOf(error) !== 'EACCES') throw error
    fs.chmodSync(dir, 0o700)
    return fs.readdirSync(dir, 'buffer')
  }
}

function unlinkEntry(file: AnyPath, parent: AnyPath | undefined): void {
  try {
    fs.unlinkSync(file)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return
    if (errnoOf(error) !== 'EACCES' || parent === undefined) throw error
    fs.chmodSync(parent, 0o700)
    fs.unlinkSync(file)
  }
}

/**
 * Removes whatever is at `target`, of any kind, name and depth; never follows a symlink; nothing there is fine.
 * `scratchDir` (same file system) takes directories whose path has become too long for the system.
 */
export async function removeTree(target: AnyPath, scratchDir: string): Promise<void> {
  const pacer = new Pacer()
  const stack: { dir: AnyPath; names: Buffer[] }[] = []
  const enter = (entry: AnyPath, parent: AnyPath | undefined): void => {
    const stat = fs.lstatSync(entry, { throwIfNoEntry: false })
    if (stat === undefined) return
    if (!stat.isDirectory()) {
      unlinkEntry(entry, parent)
      return
    }
    let dir = entry
    if (Buffer.byteLength(dir) > PATH_SAFE_BYTES) {
      dir = path.join(scratchDir, `deep-${randomUUID()}`)
      fs.chmodSync(entry, 0o700)
      fs.renameSync(entry, dir)
    }
    stack.push({ dir, names: listDir(dir) })
  }
  enter(target, undefined)
  while (stack.length > 0) {
    if (pacer.due()) await pacer.pause()
    const top = stack[stack.length - 1]!
    const name = top.names.pop()
    if (name !== undefined) {
      enter(childPath(top.dir, name), top.dir)
      continue
    }
    stack.pop()
    try {
      fs.rmdirSync(top.dir)
    } catch (error) {
      const parent = stack[stack.length - 1]?.dir
      if (errnoOf(error) !== 'EACCES' || parent === undefined) throw error
      fs.chmodSync(parent, 0o700)
      fs.rmdirSync(top.dir)
    }
  }
}
