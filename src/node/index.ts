/** The node itself: the only place that knows all the parts. */

import { pino } from 'pino'
import type { AdminSource, LedgerRef, StateRootView, SyncState } from '../admin/index.js'
import { acquireNodeLock } from '../admin/index.js'
import { contractPaths } from '../config/index.js'
import {
  LedgerStore,
  type LedgerSummary,
  type LedgerView,
  type VerifyReport,
  verifyChain,
  view
} from '../ledger/index.js'
import type { SyncProgress } from '../state/index.js'
import { HotPocketNode, type StartOptions } from './node.js'
import { findStateRoot } from './state-diff.js'
import { listLedgers } from './status.js'

export { NodeError } from './errors.js'
export { type Joined, type JoinOptions, prepareJoin } from './join/prepare.js'
export type { StartOptions } from './node.js'

/** How far a node has come in following its network. */
export interface NodeProgress {
  /** The last ledger here, and the newest that a peer says is closed. */
  seq: number
  target: number
  /** Ledgers that are closed and not executed. */
  backlog: number
  sync: SyncState
  /** The copying of the state; null when none goes on. */
  copy: SyncProgress | null
}

export interface RunningNode {
  admin: AdminSource
  /** How far it has come in following its network. */
  progress(): NodeProgress
  stop(): Promise<void>
  /** Resolves when the node stops by itself; with the error when it had to. */
  stopped: Promise<Error | null>
}

/** Starts the node of a contract directory. Rejects, with everything closed again, when it cannot start. */
export async function startNode(options: StartOptions): Promise<RunningNode> {
  const node = new HotPocketNode(options)
  const admin = await node.start()
  const progress = (): NodeProgress => {
    const { seq } = node.ledgers.tip()
    const { backlog } = node.executor
    const { sync } = admin.status()
    return { seq, target: Math.max(seq, node.catchUp.target), backlog, sync, copy: node.execution.stateCopy }
  }
  return { admin, progress, stop: () => node.stop(), stopped: node.stopped }
}

/** The ledgers of a contract directory whose node does not run. */
export async function openOfflineLedgers(dir: string): Promise<{
  ledger(ref: LedgerRef): Promise<LedgerView | null>
  ledgers(from: number, count: number): Promise<LedgerSummary[]>
  verify(onProgress: (seq: number) => void): Promise<VerifyReport>
  stateRoot(root: string): Promise<StateRootView>
  close(): Promise<void>
}> {
  const lock = await acquireNodeLock(dir)
  let store: LedgerStore
  try {
    store = await LedgerStore.open(contractPaths(dir).ledgers, { log: pino({ level: 'silent' }) })
  } catch (error) {
    await lock.release()
    throw error
  }
  return {
    ledger: (ref) => view(store, ref === 'latest' ? store.tip().seq : ref),
    ledgers: (from, count) => listLedgers(store, from, count),
    verify: (onProgress) => verifyChain(store, { onProgress }),
    stateRoot: (root) => findStateRoot(store, root),
    async close() {
      await store.close()
      await lock.release()
    }
  }
}
