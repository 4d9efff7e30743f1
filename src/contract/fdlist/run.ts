import { Socket } from 'node:net'
import type { Duplex, Writable } from 'node:stream'
import type { PublicKey } from '../../consensus/types.js'
import { ContractError } from '../errors.js'
import type { Libc } from '../libc.js'
import type { ContractLimits } from '../limits.js'
import type { LogFile } from '../log-files.js'
import { type MessageChannel, openMessageChannel } from '../party-line/message-channel.js'
import type { PartyLine } from '../party-line/party-line.js'
import { buildCommand, resourceLimits } from '../process/command.js'
import type { ControlGroup } from '../process/control-group.js'
import type { DiskUsage } from '../process/disk-usage.js'
import { sendKill } from '../process/kill.js'
import { type Processes, ProcessGroup } from '../process/process-group.js'
import { type Exit, type StartedProcess, startProcess } from '../process/start.js'
import { Watchdog } from '../process/watchdog.js'
import type { DeviceGuard } from '../sandbox/devices.js'
import type { SandboxLaunch } from '../sandbox/launch.js'
import { SandboxProcesses } from '../sandbox/processes.js'
import type { Sandbox } from '../sandbox/sandbox.js'
import { closeQuietly, type TempFiles } from '../temp-files.js'
import type { Execution, ExecutionOutcome } from '../types.js'
import { FdListChannels, NPL_READ_FD, NPL_WRITE_FD } from './channels.js'

export interface FdListRunOptions {
  execution: Execution
  /** Absolute path. */
  binary: string
  args: string[]
  dir: string
  env: Record<string, string>
  publicKey: PublicKey
  limits: ContractLimits
  files: TempFiles
  libc: Libc | null
  sandbox: Sandbox
  /** null: nothing but looks, or the sandbox, bounds its tasks. */
  group: ControlGroup | null
  disk: DiskUsage
  devices: DeviceGuard
  stdout: LogFile
  stderr: LogFile
  partyLine: PartyLine
  /** The contract runs as this process from now on; 0 when it has ended. */
  onProcess: (pid: number) => void
  /** The log of a stream was cut because it grew too fast. */
  onLogCut: () => void
}

/** One execution of a contract with the `fdlist` interface, from its descriptors to its outputs. */
export class FdListRun {
  readonly #options: FdListRunOptions
  #processes: Processes | null = null
  /** null: without a sandbox. */
  #launch: SandboxLaunch | null = null
  /** Why it was killed, when we did. */
  #killReason: string | null = null

  constructor(options: FdListRunOptions) {
    this.#options = options
  }

  /** Throws ContractError 'start-failed' when the process cannot be started. It runs when this returns its promise. */
  async run(): Promise<ExecutionOutcome> {
    const startMs = performance.now()
    const writing = openMessageChannel(this.#options.limits.nplMessageBytes, this.#options.libc)
    let channels: FdListChannels | null = null
    try {
      const reading = openReadingEnd(this.#options.libc)
      try {
        channels = this.#openChannels(reading.childEnd, writing.childEnd)
        const child = this.#start(channels)
        reading.closeChildEnd()
        const { exitCode, signal } = this.#readExit(await this.#follow(child, channels, reading, writing))
        await this.#checkDisk()
        return this.#judge(channels, exitCode, signal, performance.now() - startMs)
      } finally {
        this.#launch?.close()
        reading.close()
      }
    } finally {
      writing.close()
      channels?.close()
    }
  }

  /** Ends the contract's processes now; the execution has failed with `reason`. */
  kill(reason: string): void {
    this.#killReason ??= reason
    this.#processes?.kill()
  }

  #openChannels(nplRead: number | 'pipe', nplWrite: number | 'pipe'): FdListChannels {
    const { execution, publicKey, limits, files, stdout, stderr } = this.#options
    try {
      return new FdListChannels({
        execution,
        publicKey,
        limits,
        files,
        stdout: stdout.open(),
        stderr: stderr.open(),
        nplRead,
        nplWrite
      })
    } catch (error) {
      throw startError(error)
    }
  }

  #start(channels: FdListChannels): StartedProcess {
    const { binary, args, limits, dir, env, libc, sandbox, group } = this.#options
    const { stdio } = channels
    try {
      group?.setLimits(limits)
      const launch = sandbox.prepare({ binary, args, limits, givenFds: stdio.length })
      this.#launch = launch
      if (launch !== null) {
        const child = startProcess({ command: launch.command, dir, env, stdio: [...stdio, ...launch.fds], libc })
        if (child.pid !== null) this.#release(launch, child.pid)
        return child
      }
      const command = buildCommand(binary, args, resourceLimits(limits, stdio.length), group?.doors)
      return startProcess({ command, dir, env, stdio, libc })
    } catch (error) {
      throw startError(error)
    }
  }

