import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

export interface Usage {
  /** CPU time of the process and of its ended children, seconds. */
  cpuS: number
  /** Resident memory of the process, bytes. */
  rssBytes: number
}

/** What a process has used up to now, from /proc (Linux). */
export function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // utime, stime, cutime and cstime; the name before them may hold spaces, and ends with the last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  const rssKib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0'
  return { cpuS: ticks / TICKS_PER_SECOND, rssBytes: Number(rssKib) * 1024 }
}

export interface Load {
  /** Percent of one core, of one node: the mean over the nodes. */
  cpuPercent: number
  /** Resident memory of the node that has most, MB. */
  rssMb: number
}

/** Mean CPU and largest memory of some processes while `work` runs. */
export async function measureLoad<T>(pids: number[], work: () => Promise<T>): Promise<{ load: Load; result: T }> {
  const before = pids.map(usageOf)
  const start = performance.now()
  const result = await work()
  const seconds = (performance.now() - start) / 1000
  const after = pids.map(usageOf)
  const cpuS = after.reduce((sum, usage, index) => sum + usage.cpuS - (before[index] as Usage).cpuS, 0)
  const rssBytes = Math.max(...after.map((usage) => usage.rssBytes))
  return { load: { cpuPercent: (100 * cpuS) / seconds / pids.length, rssMb: rssBytes / 1e6 }, result }
}
