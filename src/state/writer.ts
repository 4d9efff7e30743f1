import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Operation } from './changes.js'
import { StateError } from './errors.js'
import { DIR_MODE, EXECUTABLE_MODE, FILE_MODE, OPEN_CREATE, OPEN_WRITE, removeTree } from './files.js'
import { BLOCK_BYTES } from './limits.js'
import { Pacer } from './pacer.js'
import { checkName } from './tree.js'

const write = promisify(fs.write)

export interface WriterOptions {
  /** The directory that is changed. */
  dir: string
  /** Same file system: holds prepared files by name and takes what is in the way. */
  scratchDir: string
  /** Same file system: holds prepared files whose name begins with "fetched/". */
  fetchedDir?: string
  /**
   * The directory may be in any state between those of the operations (a crash cut them): parents are looked at before
   * each operation, and made when they are missing.
   */
  repeat?: boolean
}

/**
 * Carries out operations on a directory. Whatever is in the way of an operation is removed; symlinks are replaced,
 * never followed: the parents of every path are made by operations before it or were seen to be directories.
 */
export class TreeWriter {
  readonly #dir: string
  readonly #scratchDir: string
  readonly #fetchedDir: string | undefined
  readonly #repeat: boolean
  readonly #pacer = new Pacer()
  #fd: number | undefined
  #fileSize = 0

  constructor(options: WriterOptions) {
    this.#dir = options.dir
    this.#scratchDir = options.scratchDir
    this.#fetchedDir = options.fetchedDir
    this.#repeat = options.repeat ?? false
  }

  async apply(operation: Operation): Promise<void> {
    if (operation.kind === 'block') {
      await this.#writeBlock(operation.index, operation.data)
      if (this.#pacer.due(4)) await this.#pacer.pause()
      return
    }
    this.close()
    if (this.#pacer.due()) await this.#pacer.pause()
    const target = this.#resolve(operation.path)
    if (this.#repeat && !this.#prepareParents(operation.path, operation.kind !== 'remove')) return
    const stat = fs.lstatSync(target, { throwIfNoEntry: false })
    if (operation.kind === 'remove') {
      if (stat !== undefined) await removeTree(target, this.#scratchDir)
    } else if (operation.kind === 'dir') {
      if (stat?.isDirectory()) return
      if (stat !== undefined) fs.unlinkSync(target)
      fs.mkdirSync(target)
      fs.chmodSync(target, DIR_MODE)
    } else if (operation.kind === 'link') {
      if (stat !== undefined) await removeTree(target, this.#scratchDir)
      fs.symlinkSync(operation.target, target)
    } else if (operation.base === 'staged') await this.#placeStaged(target, operation, stat)
    else await this.#openFile(target, operation, stat)
  }

  /** Closes the file of the last operation. */
  close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd)
    this.#fd = undefined
  }

  #resolve(relative: string): string {
    for (const part of relative.split('/')) {
      const wrong = checkName(part)
      if (wrong !== undefined) throw new StateError('io', `refusing to write ${JSON.stringify(relative)}: ${wrong}`)
    }
    return `${this.#dir}/${relative}`
  }

  /** True when all parents are directories, made so if `make`. */
  #prepareParents(relative: string, make: boolean): boolean {
    let parent = this.#dir
    for (const part of relative.split('/').slice(0, -1)) {
      parent = `${parent}/${part}`
      const stat = fs.lstatSync(parent, { throwIfNoEntry: false })
      if (stat?.isDirectory()) continue
      if (!make) return false
      if (stat !== undefined) fs.unlinkSync(parent)
      fs.mkdirSync(parent)
      fs.chmodSync(parent, DIR_MODE)
    }
    return true
  }

  async #placeStaged(target: string, operation: { staged?: string; executable: boolean }, stat?: fs.Stats) {
    const name = operation.staged ?? ''
    const dir = name.startsWith('fetched/') ? (this.#fetchedDir ?? this.#scratchDir) : this.#scratchDir
    const staged = path.join(dir, path.basename(name))
    // Not there: it was moved into place before a crash and these operations are being repeated.
    if (fs.lstatSync(staged, { throwIfNoEntry: false }) === undefined) return
    fs.chmodSync(staged, operation.executable ? EXECUTABLE_MODE : FILE_MODE)
    if (stat?.isDirectory()) await removeTree(target, this.#scratchDir)
    fs.renameSync(staged, target)
  }

  async #openFile(
    target: string,
    operation: { base: string; size: number; executable: boolean },
    stat: fs.Stats | undefined
  ): Promise<void> {
    if (stat?.isFile() && operation.base === 'patch') {
      // A file with another name elsewhere (a reader's view) is left as it is there.
      if (stat.nlink > 1) {
        const copy = path.join(this.#scratchDir, `patched-${randomUUID()}`)
        try {
          await fs.promises.copyFile(target, copy, fs.constants.COPYFILE_FICLONE)
          fs.renameSync(copy, target)
        } catch (error) {
          fs.rmSync(copy, { force: true })
          throw error
        }
      }
      this.#fd = fs.openSync(target, OPEN_WRITE)
    } else {
      if (stat !== undefined) await removeTree(target, this.#scratchDir)
      this.#fd = fs.openSync(target, OPEN_CREATE, 0o600)
    }
    fs.ftruncateSync(this.#fd, operation.size)
    fs.fchmodSync(this.#fd, operation.executable ? EXECUTABLE_MODE : FILE_MODE)
    this.#fileSize = operation.size
  }

  async #writeBlock(index: number, data: Uint8Array): Promise<void> {
    const fd = this.#fd
    if (fd === undefined) throw new StateError('io', 'a block without a file')
    let done = 0
    while (done < data.length) {
      const at = index * BLOCK_BYTES + done
      // A large write may have to wait for the disk: not on the main thread.
      done +=
        this.#fileSize <= BLOCK_BYTES
          ? fs.writeSync(fd, data, done, data.length - done, at)
          : (await write(fd, data, done, data.length - done, at)).bytesWritten
    }
  }
}
