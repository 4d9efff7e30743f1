/** The node itself: the only place that knows all the parts. */

import { pino } from 'pino'
import type { AdminSource, LedgerRef } from '../admin/index.js'
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
import { HotPocketNode, type StartOptions } from './node.js'
import { listLedgers } from './status.js'

export { NodeError } from './errors.js'
export type { StartOptions } from './node.js'

export interface RunningNode {
  admin: AdminSource
  stop(): Promise<void>
  /** Resolves when the node stops by itself; with the error when it had to. */
  stopped: Promise<Error | null>
}

/** Starts the node of a contract directory. Rejects, with everything closed again, when it cannot start. */
export async function startNode(options: StartOptions): Promise<RunningNode> {
  const node = new HotPocketNode(options)
  const admin = await node.start()
  return { admin, stop: () => node.stop(), stopped: node.stopped }
}

/** The ledgers of a contract directory whose node does not run. */
export async function openOfflineLedgers(dir: string): Promise<{
  ledger(ref: LedgerRef): Promise<LedgerView | null>
  ledgers(from: number, count: number): Promise<LedgerSummary[]>
  verify(onProgress: (seq: number) => void): Promise<VerifyReport>
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
    async close() {
      await store.close()
      await lock.release()
    }
  }
}
