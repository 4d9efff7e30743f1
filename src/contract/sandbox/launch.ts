import { writeSync } from 'node:fs'
import type { Libc, ResourceLimit } from '../libc.js'
import { buildCommand, type Command, enterGroups, limitTasks } from '../process/command.js'
import type { ControlGroup } from '../process/control-group.js'
import { type Exit, nameSignal } from '../process/start.js'
import { closeQuietly, readWhole, type TempFiles } from '../temp-files.js'
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

/**
 * One start of bwrap. It writes to a file of ours which process became the first of its pid namespace and with which
 * code the contract ended; that code is missing when the contract was never started.
 *
 * The limits. bwrap reads a part of its arguments from a pipe before it does anything else. What waits there lets us
 * set the limits of a process that already runs and has done nothing; the contract inherits them. If the node dies in
 * between, bwrap reads the end of the pipe and shows the contract less, or nothing to start.
 */
export class SandboxLaunch {
  readonly command: Command
  /** To be passed behind the contract's own descriptors; bwrap closes them. */
  readonly fds: number[] = []
  readonly #options: LaunchOptions
  readonly #status: number
  #gate: [readEnd: number, writeEnd: number] | null = null
  #filter: number | null = null
  #firstPid: number | null = null

  /** Throws an error with the system's code when descriptors cannot be had. */
  constructor(options: LaunchOptions) {
    this.#options = options
    const { files, filter, libc, givenFds } = options
    this.#status = files.openAppend()
    try {
      const statusFd = this.#pass(this.#status, givenFds)
      if (libc !== null) this.#gate = libc.openPipe()
      if (filter !== null) this.#filter = files.openContent([filter])
      this.command = this.#buildCommand(statusFd)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** bwrap runs as `pid`: sets the limits and lets it go on. Throws an error with the system's code. */
  release(pid: number): void {
    const { libc, limits, layout, group } = this.#options
    if (libc === null || this.#gate === null) return
    try {
      group?.add(pid)
      libc.setLimits(pid, limits)
      const bytes = Buffer.from(layout.given.map((arg) => `${arg}\0`).join(''))
      closeQuietly(this.#gate[0])
      for (let offset = 0; offset < bytes.length; ) offset += writeSync(this.#gate[1], bytes, offset)
    } catch (error) {
      // It is gone already: its end says why.
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
    } finally {
      closeQuietly(this.#gate[1])
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
    if (this.#gate !== null) for (const fd of this.#gate) closeQuietly(fd)
    if (this.#filter !== null) closeQuietly(this.#filter)
    this.#gate = null
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
    if (this.#filter !== null) options.push('--seccomp', this.#pass(this.#filter, givenFds))
    const given = this.#gate === null ? layout.given : ['--args', this.#pass(this.#gate[0], givenFds)]
    const bare = this.#gate === null ? buildCommand(binary, args, limits) : { file: binary, args }
    const inner = tasks === null ? bare : limitTasks(bare, tasks)
    const outer = { file: bwrap.path, args: [...options, ...given, ...layout.closed, '--', inner.file, ...inner.args] }
    // Without the gate there is no moment at which it waits for us to put it there.
    return this.#gate === null && group !== null ? enterGroups(outer, group.doors) : outer
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
