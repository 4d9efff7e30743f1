import fs from 'node:fs'
import path from 'node:path'
import type { Logger } from 'pino'
import type { Hash } from '../consensus/types.js'
import { adoptTree } from './adopt.js'
import { type BlockReader, type Change, operationsOf, planChanges, stagedFile } from './changes.js'
import { StateError, toStateError } from './errors.js'
import { removeTree } from './files.js'
import { loadIndex, readBootId, saveIndex } from './index-file.js'
import { DEFAULT_LIMITS, type StateLimits } from './limits.js'
import { SnapshotReader } from './reader.js'
import { Scanner, type ScanStats, type TrackedDir } from './scanner.js'
import { type InstallPlan, Snapshot } from './snapshot.js'
import { BlockSource } from './source.js'
import { twinsDir } from './staging.js'
import { type DirNode, rootOf } from './tree.js'
import { TreeWriter } from './writer.js'

export interface StateStoreOptions {
  /** The contract's files: an ordinary directory. Made when missing. */
  stateDir: string
  /** The node's own, on the same file system, not inside `stateDir`. Made when missing. */
  metaDir: string
  log: Logger
  limits?: Partial<StateLimits>
}

export interface ScanResult extends ScanStats {
  root: Hash
  /** False when the state is the last committed one. */
  changed: boolean
  durationMs: number
}

/** The index is written again when restarting without it would mean to read this much more than its own size. */
const INDEX_SAVE_BYTES = 64 * 1024 * 1024
const INDEX_SAVE_FILES = 5000
const INDEX_SAVE_FACTOR = 20
/** Files that are restored at the same time. */
const RESTORE_PARALLEL = 3

/**
 * The contract's state on this node: names it by one root, keeps the last agreed one, goes back to it, and turns what
 * a crash left into one agreed root. One call at a time: further ones wait. No program may write to the state
 * directory while a call runs; `scan` and `commit` notice when one does.
 */
export class StateStore {
  readonly stateDir: string
  readonly reader: SnapshotReader
  readonly #metaDir: string
  readonly #log: Logger
  readonly #limits: StateLimits
  readonly #snapshot: Snapshot
  readonly #bootId: string | undefined
  /** What the state directory was at the last look; `#scanned` says if that look was complete. */
  #tracked: TrackedDir | undefined
  #scannedRoot: Hash | undefined
  #unsavedBytes = 0
  #unsavedFiles = 0
  #indexBytes = 0
  #queue: Promise<unknown> = Promise.resolve()
  #closed = false

  private constructor(options: StateStoreOptions, snapshot: Snapshot, bootId: string | undefined) {
    this.stateDir = path.resolve(options.stateDir)
    this.#metaDir = path.resolve(options.metaDir)
    this.#log = options.log
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#snapshot = snapshot
    this.#bootId = bootId
    this.reader = new SnapshotReader(snapshot, this.#metaDir)
  }

  /** Opens the state; finishes a commit that a crash cut. Call `recover` next. */
  static async open(options: StateStoreOptions): Promise<StateStore> {
    try {
      const stateDir = path.resolve(options.stateDir)
      const metaDir = path.resolve(options.metaDir)
      checkDirs(stateDir, metaDir)
      await removeTree(twinsDir(metaDir), metaDir)
      const bootId = readBootId()
      const file = path.join(metaDir, 'index')
      const index = bootId === undefined ? { state: undefined, snapshot: undefined } : await loadIndex(file, bootId)
      const snapshot = await Snapshot.open({ metaDir, log: options.log, known: index.snapshot })
      const store = new StateStore(options, snapshot, bootId)
      store.#tracked = index.state
      return store
    } catch (error) {
      throw toStateError(error, 'opening the state')
    }
  }

  /** The root that `rollback` restores and the reader serves: the last committed one. */
  get committedRoot(): Hash {
    return this.#snapshot.root
  }

  /** False when the snapshot does not hold a committed root (damage from outside): `recover` or a copy mends it. */
  get isIntact(): boolean {
    return this.#snapshot.isIntact
  }

  /** The tree of the last scan, if any. */
  get scannedTree(): DirNode | undefined {
    return this.#scannedRoot === undefined ? undefined : this.#tracked?.node
  }

  /**
   * The root of what is in the state directory now. Reads only what changed since the last look. Normalises on the
   * way: owner's permissions, hard links (docs/state.md). Throws StateError 'unsupported-entry', 'limit', 'changing'.
   */
  scan(): Promise<ScanResult> {
    return this.#run('scanning the state', () => this.#scan())
  }

  /** The scanned root became the agreed one: the snapshot becomes it. Durable when it returns. */
  commit(root: Hash): Promise<void> {
    return this.#run('committing the state', () => this.#commit(root))
  }

  /** Restores the state directory to the last committed root and returns it. */
  rollback(): Promise<Hash> {
    return this.#run('rolling the state back', async () => {
      await this.#snapshot.catchUp()
      if (!this.#snapshot.isIntact) await this.#snapshot.check()
      if (!this.#snapshot.isIntact) {
        throw new StateError('snapshot-damaged', 'the last agreed state is damaged: it has to be copied from a peer')
      }
      await this.#restore()
      return this.#snapshot.root
    })
  }

