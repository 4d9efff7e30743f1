import type { Logger } from 'pino'
import type { Hash, PublicKey, UserOutput } from '../consensus/types.js'
import type { Libc } from './libc.js'
import type { ContractLimits } from './limits.js'
import type { SandboxOptions } from './sandbox/types.js'

export interface RunnerOptions {
  /** Contract directory, absolute: the working directory of the contract. */
  dir: string
  /** Absolute, or relative to the contract directory; a bare name that is not there is looked up on the contract's PATH. */
  binary: string
  args: string[]
  /** This node's public key. */
  publicKey: PublicKey
  /** Where contract.stdout.log, contract.stderr.log and the run marker lie. */
  logDir: string
  limits: ContractLimits
  /** Files that the sandbox must hide from the contract. */
  secretPaths?: string[]
  /** What is left out is as in DEFAULT_SANDBOX. */
  sandbox?: Partial<SandboxOptions>
  /** False: no sandbox is made ahead of its execution. */
  standby?: boolean
  /** Added to the contract's minimal environment. */
  env?: Record<string, string>
  /** Where unlinked temporary files are made; default: memory (/dev/shm) when it has the room, else the system's. */
  tempDir?: string
  /** Calls of the C library; default: those of this system. null does without: then writes are not message by message. */
  libc?: Libc | null
  log: Logger
}

export interface ExecutionUser {
  key: PublicKey
  /** The user's messages of this ledger, in order. */
  inputs: Uint8Array[]
}

export interface Execution {
  seq: number
  lcl: Hash
  /** The ledger's time, ms since the epoch. */
  timeMs: number
  unl: PublicKey[]
  /** Every user connected anywhere in the network, distinct, with or without inputs. */
  users: ExecutionUser[]
}

export interface ExecutionOutcome {
  status: 'ok' | 'failed'
  /** A short sentence when it failed; the same on every node for a deterministic failure. */
  reason: string | null
  exitCode: number | null
  signal: string | null
  /** Those that are not empty, sorted by user key; none when it failed. */
  outputs: UserOutput[]
  durationMs: number
  /** Party line messages and bytes that our contract sent. */
  nplMessages: number
  nplBytesSent: number
}

/** What travels between nodes on the party line; `ordinal` of `end` is the number of messages before it. */
export type NplMessage = {
  seq: number
  lcl: Hash
  /** Counts a sender's messages of one ledger, from 0. */
  ordinal: number
} & ({ data: Uint8Array; end?: false } | { end: true })

export type ReceivedNplMessage = NplMessage & { sender: PublicKey }

/**
 * `cgroup`: a control group of the kernel. `rlimit`: RLIMIT_NPROC in the sandbox's user namespace. `watch`: nothing but
 * the looks.
 */
export type ProcessBound = 'cgroup' | 'rlimit' | 'watch'

export interface RunnerCapabilities {
  interface: 'fdlist'
  /** True: each write of the contract is one party line message. False: each chunk that the node reads is one. */
  nplBoundaries: boolean
  /** True: memory, processes and CPU time of the contract with its children are watched. */
  processWatch: boolean
  /** CPU, memory and open files are limited by the kernel. */
  kernelLimits: boolean
  /** Known once the runner has started. */
  sandbox: 'none' | 'bubblewrap'
  /** What bounds processes that are started faster than they are looked at; known once the runner has started. */
  processBound: ProcessBound
}
