import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import type { Logger } from 'pino'
import type { Hash } from '../consensus/types.js'
import { adoptTree } from './adopt.js'
import { type BlockReader, type Change, largeChanges, operationsOf, planChanges } from './changes.js'
import { StateError, toStateError } from './errors.js'
import { removeTree, syncPath, syncPaths } from './files.js'
import { Journal } from './journal.js'
import { Pacer } from './pacer.js'
import { isTrackedDir, isUnchanged, Scanner, type TrackedDir, type TrackedFile } from './scanner.js'
import { BlockSource } from './source.js'
import { stagingDir } from './staging.js'
import { type DirNode, EMPTY_DIR, EMPTY_ROOT, rootOf, sameNode } from './tree.js'
import { TreeWriter } from './writer.js'

/** The journal is worked off and emptied when it is larger. */
const JOURNAL_BYTES_MAX = 64 * 1024 * 1024
/** With more files to be read, all are. */
const SUSPECTS_MAX = 1000
/** Files up to this size are copied before another thread would have begun. */
const SMALL_COPY_BYTES = 256 * 1024

export interface SnapshotOptions {
  metaDir: string
  log: Logger
  /** What a former scan of the snapshot saw. */
  known: TrackedDir | undefined
}

/** How a state that was copied becomes the snapshot. */
export interface InstallPlan {
  /** What the snapshot was when the changes were planned. */
  from: DirNode
  changes: readonly Change[]
  /** Path of a change -> the prepared file, as the journal names it. */
  staged: ReadonlyMap<string, string>
  /** Path of a file that the state directory lacks -> a second prepared file, in the same form. */
  twins: ReadonlyMap<string, string>
  /** For the other changes. */
  readBlock: BlockReader
}

/**
 * The second copy of the state: the last agreed one, as an ordinary tree. Every change goes through a write-ahead
 * journal first, so that a crash at any instant leaves either the old or the new root, with one sync to the disk.
 */
export class Snapshot {
  readonly dir: string
  readonly scratchDir: string
  /** Called before files of the snapshot change. */
  onBeforeChange: ((changes: readonly Change[]) => Promise<void>) | undefined
  readonly #options: SnapshotOptions
  #journal: Journal
  #tracked: TrackedDir
  /** Paths that were written since the journal was emptied. */
  #touched = new Set<string>()
  /** A committed group has not been carried out in full (an I/O error). */
  #behind = false
  #damaged = false
  /** Files to be read at the next check. */
  readonly #suspects = new Set<string>()

  private constructor(options: SnapshotOptions, journal: Journal, tracked: TrackedDir) {
    this.#options = options
    this.dir = path.join(options.metaDir, 'snapshot')
    this.scratchDir = path.join(options.metaDir, 'scratch')
    this.#journal = journal
    this.#tracked = tracked
  }

  /** Opens or makes the snapshot and brings it to the last root of its journal. */
  static async open(options: SnapshotOptions): Promise<Snapshot> {
    const file = path.join(options.metaDir, 'journal')
    fs.mkdirSync(path.join(options.metaDir, 'snapshot'), { recursive: true })
    fs.mkdirSync(path.join(options.metaDir, 'scratch'), { recursive: true })
    const found = await Journal.open(file)
    const journal = found ?? (await Journal.create(file, EMPTY_ROOT))
    const snapshot = new Snapshot(options, journal, options.known ?? { node: EMPTY_DIR, children: new Map() })
    try {
      await snapshot.#settle(options.known, found === undefined)
    } catch (error) {
      journal.close()
      throw error
    }
    return snapshot
  }

  get tree(): DirNode {
    return this.#tracked.node
  }

  get tracked(): TrackedDir {
    return this.#tracked
  }

  get root(): Hash {
    return rootOf(this.#tracked.node)
  }

  /** False when the files are not those of the last committed root: nothing can be restored from them. */
  get isIntact(): boolean {
    return this.isReadable && this.#suspects.size === 0
  }

  /** False when the tree is not that of the last committed root. Single files may be damaged nevertheless. */
  get isReadable(): boolean {
    return !this.#damaged && !this.#behind
  }

  /**
   * Makes the snapshot equal to `next`, which the files in `sourceDir` hold. Durable when it returns. After an error
   * the snapshot stands for the old root, or for the new one and the rest is done by the next call.
   */
  async advance(next: TrackedDir, sourceDir: string): Promise<void> {
    await this.catchUp()
    if (this.#suspects.size > 0) await this.check()
    if (await this.accept(rootOf(next.node))) return
    const changes = planChanges(this.tree, next.node)
    const staged = await this.#stage(changes, next, sourceDir)
    const source = new BlockSource(sourceDir)
    try {
      await this.#apply(next.node, changes, staged, async (file, node, index) => {
        const block = await source.read(file, node, index)
        if (block === undefined) throw changedSinceScan(file)
        return block
      })
    } finally {
      source.close()
    }
  }

