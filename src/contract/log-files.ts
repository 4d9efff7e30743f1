import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'

/**
 * One stream of the contract's output in rotating files: `name`, `name.1` (newer) ... The contract gets the file
 * itself, so that writing costs nothing and never blocks. Between executions a full file is rotated; one that grows
 * past twice its size during an execution loses what it holds, so that a flood never fills the disk.
 */
export class LogFile {
  readonly #path: string
  readonly #maxBytes: number
  readonly #files: number
  #fd: number | null = null
  #opened = 0

  constructor(dir: string, name: string, maxBytes: number, files: number) {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    this.#path = join(dir, name)
    this.#maxBytes = maxBytes
    this.#files = files
  }

  /** The descriptor to give to the next execution; rotates first when the file is full. */
  open(): number {
    if (this.#fd !== null) {
      const { size, nlink } = fstatSync(this.#fd)
      if (nlink > 0 && size < this.#maxBytes) return this.#fd
      this.close()
      if (nlink > 0) this.#rotate()
    }
    this.#fd = this.#openFile()
    if (fstatSync(this.#fd).size >= this.#maxBytes) {
      this.close()
      this.#rotate()
      this.#fd = this.#openFile()
    }
    return this.#fd
  }

  /** Which file `open` gave last: another number for each. */
  get generation(): number {
    return this.#opened
  }

  /** Called while the contract runs. True when the log was cut. */
  bound(): boolean {
    if (this.#fd === null || fstatSync(this.#fd).size <= 2 * this.#maxBytes) return false
    ftruncateSync(this.#fd, 0)
    writeSync(this.#fd, '[the log grew too fast: what was here was dropped]\n')
    return true
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd)
    this.#fd = null
  }

  #openFile(): number {
    this.#opened++
    const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants
    try {
      return openSync(this.#path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600)
    } catch (error) {
      // The contract may have put a link or a directory there: it is ours to write, so it goes.
      const code = (error as NodeJS.ErrnoException).code
      if (code !== 'ELOOP' && code !== 'EISDIR') throw error
      rmSync(this.#path, { recursive: true, force: true })
      return openSync(this.#path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600)
    }
  }

  #rotate(): void {
    const nameOf = (index: number) => (index === 0 ? this.#path : `${this.#path}.${index}`)
    rmSync(nameOf(this.#files - 1), { recursive: true, force: true })
    for (let index = this.#files - 2; index >= 0; index--) {
      try {
        renameSync(nameOf(index), nameOf(index + 1))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
  }
}
