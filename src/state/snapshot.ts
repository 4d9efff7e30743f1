import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import type { Logger } from 'pino'
import type { Hash } from '../consensus/types.js'
import { adoptTree } from './adopt.js'
import { type Change, changedBytes, operationsOf, planChanges } from './changes.js'
import { StateError, toStateError } from './errors.js'
import { removeTree, syncPath, syncPaths } from './files.js'
import { Journal } from './journal.js'
import { Pacer } from './pacer.js'
import { isUnchanged, Scanner, type TrackedDir, type TrackedFile } from './scanner.js'
import { BlockSource } from './source.js'
import { type DirNode, EMPTY_DIR, EMPTY_ROOT, rootOf } from './tree.js'
import { TreeWriter } from './writer.js'

/** Content that goes through the journal in one commit; files beyond it are prepared whole and moved into place. */
const INLINE_BYTES_MAX = 8 * 1024 * 1024
/** The journal is worked off and emptied when it is larger. */
const JOURNAL_BYTES_MAX = 64 * 1024 * 1024
/** Files up to this size are copied before another thread would have begun. */
const SMALL_COPY_BYTES = 256 * 1024

export interface SnapshotOptions {
  metaDir: string
  log: Logger
  /** What a former scan of the snapshot saw. */
  known: TrackedDir | undefined
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
    return !this.#damaged && !this.#behind
  }

  /**
   * Makes the snapshot equal to `next`, which the files in `sourceDir` hold. Durable when it returns. After an error
   * the snapshot stands for the old root, or for the new one and the rest is done by the next call.
   */
  async advance(next: TrackedDir, sourceDir: string): Promise<void> {
    await this.catchUp()
    const root = rootOf(next.node)
    if (await this.accept(root)) return
    const changes = planChanges(this.tree, next.node)
    const staged = await this.#stage(changes, next, sourceDir)
    // A prepared file can be moved into place once only, so it must come before whatever happens to its path later.
    if (staged.size > 0 || this.#journal.size > JOURNAL_BYTES_MAX) await this.checkpoint(new Set(staged.values()))
    const start = this.#journal.end
    await this.#record(changes, staged, root, sourceDir)
    for (const change of changes) this.#touch(change.path)
    await this.onBeforeChange?.(changes)
    this.#behind = true
    await this.#carryOut(start, false)
    this.#tracked = await adoptTree(this.dir, next.node, this.#tracked, undefined)
    this.#behind = false
    if (this.#damaged) await this.#makeSound()
  }

  /** Carries out what an I/O error left undone. */
  async catchUp(): Promise<void> {
    if (!this.#behind) return
    await this.#carryOut(undefined, true)
    await this.#scan(undefined)
    this.#behind = false
    this.#damaged = this.root !== this.#journal.root
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
    this.#options.log.warn(
      { found: this.root, expected: isNew ? null : journal.root },
      isNew
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
    const writer = new TreeWriter({ dir: this.dir, scratchDir: this.scratchDir, repeat })
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
    let inlineBytes = 0
    try {
      for (const change of changes) {
        if (change.kind !== 'file') continue
        if (pacer.due(8)) await pacer.pause()
        const bytes = changedBytes(change.node, change.base)
        if (inlineBytes + bytes <= INLINE_BYTES_MAX) {
          inlineBytes += bytes
          continue
        }
        const name = `staged-${randomUUID()}`
        const copy = path.join(this.scratchDir, name)
        await copyUnchanged(path.join(sourceDir, change.path), copy, findTracked(next, change.path), change.path)
        staged.set(change.path, name)
        paths.add(copy)
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

  async #record(changes: Change[], staged: Map<string, string>, root: Hash, sourceDir: string): Promise<void> {
    const source = new BlockSource(sourceDir)
    const readBlock = async (file: string, node: Parameters<BlockSource['read']>[1], index: number) => {
      const block = await source.read(file, node, index)
      if (block === undefined) throw changedSinceScan(file)
      return block
    }
    try {
      for (const change of changes) {
        const name = change.kind === 'file' ? staged.get(change.path) : undefined
        for await (const operation of operationsOf(change, readBlock, name)) await this.#journal.append(operation)
      }
      await this.#journal.commit(root)
    } catch (error) {
      this.#journal.abort()
      throw toStateError(error, 'writing the journal of the state')
    } finally {
      source.close()
    }
  }
}

function changedSinceScan(file: string): StateError {
  return new StateError('changing', `${JSON.stringify(file)} changed after the state was scanned`, { path: file })
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
