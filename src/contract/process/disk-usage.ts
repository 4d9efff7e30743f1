import { type Dirent, lstatSync, readdirSync, readlinkSync, type Stats, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as immediate } from 'node:timers/promises'

/** The node's own in the contract directory, and the program. */
const NOT_COUNTED = new Set(['bin', 'cfg', 'hist', 'log'])
const BLOCK_BYTES = 512
/** Time that one step of a count may take from the node. */
const STEP_MS = 2
const ENTRIES_PER_LOOK = 64
/** What was counted is counted anew after this time: others may have freed what the contract took. */
const STALE_MS = 60_000
/** Descriptors of a process that are looked at for files without a name. */
const FDS_MAX = 4096

/**
 * How much disk space the contract's own takes: the state, and what it keeps beside it. Counting all files on every
 * look would be dear, so the file system is asked how much it holds; only when it has grown by what is left of the
 * limit since the last count are the files counted again, in small steps.
 */
export class DiskUsage {
  readonly #dir: string
  #count: { bytes: number; held: number; atMs: number } | null = null
  #counting: { steps: Generator<void, number>; held: number } | null = null

  constructor(dir: string) {
    this.#dir = dir
  }

  /** One look while the contract runs as `pids`: the reason when it holds more than `limit` bytes, or null. */
  look(limit: number, pids: readonly number[]): string | null {
    if (!this.#isDue(limit)) return null
    return this.#step() ? this.#judge(limit, pids) : null
  }

  /** After its end. */
  async finish(limit: number): Promise<string | null> {
    if (!this.#isDue(limit)) return null
    while (!this.#step()) await immediate()
    return this.#judge(limit, [])
  }

  #isDue(limit: number): boolean {
    if (this.#counting !== null || this.#count === null) return true
    const { bytes, held, atMs } = this.#count
    return bytes + this.#heldNow() - held > limit || performance.now() - atMs > STALE_MS
  }

  /** True when a count is complete. */
  #step(): boolean {
    this.#counting ??= { steps: countBytes(this.#dir), held: this.#heldNow() }
    const endMs = performance.now() + STEP_MS
    do {
      const { done, value } = this.#counting.steps.next()
      if (done !== true) continue
      this.#count = { bytes: value as number, held: this.#counting.held, atMs: performance.now() }
      this.#counting = null
      return true
    } while (performance.now() < endMs)
    return false
  }

  #judge(limit: number, pids: readonly number[]): string | null {
    const bytes = this.#count?.bytes ?? 0
    // Files that were removed and are still open take space that no name leads to.
    const isOver = bytes > limit || bytes + unlinkedBytes(pids, this.#dir) > limit
    return isOver ? `disk limit of ${limit} bytes` : null
  }

  /** Bytes that are taken on the file system. */
  #heldNow(): number {
    try {
      const { blocks, bfree, bsize } = statfsSync(this.#dir)
      return (blocks - bfree) * bsize
    } catch {
      return 0
    }
  }
}

/** Adds up what the files take on the disk; yields every few entries. A path too long to be looked at counts as all. */
function* countBytes(top: string): Generator<void, number> {
  const waiting = [top]
  let bytes = 0
  let looks = 0
  for (let dir = waiting.pop(); dir !== undefined; dir = waiting.pop()) {
    let entries: Dirent[]
    try {
      entries = readdirSync(dir, { withFileTypes: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENAMETOOLONG') return Number.POSITIVE_INFINITY
      continue
    }
    for (const entry of entries) {
      if (dir === top && NOT_COUNTED.has(entry.name)) continue
      const path = join(dir, entry.name)
      if (entry.isDirectory()) waiting.push(path)
      bytes += blocksOf(path)
      if (++looks % ENTRIES_PER_LOOK === 0) yield
    }
    yield
  }
  return bytes
}

function blocksOf(path: string): number {
  try {
    return lstatSync(path).blocks * BLOCK_BYTES
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENAMETOOLONG' ? Number.POSITIVE_INFINITY : 0
  }
}

function unlinkedBytes(pids: readonly number[], dir: string): number {
  let device: number
  try {
    device = statSync(dir).dev
  } catch {
    return 0
  }
  const files = new Map<number, number>()
  for (const pid of pids) {
    for (const fd of listFds(pid).slice(0, FDS_MAX)) {
      const file = unlinkedFile(`/proc/${pid}/fd/${fd}`)
      if (file?.dev === device) files.set(file.ino, file.blocks * BLOCK_BYTES)
    }
  }
  let bytes = 0
  for (const size of files.values()) bytes += size
  return bytes
}

function listFds(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`)
  } catch {
    return []
  }
}

function unlinkedFile(path: string): Stats | null {
  try {
    if (!readlinkSync(path).endsWith(' (deleted)')) return null
    const stat = statSync(path)
    return stat.isFile() && stat.nlink === 0 ? stat : null
  } catch {
    return null
  }
}
