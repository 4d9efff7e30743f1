import { constants } from 'node:fs'
import type { Random } from '../random.js'

type DataChange = { at: number; bytes: Buffer } | { size: number }
/** What one call changes in directories, whole or not at all: the inode of a name, or that it is gone. */
type NameChange = { dir: number; name: string; ino: number | null }[]

/** Bytes that grow. */
class Bytes {
  #buffer = Buffer.alloc(0)
  size = 0

  get view(): Buffer {
    return this.#buffer.subarray(0, this.size)
  }

  apply(change: DataChange): void {
    const end = 'size' in change ? change.size : change.at + change.bytes.length
    if (end > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(end, 2 * this.#buffer.length))
      this.view.copy(grown)
      this.#buffer = grown
    }
    if ('size' in change) {
      this.#buffer.fill(0, Math.min(change.size, this.size), this.size)
      this.size = change.size
      return
    }
    change.bytes.copy(this.#buffer, change.at)
    this.size = Math.max(this.size, end)
  }

  set(bytes: Uint8Array): void {
    this.#buffer = Buffer.from(bytes)
    this.size = bytes.length
  }
}

export interface Inode {
  readonly ino: number
  readonly kind: 'file' | 'dir' | 'link'
  mode: number
  timeNs: bigint
  /** Of a file: what programs see, what a power cut leaves at least, and what lies between. */
  readonly data: Bytes
  readonly durable: Bytes
  unsynced: DataChange[]
  /** Of a directory. */
  entries: Map<string, number>
  readonly durableEntries: Map<string, number>
  target: string
}

const TYPES = { file: constants.S_IFREG, dir: constants.S_IFDIR, link: constants.S_IFLNK }
const ERRNOS: Record<string, number> = { ENOENT: 2, EEXIST: 17, ENOTDIR: 20, EISDIR: 21, ENOSPC: 28, ENOTEMPTY: 39 }
/** Ticks of the clock of the file system, as on Linux. */
const TICK_NS = 4_000_000n

export function fileError(code: string, call: string, path: string): NodeJS.ErrnoException {
  const words = code === 'ENOSPC' ? 'no space left on device' : code
  return Object.assign(new Error(`${code}: ${words}, ${call} '${path}'`), {
    code,
    errno: -(ERRNOS[code] ?? 1),
    syscall: call,
    path
  })
}

/**
 * The files of one machine. Programs see every change at once. A power cut leaves what was synced; of what was not, some
 * of the changes of names in their order, and of the bytes of each file some of the writes in their order, the last one
 * in part: a name may be there before its bytes are.
 */
export class SimFiles {
  /** There is no room for anything that grows. */
  isFull = false
  /** Wall clock of the machine, ms. */
  readonly #now: () => number
  readonly #random: Random
  #inodes = new Map<number, Inode>()
  #nextIno = 1
  #names: NameChange[] = []
  readonly #root: Inode

  constructor(random: Random, now: () => number) {
    this.#random = random
    this.#now = now
    this.#root = this.#make('dir', 0o755)
  }

  /** The entry at `path`, links not followed; undefined when there is none. */
  find(path: string): Inode | undefined {
    let inode: Inode | undefined = this.#root
    for (const name of partsOf(path)) {
      const ino: number | undefined = inode.kind === 'dir' ? inode.entries.get(name) : undefined
      inode = ino === undefined ? undefined : this.#inodes.get(ino)
      if (inode === undefined) return undefined
    }
    return inode
  }

  get(path: string, call: string): Inode {
    const inode = this.find(path)
    if (inode === undefined) throw fileError('ENOENT', call, path)
    return inode
  }

  dir(path: string, call: string): Inode {
    const inode = this.get(path, call)
    if (inode.kind !== 'dir') throw fileError('ENOTDIR', call, path)
    return inode
  }

  /** Makes an entry. */
  add(path: string, kind: Inode['kind'], mode: number, target = ''): Inode {
    if (this.isFull) throw fileError('ENOSPC', 'open', path)
    const { parent, name } = this.#place(path)
    if (parent.entries.has(name)) throw fileError('EEXIST', 'open', path)
    const inode = this.#make(kind, mode)
    inode.target = target
    this.#change([{ dir: parent.ino, name, ino: inode.ino }])
    return inode
  }

  remove(path: string): void {
    const { parent, name } = this.#place(path)
    const inode = this.get(path, 'unlink')
    if (inode.kind === 'dir' && inode.entries.size > 0) throw fileError('ENOTEMPTY', 'rmdir', path)
    this.#change([{ dir: parent.ino, name, ino: null }])
  }

  rename(from: string, to: string): void {
    const source = this.#place(from)
    const inode = this.get(from, 'rename')
    const target = this.#place(to)
    const there = this.find(to)
    if (there !== undefined && (there.kind === 'dir') !== (inode.kind === 'dir')) {
      throw fileError(there.kind === 'dir' ? 'EISDIR' : 'ENOTDIR', 'rename', to)
    }
    if (there?.kind === 'dir' && there.entries.size > 0) throw fileError('ENOTEMPTY', 'rename', to)
    inode.timeNs = this.#time()
    this.#change([
      { dir: source.parent.ino, name: source.name, ino: null },
      { dir: target.parent.ino, name: target.name, ino: inode.ino }
    ])
  }

