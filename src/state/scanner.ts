import fs, { type BigIntStats } from 'node:fs'
import path from 'node:path'
import { errnoOf, StateError, toStateError } from './errors.js'
import { DIR_MODE, EXECUTABLE_MODE, FILE_MODE, removeTree } from './files.js'
import { hashFile } from './hash-file.js'
import { DEPTH_MAX, PATH_BYTES_MAX, type StateLimits } from './limits.js'
import { Pacer } from './pacer.js'
import type { FileNode, TreeNode } from './tree.js'
import { checkLinkTarget, checkName, type DirNode, decodeText, type LinkNode, makeDir, sameNode } from './tree.js'

/** What the last scan saw of a file or symlink: as long as the stat data are the same, so is the content. */
export interface TrackedFile {
  readonly node: FileNode | LinkNode
  readonly ino: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  /** Looked at so soon after its last change that another change could carry the same times: not to be trusted. */
  readonly racy: boolean
}

export interface TrackedDir {
  readonly node: DirNode
  readonly children: ReadonlyMap<string, Tracked>
}

export type Tracked = TrackedFile | TrackedDir

export function isTrackedDir(tracked: Tracked): tracked is TrackedDir {
  return tracked.node.kind === 'dir'
}

export interface ScanOptions {
  dir: string
  /** Same file system as `dir`; for copies of hard links and for removing. */
  scratchDir: string
  limits: StateLimits
  /** What the last scan returned. */
  last: TrackedDir | undefined
  /** What to do with an entry that cannot be part of a state. */
  unsupported: 'throw' | 'remove'
  /**
   * For a directory that is about to be made equal to this: entries that are not in it, or far from it, are removed
   * instead of being read.
   */
  wanted?: DirNode
  /** Gives every name its own file and every entry the owner's permission bits; off for the node's own snapshot. */
  normalise: boolean
}

export interface ScanStats {
  entries: number
  bytes: number
  /** Files whose content was read. */
  hashedFiles: number
  hashedBytes: number
}

const { S_IFMT, S_IFREG, S_IFDIR, S_IFLNK } = fs.constants
/** Times are taken from a clock that ticks every 1 to 10 ms. */
const RACY_NS = 50_000_000n
/** On file systems that keep whole seconds (or two). */
const RACY_COARSE_NS = 2_500_000_000n
const SECOND_NS = 1_000_000_000n

/** True when a change right after `nowMs` could leave the file's times as they are. */
function isRacy(ctimeNs: bigint, nowMs: number): boolean {
  const margin = ctimeNs % SECOND_NS === 0n ? RACY_COARSE_NS : RACY_NS
  return ctimeNs > BigInt(nowMs) * 1_000_000n - margin
}

/** What a scan remembers of a file: take `nowMs` (Date.now) before its content was read or written. */
export function trackFile(node: FileNode | LinkNode, stat: BigIntStats, nowMs: number): TrackedFile {
  return { node, ino: stat.ino, mtimeNs: stat.mtimeNs, ctimeNs: stat.ctimeNs, racy: isRacy(stat.ctimeNs, nowMs) }
}

/** True when stat data say that the entry is as the last scan saw it. */
export function isUnchanged(last: TrackedFile, stat: BigIntStats): boolean {
  return (
    !last.racy &&
    stat.ctimeNs === last.ctimeNs &&
    stat.mtimeNs === last.mtimeNs &&
    stat.ino === last.ino &&
    (last.node.kind === 'link' || Number(stat.size) === last.node.size)
  )
}

/** Reading more than twice what is wanted, to save writing it, is not worth it. */
const FAR_BYTES = 1024 * 1024

/** True when the entry is better removed than read on the way to `wanted`. */
function isFar(stat: BigIntStats, wanted: TreeNode | undefined): boolean {
  if (wanted === undefined) return true
  const type = Number(stat.mode) & S_IFMT
  if (wanted.kind === 'dir') return type !== S_IFDIR
  if (wanted.kind === 'link') return type !== S_IFLNK
  return type !== S_IFREG || stat.nlink > 1n || Number(stat.size) > 2 * wanted.size + FAR_BYTES
}

const KINDS: ReadonlyMap<number, string> = new Map([
  [fs.constants.S_IFIFO, 'a named pipe'],
  [fs.constants.S_IFCHR, 'a character device'],
  [fs.constants.S_IFBLK, 'a block device'],
  [fs.constants.S_IFSOCK, 'a socket']
])

