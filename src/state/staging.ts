import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { blake3 } from '../crypto/index.js'
import { hasZerosOf } from './changes.js'
import { removeTree, syncPath, syncPaths } from './files.js'
import { hashFile } from './hash-file.js'
import { BLOCK_BYTES } from './limits.js'
import { Pacer } from './pacer.js'
import type { FileNode } from './tree.js'

const writev = promisify(fs.writev)
const { O_RDWR, O_CREAT, O_NOFOLLOW } = fs.constants

/** Written to the disk while the rest is still fetched, so that the end does not wait for all of it. */
const FLUSH_BYTES = 128 * 1024 * 1024
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
}

/** Where the files of a copy are. */
export function stagingDir(metaDir: string): string {
  return path.join(metaDir, 'fetched', 'files')
}

/**
 * Files on the way to becoming part of the snapshot, put together block by block in a directory beside it. They are
 * whatever a crash left: all of them are read and hashed when a copy goes on, and only blocks that are right are used.
 */
export class StagingArea {
  readonly dir: string
  readonly found: readonly FoundFile[]
  #flushing: Promise<void> = Promise.resolve()
  #unsynced = new Set<string>()
  #unsyncedBytes = 0

  private constructor(dir: string, found: FoundFile[]) {
    this.dir = dir
    this.found = found
  }

  static async open(metaDir: string, signal: AbortSignal): Promise<StagingArea> {
    const dir = stagingDir(metaDir)
    fs.mkdirSync(dir, { recursive: true })
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
    return new StagingArea(dir, found)
  }

  /** The staged file for `node` at `at`: the one that an earlier copy began, or a new one. */
  claim(at: string, node: FileNode, foundByKey: ReadonlyMap<string, FoundFile>): StagedFile {
    const key = keyOf(at, node)
    const before = foundByKey.get(key)
    const found = before !== undefined && hasZerosOf(node, before.node) ? before : undefined
    const name = found?.name ?? `${key}.${randomBytes(8).toString('hex')}`
    return { path: at, node, name, found: found?.node, isMade: false }
  }

  /** Found files by the part of their name that says what they are to become. */
  keys(): Map<string, FoundFile> {
    return new Map(this.found.map((file) => [file.name.slice(0, 32), file]))
  }

  /** Writes checked blocks that follow each other, from `first` on. */
  async write(file: StagedFile, first: number, blocks: Uint8Array[]): Promise<void> {
    const fd = this.#open(file)
    try {
      let at = first * BLOCK_BYTES
      const isSmall = file.node.size <= BLOCK_BYTES
      for (let rest = blocks; rest.length > 0; ) {
        const count = isSmall ? fs.writevSync(fd, rest, at) : (await writev(fd, rest, at)).bytesWritten
        at += count
        rest = dropBytes(rest, count)
      }
      this.#unsyncedBytes += at - first * BLOCK_BYTES
    } finally {
      fs.closeSync(fd)
    }
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
    await syncPaths(this.dir, this.#unsynced)
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

  /** Waits for what is still being written to the disk. */
  async close(): Promise<void> {
    await this.#flushing.catch(() => undefined)
  }

  #open(file: StagedFile): number {
    const full = path.join(this.dir, file.name)
    const fd = fs.openSync(full, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)
    if (!file.isMade) {
      try {
        fs.ftruncateSync(fd, file.node.size)
      } catch (error) {
        fs.closeSync(fd)
        throw error
      }
      file.isMade = true
    }
    return fd
  }

  #flushSoon(): void {
    const paths = this.#unsynced
    this.#unsynced = new Set()
    this.#unsyncedBytes = 0
    this.#flushing = this.#flushing.then(() => syncPaths(this.dir, paths))
    this.#flushing.catch(() => undefined)
  }
}

/** Says what a staged file is to become: its path and content. */
function keyOf(at: string, node: FileNode): string {
  return blake3(Buffer.from(`${node.hash}${node.size}/${at}`)).toString('hex', 0, 16)
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
