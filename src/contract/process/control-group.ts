import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ContractLimits } from '../limits.js'
import { GONE_WAIT_MS, sendKill } from './kill.js'

/** Fewest tasks that a contract may have: a runtime has a dozen threads before it does anything. */
const TASKS_MIN = 256
const TASKS_PER_PROCESS = 8

/**
 * Processes and threads of a contract that the kernel lets live at once. The limit of processes is kept by looking, which
 * can tell a thread from a process; this one is what a contract cannot pass between two looks.
 */
export function taskLimit({ processes }: Pick<ContractLimits, 'processes'>): number {
  return Math.max(TASKS_MIN, TASKS_PER_PROCESS * processes)
}

/** What to write into a group of version 2 (cgroups(7)) beside `pids.max`, as far as its controllers are there. */
interface Setting {
  file: string
  value: (limits: ContractLimits) => string
}

/** The watchdog tells the limit of memory; the kernel's is above it, so that the reason is told where there is time. */
const MEMORY_FACTOR = 2

const SETTINGS: Setting[] = [
  { file: 'pids.max', value: (limits) => String(taskLimit(limits)) },
  { file: 'memory.max', value: ({ memoryBytes, tmpBytes }) => String(MEMORY_FACTOR * memoryBytes + tmpBytes) }
]

export interface ControlGroupRoots {
  /** What names the groups of a process: /proc/self/cgroup. */
  ownPath?: string
  /** What names the mounts: /proc/self/mountinfo. */
  mountsPath?: string
}

/**
 * A control group of the kernel for one contract: it bounds the tasks, gives the contract the CPU weight of one group
 * however many they are, and finds all of them to be killed, whatever sessions and parents they have.
 */
export class ControlGroup {
  readonly version: 1 | 2
  /** The first counts the tasks. */
  readonly #dirs: string[]

  private constructor(version: 1 | 2, dirs: string[]) {
    this.version = version
    this.#dirs = dirs
  }

  /**
   * The group that belongs to `ownDir` of a node, the same in each run of it; null where this process may make none, or
   * none that counts tasks. It is there from the first `setLimits` on.
   */
  static open(ownDir: string, roots: ControlGroupRoots = {}): ControlGroup | null {
    const name = `hp-p2p-${createHash('sha256').update(ownDir).digest('hex').slice(0, 16)}`
    for (const { version, parents } of findParents(roots)) {
      const dirs = parents.map((parent) => join(parent, name)).filter(makeDir)
      const [tasks] = dirs
      const isGood = tasks !== undefined && existsSync(join(tasks, 'pids.max')) && isWritable(tasks)
      dirs.forEach(removeDir)
      if (isGood) return new ControlGroup(version, dirs)
    }
    return null
  }

  /**
   * Where a process of one thread writes 0 to enter by itself: one file for each hierarchy. In version 1 that goes at once,
   * since the kernel need not keep others from starting threads meanwhile.
   */
  get doors(): string[] {
    return this.#dirs.map((dir) => join(dir, this.version === 1 ? 'tasks' : 'cgroup.procs'))
  }

