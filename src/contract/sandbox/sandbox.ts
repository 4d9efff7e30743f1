import { openSync } from 'node:fs'
import { release } from 'node:os'
import { delimiter, isAbsolute } from 'node:path'
import type { Logger } from 'pino'
import { ContractError } from '../errors.js'
import type { Libc } from '../libc.js'
import { type ContractLimits, DEFAULT_LIMITS } from '../limits.js'
import { resourceLimits } from '../process/command.js'
import { type ControlGroup, taskLimit } from '../process/control-group.js'
import { sendKill } from '../process/kill.js'
import { startProcess } from '../process/start.js'
import { closeQuietly, readWhole, type TempFiles } from '../temp-files.js'
import { type BwrapFacts, findBwrap } from './bwrap.js'
import { findDifference } from './inspect.js'
import { SandboxLaunch } from './launch.js'
import { buildLayout, findLayoutProblem, type Layout } from './layout.js'
import { SandboxProcesses } from './processes.js'
import { programPaths } from './programs.js'
import { buildSyscallFilter } from './seccomp.js'
import { systemArguments } from './system-paths.js'
import type { SandboxFact, SandboxOptions } from './types.js'

/** A start that takes so long will not succeed. */
const PROBE_WAIT_MS = 10_000
/** Not what a shell or bwrap ends with on its own. */
const PROBE_EXIT = 7
const NAMESPACE_ADVICE =
  'allow user namespaces (sysctl kernel.unprivileged_userns_clone=1; on Ubuntu 24.04 an AppArmor profile for bwrap; in a container a seccomp profile that lets it make them)'

export interface SandboxConfig extends SandboxOptions {
  /** Contract directory, absolute. */
  dir: string
  /** Paths to hide beside the node's own in the contract directory. */
  secretPaths: string[]
  /** Where contracts find programs. */
  searchPath: string
  files: TempFiles
  libc: Libc | null
  /** null: the kernel's limit of a user's tasks is used where it holds for the namespace alone. */
  group: ControlGroup | null
  log: Logger
}

export interface SandboxStart {
  binary: string
  args: string[]
  limits: ContractLimits
  /** Descriptors that the contract gets. */
  givenFds: number
}

/** The sandbox of a node's contract, made by bubblewrap. Whether it works here is found out once, by running it. */
export class Sandbox {
  readonly #config: SandboxConfig
  #probing: Promise<void> | null = null
  #bwrap: BwrapFacts | null = null
  #filter: Uint8Array | null = null
  #reason: string | null = null
  #isActive = false
  readonly #canLimitTasks: boolean
  #isProbed = false
  #system: string[] = []
  #programs: { binary: string; paths: string[] } | null = null

  /** Throws ContractError 'invalid-options' for a path that is not absolute. */
  constructor(config: SandboxConfig) {
    this.#config = config
    this.#canLimitTasks = config.group === null && countsTasksByNamespace()
    const wrong = config.paths.find((path) => !isAbsolute(path) || path.includes('\0'))
    if (wrong !== undefined) {
      throw new ContractError('invalid-options', `sandboxpaths names ${wrong}, which is not an absolute path`)
    }
  }

