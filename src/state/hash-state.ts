import fs from 'node:fs'
import path from 'node:path'
import type { Hash } from '../consensus/types.js'
import { errnoOf, StateError } from './errors.js'
import { DEFAULT_LIMITS, type StateLimits } from './limits.js'
import { Scanner } from './scanner.js'
import { type DirNode, rootOf } from './tree.js'

export interface HashedState {
  root: Hash
  tree: DirNode
  /** Files, directories and symlinks. */
  entries: number
  /** Of all files. */
  bytes: number
}

/**
 * The root of a directory of files as a state, from reading all of it. Writes nothing and needs no store, so that it
 * works beside a running node and on any copy. Throws StateError 'io' when the directory cannot be read,
 * 'unsupported-entry' for what cannot be in a state, 'changing' when a file is written meanwhile, 'limit'.
 */
export async function hashState(stateDir: string, limits: Partial<StateLimits> = {}): Promise<HashedState> {
  const dir = path.resolve(stateDir)
  try {
    if (!fs.statSync(dir).isDirectory()) throw new StateError('io', `${dir} is not a directory`)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw new StateError('io', `there is no directory ${dir}`, { cause: error })
    throw error
  }
  const scanner = new Scanner({
    dir: fs.realpathSync(dir),
    // Nothing is copied or removed.
    scratchDir: dir,
    limits: { ...DEFAULT_LIMITS, ...limits },
    last: undefined,
    unsupported: 'throw',
    normalise: false
  })
  const { node } = await scanner.run()
  return { root: rootOf(node), tree: node, entries: scanner.stats.entries, bytes: scanner.stats.bytes }
}
