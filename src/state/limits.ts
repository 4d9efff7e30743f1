/** Bytes of one block of content; the last block of a file is shorter. */
export const BLOCK_BYTES = 64 * 1024
/** Hashes in one list node. */
export const LIST_FANOUT = 1024
/** Longest name of an entry, bytes of UTF-8. */
export const NAME_BYTES_MAX = 255
/** Longest path of an entry inside the state, bytes of UTF-8. */
export const PATH_BYTES_MAX = 2048
/** Longest target of a symlink, bytes of UTF-8. */
export const LINK_BYTES_MAX = 2048
/** Directories inside each other. */
export const DEPTH_MAX = 64

export interface StateLimits {
  /** Files, directories and symlinks of one state. */
  entries: number
  /** Bytes of all files of one state. */
  bytes: number
}

export const DEFAULT_LIMITS: StateLimits = { entries: 1_000_000, bytes: 256 * 1024 ** 3 }
