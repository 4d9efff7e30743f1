import { setTimeout as delay } from 'node:timers/promises'
import { ContractError } from '../errors.js'
import type { Libc } from '../libc.js'
import type { ContractLimits } from '../limits.js'
import type { LogFile } from '../log-files.js'
import { type MessageChannel, openMessageChannel } from '../party-line/message-channel.js'
import { buildCommand, resourceLimits } from '../process/command.js'
import type { ControlGroup } from '../process/control-group.js'
import { type Processes, ProcessGroup } from '../process/process-group.js'
import { readUsage } from '../process/process-tree.js'
import { type StartedProcess, startProcess } from '../process/start.js'
import type { SandboxLaunch } from '../sandbox/launch.js'
import { SandboxProcesses } from '../sandbox/processes.js'
import type { Sandbox } from '../sandbox/sandbox.js'
import type { TempFiles } from '../temp-files.js'
import type { Execution, ExecutionUser } from '../types.js'
import { FdListChannels } from './channels.js'
import { openReadingEnd, type ReadingEnd } from './reading-end.js'

/** A sandbox that is not made by then is not waited for. */
const MADE_WAIT_MS = 2_000

/** What a start is made of, but for the content. */
export interface StartFacts {
  userCount: number
  /** Absolute path. */
  binary: string
  args: string[]
  dir: string
  env: Record<string, string>
  limits: ContractLimits
}

export interface StartOptions extends StartFacts {
  files: TempFiles
  libc: Libc | null
  sandbox: Sandbox
  /** null: nothing but looks, or the sandbox, bounds its tasks. */
  group: ControlGroup | null
  stdout: LogFile
  stderr: LogFile
}

/**
 * A contract before it runs: its descriptors, its process, its sandbox. In a sandbox that can wait the process is there
 * before the descriptors have content, and nothing of the contract has run.
 */
export class FdListStart {
  readonly channels: FdListChannels
  readonly reading: ReadingEnd
  readonly writing: MessageChannel
  readonly #options: StartOptions
  readonly #logs: string
  /** null: without a sandbox, or not started. */
  #launch: SandboxLaunch | null = null
  #child: StartedProcess | null = null
  #processes: Processes | null = null
  #starting: Promise<void> | null = null

  /**
   * Opens the descriptors. Throws ContractError 'start-failed'.
   *
   * @param users those of the execution; null when they are not known yet, to be used up to OWN_INPUTS_MAX users
   */
  constructor(options: StartOptions, users: ExecutionUser[] | null) {
    this.#options = options
    const { libc, limits, files, stdout, stderr, userCount } = options
    let writing: MessageChannel | null = null
    let reading: ReadingEnd | null = null
    try {
      writing = openMessageChannel(limits.nplMessageBytes, libc)
      reading = openReadingEnd(libc)
      const ends = { nplRead: reading.childEnd, nplWrite: writing.childEnd }
      const logs = { stdout: stdout.open(), stderr: stderr.open() }
      this.#logs = this.#describeLogs()
      this.channels = new FdListChannels({ userCount, limits, files, ...logs, ...ends }, users)
    } catch (error) {
      reading?.close()
      writing?.close()
      throw startError(error)
    }
    this.reading = reading
    this.writing = writing
  }

  get launch(): SandboxLaunch | null {
    return this.#launch
  }

  /** Of the contract, from the start of its process on. */
  get processes(): Processes | null {
    return this.#processes
  }

  /** null until it has been started. */
  get child(): StartedProcess | null {
    return this.#child
  }

  /**
   * Starts the process, if it has not been; the contract in it waits for `go` where it can. `child` and `processes` are
   * there at once. Throws ContractError 'start-failed'.
   */
  start(): Promise<void> {
    this.#starting ??= this.#startProcess()
    return this.#starting
  }

