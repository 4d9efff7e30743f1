import { ContractError } from './errors.js'

/** Limits of one execution. Past one, the contract's processes are killed and the execution has failed. */
export interface ContractLimits {
  /** Wall time, ms. */
  execTimeoutMs: number
  /** Output bytes of one user. */
  userOutputBytes: number
  /** Output bytes of all users. */
  ledgerOutputBytes: number
  /** Party line bytes that our contract may send, and each other node to it. */
  nplBytes: number
  /** Party line messages that our contract may send, and each other node to it. */
  nplMessages: number
  /** Bytes of one party line message, at most 131,072. */
  nplMessageBytes: number
  /** How long the party line stays open after its last message when not every node has said that it is done, ms. */
  nplGraceMs: number
  /** CPU time of the contract with its children, seconds. */
  cpuSeconds: number
  /** Resident bytes of the contract with its children; also the data segment of each process. */
  memoryBytes: number
  /** Files that a process may open besides those it is given. */
  openFiles: number
  /** Processes of the contract alive at once. */
  processes: number
  /** Bytes of one file that a process may write. */
  fileBytes: number
  /** Disk space of the contract's own in the contract directory: the state, and what it keeps beside it. */
  stateBytes: number
  /** Bytes of the sandbox's /tmp, which lies in memory. */
  tmpBytes: number
  /** Bytes of a log file before it is rotated; no limit that fails an execution. */
  logBytes: number
  /** Log files kept of each stream, the current one included. */
  logFiles: number
}

/** The largest message that a SOCK_SEQPACKET socket passes with the kernel's default buffers, and production's limit. */
export const NPL_MESSAGE_BYTES_MAX = 131_072

const MIB = 1024 * 1024

export const DEFAULT_LIMITS: ContractLimits = {
  execTimeoutMs: 5_000,
  userOutputBytes: 16 * MIB,
  ledgerOutputBytes: 64 * MIB,
  nplBytes: 4 * MIB,
  nplMessages: 4096,
  nplMessageBytes: NPL_MESSAGE_BYTES_MAX,
  nplGraceMs: 1_000,
  cpuSeconds: 60,
  memoryBytes: 1024 * MIB,
  openFiles: 1024,
  processes: 64,
  fileBytes: 1024 * MIB,
  stateBytes: 16 * 1024 * MIB,
  tmpBytes: 64 * MIB,
  logBytes: 4 * MIB,
  logFiles: 3
}

const RANGES: Record<keyof ContractLimits, [min: number, max: number]> = {
  execTimeoutMs: [1, 3_600_000],
  userOutputBytes: [0, 1024 * MIB],
  ledgerOutputBytes: [0, 1024 * MIB],
  nplBytes: [0, 1024 * MIB],
  nplMessages: [0, 1_000_000],
  nplMessageBytes: [1, NPL_MESSAGE_BYTES_MAX],
  nplGraceMs: [0, 60_000],
  cpuSeconds: [1, 86_400],
  memoryBytes: [MIB, Number.MAX_SAFE_INTEGER],
  openFiles: [16, 1_000_000],
  processes: [1, 100_000],
  fileBytes: [MIB, Number.MAX_SAFE_INTEGER],
  stateBytes: [MIB, Number.MAX_SAFE_INTEGER],
  tmpBytes: [4096, 1024 * 1024 * MIB],
  logBytes: [1, 1024 * MIB],
  logFiles: [1, 100]
}

/** Throws ContractError 'invalid-options' that names the limit and its range. */
export function checkLimits(limits: ContractLimits): ContractLimits {
  for (const [name, [min, max]] of Object.entries(RANGES)) {
    const value = limits[name as keyof ContractLimits]
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw new ContractError('invalid-options', `${name} is ${value}: set a whole number from ${min} to ${max}`)
    }
  }
  return { ...limits }
}
