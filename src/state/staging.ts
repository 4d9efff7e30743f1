import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { blake3 } from '../crypto/index.js'
import { hasZerosOf } from './changes.js'
import { errnoOf } from './errors.js'
import { removeTree, syncPath, syncPaths } from './files.js'
import { hashFile } from './hash-file.js'
import { BLOCK_BYTES } from './limits.js'
import { Pacer } from './pacer.js'
import type { FileNode } from './tree.js'

const writev = promisify(fs.writev)
const { O_RDWR, O_CREAT, O_NOFOLLOW } = fs.constants

/** Written to the disk while the rest is still fetched, so that the end does not wait for all of it. */
const FLUSH_BYTES = 128 * 1024 * 1024
/** So many files are synced one by one: all of the file system would have the twins in it, which need no sync. */
const FLUSH_FILES_MAX = 256
/** Files named by a hash, a dot and random digits: a name is never used twice, whatever a journal still says of it. */
const NAME = /^[0-9a-f]{32}\.[0-9a-f]{16}$/

/** What a staged file holds, as it was read again after a restart. */
export interface FoundFile {
  name: string
  node: FileNode
}

/** A file of the wanted state that is put together out of its blocks. */
export interface StagedFile {
  readonly path: string
  readonly node: FileNode
  readonly name: string
  /** What was there when the copy began: blocks of it may be good already. */
  readonly found: FileNode | undefined
  /** It is there and has its size. */
  isMade: boolean
  /** Name of a second file with the same content, for the state directory; undefined when there is none. */
  twin: string | undefined
}

/** Where the files of a copy are. */
export function stagingDir(metaDir: string): string {
  return path.join(metaDir, 'fetched', 'files')
}

/** Where their twins are. */
export function twinsDir(metaDir: string): string {
  return path.join(metaDir, 'fetched', 'twins')
}

/**
 * Files on the way to becoming part of the snapshot, put together block by block in a directory beside it. They are
 * whatever a crash left: all of them are read and hashed when a copy goes on, and only blocks that are right are used.
 * A file that the state directory lacks is written a second time in passing, which is quicker than reading it again in the
 * end; these twins are of this one copy, which has checked every block of them.
 */
export class StagingArea {
  readonly dir: string
  readonly found: readonly FoundFile[]
  readonly #twinsDir: string
  #flushing: Promise<void> = Promise.resolve()
  #unsynced = new Set<string>()
  #unsyncedBytes = 0

  private constructor(dir: string, twins: string, found: FoundFile[]) {
    this.dir = dir
    this.#twinsDir = twins
    this.found = found
  }

  static async open(metaDir: string, signal: AbortSignal): Promise<StagingArea> {
    const dir = stagingDir(metaDir)
    fs.mkdirSync(dir, { recursive: true })
    const twins = twinsDir(metaDir)
    await removeTree(twins, dir)
    fs.mkdirSync(twins)
    const found: FoundFile[] = []
    const pacer = new Pacer()
    for (const name of fs.readdirSync(dir)) {
      signal.throwIfAborted()
      if (pacer.due()) await pacer.pause()
      const file = path.join(dir, name)
      const stat = fs.lstatSync(file, { throwIfNoEntry: false })
      if (stat?.isFile() && NAME.test(name)) found.push({ name, node: (await hashFile(file, name, pacer)).node })
      else await removeTree(file, dir)
    }
    return new StagingArea(dir, twins, found)
  }

  /**
   * The staged file for `node` at `at`: the one that an earlier copy began, or a new one.
   *
   * @param isTwice the state directory will need it too
   */
  claim(at: string, node: FileNode, foundByKey: ReadonlyMap<string, FoundFile>, isTwice: boolean): StagedFile {
    const key = keyOf(at, node)
    const before = foundByKey.get(key)
    const found = before !== undefined && hasZerosOf(node, before.node) ? before : undefined
    const name = found?.name ?? `${key}.${randomBytes(8).toString('hex')}`
    const twin = isTwice && found === undefined && node.size > 0 ? name : undefined
    return { path: at, node, name, found: found?.node, isMade: false, twin }
  }

  /** Found files by the part of their name that says what they are to become. */
  keys(): Map<string, FoundFile> {
    return new Map(this.found.map((file) => [file.name.slice(0, 32), file]))
  }

