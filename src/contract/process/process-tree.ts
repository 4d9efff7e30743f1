import { readdirSync, readFileSync } from 'node:fs'

/** Linux gives CPU times in /proc in units of USER_HZ, which is 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100

let knownPageBytes = 0

export interface ProcessUsage {
  pid: number
  /** Of its program, at most 15 bytes; a process can change its own. */
  name: string
  parent: number
  group: number
  /** One letter of proc(5); Z is a zombie. */
  state: string
  cpuSeconds: number
  /** CPU of its children that have ended and were waited for. */
  childrenCpuSeconds: number
  /** Ticks since boot: with the pid it names a process for good. */
  startTicks: number
  residentBytes: number
}

export const canReadProcesses = process.platform === 'linux' && readUsage(process.pid) !== null

/** Of one process, or null when there is none. */
export function readUsage(pid: number): ProcessUsage | null {
  const stat = readProc(`/proc/${pid}/stat`)
  if (stat === null) return null
  // The name is in brackets and may hold anything, brackets too; fields are counted from behind it (proc(5)).
  const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const field = (number: number) => Number(fields[number - 3])
  return {
    pid,
    name,
    state: fields[0] ?? '?',
    parent: field(4),
    group: field(5),
    cpuSeconds: (field(14) + field(15)) / TICKS_PER_SECOND,
    childrenCpuSeconds: (field(16) + field(17)) / TICKS_PER_SECOND,
    startTicks: field(22),
    residentBytes: field(24) * pageBytes()
  }
}

/** Of processes together. */
export interface ProcessTotals {
  /** Those that live; zombies do not. */
  pids: number[]
  count: number
  residentBytes: number
  cpuSeconds: number
}

export function sumUsage(pids: Iterable<number>): ProcessTotals {
  const totals: ProcessTotals = { pids: [], count: 0, residentBytes: 0, cpuSeconds: 0 }
  for (const pid of pids) {
    const usage = readUsage(pid)
    if (usage === null || usage.state === 'Z') continue
    totals.pids.push(pid)
    totals.count++
    totals.residentBytes += usage.residentBytes
    totals.cpuSeconds += usage.cpuSeconds + usage.childrenCpuSeconds
  }
  return totals
}

/** The process and its living descendants, at most `max`; cheap, but a child whose parent has ended is not found. */
export function listDescendants(root: number, max: number): number[] {
  const pids = [root]
  for (let index = 0; index < pids.length && pids.length < max; index++) {
    for (const thread of readDir(`/proc/${pids[index]}/task`)) {
      const children = readProc(`/proc/${pids[index]}/task/${thread}/children`)
      for (const child of (children ?? '').split(' ')) if (child !== '') pids.push(Number(child))
    }
  }
  return pids.slice(0, max)
}

/** All living members of a process group: reads every process of the machine. */
export function listGroup(group: number): ProcessUsage[] {
  const members: ProcessUsage[] = []
  for (const name of readDir('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid)) continue
    const usage = readUsage(pid)
    if (usage !== null && usage.group === group && usage.state !== 'Z' && usage.state !== 'X') members.push(usage)
  }
  return members
}

function pageBytes(): number {
  if (knownPageBytes === 0) {
    const match = /^KernelPageSize:\s+(\d+) kB$/m.exec(readProc('/proc/self/smaps') ?? '')
    knownPageBytes = match === null ? 4096 : Number(match[1]) * 1024
  }
  return knownPageBytes
}

function readProc(path: string): string | null {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return null
  }
}

function readDir(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
