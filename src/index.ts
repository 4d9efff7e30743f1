/**
 * The library: runs a node inside a program of one's own, reads and makes contract directories, asks a running node.
 * Importing it takes the place of the global `WebSocket`, which libp2p needs (network/shim.ts). Set UV_THREADPOOL_SIZE
 * to 16 before Node.js starts: synced writes to disk queue behind each other in its default of four threads.
 */
import './network/shim.js'

export {
  AdminError,
  type AdminErrorCode,
  type AdminSource,
  adminRequest,
  type LedgerRef,
  type NodeStatus,
  type PeerRow
} from './admin/index.js'
export {
  ConfigError,
  type ConfigErrorCode,
  type ConfigProblem,
  type CreateOptions,
  checkPorts,
  createContractDir,
  ensureContractDirs,
  isContractDir,
  type LoadOptions,
  loadConfig,
  type NodeConfig,
  type RekeyResult,
  rekeyContractDir
} from './config/index.js'
export type { LedgerSummary, LedgerView, VerifyReport } from './ledger/index.js'
export { NodeError, openOfflineLedgers, type RunningNode, type StartOptions, startNode } from './node/index.js'
export { VERSION } from './version.js'
