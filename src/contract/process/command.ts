import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { ResourceLimit } from '../libc.js'
import type { ContractLimits } from '../limits.js'

const SHELL = '/bin/sh'

export interface Command {
  file: string
  args: string[]
}

/** Where the contract finds programs: the system's, then the Node that runs the node, for contracts written in it. */
export const CONTRACT_PATH = [
  '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  dirname(process.execPath)
].join(':')

/** All of the contract's environment: nothing of the node's. */
export function buildEnvironment(dir: string, extra: Record<string, string> = {}): Record<string, string> {
  return { PATH: CONTRACT_PATH, HOME: dir, PWD: dir, LANG: 'C.UTF-8', TZ: 'UTC', ...extra }
}

/** The limits that the kernel keeps of each process; the smaller of ours and those that the node runs under. */
export function resourceLimits(limits: ContractLimits, givenFiles: number): ResourceLimit[] {
  const both = (resource: ResourceLimit['resource'], value: number): ResourceLimit => ({
    resource,
    soft: value,
    hard: value
  })
  const cpu = clamp(limits.cpuSeconds, 'Max cpu time')
  return [
    both('coreBytes', 0),
    // SIGXCPU tells a time limit from other ends; one who ignores it is killed a second later.
    { resource: 'cpuSeconds', soft: cpu, hard: clamp(cpu + 1, 'Max cpu time') },
    // Private writable memory: a limit of the address space would break V8 and Go, which reserve far more than they use.
    both('dataBytes', clamp(limits.memoryBytes, 'Max data size')),
    both('fileBytes', clamp(limits.fileBytes, 'Max file size')),
    both('openFiles', clamp(limits.openFiles + givenFiles, 'Max open files'))
  ]
}

/** How `ulimit` of a POSIX shell names a resource, and its unit. */
const SHELL_LIMITS: Record<ResourceLimit['resource'], [option: string, unit: number]> = {
  cpuSeconds: ['-t', 1],
  fileBytes: ['-f', 512],
  dataBytes: ['-d', 1024],
  coreBytes: ['-c', 512],
  openFiles: ['-n', 1]
}

/**
 * The contract under the kernel's limits. A shell sets them and becomes the contract (0.7 ms): limits set from
 * outside on a process that already runs would leave it a moment to start others without them.
 */
export function buildCommand(
  binary: string,
  args: string[],
  limits: readonly ResourceLimit[],
  doors: readonly string[] = []
): Command {
  const lines = limits.flatMap(({ resource, soft, hard }) => {
    const [option, unit] = SHELL_LIMITS[resource]
    const set = (kind: string, value: number) => `ulimit ${kind} ${option} ${Math.floor(value / unit)}`
    return [set('-S', soft), set('-H', hard)]
  })
  const script = [...enter(doors), 'umask 022', ...lines, 'exec "$0" "$@"'].join(' && ')
  return { file: SHELL, args: ['-c', script, binary, ...args] }
}

/** The same command, started inside control groups: a shell enters them and becomes it. */
export function enterGroups({ file, args }: Command, doors: readonly string[]): Command {
  if (doors.length === 0) return { file, args }
  return { file: SHELL, args: ['-c', [...enter(doors), 'exec "$0" "$@"'].join(' && '), file, ...args] }
}

/**
 * The same command with at most `tasks` tasks of its user in its user namespace. To be used inside that, with a kernel
 * that counts so (5.14). Shells differ in the option: dash and busybox have -p, bash and ksh have -u.
 */
export function limitTasks({ file, args }: Command, tasks: number): Command {
  const script = `{ ulimit -p ${tasks} 2>/dev/null || ulimit -u ${tasks}; } && exec "$0" "$@"`
  return { file: SHELL, args: ['-c', script, file, ...args] }
}

function enter(doors: readonly string[]): string[] {
  return doors.map((path) => `echo 0 > '${path.replaceAll("'", "'\\''")}'`)
}

let hardLimits: Map<string, number> | null = null

/** A process may not raise its hard limits: the smaller of ours and those that the node runs under. */
function clamp(value: number, name: string): number {
  hardLimits ??= readHardLimits()
  return Math.min(value, hardLimits.get(name) ?? value)
}

function readHardLimits(): Map<string, number> {
  const limits = new Map<string, number>()
  let text = ''
  try {
    text = readFileSync('/proc/self/limits', 'latin1')
  } catch {
    return limits
  }
  for (const line of text.split('\n')) {
    const match = /^(Max [a-z ]+?)\s{2,}(\S+)\s+(\d+)\s/.exec(line)
    if (match?.[1] !== undefined) limits.set(match[1], Number(match[3]))
  }
  return limits
}
