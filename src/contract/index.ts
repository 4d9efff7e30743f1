/**
 * Runs the contract: an executable that is started once per closed ledger. protocols/contract.md is the contract
 * author's view of it. An interface (how the contract gets its users, inputs and outputs) is a folder: `fdlist`.
 */
export { resolveBinary } from './binary.js'
export { ContractError, type ContractErrorCode } from './errors.js'
export { type ContractLimits, checkLimits, DEFAULT_LIMITS, NPL_MESSAGE_BYTES_MAX } from './limits.js'
export { CONTRACT_PATH } from './process/command.js'
export { ContractRunner } from './runner.js'
export { DEFAULT_SANDBOX, type SandboxFact, type SandboxMode, type SandboxOptions } from './sandbox/types.js'
export type {
  Execution,
  ExecutionOutcome,
  ExecutionUser,
  NplMessage,
  ProcessBound,
  ReceivedNplMessage,
  RunnerCapabilities,
  RunnerOptions
} from './types.js'