  #release(launch: SandboxLaunch, pid: number): void {
    try {
      launch.release(pid)
    } catch (error) {
      sendKill(-pid)
      throw error
    }
  }

  async #follow(
    child: StartedProcess,
    channels: FdListChannels,
    reading: ReadingEnd,
    writing: MessageChannel
  ): Promise<Exit> {
    const { partyLine, limits, onProcess } = this.#options
    channels.closeGiven()
    const exit = child.exit.catch((error: unknown) => Promise.reject(startError(error)))
    if (child.pid === null) return await exit
    const processes = this.#watch(child.pid)
    this.#processes = processes
    if (this.#killReason !== null) processes.kill()
    onProcess(child.pid)
    let watchdog: Watchdog | null = null
    try {
      partyLine.start(reading.open(child))
      writing.start(partyLine, child.stream(NPL_WRITE_FD))
      watchdog = new Watchdog({
        processes,
        limits,
        check: (pids) => this.#check(channels, pids),
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
      this.#processes = null
      onProcess(0)
    }
  }

  #watch(pid: number): Processes {
    const { libc, group } = this.#options
    const launch = this.#launch
    return launch === null ? new ProcessGroup(pid, group) : new SandboxProcesses(pid, launch, libc, group)
  }

  #check(channels: FdListChannels, pids: readonly number[]): string | null {
    const { disk, limits } = this.#options
    this.#boundLogs()
    return channels.checkOutputs() ?? this.#checkTmp() ?? disk.look(limits.stateBytes, pids)
  }

  #checkTmp(): string | null {
    const { tmpBytes } = this.#options.limits
    const used = this.#processes instanceof SandboxProcesses ? this.#processes.tmpUsage() : null
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
    const launch = this.#launch
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
    channels: FdListChannels,
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

function startError(error: unknown): ContractError {
  if (error instanceof ContractError) return error
  const { code, message } = error as NodeJS.ErrnoException
  const remedy = code === 'EMFILE' || code === 'ENFILE' ? ': raise the limit of open files (ulimit -n)' : ''
  return new ContractError('start-failed', `the contract could not be started: ${message}${remedy}`)
}

interface ReadingEnd {
  readonly childEnd: number | 'pipe'
  open(child: StartedProcess): Writable
  closeChildEnd(): void
  close(): void
}

/** A pipe where it can be had, since /dev/fd/N cannot open a socket; else child_process's socket pair. */
function openReadingEnd(libc: Libc | null): ReadingEnd {
  if (libc === null) {
    return {
      childEnd: 'pipe',
      open: (child) => child.stream(NPL_READ_FD) as Duplex,
      closeChildEnd: () => {},
      close: () => {}
    }
  }
  const [childEnd, ours] = libc.openPipe()
  let isChildEndOpen = true
  let stream: Socket | null = null
  const closeChildEnd = () => {
    if (isChildEndOpen) closeQuietly(childEnd)
    isChildEndOpen = false
  }
  return {
    childEnd,
    open: () => {
      stream = new Socket({ fd: ours, readable: false, writable: true })
      return stream
    },
    closeChildEnd,
    close: () => {
      closeChildEnd()
      if (stream === null) closeQuietly(ours)
      else stream.destroy()
    }
  }
}