  /**
   * Makes the snapshot equal to `next`, out of files that are prepared and on the disk and of blocks that are read. As
   * `advance` otherwise.
   */
  async install(next: DirNode, plan: InstallPlan): Promise<void> {
    await this.catchUp()
    if (this.#suspects.size > 0) await this.check()
    if (await this.accept(rootOf(next))) return
    if (!sameNode(this.tree, plan.from)) throw new StateError('changing', 'the state changed while another was copied')
    await this.#apply(next, plan.changes, plan.staged, plan.readBlock)
  }

  async #apply(
    next: DirNode,
    changes: readonly Change[],
    staged: ReadonlyMap<string, string>,
    readBlock: BlockReader
  ): Promise<void> {
    const start = await this.#prepare(changes, staged, rootOf(next), readBlock)
    for (const change of changes) this.#touch(change.path)
    this.#behind = true
    await this.onBeforeChange?.(changes)
    await this.#carryOut(start, false)
    this.#tracked = await adoptTree(this.dir, next, this.#tracked, undefined)
    this.#behind = false
    if (this.#damaged) await this.#makeSound()
  }

  /** Records the changes; from then on they count. Returns where in the journal they begin. */
  async #prepare(
    changes: readonly Change[],
    staged: ReadonlyMap<string, string>,
    root: Hash,
    readBlock: BlockReader
  ): Promise<number> {
    try {
      // A prepared file can be moved into place once only, so it must come before whatever happens to its path later.
      if (staged.size > 0 || this.#journal.size > JOURNAL_BYTES_MAX) await this.checkpoint(new Set(staged.values()))
      const start = this.#journal.end
      await this.#record(changes, staged, root, readBlock)
      return start
    } catch (error) {
      // Files of a copy stay for the next attempt; ours would only take room.
      for (const name of staged.values()) {
        if (name.startsWith('staged-')) fs.rmSync(path.join(this.scratchDir, name), { force: true })
      }
      throw error
    }
  }

  /** Carries out what an I/O error left undone. */
  async catchUp(): Promise<void> {
    if (!this.#behind) return
    await this.#carryOut(undefined, true)
    await this.#scan(undefined)
    this.#behind = false
    this.#damaged = this.root !== this.#journal.root
  }

  /** A file was found to be not what it should be although its times say so: the next check reads it. */
  suspect(file: string): void {
    if (this.#suspects.size < SUSPECTS_MAX) this.#suspects.add(file)
  }

  /**
   * Looks at all entries again: what was altered since the last look is noticed (damage that times do not show too, if
   * `reread`). Then either the snapshot has the committed root, or `isIntact` is false. True when something was repaired.
   */
  async check(reread = false): Promise<boolean> {
    await this.catchUp()
    const isAll = reread || this.#suspects.size >= SUSPECTS_MAX
    let last: TrackedDir | undefined = isAll ? undefined : this.#tracked
    if (last !== undefined) for (const file of this.#suspects) last = forget(last, file.split('/'))
    await this.#scan(last)
    this.#suspects.clear()
    const isAltered = this.root !== this.#journal.root
    if (isAltered && this.#journal.size > 0) {
      // What is still in the journal need not come from elsewhere.
      await this.#carryOut(undefined, true)
      await this.#scan(this.#tracked)
    }
    if (this.root === this.#journal.root) {
      if (this.#damaged) await this.#makeSound()
      return isAltered
    }
    if (!this.#damaged) this.#warnOfDamage(this.#journal.root)
    this.#damaged = true
    return false
  }

  /** Makes the snapshot's files durable and empties the journal. */
  async checkpoint(keep: ReadonlySet<string> = new Set()): Promise<void> {
    if (this.#journal.size === 0 || !this.isIntact) return
    await syncPaths(this.dir, this.#touched)
    await this.#journal.reset()
    this.#touched = new Set()
    await this.#clearScratch(keep)
  }

  close(): void {
    this.#journal.close()
  }

  async #settle(known: TrackedDir | undefined, isNew: boolean): Promise<void> {
    const journal = this.#journal
    await this.#scan(known)
    if (!isNew && this.root !== journal.root) {
      await this.#carryOut(undefined, true)
      await this.#scan(this.#tracked)
    }
    if (this.root === journal.root) {
      for await (const operation of journal.operations()) if ('path' in operation) this.#touch(operation.path)
      if (journal.size === 0) await this.#clearScratch()
      return
    }
    this.#damaged = true
    this.#warnOfDamage(isNew ? null : journal.root)
  }

  #warnOfDamage(expected: Hash | null): void {
    this.#options.log.warn(
      { found: this.root, expected },
      expected === null
        ? 'the journal of the state is missing or damaged: the snapshot counts only if its root is the agreed one'
        : 'the snapshot of the state is damaged: it will be rebuilt from the state or from peers'
    )
  }

  /** Takes the files as they are for the snapshot of `root`, when that is their root. */
  async accept(root: Hash): Promise<boolean> {
    if (this.root !== root || this.#behind) return false
    if (this.#damaged) await this.#makeSound()
    return true
  }

  /** After damage nothing is known to be on the disk: everything is written out and the journal starts anew. */
  async #makeSound(): Promise<void> {
    await syncPaths(this.dir, allPaths(this.#tracked, this.dir))
    this.#journal.root = this.root
    await this.#journal.reset()
    this.#touched = new Set()
    this.#damaged = false
  }

  async #clearScratch(keep: ReadonlySet<string> = new Set()): Promise<void> {
    for (const name of fs.readdirSync(this.scratchDir)) {
      if (!keep.has(name)) await removeTree(path.join(this.scratchDir, name), this.scratchDir)
    }
  }

  async #scan(last: TrackedDir | undefined): Promise<void> {
    const limits = { entries: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY }
    const { dir, scratchDir } = this
    this.#tracked = await new Scanner({ dir, scratchDir, limits, last, unsupported: 'remove', normalise: false }).run()
  }

  #touch(relative: string): void {
    this.#touched.add(path.join(this.dir, relative))
    this.#touched.add(path.dirname(path.join(this.dir, relative)))
  }

  async #carryOut(start: number | undefined, repeat: boolean): Promise<void> {
    const fetchedDir = stagingDir(this.#options.metaDir)
    const writer = new TreeWriter({ dir: this.dir, scratchDir: this.scratchDir, fetchedDir, repeat })
    try {
      for await (const operation of this.#journal.operations(start)) await writer.apply(operation)
    } catch (error) {
      throw toStateError(error, 'writing the snapshot of the state')
    } finally {
      writer.close()
    }
  }

  /** Copies large changed files beside the snapshot and makes them durable; returns path -> name of the copy. */
  async #stage(changes: Change[], next: TrackedDir, sourceDir: string): Promise<Map<string, string>> {
    const staged = new Map<string, string>()
    const paths = new Set<string>()
    const pacer = new Pacer()
    try {
      for (const change of largeChanges(changes)) {
        if (pacer.due(8)) await pacer.pause()
        const name = `staged-${randomUUID()}`
        const copy = path.join(this.scratchDir, name)
        paths.add(copy)
        await copyUnchanged(path.join(sourceDir, change.path), copy, findTracked(next, change.path), change.path)
        staged.set(change.path, name)
      }
      if (staged.size === 0) return staged
      await syncPaths(this.scratchDir, paths)
      await syncPath(this.scratchDir)
      return staged
    } catch (error) {
      for (const copy of paths) fs.rmSync(copy, { force: true })
      throw toStateError(error, 'copying changed files of the state')
    }
  }

  async #record(
    changes: readonly Change[],
    staged: ReadonlyMap<string, string>,
    root: Hash,
    readBlock: BlockReader
  ): Promise<void> {
    try {
      for (const change of changes) {
        const name = change.kind === 'file' ? staged.get(change.path) : undefined
        for await (const operation of operationsOf(change, readBlock, name)) await this.#journal.append(operation)
      }
      await this.#journal.commit(root)
    } catch (error) {
      this.#journal.abort()
      throw toStateError(error, 'writing the journal of the state')
    }
  }
}

function changedSinceScan(file: string): StateError {
  return new StateError('changing', `${JSON.stringify(file)} changed after the state was scanned`, { path: file })
}

/** What is known without the entry at `parts`. */
function forget(dir: TrackedDir, parts: string[]): TrackedDir {
  const [name, ...rest] = parts
  const child = dir.children.get(name ?? '')
  if (name === undefined || child === undefined) return dir
  const children = new Map(dir.children)
  if (rest.length > 0 && isTrackedDir(child)) children.set(name, forget(child, rest))
  else children.delete(name)
  return { node: dir.node, children }
}

function findTracked(top: TrackedDir, relative: string): TrackedFile | undefined {
  let tracked: TrackedDir | TrackedFile | undefined = top
  for (const part of relative.split('/')) {
    tracked = tracked !== undefined && 'children' in tracked ? tracked.children.get(part) : undefined
  }
  return tracked === undefined || 'children' in tracked ? undefined : tracked
}

/** Copies a file that is still as the scan saw it, before and after. */
async function copyUnchanged(source: string, copy: string, seen: TrackedFile | undefined, relative: string) {
  const check = () => {
    const stat = fs.lstatSync(source, { bigint: true, throwIfNoEntry: false })
    if (seen === undefined || stat === undefined || !isUnchanged({ ...seen, racy: false }, stat)) {
      throw changedSinceScan(relative)
    }
  }
  check()
  const mode = fs.constants.COPYFILE_FICLONE | fs.constants.COPYFILE_EXCL
  if (seen?.node.kind === 'file' && seen.node.size > SMALL_COPY_BYTES) await fs.promises.copyFile(source, copy, mode)
  else fs.copyFileSync(source, copy, mode)
  check()
}

function allPaths(dir: TrackedDir, base: string, paths = new Set<string>([base])): Set<string> {
  for (const [name, child] of dir.children) {
    const file = `${base}/${name}`
    if (child.node.kind !== 'link') paths.add(file)
    if ('children' in child) allPaths(child, file, paths)
  }
  return paths
}