/** One walk over a directory tree. Reads only what changed since `options.last`. */
export class Scanner {
  readonly stats: ScanStats = { entries: 0, bytes: 0, hashedFiles: 0, hashedBytes: 0 }
  readonly #options: ScanOptions
  readonly #pacer = new Pacer()
  #copies = 0

  constructor(options: ScanOptions) {
    this.#options = options
  }

  async run(): Promise<TrackedDir> {
    const { dir, last } = this.#options
    try {
      const stat = fs.lstatSync(dir, { bigint: true, throwIfNoEntry: false })
      if (stat === undefined || (Number(stat.mode) & S_IFMT) !== S_IFDIR) {
        if (this.#options.unsupported === 'throw') {
          throw new StateError('unsupported-entry', 'the state directory itself is gone or is not a directory')
        }
        await removeTree(dir, this.#options.scratchDir)
        fs.mkdirSync(dir, { recursive: true })
      } else if (this.#options.normalise) this.#normaliseMode(dir, '', stat)
      return await this.#scanDir(dir, '', 0, last, this.#options.wanted)
    } catch (error) {
      throw toStateError(error, `scanning ${dir}`)
    }
  }

  async #scanDir(
    dir: string,
    rel: string,
    depth: number,
    last: TrackedDir | undefined,
    wanted: DirNode | undefined
  ): Promise<TrackedDir> {
    const names = await this.#readNames(dir, rel)
    const children = new Map<string, Tracked>()
    let changed = last === undefined
    for (const name of names) {
      if (this.#pacer.due()) await this.#pacer.pause()
      const entryRel = rel === '' ? name : `${rel}/${name}`
      const known = last?.children.get(name)
      const found = await this.#scanEntry(`${dir}/${name}`, entryRel, depth, known, wanted?.children.get(name))
      if (found === undefined) continue
      if (++this.stats.entries > this.#options.limits.entries) {
        throw new StateError('limit', `the state has more than ${this.#options.limits.entries} entries`)
      }
      if (found !== known) changed = true
      children.set(name, found)
    }
    if (last !== undefined && !changed && children.size === last.children.size) return last
    const nodes = new Map<string, TreeNode>()
    for (const [name, child] of children) nodes.set(name, child.node)
    const node = makeDir(nodes)
    return { node: last !== undefined && sameNode(last.node, node) ? last.node : node, children }
  }

  /** undefined when there is no such entry (any more). */
  async #scanEntry(
    file: string,
    rel: string,
    depth: number,
    known: Tracked | undefined,
    wanted: TreeNode | undefined
  ): Promise<Tracked | undefined> {
    let stat = fs.lstatSync(file, { bigint: true, throwIfNoEntry: false })
    if (stat === undefined) return undefined
    if (known !== undefined && !isTrackedDir(known) && isUnchanged(known, stat)) {
      if (known.node.kind === 'file') this.#countBytes(known.node.size)
      return known
    }
    if (this.#options.wanted !== undefined && isFar(stat, wanted)) {
      await removeTree(file, this.#options.scratchDir)
      return undefined
    }
    if (rel.length * 3 > PATH_BYTES_MAX && Buffer.byteLength(rel) > PATH_BYTES_MAX) {
      return this.#reject(file, rel, `its path is longer than ${PATH_BYTES_MAX} bytes`)
    }
    const type = Number(stat.mode) & S_IFMT
    const last = known === undefined || isTrackedDir(known) ? undefined : known
    if (type === S_IFREG) {
      if (this.#options.normalise) stat = await this.#normaliseFile(file, rel, stat)
      return this.#scanFile(file, rel, stat, last)
    }
    if (type === S_IFDIR) {
      if (depth + 1 > DEPTH_MAX) return this.#reject(file, rel, `directories are nested deeper than ${DEPTH_MAX}`)
      if (this.#options.normalise) this.#normaliseMode(file, rel, stat)
      const lastDir = known !== undefined && isTrackedDir(known) ? known : undefined
      return this.#scanDir(file, rel, depth + 1, lastDir, wanted?.kind === 'dir' ? wanted : undefined)
    }
    if (type === S_IFLNK) return this.#scanLink(file, rel, depth, stat, last)
    return this.#reject(file, rel, `it is ${KINDS.get(type) ?? 'of an unknown kind'}`)
  }

  async #scanFile(file: string, rel: string, stat: BigIntStats, last: TrackedFile | undefined): Promise<TrackedFile> {
    this.#countBytes(Number(stat.size))
    const hashed = await hashFile(file, rel, this.#pacer)
    this.stats.hashedFiles++
    this.stats.hashedBytes += hashed.node.size
    this.#countBytes(hashed.node.size - Number(stat.size))
    const node = last !== undefined && sameNode(last.node, hashed.node) ? last.node : hashed.node
    return trackFile(node, hashed.stat, hashed.nowMs)
  }

  async #scanLink(file: string, rel: string, depth: number, stat: BigIntStats, last: TrackedFile | undefined) {
    const nowMs = Date.now()
    const target = decodeText(fs.readlinkSync(file, 'buffer'))
    const wrong = target === undefined ? 'is not valid UTF-8' : checkLinkTarget(target, depth)
    if (target === undefined || wrong !== undefined) {
      return this.#reject(file, rel, `it is a symlink whose target ${wrong}; only relative targets inside it are kept`)
    }
    const node: LinkNode = { kind: 'link', target }
    return trackFile(last !== undefined && sameNode(last.node, node) ? last.node : node, stat, nowMs)
  }

  #countBytes(bytes: number): void {
    this.stats.bytes += bytes
    if (this.stats.bytes > this.#options.limits.bytes) {
      throw new StateError('limit', `the files of the state have more than ${this.#options.limits.bytes} bytes`)
    }
  }

  async #reject(file: string | Buffer, rel: string, reason: string): Promise<undefined> {
    if (this.#options.unsupported === 'throw') {
      const shown = JSON.stringify(rel.length > 200 ? `${rel.slice(0, 200)}...` : rel)
      throw new StateError('unsupported-entry', `${shown} cannot be part of the state: ${reason}`, { path: rel })
    }
    await removeTree(file, this.#options.scratchDir)
    return undefined
  }

  /** The names in a directory; those that cannot be in a state are rejected. */
  async #readNames(dir: string, rel: string): Promise<string[]> {
    const names = fs.readdirSync(dir)
    // A byte that is not UTF-8 is read as this character, which a name may also have by itself.
    if (!names.some((name) => name.includes('\ufffd'))) return names
    const valid: string[] = []
    for (const bytes of fs.readdirSync(dir, 'buffer')) {
      const name = decodeText(bytes)
      if (name !== undefined && checkName(name) === undefined) valid.push(name)
      else {
        const shown = rel === '' ? bytes.toString('latin1') : `${rel}/${bytes.toString('latin1')}`
        await this.#reject(Buffer.concat([Buffer.from(`${dir}/`), bytes]), shown, 'its name is not valid UTF-8')
      }
    }
    return valid
  }

  /** Owner's bits decide what the next execution can do, so they are the same on every node. */
  #normaliseMode(file: string, rel: string, stat: BigIntStats): boolean {
    const mode = Number(stat.mode) & 0o7777
    const isDir = (Number(stat.mode) & S_IFMT) === S_IFDIR
    const wanted = isDir ? DIR_MODE : mode & 0o100 ? EXECUTABLE_MODE : FILE_MODE
    if ((mode & 0o7700) === (wanted & 0o7700)) return false
    try {
      fs.chmodSync(file, (wanted & 0o700) | (mode & 0o077))
      return true
    } catch (error) {
      if (errnoOf(error) !== 'EPERM') throw error
      throw new StateError('unsupported-entry', `${JSON.stringify(rel)} belongs to another user of this machine`, {
        path: rel,
        cause: error
      })
    }
  }

  /** A file with several names becomes a file of its own: copies of the state on other nodes have no hard links. */
  async #normaliseFile(file: string, rel: string, stat: BigIntStats): Promise<BigIntStats> {
    if (stat.nlink > 1n) {
      this.#countBytes(Number(stat.size))
      const copy = path.join(this.#options.scratchDir, `copy-${this.#copies++}`)
      await fs.promises.rm(copy, { force: true })
      try {
        await fs.promises.copyFile(file, copy, fs.constants.COPYFILE_FICLONE)
        fs.chmodSync(copy, Number(stat.mode) & 0o100 ? EXECUTABLE_MODE : FILE_MODE)
        fs.renameSync(copy, file)
      } catch (error) {
        fs.rmSync(copy, { force: true })
        throw error
      }
      this.stats.bytes -= Number(stat.size)
    } else if (!this.#normaliseMode(file, rel, stat)) return stat
    return fs.lstatSync(file, { bigint: true })
  }
}
