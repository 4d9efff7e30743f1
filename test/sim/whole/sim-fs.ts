import { constants } from 'node:fs'
import { promisify } from 'node:util'
import { fileError, type Inode, type SimFiles } from './sim-files.js'
import type { SimProcess } from './sim-process.js'

type Path = string | Buffer
interface RemoveOptions {
  force?: boolean
  recursive?: boolean
}

interface Handle {
  inode: Inode
  at: number
  /** Writes go to the end, wherever that is by then. */
  appends: boolean
}

const FLAGS: Record<string, number> = {
  r: constants.O_RDONLY,
  'r+': constants.O_RDWR,
  w: constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC,
  'w+': constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
  a: constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND,
  'a+': constants.O_RDWR | constants.O_CREAT | constants.O_APPEND
}
const BOOT_ID = '/proc/sys/kernel/random/boot_id'

const textOf = (path: Path): string => path.toString()

/** The part of node:fs that the node uses, over the simulated files of its machine, for one process. */
export function createFs(process: SimProcess): { fs: object; promises: object } {
  const sync = new SyncCalls(process.machine.files, () => process.machine.bootId)
  const { io } = process
  const callback = <A extends unknown[], T>(kind: 'read' | 'write' | 'sync', name: string, call: (...args: A) => T) => {
    const run = (...args: A): Promise<T> => io(kind, () => call(...args))
    const plain = (...args: unknown[]): void => {
      const done = args.pop() as (error: unknown, value?: unknown) => void
      run(...(args as A)).then((value) => done(null, value), done)
    }
    const custom = async (...args: A): Promise<unknown> => {
      const count = await run(...args)
      return name === '' ? undefined : { [name]: count, buffer: args[1] }
    }
    return Object.assign(plain, { [promisify.custom]: custom })
  }
  const promises = createPromises(sync, io)
  const fs = {
    constants,
    promises,
    ...sync.calls(),
    read: callback('read', 'bytesRead', sync.readSync),
    write: callback('write', 'bytesWritten', sync.writeSync),
    writev: callback('write', 'bytesWritten', sync.writevSync),
    fsync: callback('sync', '', sync.fsyncSync),
    fdatasync: callback('sync', '', sync.fdatasyncSync)
  }
  return { fs, promises: { constants, ...promises } }
}

function createPromises(sync: SyncCalls, io: SimProcess['io']): object {
  const open = async (path: Path, flags: string | number = 'r', mode = 0o666): Promise<object> => {
    const fd = await io('read', () => sync.openSync(path, flags, mode))
    return {
      fd,
      readFile: (encoding?: BufferEncoding) => io('read', () => sync.readFileSync(fd, encoding)),
      writeFile: (bytes: Uint8Array) => io('write', () => void sync.writeSync(fd, bytes)),
      read: async (buffer: Buffer, offset?: number, length?: number, at?: number) => {
        return { bytesRead: await io('read', () => sync.readSync(fd, buffer, offset, length, at)), buffer }
      },
      write: async (data: Uint8Array | string, at?: number) => {
        const bytes = Buffer.from(data)
        return { bytesWritten: await io('write', () => sync.writeSync(fd, bytes, 0, bytes.length, at)), buffer: data }
      },
      stat: (options?: { bigint?: boolean }) => io('read', () => sync.fstatSync(fd, options)),
      sync: () => io('sync', () => sync.fsyncSync(fd)),
      datasync: () => io('sync', () => sync.fdatasyncSync(fd)),
      truncate: (size = 0) => io('write', () => sync.ftruncateSync(fd, size)),
      close: () => io('read', () => sync.closeSync(fd))
    }
  }
  return {
    open,
    readFile: (path: Path, encoding?: BufferEncoding) => io('read', () => sync.readFileSync(path, encoding)),
    rename: (from: Path, to: Path) => io('write', () => sync.renameSync(from, to)),
    copyFile: (from: Path, to: Path, mode?: number) => io('write', () => sync.copyFileSync(from, to, mode)),
    rm: (path: Path, options?: RemoveOptions) => io('write', () => sync.rmSync(path, options)),
    unlink: (path: Path) => io('write', () => sync.unlinkSync(path)),
    mkdir: (path: Path, options?: { recursive?: boolean }) => io('write', () => sync.mkdirSync(path, options)),
    readdir: (path: Path) => io('read', () => sync.readdirSync(path)),
    stat: (path: Path, options?: { bigint?: boolean }) => io('read', () => sync.statSync(path, options))
  }
}

