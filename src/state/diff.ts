import type { Hash } from '../consensus/types.js'
import type { StateError } from './errors.js'
import { type FetchChunks, fetchAll } from './fetcher.js'
import { DEFAULT_LIMITS, type StateLimits } from './limits.js'
import { Pacer } from './pacer.js'
import { fetchTree } from './target-tree.js'
import { type DirNode, type FileNode, rootOf, sameNode, type TreeNode } from './tree.js'

/**
 * added: only the other state has it; removed: only ours has it; changed: the content of a file or the target of a
 * symlink differs; mode: only the executable bit differs; kind: a file here, a directory or symlink there.
 * Of a directory that only one side has, the directory alone is told.
 */
export type DifferenceKind = 'added' | 'removed' | 'changed' | 'mode' | 'kind'

/** An entry in few words. */
export interface EntrySummary {
  kind: 'file' | 'executable' | 'dir' | 'link'
  /** Bytes of a file, entries right inside a directory, bytes of the target of a symlink. */
  size: number
}

export interface Difference {
  /** Inside the state; any valid name, control characters included: quote it before it is shown. */
  path: string
  kind: DifferenceKind
  local: EntrySummary | null
  remote: EntrySummary | null
}

export interface StateDiff {
  localRoot: Hash
  remoteRoot: Hash
  isEqual: boolean
  /** Directory by directory, at most `maxDifferences`. */
  differences: Difference[]
  /** How many there are in all. */
  total: number
  /** What was fetched to find out: only listings of directories that differ. */
  fetchedBytes: number
}

export interface DiffOptions {
  /** Our state: `store.reader.tree`, `store.scannedTree` or that of `hashState`. */
  local: DirNode
  /** Root of the other one. */
  remote: Hash
  fetchChunks: FetchChunks
  onBadSource?: (source: string, error: StateError) => void
  limits?: Partial<StateLimits>
  /** Default 1,000. */
  maxDifferences?: number
  signal?: AbortSignal
  /** Default 4. */
  parallel?: number
  /** Longest wait for one answer, ms; default 15,000. */
  timeoutMs?: number
  /** How often one chunk is asked for; default 3. */
  attempts?: number
}

/**
 * Compares our state with the one that sources name by a root. Writes nothing. Throws StateError 'unavailable' when no
 * source has the state, 'bad-chunk' when it is none, 'limit' when it is too large, and the reason of `signal`.
 */
export async function diffState(options: DiffOptions): Promise<StateDiff> {
  const { local, remote, fetchChunks, onBadSource = () => undefined } = options
  const { parallel = 4, timeoutMs = 15_000, attempts = 3, maxDifferences = 1000 } = options
  const signal = options.signal ?? new AbortController().signal
  const localRoot = rootOf(local)
  const result: StateDiff = {
    localRoot,
    remoteRoot: remote,
    isEqual: localRoot === remote,
    differences: [],
    total: 0,
    fetchedBytes: 0
  }
  if (result.isEqual) return result
  const known = new Map<string, DirNode>()
  collectDirs(local, known)
  const tree = await fetchTree({
    root: remote,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    known: { findDir: (size, hash) => known.get(`${size}:${hash}`), findFile: () => undefined },
    shapeOnly: true,
    fetch: (next, accept) =>
      fetchAll({ fetchChunks, onBadSource, parallel, timeoutMs, attempts, signal }, next, (fetched) => {
        for (const { bytes } of fetched) result.fetchedBytes += bytes.length
        return accept(fetched)
      })
  })
  await compareDirs(local, tree, '', new Pacer(), (difference) => {
    if (++result.total <= maxDifferences) result.differences.push(difference)
  })
  return result
}

function collectDirs(dir: DirNode, dirs: Map<string, DirNode>): void {
  dirs.set(`${dir.size}:${dir.hash}`, dir)
  for (const node of dir.children.values()) if (node.kind === 'dir') collectDirs(node, dirs)
}

async function compareDirs(
  local: DirNode,
  remote: DirNode,
  at: string,
  pacer: Pacer,
  tell: (difference: Difference) => void
): Promise<void> {
  const names = new Set([...local.children.keys(), ...remote.children.keys()])
  for (const name of names) {
    if (pacer.due()) await pacer.pause()
    const here = local.children.get(name)
    const there = remote.children.get(name)
    if (sameNode(here, there)) continue
    const path = at === '' ? name : `${at}/${name}`
    if (here?.kind === 'dir' && there?.kind === 'dir') await compareDirs(here, there, path, pacer, tell)
    else tell({ path, kind: differenceOf(here, there), local: summaryOf(here), remote: summaryOf(there) })
  }
}

function differenceOf(here: TreeNode | undefined, there: TreeNode | undefined): DifferenceKind {
  if (here === undefined) return 'added'
  if (there === undefined) return 'removed'
  if (here.kind !== there.kind) return 'kind'
  if (here.kind === 'file' && here.hash === (there as FileNode).hash && here.size === (there as FileNode).size) {
    return 'mode'
  }
  return 'changed'
}

function summaryOf(node: TreeNode | undefined): EntrySummary | null {
  if (node === undefined) return null
  if (node.kind === 'dir') return { kind: 'dir', size: node.children.size }
  if (node.kind === 'link') return { kind: 'link', size: Buffer.byteLength(node.target) }
  return { kind: node.executable ? 'executable' : 'file', size: node.size }
}
