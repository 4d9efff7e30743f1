import type { Logger } from 'pino'
import type { AdminSource, LedgerRef, LedgerSummary, LedgerView, StateRootView, VerifyResult } from '../admin/index.js'
import type { NodeConfig } from '../config/index.js'

export type { NodeProgress } from '../node/index.js'

import type { Joined, JoinOptions, NodeProgress } from '../node/index.js'

/** What the commands need of src/node; loaded on demand, so that a short command starts fast. */
export interface NodeModule {
  startNode(options: { dir: string; config: NodeConfig; log: Logger }): Promise<RunningNode>
  prepareJoin(options: JoinOptions): Promise<Joined>
  openOfflineLedgers(dir: string): Promise<OfflineLedgers>
}

export interface RunningNode {
  admin: AdminSource
  /** How far it has come in following its network. */
  progress(): NodeProgress
  stop(): Promise<void>
  /** Resolves when the node stops by itself; with the error when it had to. */
  stopped: Promise<Error | null>
}

export interface OfflineLedgers {
  ledger(ref: LedgerRef): Promise<LedgerView | null>
  ledgers(from: number, count: number): Promise<LedgerSummary[]>
  verify(onProgress: (seq: number) => void): Promise<VerifyResult>
  stateRoot(root: string): Promise<StateRootView>
  close(): Promise<void>
}

export async function loadNode(): Promise<NodeModule> {
  return import('../node/index.js')
}
