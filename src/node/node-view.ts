import type { Logger } from 'pino'
import type { QuorumStatus } from '../admin/index.js'
import type { NodeConfig } from '../config/index.js'
import type { ConsensusConfig, Genesis, Hash, PublicKey } from '../consensus/types.js'
import type { ContractRunner } from '../contract/index.js'
import type { LedgerStore } from '../ledger/index.js'
import type { Network } from '../network/index.js'
import type { StateStore } from '../state/index.js'
import type { PendingInputs, UserServer } from '../users/index.js'
import type { CatchUp } from './catch-up.js'
import type { ConsensusDriver } from './consensus-driver.js'
import type { Execution } from './execution.js'
import type { Executor } from './executor.js'
import type { Wishes } from './wishes.js'

/** The parts of a running node that operators see. */
export interface NodeView {
  readonly config: NodeConfig
  readonly publicKey: PublicKey
  readonly networkId: Hash
  readonly genesis: Genesis
  /** In force for the next ledger. */
  readonly agreed: ConsensusConfig
  readonly wishes: Wishes
  readonly state: StateStore
  readonly log: Logger
  readonly startedAtMs: number
  readonly stopping: boolean
  /** Aborted when the node stops. */
  readonly signal: AbortSignal
  readonly ledgers: LedgerStore
  readonly network: Network
  readonly driver: ConsensusDriver
  readonly executor: Executor
  readonly execution: Execution
  readonly catchUp: CatchUp
  readonly users: UserServer | null
  readonly runner: ContractRunner
  readonly pending: PendingInputs
  readonly lastClose: { atMs: number; tookMs: number | null } | null
  /** When the ledgers of the last minute closed, ms since the epoch. */
  readonly closes: readonly number[]
  connectedValidators(): PublicKey[]
}

/** Age that the status of a healthy peer may reach here. */
const STATUS_AGE_MS = 5000

/** The ledger that a peer must have told to have closed, to count as one that is in step with this node. */
export function oldestSynced({ driver, closes }: Pick<NodeView, 'driver' | 'closes'>): number {
  // Peers tell how far they are every few seconds: what closed since then they may well have.
  const sinceMs = Date.now() - STATUS_AGE_MS
  return driver.tip.seq - closes.filter((atMs) => atMs > sinceMs).length
}

/** Validators in touch, this node included when it is one. */
export function validatorsPresent(node: NodeView): number {
  return node.connectedValidators().length + (node.driver.isValidator ? 1 : 0)
}

export function quorumStatus(node: NodeView): QuorumStatus {
  return { needed: node.driver.quorum, present: validatorsPresent(node), validators: node.agreed.unl.length }
}
