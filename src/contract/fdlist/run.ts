import { ContractError } from '../errors.js'
import type { ContractLimits } from '../limits.js'
import type { PartyLine } from '../party-line/party-line.js'
import type { DiskUsage } from '../process/disk-usage.js'
import type { Processes } from '../process/process-group.js'
import type { Exit } from '../process/start.js'
import { Watchdog } from '../process/watchdog.js'
import type { DeviceGuard } from '../sandbox/devices.js'
import { SandboxProcesses } from '../sandbox/processes.js'
import type { Execution, ExecutionOutcome } from '../types.js'
import { NPL_WRITE_FD } from './channels.js'
import { FdListStart, type StartOptions, startError } from './start.js'

export interface FdListRunOptions extends Omit<StartOptions, 'userCount'> {
  execution: Execution
  publicKey: string
  disk: DiskUsage
  devices: DeviceGuard
  partyLine: PartyLine
  /** The contract runs as this process from now on; 0 when it has ended. */
  onProcess: (pid: number) => void
  /** The log of a stream was cut because it grew too fast. */
  onLogCut: () => void
}

/** One execution of a contract with the `fdlist` interface, from its descriptors to its outputs. */
export class FdListRun {
  readonly #options: FdListRunOptions
  #start: FdListStart | null = null
  #startMs = 0
  /** Who made it ahead has said which process it is. */
  #wasReady = false
  /** Why it was killed, when we did. */
  #killReason: string | null = null

  constructor(options: FdListRunOptions) {
    this.#options = options
  }

  /**
   * Starts the contract: it runs when this is done. Throws ContractError 'start-failed'.
   *
   * @param ready a start that was made ahead for this execution
   */
  async begin(ready: FdListStart | null): Promise<void> {
    const { execution } = this.#options
    this.#startMs = performance.now()
    if (ready !== null) {
      this.#wasReady = true
      if (await this.#go(ready)) return
      this.#wasReady = false
      // Its sandbox has just ended, and the contract had not begun.
      await ready.discard()
    }
    const { users } = execution
    await this.#go(new FdListStart({ ...this.#options, userCount: users.length }, users))
  }

  /** After `begin`: joins it to the party line at once, and waits for its end. Throws as `begin`. */
  async finish(): Promise<ExecutionOutcome> {
    const start = this.#start
    if (start === null) throw new ContractError('start-failed', 'the contract was not started')
    try {
      const { exitCode, signal } = this.#readExit(await this.#follow(start))
      await this.#checkDisk()
      return this.#judge(start, exitCode, signal, performance.now() - this.#startMs)
    } finally {
      this.#start = null
      start.close()
    }
  }

  async #go(start: FdListStart): Promise<boolean> {
    const { execution, publicKey } = this.#options
    this.#start = start
    try {
      return await start.go(execution, publicKey)
    } catch (error) {
      this.#start = null
      await start.discard()
      throw error
    }
  }

  /** Ends the contract's processes now; the execution has failed with `reason`. */
  kill(reason: string): void {
    this.#killReason ??= reason
    this.#start?.processes?.kill()
  }

  async #follow(start: FdListStart): Promise<Exit> {
    const { partyLine, limits, onProcess } = this.#options
    const { writing } = start
    const { child, processes } = start
    if (child === null) throw new ContractError('start-failed', 'the contract was not started')
    const exit = child.whenEnded().catch((error: unknown) => Promise.reject(startError(error)))
    if (child.pid === null || processes === null) return await exit
    if (this.#killReason !== null) processes.kill()
    if (!this.#wasReady) onProcess(child.pid)
    let watchdog: Watchdog | null = null
    try {
      partyLine.start(start.reading.open(child))
      writing.start(partyLine, child.stream(NPL_WRITE_FD))
      watchdog = new Watchdog({
        processes,
        limits,
        check: (pids) => this.#check(start, pids),
        onLimit: (reason) => this.kill(reason)
      })
      return await exit
    } catch (error) {
      processes.kill()
      await exit
      throw error
    } finally {
      watchdog?.stop()
      // Whoever is left must not write on while the outputs are read, nor into the next ledger's time.
      await processes.clear()
      this.#boundLogs()
      await writing.drain()
      onProcess(0)
    }
  }

  #check({ channels, processes }: FdListStart, pids: readonly number[]): string | null {
    const { disk, limits } = this.#options
    this.#boundLogs()
    return channels.checkOutputs() ?? this.#checkTmp(processes) ?? disk.look(limits.stateBytes, pids)
  }

  #checkTmp(processes: Processes | null): string | null {
    const { tmpBytes } = this.#options.limits
    const used = processes instanceof SandboxProcesses ? processes.tmpUsage() : null
    return used !== null && used > tmpBytes ? `limit of ${tmpBytes} bytes in /tmp` : null
  }

  /** What it left behind, once it has ended. */
  async #checkDisk(): Promise<void> {
    const { disk, devices, limits } = this.#options
    const device = devices.restore()
    if (device !== null) this.#killReason ??= `it changed the mode of ${device}`
    this.#killReason ??= await disk.finish(limits.stateBytes)
  }

  /** What bwrap's end says about the contract's. Throws ContractError 'start-failed' when there was no contract. */
  #readExit(exit: Exit): Exit {
    const launch = this.#start?.launch ?? null
    if (launch === null || this.#killReason !== null) return exit
    const inner = launch.readExit()
    if (inner !== null) return inner
    if (exit.signal !== null) return exit
    throw new ContractError(
      'start-failed',
      'the contract could not be started in its sandbox: contract.stderr.log says why, in the line that begins with "bwrap"'
    )
  }

  #boundLogs(): void {
    const { stdout, stderr, onLogCut } = this.#options
    const cuts = [stdout.bound(), stderr.bound()]
    if (cuts.includes(true)) onLogCut()
  }

  #judge(
    { channels }: FdListStart,
    exitCode: number | null,
    signal: string | null,
    durationMs: number
  ): ExecutionOutcome {
    const { sentMessages, sentBytes } = this.#options.partyLine
    const facts = { exitCode, signal, durationMs, nplMessages: sentMessages, nplBytesSent: sentBytes }
    const reason = this.#killReason ?? describeExit(exitCode, signal, this.#options.limits)
    if (reason !== null) return { status: 'failed', reason, outputs: [], ...facts }
    const collected = channels.collect()
    return { status: collected.reason === null ? 'ok' : 'failed', ...collected, ...facts }
  }
}

function describeExit(exitCode: number | null, signal: string | null, limits: ContractLimits): string | null {
  if (signal === 'SIGXCPU') return `CPU time limit of ${limits.cpuSeconds} s`
  if (signal === 'SIGXFSZ') return `limit of ${limits.fileBytes} bytes for a file`
  if (signal !== null) return `killed by ${signal}`
  return exitCode === 0 ? null : `exit code ${exitCode}`
}
