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

/** Reads block `index` of the file that the change is about; what it returns is used before it is called again. */
export type BlockReader = (path: string, node: FileNode, index: number) => Promise<Uint8Array> | Uint8Array

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
  const { path, node, base } = change
  const head = { kind: 'file' as const, path, executable: node.executable, size: node.size }
  if (staged !== undefined) {
    yield { ...head, base: 'staged', staged }
    return
  }
  yield { ...head, base: base === undefined ? 'fresh' : 'patch' }
  for (const index of changedBlocks(node, base)) {
    yield { kind: 'block', index, data: await readBlock(path, node, index) }
  }
}
