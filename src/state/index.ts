/**
 * The contract's state: named by one root, kept as the last agreed one, undone, recovered after a crash, copied from
 * peers. docs/state.md tells how.
 */
export { type ChunkWant, isChunk, ROOT_LEVEL } from './chunks.js'
export {
  type Difference,
  type DifferenceKind,
  type DiffOptions,
  diffState,
  type EntrySummary,
  type StateDiff
} from './diff.js'
export { StateError, type StateErrorCode } from './errors.js'
export { type ChunkAnswer, type FetchChunks, REQUEST_BYTES_MAX, REQUEST_CHUNKS_MAX } from './fetcher.js'
export { type HashedState, hashState } from './hash-state.js'
export { BLOCK_BYTES, DEFAULT_LIMITS, type StateLimits } from './limits.js'
export type { SnapshotReader } from './reader.js'
export { type ScanResult, StateStore, type StateStoreOptions } from './store.js'
export { type SyncOptions, type SyncProgress, syncState } from './sync.js'
export { type DirNode, EMPTY_ROOT, type FileNode, type LinkNode, rootOfChunk, type TreeNode } from './tree.js'