  /** Sets the limits for the next execution. Throws an error with the system's code. */
  setLimits(limits: ContractLimits): void {
    // A new one each time: zombies that nobody waits for, as in a container without an init, count in the old one.
    for (const dir of this.#dirs) {
      removeDir(dir)
      makeDir(dir)
    }
    for (const { file, value } of SETTINGS) {
      for (const dir of this.#dirs) if (existsSync(join(dir, file))) writeFileSync(join(dir, file), value(limits))
    }
  }

  /**
   * Puts a process that has no children yet into it. Takes some ms of waiting for the kernel (a grace period of RCU),
   * so not in this thread. Throws an error with the system's code.
   */
  async add(pid: number): Promise<void> {
    for (const dir of this.#dirs) await writeFile(join(dir, 'cgroup.procs'), String(pid))
  }

  /** Members that are no zombies, by pid. */
  pids(): number[] {
    return readLines(join(this.#dirs[0] as string, 'cgroup.procs')).map(Number)
  }

  /** SIGKILL to all; true when there was one. */
  kill(): boolean {
    const members = this.pids()
    if (members.length === 0) return false
    try {
      writeFileSync(join(this.#dirs[0] as string, 'cgroup.kill'), '1')
    } catch {
      // Version 1, or a kernel before 5.14: nobody can be started while they are killed one after another.
      this.#close()
      for (const pid of members) sendKill(pid)
    }
    return true
  }

  /** Kills all and waits until they are gone; true when there was one. */
  async clear(): Promise<boolean> {
    if (!this.kill()) return false
    const deadline = Date.now() + GONE_WAIT_MS
    while (this.kill() && Date.now() < deadline) await delay(2)
    return true
  }

  /** Removes it; what still runs in it keeps it. Idempotent. */
  remove(): void {
    this.#dirs.forEach(removeDir)
  }

  #close(): void {
    try {
      writeFileSync(join(this.#dirs[0] as string, 'pids.max'), '0')
    } catch {
      // gone with its last member
    }
  }
}

interface Place {
  version: 1 | 2
  /** Directories to make a group in; the first counts tasks. */
  parents: string[]
}

/** Where groups could be made, the best first. */
function findParents({
  ownPath = '/proc/self/cgroup',
  mountsPath = '/proc/self/mountinfo'
}: ControlGroupRoots): Place[] {
  if (process.platform !== 'linux') return []
  const mounts = readLines(mountsPath).flatMap(parseMount)
  const own = readLines(ownPath).flatMap((line) => {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line)
    return match === null ? [] : [{ controllers: (match[1] as string).split(','), path: match[2] as string }]
  })
  const places: Place[] = []
  const unified = mounts.find(({ type }) => type === 'cgroup2')
  const ownUnified = own.find(({ controllers }) => controllers[0] === '')
  if (unified !== undefined && ownUnified !== undefined) {
    for (const parent of unifiedParents(unified.path, ownUnified.path)) places.push({ version: 2, parents: [parent] })
  }
  const dirOf = (controller: string): string[] => {
    const mount = mounts.find(({ type, options }) => type === 'cgroup' && options.includes(controller))
    const group = own.find(({ controllers }) => controllers.includes(controller))
    return mount === undefined || group === undefined ? [] : [join(mount.path, group.path)]
  }
  const pids = dirOf('pids')
  if (pids.length > 0) places.push({ version: 1, parents: [...new Set([...pids, ...dirOf('cpu')])] })
  return places
}

/**
 * From the node's own group up: the first that hands the counting of tasks on to its children. A group with processes
 * hands nothing on, so that is mostly not the node's own but the one above, which a service manager delegates.
 */
function unifiedParents(mount: string, own: string): string[] {
  const parents: string[] = []
  for (let path = own; ; path = dirname(path)) {
    const dir = join(mount, path)
    const handed = readLines(join(dir, 'cgroup.subtree_control')).join(' ').split(' ')
    if (handed.includes('pids')) parents.push(dir)
    if (path === '/' || path === '.') return parents
  }
}

/** proc(5): ... mount point, options, optional fields, "-", type, source, options of the file system. */
function parseMount(line: string): { path: string; type: string; options: string[] }[] {
  const [before, after] = line.split(' - ')
  const path = before?.split(' ')[4]
  const [type, , options] = after?.split(' ') ?? []
  if (path === undefined || type === undefined || options === undefined) return []
  return [{ path, type, options: options.split(',') }]
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'latin1')
      .split('\n')
      .filter((line) => line !== '')
  } catch {
    return []
  }
}

function makeDir(path: string): boolean {
  try {
    mkdirSync(path, { recursive: false, mode: 0o755 })
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EEXIST' && statSync(path).isDirectory()
  }
}

function removeDir(path: string): void {
  try {
    rmdirSync(path)
  } catch {
    // not there, or not empty
  }
}

/** Whether limits can be set in it: a group that another user made has the same name and is not ours. */
function isWritable(dir: string): boolean {
  try {
    writeFileSync(join(dir, 'pids.max'), 'max')
    return true
  } catch {
    return false
  }
}