  /**
   * At start, before an execution, and whenever in doubt: makes the state directory and the snapshot equal to the root
   * `agreed`. All entries of both are looked at, and those read whose times say that they changed; `reread` reads all,
   * which finds damage that left no trace in the times too.
   * 'clean': they were. 'restored': one of them held it, the other was made equal. 'unknown': neither holds it,
   * nothing was changed; the state of `committedRoot` (replay from there) or a copy from a peer is what is left.
   */
  recover(agreed: Hash, options: { reread?: boolean } = {}): Promise<'clean' | 'restored' | 'unknown'> {
    return this.#run('recovering the state', async () => {
      if (options.reread === true) this.#tracked = undefined
      const found = await this.#tryScan()
      const isRepaired = await this.#snapshot.check(options.reread)
      const hasSnapshot = this.#snapshot.root === agreed
      if (hasSnapshot) await this.#snapshot.accept(agreed)
      if (found === agreed) {
        if (!hasSnapshot) await this.#commit(agreed)
        return hasSnapshot && !isRepaired ? 'clean' : 'restored'
      }
      if (!hasSnapshot) return 'unknown'
      this.#log.warn({ found: found ?? 'no state', agreed }, 'the state is not the agreed one: restoring it')
      await this.#restore()
      return 'restored'
    })
  }

  /**
   * For the copy engine: commits the state `tree` as `plan` says and makes the state directory equal to it. After a crash
   * on the way `recover` finds the old root or the new one.
   */
  install(tree: DirNode, plan: InstallPlan): Promise<void> {
    return this.#run('replacing the state', async () => {
      await this.#snapshot.install(tree, plan)
      await this.#restore(plan.twins)
    })
  }

  /** For the copy engine: the trees of the state directory as last looked at and of the snapshot. */
  async localTrees(): Promise<{ state: DirNode | undefined; snapshot: DirNode }> {
    return this.#run('reading the state', async () => {
      await this.#snapshot.check()
      const root = await this.#tryScan()
      return { state: root === undefined ? undefined : this.#tracked?.node, snapshot: this.#snapshot.tree }
    })
  }

  get snapshotDir(): string {
    return this.#snapshot.dir
  }

  get metaDir(): string {
    return this.#metaDir
  }

  /** Waits for what runs, writes the index and closes the files. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#queue
    try {
      await this.#snapshot.checkpoint()
    } catch (error) {
      this.#log.warn({ err: error }, 'the snapshot of the state could not be put on the disk: the next start does it')
    }
    await this.#trySaveIndex()
    await this.reader.close()
    this.#snapshot.close()
  }

  #run<T>(doing: string, work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new StateError('io', `${doing}: the state is closed`))
    const result = this.#queue.then(work).catch((error: unknown) => {
      throw toStateError(error, doing)
    })
    this.#queue = result.catch(() => undefined)
    return result
  }

  #makeScanner(extra: { unsupported: 'throw' | 'remove'; wanted?: DirNode }): Scanner {
    const { scratchDir } = this.#snapshot
    const last = this.#tracked
    return new Scanner({ dir: this.stateDir, scratchDir, limits: this.#limits, last, normalise: true, ...extra })
  }

  async #scan(): Promise<ScanResult> {
    const startMs = performance.now()
    this.#scannedRoot = undefined
    const scanner = this.#makeScanner({ unsupported: 'throw' })
    this.#tracked = await scanner.run()
    const root = rootOf(this.#tracked.node)
    this.#scannedRoot = root
    this.#unsavedBytes += scanner.stats.hashedBytes
    this.#unsavedFiles += scanner.stats.hashedFiles
    if (this.#isIndexOld()) await this.#trySaveIndex()
    const changed = root !== this.committedRoot
    return { ...scanner.stats, root, changed, durationMs: performance.now() - startMs }
  }

  /** undefined when what is there cannot be a state. */
  async #tryScan(): Promise<Hash | undefined> {
    try {
      return (await this.#scan()).root
    } catch (error) {
      if (!(error instanceof StateError) || error.code === 'io' || error.code === 'disk-full') throw error
      this.#log.warn({ reason: error.message }, 'what is in the state directory is not a state')
      return undefined
    }
  }

  async #commit(root: Hash): Promise<void> {
    if (this.#tracked === undefined || this.#scannedRoot !== root) {
      throw new StateError(
        'not-scanned',
        `commit of ${root}, but the last scan found ${this.#scannedRoot ?? 'nothing'}`
      )
    }
    await this.#snapshot.advance(this.#tracked, this.stateDir)
  }

  /**
   * Makes the state directory equal to the snapshot. Each block is checked.
   *
   * @param twins path of a file that is not there -> a prepared one, whose blocks were checked when they were written
   */
  async #restore(twins: ReadonlyMap<string, string> = new Map()): Promise<void> {
    const { scratchDir, tree } = this.#snapshot
    this.#scannedRoot = undefined
    const found = await this.#makeScanner({ unsupported: 'remove', wanted: tree }).run()
    this.#tracked = found
    const nowMs = Date.now()
    const changes = planChanges(found.node, tree)
    const writer = new TreeWriter({ dir: this.stateDir, scratchDir, fetchedDir: twinsDir(this.#metaDir) })
    const toWrite: Change[] = []
    for (const change of changes) {
      const twin = change.kind === 'file' && change.base === undefined ? twins.get(change.path) : undefined
      if (change.kind !== 'file') await writer.apply(change)
      else if (twin === undefined) toWrite.push(change)
      else await writer.apply(stagedFile(change, twin))
    }
    // Each waits for the disk most of the time.
    const files = toWrite.values()
    const results = await Promise.allSettled(Array.from({ length: RESTORE_PARALLEL }, () => this.#restoreFiles(files)))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    this.#tracked = await adoptTree(this.stateDir, tree, found, nowMs)
    this.#scannedRoot = rootOf(tree)
  }

  async #restoreFiles(changes: Iterator<Change>): Promise<void> {
    const { dir, scratchDir } = this.#snapshot
    const source = new BlockSource(dir)
    const writer = new TreeWriter({ dir: this.stateDir, scratchDir })
    const readBlock: BlockReader = async (file, node, index) => {
      const block = await source.read(file, node, index)
      if (block !== undefined) return block
      this.#snapshot.suspect(file)
      const message = `the last agreed state is damaged at ${JSON.stringify(file)}`
      throw new StateError('snapshot-damaged', message, { path: file })
    }
    try {
      for (let next = changes.next(); next.done !== true; next = changes.next()) {
        for await (const operation of operationsOf(next.value, readBlock, undefined)) await writer.apply(operation)
      }
    } finally {
      writer.close()
      source.close()
    }
  }

  #isIndexOld(): boolean {
    if (this.#unsavedFiles > INDEX_SAVE_FILES) return true
    return this.#unsavedBytes > Math.max(INDEX_SAVE_BYTES, INDEX_SAVE_FACTOR * this.#indexBytes)
  }

  /** It is only a cache: without it the next start reads more files. */
  async #trySaveIndex(): Promise<void> {
    try {
      await this.#saveIndex()
    } catch (error) {
      this.#log.warn({ err: error }, 'the index of the state could not be saved: the next start reads more files')
    }
  }

  async #saveIndex(): Promise<void> {
    if (this.#bootId === undefined) return
    this.#unsavedBytes = 0
    this.#unsavedFiles = 0
    const index = { state: this.#tracked, snapshot: this.#snapshot.isIntact ? this.#snapshot.tracked : undefined }
    this.#indexBytes = await saveIndex(path.join(this.#metaDir, 'index'), index, this.#bootId)
  }
}

function checkDirs(stateDir: string, metaDir: string): void {
  const inside = (inner: string, outer: string) => `${inner}/`.startsWith(`${outer}/`)
  if (inside(metaDir, stateDir) || inside(stateDir, metaDir)) {
    throw new StateError('io', `${stateDir} and ${metaDir} must not be inside each other`)
  }
  fs.mkdirSync(stateDir, { recursive: true })
  fs.mkdirSync(metaDir, { recursive: true, mode: 0o700 })
  if (fs.statSync(stateDir).dev !== fs.statSync(metaDir).dev) {
    throw new StateError('io', `${stateDir} and ${metaDir} must be on the same file system`)
  }
}