  get fact(): SandboxFact {
    const { mode } = this.#config
    return { mode, active: this.#isActive, reason: this.#reason, version: this.#bwrap?.version ?? null }
  }

  /** Whether RLIMIT_NPROC bounds the tasks inside. */
  get limitsTasks(): boolean {
    return this.#isActive && this.#canLimitTasks
  }

  /** True once `probe` has come to its end. */
  get isProbed(): boolean {
    return this.#isProbed
  }

  /** Finds out whether it works; once. Throws ContractError 'sandbox-missing' when it is to be used and does not. */
  probe(): Promise<void> {
    this.#probing ??= this.#probe().finally(() => {
      this.#isProbed = this.#reason === null || this.#config.mode !== 'on'
    })
    return this.#probing
  }

  /** Whether a sandbox can be made ahead and wait for its contract. */
  get canWait(): boolean {
    return this.#isActive && this.#config.libc !== null && this.#filter !== null && this.#bwrap?.isSetuid === false
  }

  /** What starts the contract inside, or null when it runs without a sandbox. Throws an error with a system's code. */
  prepare(start: SandboxStart): SandboxLaunch | null {
    return this.#isActive ? this.#launch(start) : null
  }

  /**
   * Why the sandbox that `launch` made for the same start, and that waits with `pid` as its first process, is not what a
   * new one would be; null when it is.
   */
  findDifference(launch: SandboxLaunch, start: SandboxStart, pid: number): string | null {
    const now = this.#layout(start)
    const { given, closed } = launch.layout
    const isSame = (a: string[], b: string[]) => a.length === b.length && a.every((word, index) => word === b[index])
    if (!isSame(given, now.given) || !isSame(closed, now.closed)) return 'the files to show are others'
    const path = findDifference(now, pid)
    return path === null ? null : `${path} is another`
  }

  async #probe(): Promise<void> {
    const { mode, dir, paths, network, log } = this.#config
    if (mode === 'off') return
    this.#reason = findLayoutProblem(dir, paths)
    if (this.#reason === null) {
      const found = await findBwrap([process.env.PATH ?? '', this.#config.searchPath].join(delimiter))
      if (typeof found === 'string') this.#reason = found
      else {
        this.#bwrap = found
        this.#system = systemArguments(network)
        this.#filter = buildSyscallFilter()
        this.#reason = await this.#tryOut()
      }
    }
    this.#isActive = this.#reason === null
    if (this.#isActive) {
      if (this.#filter === null)
        log.warn('This machine\u2019s system calls are not known: the sandbox does not filter them.')
      return
    }
    if (mode === 'on') throw new ContractError('sandbox-missing', `the sandbox cannot be used: ${this.#reason}`)
    log.warn(`The contract runs without a sandbox, with all rights of this node: ${this.#reason}`)
  }

  /** Starts a shell inside, the same way as a contract. A sentence when that does not work. */
  async #tryOut(): Promise<string | null> {
    const { libc, files, dir, group } = this.#config
    const input = openSync('/dev/null', 'r')
    const words = files.openAppend()
    let launch: SandboxLaunch | null = null
    libc?.adoptOrphans()
    try {
      group?.setLimits(DEFAULT_LIMITS)
      const args = ['-c', `exit ${PROBE_EXIT}`]
      launch = this.#launch({ binary: '/bin/sh', args, limits: DEFAULT_LIMITS, givenFds: 3 })
      const stdio = [input, words, words, ...launch.fds]
      const child = startProcess({ command: launch.command, dir, env: {}, stdio, libc })
      if (child.pid === null) await child.whenEnded()
      else if (!(await this.#endsInTime(launch, child.pid, child.whenEnded()))) {
        return `bubblewrap did not end within ${PROBE_WAIT_MS / 1000} s`
      }
      if (launch.readExit()?.exitCode === PROBE_EXIT) return null
      return explain(Buffer.from(readWhole(words)).toString())
    } catch (error) {
      return `bubblewrap could not be started: ${(error as Error).message}`
    } finally {
      launch?.close()
      closeQuietly(input)
      closeQuietly(words)
    }
  }

  async #endsInTime(launch: SandboxLaunch, pid: number, exit: Promise<unknown>): Promise<boolean> {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      sendKill(-pid)
    }, PROBE_WAIT_MS)
    try {
      await launch.begin(pid)
      launch.go()
    } catch (error) {
      sendKill(-pid)
      throw error
    } finally {
      await exit
      clearTimeout(timer)
      await new SandboxProcesses(pid, launch, this.#config.libc, this.#config.group).clear()
    }
    return !isLate
  }

  #layout({ binary, limits }: SandboxStart): Layout {
    const { dir, paths, secretPaths } = this.#config
    return buildLayout({
      dir,
      binary,
      system: this.#system,
      readable: [...this.#programPaths(binary), ...paths],
      secretPaths,
      tmpBytes: this.#bwrap?.hasSize ? limits.tmpBytes : null
    })
  }

  #launch(start: SandboxStart): SandboxLaunch {
    const { network, files, libc, group } = this.#config
    const { binary, args, limits, givenFds } = start
    const bwrap = this.#bwrap as BwrapFacts
    return new SandboxLaunch({
      bwrap,
      layout: this.#layout(start),
      network,
      binary,
      args,
      limits: resourceLimits(limits, givenFds),
      givenFds,
      filter: this.#filter,
      files,
      libc: bwrap.isSetuid ? null : libc,
      group,
      // One more: the first process inside is bwrap's.
      tasks: this.#canLimitTasks ? taskLimit(limits) + 1 : null
    })
  }

  /** Looked up once for each program: a new release of it that needs other paths comes with a restart of the node. */
  #programPaths(binary: string): string[] {
    if (this.#programs?.binary !== binary) {
      this.#programs = { binary, paths: programPaths(binary, this.#config.dir, this.#config.searchPath) }
    }
    return this.#programs.paths
  }
}

/**
 * Since Linux 5.14 RLIMIT_NPROC counts the tasks of a user in a user namespace apart from all others of that user; never
 * those of the machine's root, whom a node of root becomes inside.
 */
function countsTasksByNamespace(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number)
  return process.platform === 'linux' && process.getuid?.() !== 0 && (major > 5 || (major === 5 && minor >= 14))
}

/** bwrap's own words, and what helps where they are known. */
function explain(text: string): string {
  const words = text
    .split('\n')
    .map((line) => /^bwrap: (.{1,300})/.exec(line)?.[1])
    .find((line) => line !== undefined)
  if (words === undefined) return 'bubblewrap started no program, and did not say why'
  const isForbidden = /namespace|uid map|gid map|Operation not permitted|RTM_NEWADDR/.test(words)
  return `bubblewrap does not work here (${words})${isForbidden ? `: ${NAMESPACE_ADVICE}` : ''}`
}
