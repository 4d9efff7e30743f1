import { Socket } from 'node:net'
import type { Duplex, Writable } from 'node:stream'
import type { PublicKey } from '../../consensus/types.js'
import { ContractError } from '../errors.js'
import type { Libc } from '../libc.js'
import type { ContractLimits } from '../limits.js'
import type { LogFile } from '../log-files.js'
import { type MessageChannel, openMessageChannel } from '../party-line/message-channel.js'
import type { PartyLine } from '../party-line/party-line.js'
import { buildCommand } from '../process/command.js'
import { ProcessGroup } from '../process/process-group.js'
import { type Exit, type StartedProcess, startProcess } from '../process/start.js'
import { Watchdog } from '../process/watchdog.js'
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
  #group: ProcessGroup | null = null
  /** Why it was killed, when we did. */
  #killReason: string | null = null

  constructor(options: FdListRunOptions) {
    this.#options = options
  }

  /** Throws ContractError 'start-failed' when the process cannot be started. */
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
        const { exitCode, signal } = await this.#follow(child, channels, reading, writing)
        return this.#judge(channels, exitCode, signal, performance.now() - startMs)
      } finally {
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
    this.#group?.kill()
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
    const { binary, args, limits, dir, env, libc } = this.#options
    const command = buildCommand(binary, args, limits, channels.stdio.length)
    try {
      return startProcess({ command, dir, env, stdio: channels.stdio, libc })
    } catch (error) {
      throw startError(error)
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
    const group = new ProcessGroup(child.pid)
    this.#group = group
    if (this.#killReason !== null) group.kill()
    onProcess(child.pid)
    let watchdog: Watchdog | null = null
    try {
      partyLine.start(reading.open(child))
      writing.start(partyLine, child.stream(NPL_WRITE_FD))
      watchdog = new Watchdog({
        group,
        limits,
        check: () => this.#check(channels),
        onLimit: (reason) => this.kill(reason)
      })
      return await exit
    } catch (error) {
      group.kill()
      await exit
      throw error
    } finally {
      watchdog?.stop()
      // Whoever is left must not write on while the outputs are read, nor into the next ledger's time.
      await group.clear()
      this.#boundLogs()
      await writing.drain()
      this.#group = null
      onProcess(0)
    }
  }

  #check(channels: FdListChannels): string | null {
    this.#boundLogs()
    return channels.checkOutputs()
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