  /** Writes checked blocks that follow each other, from `first` on. */
  async write(file: StagedFile, first: number, blocks: Uint8Array[]): Promise<void> {
    const isNew = !file.isMade
    const fd = this.#open(file)
    // Both at once: each may wait for the disk.
    const [bytes] = await Promise.all([
      writeBlocks(fd, file.node, first, blocks),
      this.#writeTwin(file, first, blocks, isNew)
    ])
    this.#unsyncedBytes += bytes
    this.#unsynced.add(path.join(this.dir, file.name))
    if (this.#unsyncedBytes >= FLUSH_BYTES) this.#flushSoon()
  }

  /** Makes sure that the files are there, of their size, and on the disk. */
  async finish(files: readonly StagedFile[]): Promise<void> {
    const pacer = new Pacer()
    for (const file of files) {
      if (pacer.due()) await pacer.pause()
      if (!file.isMade) fs.closeSync(this.#open(file))
      // An earlier copy may have ended before its sync.
      if (file.found !== undefined || file.node.size === 0) this.#unsynced.add(path.join(this.dir, file.name))
    }
    await this.#flushing
    await syncPaths(this.dir, this.#unsynced, FLUSH_FILES_MAX)
    await syncPath(this.dir)
  }

  /** Removes found files that `keep` does not name, as long as they take more than `bytes`. */
  async trim(keep: ReadonlySet<string>, bytes: number): Promise<void> {
    let total = 0
    for (const { name, node } of this.found) {
      if (keep.has(name)) continue
      total += node.size
      if (total > bytes) await fs.promises.rm(path.join(this.dir, name), { force: true })
    }
  }

  /** Waits for what is still being written to the disk. Twins that were not moved into place are removed. */
  async close(): Promise<void> {
    await this.#flushing.catch(() => undefined)
    await removeTree(this.#twinsDir, this.dir)
  }

  /** A twin is a shortcut: where there is no room for it, the file is copied in the end. */
  async #writeTwin(file: StagedFile, first: number, blocks: Uint8Array[], isNew: boolean): Promise<void> {
    if (file.twin === undefined) return
    const full = path.join(this.#twinsDir, file.twin)
    try {
      await writeBlocks(openSized(full, isNew ? file.node.size : undefined), file.node, first, blocks)
    } catch (error) {
      file.twin = undefined
      fs.rmSync(full, { force: true })
      if (errnoOf(error) !== 'ENOSPC') throw error
    }
  }

  #open(file: StagedFile): number {
    const fd = openSized(path.join(this.dir, file.name), file.isMade ? undefined : file.node.size)
    file.isMade = true
    return fd
  }

  #flushSoon(): void {
    const paths = this.#unsynced
    this.#unsynced = new Set()
    this.#unsyncedBytes = 0
    this.#flushing = this.#flushing.then(() => syncPaths(this.dir, paths, FLUSH_FILES_MAX))
    this.#flushing.catch(() => undefined)
  }
}

/** Says what a staged file is to become: its path and content. */
function keyOf(at: string, node: FileNode): string {
  return blake3(Buffer.from(`${node.hash}${node.size}/${at}`)).toString('hex', 0, 16)
}

/** Opens a file for writing, makes it when it is not there, and gives it its size. */
function openSized(full: string, size: number | undefined): number {
  const fd = fs.openSync(full, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)
  if (size === undefined) return fd
  try {
    fs.ftruncateSync(fd, size)
    return fd
  } catch (error) {
    fs.closeSync(fd)
    throw error
  }
}

/** Writes blocks that follow each other and closes the file. @returns bytes written */
async function writeBlocks(fd: number, node: FileNode, first: number, blocks: Uint8Array[]): Promise<number> {
  const start = first * BLOCK_BYTES
  try {
    let at = start
    const isSmall = node.size <= BLOCK_BYTES
    for (let rest = blocks; rest.length > 0; ) {
      const count = isSmall ? fs.writevSync(fd, rest, at) : (await writev(fd, rest, at)).bytesWritten
      at += count
      rest = dropBytes(rest, count)
    }
    return at - start
  } finally {
    fs.closeSync(fd)
  }
}

/** What is left of some buffers after their first `count` bytes. */
function dropBytes(buffers: Uint8Array[], count: number): Uint8Array[] {
  let skip = count
  const rest: Uint8Array[] = []
  for (const buffer of buffers) {
    if (skip >= buffer.length) skip -= buffer.length
    else {
      rest.push(buffer.subarray(skip))
      skip = 0
    }
  }
  return rest
}
