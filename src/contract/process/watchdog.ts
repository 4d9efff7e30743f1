import type { ContractLimits } from '../limits.js'
import type { ProcessGroup } from './process-group.js'
import { canReadProcesses, listGroup, type ProcessUsage, readUsage } from './process-tree.js'

/** Most executions are over before the first look. */
const FIRST_LOOK_MS = 15
const LOOK_EVERY_MS = 50
/** A look at all processes of the machine, which finds children whose parent has ended. */
const FULL_LOOK_EVERY = 10

export interface WatchdogOptions {
  group: ProcessGroup
  limits: ContractLimits
  /** Returns the reason when the execution is past another limit. */
  check: () => string | null
  /** Called at most once; the watchdog has stopped. */
  onLimit: (reason: string) => void
}

/** Looks at a running execution from outside, and tells when it is past a limit. */
export class Watchdog {
  readonly #options: WatchdogOptions
  readonly #wall: NodeJS.Timeout
  #look: NodeJS.Timeout
  #looks = 0

  constructor(options: WatchdogOptions) {
    this.#options = options
    const { execTimeoutMs } = options.limits
    this.#wall = setTimeout(() => this.#trip(`wall time limit of ${execTimeoutMs} ms`), execTimeoutMs)
    this.#look = setTimeout(() => this.#tick(), FIRST_LOOK_MS)
  }

  stop(): void {
    clearTimeout(this.#wall)
    clearTimeout(this.#look)
  }

  #tick(): void {
    const reason = this.#options.check() ?? this.#checkProcesses()
    if (reason !== null) this.#trip(reason)
    else this.#look = setTimeout(() => this.#tick(), LOOK_EVERY_MS)
  }

  #trip(reason: string): void {
    this.stop()
    this.#options.onLimit(reason)
  }

  #checkProcesses(): string | null {
    if (!canReadProcesses) return null
    const { group, limits } = this.#options
    const usages = new Map<number, ProcessUsage>()
    for (const pid of group.scan(limits.processes + 1)) {
      const usage = readUsage(pid)
      if (usage !== null && usage.state !== 'Z') usages.set(pid, usage)
    }
    if (this.#looks++ % FULL_LOOK_EVERY === 1) for (const usage of listGroup(group.leader)) usages.set(usage.pid, usage)
    if (usages.size > limits.processes) return `limit of ${limits.processes} processes`
    let residentBytes = 0
    let cpuSeconds = 0
    for (const usage of usages.values()) {
      residentBytes += usage.residentBytes
      cpuSeconds += usage.cpuSeconds + usage.childrenCpuSeconds
    }
    if (residentBytes > limits.memoryBytes) return `memory limit of ${limits.memoryBytes} bytes`
    if (cpuSeconds > limits.cpuSeconds) return `CPU time limit of ${limits.cpuSeconds} s`
    return null
  }
}
