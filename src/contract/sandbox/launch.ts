import { writeSync } from 'node:fs'
import type { Libc, ResourceLimit } from '../libc.js'
import { buildCommand, type Command, enterGroups, limitTasks } from '../process/command.js'
import type { ControlGroup } from '../process/control-group.js'
import { type Exit, nameSignal } from '../process/start.js'
import { closeQuietly, readWhole, type TempFiles, writeChunks } from '../temp-files.js'
import { type BwrapFacts, namespaceArguments } from './bwrap.js'
import type { Layout } from './layout.js'

export interface LaunchOptions {
  bwrap: BwrapFacts
  layout: Layout
  network: 'none' | 'host'
  /** Absolute path. */
  binary: string
  args: string[]
  /** For each process inside. */
  limits: ResourceLimit[]
  /** Descriptors that the contract gets. */
  givenFds: number
  filter: Uint8Array | null
  files: TempFiles
  /** null: a shell inside sets the limits. */
  libc: Libc | null
  /** To be entered before anything runs. */
  group: ControlGroup | null
  /** Most tasks inside, where no group bounds them; null: nothing does. */
  tasks: number | null
}

type Pipe = [readEnd: number, writeEnd: number]

/**
 * One start of bwrap. It writes to a file of ours which process became the first of its pid namespace and with which
 * code the contract ended; that code is missing when the contract was never started.
 *
 * The limits. bwrap reads a part of its arguments from a pipe before it does anything else. What waits there lets us
 * set the limits of a process that already runs and has done nothing; the contract inherits them. If the node dies in
 * between, bwrap reads the end of the pipe and shows the contract less, or nothing to start.
 *
 * The gate. bwrap reads the filter of system calls from a second pipe, when all namespaces and mounts are made and
 * before it starts anything inside. So the sandbox can be made ahead, and waits there. Not its --block-fd: that takes
 * the end of a pipe, so also the node's death, for the word to go on; of a filter that ends early it says that it is
 * none, and ends. For that the filter's first byte is there from the beginning, and once it is not there any more, bwrap
 * has come to the gate.
 */
export class SandboxLaunch {
  readonly command: Command
  /** To be passed behind the contract's own descriptors; bwrap closes them. */
  readonly fds: number[] = []
  readonly #options: LaunchOptions
  readonly #status: number
  #arguments: Pipe | null = null
  #gate: Pipe | null = null
  /** Without the gate: a file. */
  #filter: number | null = null
  #firstPid: number | null = null

  /** Throws an error with the system's code when descriptors cannot be had. */
  constructor(options: LaunchOptions) {
    this.#options = options
    const { files, filter, libc, givenFds } = options
    this.#status = files.openAppend()
    try {
      const statusFd = this.#pass(this.#status, givenFds)
      if (libc !== null) {
        this.#arguments = libc.openPipe()
        if (filter !== null) {
          this.#gate = libc.openPipe()
          writeSync(this.#gate[1], filter, 0, 1)
        }
      } else if (filter !== null) this.#filter = files.openContent([filter])
      this.command = this.#buildCommand(statusFd)
    } catch (error) {
      this.close()
      throw error
    }
  }

  get layout(): Layout {
    return this.#options.layout
  }

  /**
   * bwrap runs as `pid`: sets the limits and lets it make the sandbox; where there is no gate, also start the contract.
   * Throws an error with the system's code. `close` must wait for it.
   */
  async begin(pid: number): Promise<void> {
    const { libc, limits, layout, group } = this.#options
    const pipe = this.#arguments
    if (libc === null || pipe === null) return
    // From now on the reading ends are bwrap's alone.
    closeQuietly(pipe[0])
    if (this.#gate !== null) closeQuietly(this.#gate[0])
    this.#arguments = null
    try {
      libc.setLimits(pid, limits)
      await group?.add(pid)
      writePipe(pipe[1], Buffer.from(layout.given.map((arg) => `${arg}\0`).join('')))
    } finally {
      closeQuietly(pipe[1])
    }
  }

  /** Whether bwrap has made all and waits for `go`. */
  isAtGate(): boolean {
    const { libc } = this.#options
    return libc !== null && this.#gate !== null && libc.countWaiting(this.#gate[1]) === 0
  }

  /** After `begin`: the contract may start. False when bwrap is gone. Throws an error with the system's code. */
  go(): boolean {
    const { filter } = this.#options
    const gate = this.#gate
    if (gate === null || filter === null) return true
    try {
      return writePipe(gate[1], filter.subarray(1))
    } finally {
      closeQuietly(gate[1])
      this.#gate = null
    }
  }

  /** Outside, the pid of the first process inside: with it all others end. null before there is one. */
  firstPid(): number | null {
    this.#firstPid ??= this.#readNumber('child-pid')
    return this.#firstPid
  }

  /** How the contract ended, or null when it was never started. bwrap tells signal n as 128 + n, like a shell. */
  readExit(): Exit | null {
    const code = this.#readNumber('exit-code')
    if (code === null) return null
    const signal = code > 128 ? nameSignal(code - 128) : null
    return signal === null ? { exitCode: code, signal: null } : { exitCode: null, signal }
  }

  /** Idempotent. */
  close(): void {
    if (this.#gate !== null) for (const fd of this.#arguments === null ? [this.#gate[1]] : this.#gate) closeQuietly(fd)
    if (this.#arguments !== null) for (const fd of this.#arguments) closeQuietly(fd)
    if (this.#filter !== null) closeQuietly(this.#filter)
    this.#gate = null
    this.#arguments = null
    this.#filter = null
    if (!this.#isClosed) closeQuietly(this.#status)
    this.#isClosed = true
  }

  #isClosed = false

  #pass(fd: number, givenFds: number): string {
    this.fds.push(fd)
    return String(givenFds + this.fds.length - 1)
  }

  #buildCommand(statusFd: string): Command {
    const { bwrap, network, layout, binary, args, limits, givenFds, group, tasks } = this.#options
    const options = [...namespaceArguments(bwrap, network), '--json-status-fd', statusFd]
    const filter = this.#gate?.[0] ?? this.#filter
    if (filter !== null) options.push('--seccomp', this.#pass(filter, givenFds))
    const pipe = this.#arguments
    const given = pipe === null ? layout.given : ['--args', this.#pass(pipe[0], givenFds)]
    const bare = pipe === null ? buildCommand(binary, args, limits) : { file: binary, args }
    const inner = tasks === null ? bare : limitTasks(bare, tasks)
    const outer = { file: bwrap.path, args: [...options, ...given, ...layout.closed, '--', inner.file, ...inner.args] }
    // Without the pipe there is no moment at which it waits for us to put it there.
    return pipe === null && group !== null ? enterGroups(outer, group.doors) : outer
  }

  #readNumber(name: 'child-pid' | 'exit-code'): number | null {
    const text = Buffer.from(readWhole(this.#status)).toString('latin1')
    for (const line of text.split('\n')) {
      try {
        const value: unknown = (JSON.parse(line) as Record<string, unknown>)[name]
        if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
      } catch {
        // an empty or half-written line
      }
    }
    return null
  }
}

/** All of it; false when nobody reads any more. Throws an error with the system's code. */
function writePipe(fd: number, bytes: Uint8Array): boolean {
  try {
    writeChunks(fd, [bytes])
    return true
  } catch (error) {
    // It is gone already: its end says why.
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return false
    throw error
  }
}