  /** Gives the contract its content and lets it run. False when its sandbox is gone. Throws as `start`. */
  async go(execution: Execution, publicKey: string): Promise<boolean> {
    try {
      const starting = this.#options.sandbox.canWait ? this.start() : null
      // It is awaited below, or by `discard`.
      starting?.catch(() => {})
      this.channels.fill(execution, publicKey)
      await this.start()
      return this.#launch?.go() ?? true
    } catch (error) {
      throw startError(error)
    }
  }

  /** Why a start for these facts cannot be this one, or null. Waits until its sandbox is made. */
  async findDifference(facts: StartFacts): Promise<string | null> {
    const { userCount, binary, args, dir, env, limits, sandbox, stdout, stderr } = this.#options
    await this.start()
    if (facts.userCount !== userCount) return 'the number of users is another'
    const old = JSON.stringify([binary, args, dir, env, limits])
    const now = JSON.stringify([facts.binary, facts.args, facts.dir, facts.env, facts.limits])
    if (old !== now) return 'the program or its limits are others'
    stdout.open()
    stderr.open()
    if (this.#describeLogs() !== this.#logs) return 'the log is another file'
    const isMade = await this.#isMade()
    const first = this.#launch?.firstPid() ?? null
    if (!isMade || this.#launch === null || first === null) return 'it is gone'
    return sandbox.findDifference(this.#launch, this.#sandboxStart(), first)
  }

  /** Ends what was started and waits for it; nothing of the contract has run. */
  async discard(): Promise<void> {
    try {
      this.#processes?.kill()
      await this.#starting?.catch(() => {})
      // What was started meanwhile.
      this.#processes?.kill()
      await this.#child?.whenEnded().catch(() => {})
      await this.#processes?.clear()
    } finally {
      this.close()
    }
  }

  /** All descriptors of ours. Idempotent. */
  close(): void {
    this.#launch?.close()
    this.reading.close()
    this.writing.close()
    this.channels.close()
  }

  async #startProcess(): Promise<void> {
    const { binary, args, limits, dir, env, libc, sandbox, group } = this.#options
    const { stdio } = this.channels
    try {
      group?.setLimits(limits)
      const launch = sandbox.prepare(this.#sandboxStart())
      this.#launch = launch
      const command = launch?.command ?? buildCommand(binary, args, resourceLimits(limits, stdio.length), group?.doors)
      const child = startProcess({ command, dir, env, stdio: [...stdio, ...(launch?.fds ?? [])], libc })
      this.#child = child
      const { pid } = child
      if (pid === null) return
      this.#processes = launch === null ? new ProcessGroup(pid, group) : new SandboxProcesses(pid, launch, libc, group)
      this.channels.closeGiven()
      this.reading.closeChildEnd()
      await launch?.begin(pid)
    } catch (error) {
      this.#processes?.kill()
      throw startError(error)
    }
  }

  async #isMade(): Promise<boolean> {
    const deadline = performance.now() + MADE_WAIT_MS
    while (this.#launch?.isAtGate() === false) {
      if (!this.#runs() || performance.now() > deadline) return false
      await delay(1)
    }
    return this.#runs()
  }

  /** Whether bwrap does, outside: without it nobody would see the contract's end. */
  #runs(): boolean {
    const usage = readUsage(this.#child?.pid ?? 0)
    return usage !== null && usage.state !== 'Z' && usage.state !== 'X'
  }

  #sandboxStart() {
    const { binary, args, limits } = this.#options
    return { binary, args, limits, givenFds: this.channels.stdio.length }
  }

  #describeLogs(): string {
    return `${this.#options.stdout.generation} ${this.#options.stderr.generation}`
  }
}

export function startError(error: unknown): ContractError {
  if (error instanceof ContractError) return error
  const { code, message } = error as NodeJS.ErrnoException
  const remedy = code === 'EMFILE' || code === 'ENFILE' ? ': raise the limit of open files (ulimit -n)' : ''
  return new ContractError('start-failed', `the contract could not be started: ${message}${remedy}`)
}