/** Calls that take no time, as the page cache makes most of them. Bound, since programs take them one by one. */
class SyncCalls {
  readonly #files: SimFiles
  readonly #bootId: () => string
  readonly #handles = new Map<number, Handle>()
  #nextFd = 10

  constructor(files: SimFiles, bootId: () => string) {
    this.#files = files
    this.#bootId = bootId
  }

  calls(): object {
    const names = Object.keys(this).filter((name) => name.endsWith('Sync'))
    return Object.fromEntries(names.map((name) => [name, this[name as keyof this]]))
  }

  openSync = (path: Path, flags: string | number = 'r', mode = 0o666): number => {
    const bits = typeof flags === 'number' ? flags : (FLAGS[flags] as number)
    const file = textOf(path)
    let inode = this.#files.find(file)
    if (inode === undefined) {
      if ((bits & constants.O_CREAT) === 0) throw fileError('ENOENT', 'open', file)
      inode = this.#files.add(file, 'file', mode & 0o755)
    } else if ((bits & constants.O_EXCL) !== 0) throw fileError('EEXIST', 'open', file)
    if (inode.kind === 'link') throw fileError('ELOOP', 'open', file)
    const isWriting = (bits & (constants.O_WRONLY | constants.O_RDWR)) !== 0
    if (inode.kind === 'dir' && isWriting) throw fileError('EISDIR', 'open', file)
    if ((bits & constants.O_TRUNC) !== 0 && inode.data.size > 0) this.#files.resize(inode, 0)
    const fd = this.#nextFd++
    this.#handles.set(fd, { inode, at: 0, appends: (bits & constants.O_APPEND) !== 0 })
    return fd
  }

