import type { ContractLimits } from '../limits.js'
import type { Processes } from './process-group.js'
import { canReadProcesses } from './process-tree.js'

/** Most executions are over before the first look. */
const FIRST_LOOK_MS = 15
const LOOK_EVERY_MS = 50

export interface WatchdogOptions {
  processes: Processes
  limits: ContractLimits
  /** Returns the reason when the execution is past another limit; `pids` are its processes. */
  check: (pids: readonly number[]) => string | null
  /** Called at most once; the watchdog has stopped. */
  onLimit: (reason: string) => void
}

/** Looks at a running execution from outside, and tells when it is past a limit. */
export class Watchdog {
  readonly #options: WatchdogOptions
  readonly #wall: NodeJS.Timeout
  #timer: NodeJS.Timeout

  constructor(options: WatchdogOptions) {
    this.#options = options
    const { execTimeoutMs } = options.limits
    this.#wall = setTimeout(() => this.#trip(`wall time limit of ${execTimeoutMs} ms`), execTimeoutMs)
    this.#timer = setTimeout(() => this.#tick(), FIRST_LOOK_MS)
  }

  stop(): void {
    clearTimeout(this.#wall)
    clearTimeout(this.#timer)
  }

  #tick(): void {
    const reason = this.#look()
    if (reason !== null) this.#trip(reason)
    else this.#timer = setTimeout(() => this.#tick(), LOOK_EVERY_MS)
  }

  #trip(reason: string): void {
    this.stop()
    this.#options.onLimit(reason)
  }

  #look(): string | null {
    const { processes, limits, check } = this.#options
    if (!canReadProcesses) return check([])
    const { pids, count, residentBytes, cpuSeconds } = processes.measure(limits.processes)
    if (count > limits.processes) return `limit of ${limits.processes} processes`
    if (residentBytes > limits.memoryBytes) return `memory limit of ${limits.memoryBytes} bytes`
    if (cpuSeconds > limits.cpuSeconds) return `CPU time limit of ${limits.cpuSeconds} s`
    return check(pids)
  }
}