  write(inode: Inode, at: number, bytes: Uint8Array): number {
    if (this.isFull && at + bytes.length > inode.data.size) throw fileError('ENOSPC', 'write', `inode ${inode.ino}`)
    this.#changeData(inode, { at, bytes: Buffer.from(bytes) })
    return bytes.length
  }

  resize(inode: Inode, size: number): void {
    this.#changeData(inode, { size })
  }

  chmod(inode: Inode, mode: number): void {
    inode.mode = mode & 0o7777
    inode.timeNs = this.#time()
  }

  /** What is in a file, or is named in a directory, survives from here on; of names all that came before it too. */
  sync(inode: Inode, withNames: boolean): void {
    for (const change of inode.unsynced) inode.durable.apply(change)
    inode.unsynced = []
    if (!withNames) return
    const last = this.#names.findLastIndex((changes) =>
      changes.some(({ dir, ino }) => dir === inode.ino || ino === inode.ino)
    )
    for (const changes of this.#names.splice(0, last + 1)) this.#makeDurable(changes)
  }

  syncAll(): void {
    for (const inode of this.#inodes.values()) this.sync(inode, false)
    for (const changes of this.#names.splice(0)) this.#makeDurable(changes)
  }

  /** The bytes of a file that a power cut would leave at least; undefined when it might not be there at all. */
  durableBytes(path: string): Buffer | undefined {
    let inode: Inode | undefined = this.#root
    for (const name of partsOf(path)) {
      const ino: number | undefined = inode.durableEntries.get(name)
      inode = ino === undefined ? undefined : this.#inodes.get(ino)
      if (inode === undefined) return undefined
    }
    return inode.durable.view
  }

  cutPower(): void {
    const random = this.#random
    for (const changes of this.#names.slice(0, random.between(0, this.#names.length))) this.#makeDurable(changes)
    this.#names = []
    for (const inode of this.#inodes.values()) {
      inode.entries = new Map(inode.durableEntries)
      if (inode.unsynced.length === 0) continue
      const kept = inode.unsynced.slice(0, random.between(0, inode.unsynced.length))
      const last = kept.at(-1)
      if (last !== undefined && 'at' in last && random.chance(0.7)) {
        kept[kept.length - 1] = { at: last.at, bytes: last.bytes.subarray(0, random.between(0, last.bytes.length)) }
      }
      for (const change of kept) inode.durable.apply(change)
      inode.unsynced = []
      inode.data.set(inode.durable.view)
    }
    this.#collect()
  }

  statOf(inode: Inode, bigint: boolean): object {
    const size = inode.kind === 'link' ? inode.target.length : inode.data.size
    const mode = TYPES[inode.kind] | inode.mode
    const is = {
      isFile: () => inode.kind === 'file',
      isDirectory: () => inode.kind === 'dir',
      isSymbolicLink: () => inode.kind === 'link'
    }
    const ms = Number(inode.timeNs / 1_000_000n)
    const numbers = { dev: 1, ino: inode.ino, mode, nlink: 1, size, mtimeMs: ms, ctimeMs: ms }
    if (!bigint) return { ...numbers, ...is }
    const large = Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, BigInt(value)]))
    return { ...large, mtimeNs: inode.timeNs, ctimeNs: inode.timeNs, ...is }
  }

  #make(kind: Inode['kind'], mode: number): Inode {
    const inode: Inode = {
      ino: this.#nextIno++,
      kind,
      mode,
      timeNs: this.#time(),
      data: new Bytes(),
      durable: new Bytes(),
      unsynced: [],
      entries: new Map(),
      durableEntries: new Map(),
      target: ''
    }
    this.#inodes.set(inode.ino, inode)
    return inode
  }

  #place(path: string): { parent: Inode; name: string } {
    const parts = partsOf(path)
    const name = parts.pop() as string
    return { parent: this.dir(`/${parts.join('/')}`, 'open'), name }
  }

  #change(changes: NameChange): void {
    for (const { dir, name, ino } of changes) {
      const inode = this.#inodes.get(dir) as Inode
      if (ino === null) inode.entries.delete(name)
      else inode.entries.set(name, ino)
      inode.timeNs = this.#time()
    }
    this.#names.push(changes)
  }

  #changeData(inode: Inode, change: DataChange): void {
    inode.data.apply(change)
    inode.unsynced.push(change)
    inode.timeNs = this.#time()
  }

  #makeDurable(changes: NameChange): void {
    for (const { dir, name, ino } of changes) {
      const entries = this.#inodes.get(dir)?.durableEntries
      if (ino === null) entries?.delete(name)
      else entries?.set(name, ino)
    }
  }

  /** Drops what no name leads to any more. */
  #collect(): void {
    const found = new Map<number, Inode>()
    const left = [this.#root]
    for (let inode = left.pop(); inode !== undefined; inode = left.pop()) {
      found.set(inode.ino, inode)
      for (const ino of inode.entries.values()) left.push(this.#inodes.get(ino) as Inode)
    }
    this.#inodes = found
  }

  #time(): bigint {
    return ((BigInt(Math.floor(this.#now() * 1000)) * 1000n) / TICK_NS) * TICK_NS
  }
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.')
}