  closeSync = (fd: number): void => {
    if (!this.#handles.delete(fd)) throw fileError('EBADF', 'close', String(fd))
  }

  readSync = (fd: number, buffer: Uint8Array, offset = 0, length = buffer.length - offset, at?: number | null) => {
    const handle = this.#handle(fd)
    const from = at ?? handle.at
    const bytes = handle.inode.data.view.subarray(from, from + length)
    buffer.set(bytes, offset)
    if (at === undefined || at === null) handle.at += bytes.length
    return bytes.length
  }

  /** Bytes, where in them and how many, where to; or a text, where to and its encoding. */
  writeSync = (fd: number, data: Uint8Array | string, a?: number | null, b?: number | string, c?: number | null) => {
    const handle = this.#handle(fd)
    const isText = typeof data === 'string'
    const bytes = isText
      ? Buffer.from(data, b as BufferEncoding | undefined)
      : data.subarray(a ?? 0, (a ?? 0) + ((b as number | undefined) ?? data.length - (a ?? 0)))
    const at = isText ? a : c
    const count = this.#files.write(handle.inode, handle.appends ? handle.inode.data.size : (at ?? handle.at), bytes)
    if (at === undefined || at === null) handle.at += count
    return count
  }

  writevSync = (fd: number, buffers: Uint8Array[], at?: number) =>
    this.writeSync(fd, Buffer.concat(buffers), 0, undefined, at)

  fsyncSync = (fd: number): void => this.#files.sync(this.#handle(fd).inode, true)
  fdatasyncSync = (fd: number): void => this.#files.sync(this.#handle(fd).inode, false)
  ftruncateSync = (fd: number, size = 0): void => this.#files.resize(this.#handle(fd).inode, size)
  fchmodSync = (fd: number, mode: number): void => this.#files.chmod(this.#handle(fd).inode, mode)
  chmodSync = (path: Path, mode: number): void => this.#files.chmod(this.#files.get(textOf(path), 'chmod'), mode)
  unlinkSync = (path: Path): void => this.#files.remove(textOf(path))
  rmdirSync = (path: Path): void => this.#files.remove(textOf(path))
  renameSync = (from: Path, to: Path): void => this.#files.rename(textOf(from), textOf(to))
  symlinkSync = (target: string, path: Path): void => void this.#files.add(textOf(path), 'link', 0o777, target)
  realpathSync = (path: Path): string => textOf(path)

  fstatSync = (fd: number, options?: { bigint?: boolean }) =>
    this.#files.statOf(this.#handle(fd).inode, options?.bigint === true)

  lstatSync = (path: Path, options: { bigint?: boolean; throwIfNoEntry?: boolean } = {}) => {
    const inode = this.#files.find(textOf(path))
    if (inode === undefined && options.throwIfNoEntry !== false) throw fileError('ENOENT', 'lstat', textOf(path))
    return inode === undefined ? undefined : this.#files.statOf(inode, options.bigint === true)
  }

  statSync = this.lstatSync

  readdirSync = (path: Path, encoding?: string): (string | Buffer)[] => {
    const names = [...this.#files.dir(textOf(path), 'scandir').entries.keys()].sort()
    return encoding === 'buffer' ? names.map((name) => Buffer.from(name)) : names
  }

  readlinkSync = (path: Path, encoding?: string): string | Buffer => {
    const { target } = this.#files.get(textOf(path), 'readlink')
    return encoding === 'buffer' ? Buffer.from(target) : target
  }

  mkdirSync = (path: Path, options: { recursive?: boolean; mode?: number } = {}): void => {
    const parts = textOf(path).split('/').filter(Boolean)
    for (let length = options.recursive === true ? 1 : parts.length; length <= parts.length; length++) {
      const dir = `/${parts.slice(0, length).join('/')}`
      const there = this.#files.find(dir)
      if (there?.kind === 'dir' && options.recursive === true) continue
      this.#files.add(dir, 'dir', options.mode ?? 0o755)
    }
  }

  rmSync = (path: Path, options: RemoveOptions = {}): void => {
    const inode = this.#files.find(textOf(path))
    if (inode === undefined && options.force === true) return
    if (options.recursive === true) {
      for (const name of [...(inode?.entries.keys() ?? [])]) this.rmSync(`${textOf(path)}/${name}`, options)
    }
    this.#files.remove(textOf(path))
  }

  copyFileSync = (from: Path, to: Path, mode = 0): void => {
    const source = this.#files.get(textOf(from), 'copyfile')
    const there = this.#files.find(textOf(to))
    if (there !== undefined && (mode & constants.COPYFILE_EXCL) !== 0) throw fileError('EEXIST', 'copyfile', textOf(to))
    const target = there ?? this.#files.add(textOf(to), 'file', source.mode)
    if (target.data.size > 0) this.#files.resize(target, 0)
    if (source.data.size > 0) this.#files.write(target, 0, source.data.view)
  }

  readFileSync = (path: Path | number, encoding?: BufferEncoding): Buffer | string => {
    if (path === BOOT_ID) return this.#bootId()
    const inode = typeof path === 'number' ? this.#handle(path).inode : this.#files.get(textOf(path), 'open')
    const bytes = Buffer.from(inode.data.view)
    // As a read from the start, after which the handle stands at the end.
    if (typeof path === 'number') this.#handle(path).at = bytes.length
    return encoding === undefined ? bytes : bytes.toString(encoding)
  }

  #handle(fd: number): Handle {
    const handle = this.#handles.get(fd)
    if (handle === undefined) throw fileError('EBADF', 'read', String(fd))
    return handle
  }
}
