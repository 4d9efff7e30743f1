import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
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

/**
 * The contract under the kernel's limits. A shell sets them and becomes the contract (0.7 ms): limits set from
 * outside on a process that already runs would leave it a moment to start others without them.
 */
export function buildCommand(binary: string, args: string[], limits: ContractLimits, givenFiles: number): Command {
  const files = clamp(limits.openFiles + givenFiles, 'Max open files')
  const cpu = clamp(limits.cpuSeconds, 'Max cpu time')
  const data = clamp(limits.memoryBytes, 'Max data size')
  const script = [
    'umask 022',
    'ulimit -c 0',
    // SIGXCPU tells a time limit from other ends; one who ignores it is killed a second later.
    `ulimit -S -t ${cpu}`,
    `ulimit -H -t ${clamp(cpu + 1, 'Max cpu time')}`,
    // Private writable memory: a limit of the address space would break V8 and Go, which reserve far more than they use.
    `ulimit -d ${Math.floor(data / 1024)}`,
    `ulimit -n ${files}`,
    'exec "$0" "$@"'
  ].join(' && ')
  return { file: SHELL, args: ['-c', script, binary, ...args] }
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
