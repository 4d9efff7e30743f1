import { randomBytes } from 'node:crypto'
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  statfsSync,
  unlinkSync,
  writeSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** O_TMPFILE of Linux (a file without a name), which node:fs does not list; it holds O_DIRECTORY. */
const O_TMPFILE = 0o20200000
const MEMORY_DIR = '/dev/shm'

export interface FilePair {
  read: number
  write: number
}

/**
 * Files without a name for the contract's channels: nobody else can open them, and they are gone with their last
 * descriptor. A new one each time: a process that outlived its execution can only ever write into its own.
 */
export class TempFiles {
  readonly dir: string
  /** Unlinked at birth where the file system can; else a named file, unlinked at once. */
  #nameless: boolean

  constructor(dir: string, nameless = process.platform === 'linux') {
    this.dir = dir
    this.#nameless = nameless
  }

  /** An empty file, open to read and to append, mode 0600. */
  openAppend(): number {
    const flags = constants.O_RDWR | constants.O_APPEND
    if (this.#nameless) {
      try {
        return openSync(this.dir, O_TMPFILE | flags, 0o600)
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code
        if (code !== 'EOPNOTSUPP' && code !== 'EISDIR' && code !== 'EINVAL' && code !== 'ENOENT') throw error
        this.#nameless = false
      }
    }
    const path = this.#newPath()
    const fd = openSync(path, flags | constants.O_CREAT | constants.O_EXCL, 0o600)
    unlinkSync(path)
    return fd
  }

  /** A file that holds the chunks, open to read only, at its start. */
  openContent(chunks: Uint8Array[]): number {
    const { read, write } = this.openPair()
    try {
      writeChunks(write, chunks)
      return read
    } catch (error) {
      closeSync(read)
      throw error
    } finally {
      closeSync(write)
    }
  }

  /** An empty file, open twice: to read only, at its start, and to be filled. */
  openPair(): FilePair {
    if (this.#nameless) {
      const write = this.openAppend()
      // Another descriptor on the same file: a copy of the first could be written to.
      if (this.#nameless) return closeOnError(write, () => ({ read: openAgain(write), write }))
      closeSync(write)
    }
    const path = this.#newPath()
    const write = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
    try {
      return closeOnError(write, () => ({ read: openSync(path, constants.O_RDONLY), write }))
    } finally {
      unlinkSync(path)
    }
  }

  #newPath(): string {
    return join(this.dir, `.hp-p2p-${randomBytes(16).toString('hex')}`)
  }
}

/** Memory when it has room for `bytes`, since the files live for milliseconds; else the system's temporary directory. */
export function chooseTempDir(bytes: number): string {
  try {
    if (existsSync(MEMORY_DIR)) {
      accessSync(MEMORY_DIR, constants.W_OK | constants.X_OK)
      const { bavail, bsize } = statfsSync(MEMORY_DIR)
      if (bavail * bsize >= bytes) return MEMORY_DIR
    }
  } catch {
    // not usable: the system's directory is
  }
  return tmpdir()
}

/** The first `size` bytes of the file, fewer when it has become shorter. */
export function readWhole(fd: number, size = fstatSync(fd).size): Uint8Array {
  const content = Buffer.allocUnsafeSlow(size)
  let offset = 0
  while (offset < size) {
    const count = readSync(fd, content, offset, size - offset, offset)
    if (count === 0) break
    offset += count
  }
  return content.subarray(0, offset)
}

export function closeQuietly(fd: number): void {
  try {
    closeSync(fd)
  } catch {
    // closed already
  }
}

const openAgain = (fd: number): number => openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY)

function closeOnError<T>(fd: number, open: () => T): T {
  try {
    return open()
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

export function writeChunks(fd: number, chunks: Uint8Array[]): void {
  for (const chunk of chunks) {
    let offset = 0
    while (offset < chunk.length) offset += writeSync(fd, chunk, offset, chunk.length - offset)
  }
}
