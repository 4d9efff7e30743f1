import { blake3Hex } from '../crypto/index.js'
import { BLOCK_BYTES } from './limits.js'
import { blockCount, blockHash, blockLength, type DirNode, type FileNode, sameNode, type TreeNode } from './tree.js'

/** One step from one tree to another. Of a path only its last state counts: applying steps twice does no harm. */
export type Change =
  | { kind: 'remove'; path: string }
  | { kind: 'dir'; path: string }
  | { kind: 'link'; path: string; target: string }
  | {
      kind: 'file'
      path: string
      node: FileNode
      /** The file that is there now; undefined when there is none. */
      base: FileNode | undefined
    }

/** A change cut into pieces of bounded size; `block` belongs to the last `file`. */
export type Operation =
  | { kind: 'remove'; path: string }
  | { kind: 'dir'; path: string }
  | { kind: 'link'; path: string; target: string }
  | {
      kind: 'file'
      path: string
      executable: boolean
      size: number
      /** fresh: a new file of zeros; patch: what is there, cut or extended with zeros; staged: the prepared file. */
      base: 'fresh' | 'patch' | 'staged'
      /** Name of the prepared file. */
      staged?: string
    }
  | { kind: 'block'; index: number; data: Uint8Array }

/** Steps that make a tree `from` equal to `to`, parents before children. */
export function planChanges(from: DirNode, to: DirNode): Change[] {
  const changes: Change[] = []
  planDir(from, to, '', changes)
  return changes
}

function planDir(from: DirNode, to: DirNode, path: string, changes: Change[]): void {
  if (sameNode(from, to)) return
  const prefix = path === '' ? '' : `${path}/`
  for (const name of from.children.keys()) {
    if (!to.children.has(name)) changes.push({ kind: 'remove', path: prefix + name })
  }
  for (const [name, node] of to.children) {
    const old = from.children.get(name)
    if (!sameNode(old, node)) planNode(old, node, prefix + name, changes)
  }
}

const NOTHING: DirNode = { kind: 'dir', children: new Map(), size: 0, hash: '' }

function planNode(old: TreeNode | undefined, node: TreeNode, path: string, changes: Change[]): void {
  if (node.kind === 'link') changes.push({ kind: 'link', path, target: node.target })
  else if (node.kind === 'file') {
    changes.push({ kind: 'file', path, node, base: old?.kind === 'file' ? old : undefined })
  } else if (old?.kind === 'dir') planDir(old, node, path, changes)
  else {
    changes.push({ kind: 'dir', path })
    planDir(NOTHING, node, path, changes)
  }
}

const ZERO_BLOCK_HASH = blake3Hex(new Uint8Array(BLOCK_BYTES))

/** Indices of the blocks that have to be written to make `node` out of `base` (or out of a file of zeros). */
export function* changedBlocks(node: FileNode, base: FileNode | undefined): Generator<number> {
  const baseBlocks = base === undefined ? 0 : blockCount(base.size)
  const count = blockCount(node.size)
  for (let index = 0; index < count; index++) {
    const hash = blockHash(node, index)
    if (index >= baseBlocks) {
      if (hash !== ZERO_BLOCK_HASH) yield index
    } else if (hash !== blockHash(base!, index)) yield index
  }
}

/** Bytes of the blocks that `changedBlocks` names. */
export function changedBytes(node: FileNode, base: FileNode | undefined): number {
  let bytes = 0
  for (const index of changedBlocks(node, base)) bytes += blockLength(node.size, index)
  return bytes
}

/** Content that goes through the journal in one commit. */
const INLINE_BYTES_MAX = 8 * 1024 * 1024

export type FileChange = Extract<Change, { kind: 'file' }>

/** The files that are prepared whole and moved into place, since the journal would become too large with them. */
export function largeChanges(changes: readonly Change[]): FileChange[] {
  let inlineBytes = 0
  return changes.filter((change): change is FileChange => {
    if (change.kind !== 'file') return false
    const bytes = changedBytes(change.node, change.base)
    if (inlineBytes + bytes > INLINE_BYTES_MAX) return true
    inlineBytes += bytes
    return false
  })
}

/** True when the file has zeros in all blocks that `changedBlocks` leaves out for a new file. */
export function hasZerosOf(node: FileNode, found: FileNode): boolean {
  const count = blockCount(node.size)
  for (let index = 0; index < count && index < blockCount(found.size); index++) {
    const isFull = blockLength(found.size, index) === BLOCK_BYTES
    if (blockHash(node, index) === ZERO_BLOCK_HASH && isFull && blockHash(found, index) !== ZERO_BLOCK_HASH)
      return false
  }
  return found.size === node.size
}

/** Reads block `index` of the file that the change is about; what it returns is used before it is called again. */
export type BlockReader = (path: string, node: FileNode, index: number) => Promise<Uint8Array> | Uint8Array

/** Moves the prepared file `staged` into the place of a file. */
export function stagedFile({ path, node }: FileChange, staged: string): Operation {
  return { kind: 'file', path, executable: node.executable, size: node.size, base: 'staged', staged }
}

/** The operations of one change. `staged`: the name of the prepared file, when there is one. */
export async function* operationsOf(
  change: Change,
  readBlock: BlockReader,
  staged: string | undefined
): AsyncGenerator<Operation> {
  if (change.kind !== 'file') {
    yield change
    return
  }
  if (staged !== undefined) {
    yield stagedFile(change, staged)
    return
  }
  const { path, node, base } = change
  const head = { kind: 'file' as const, path, executable: node.executable, size: node.size }
  yield { ...head, base: base === undefined ? 'fresh' : 'patch' }
  for (const index of changedBlocks(node, base)) {
    yield { kind: 'block', index, data: await readBlock(path, node, index) }
  }
}
