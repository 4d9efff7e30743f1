import { readFileSync } from 'node:fs'
import { run } from './system.js'

/** Names are hplab-PID-START-NAME: the process that made it, and when that one started, since pids come again. */
const PREFIX = 'hplab'
const GONE_TIMEOUT_MS = 5_000

/** When a process started, in clock ticks since boot; null when there is none, or it has ended and nobody took note. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // From field 3 on; the name before it may hold spaces and ends with the last bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return /^[ZX]/.test(fields[0] ?? '') ? null : Number(fields[19]).toString(36)
  } catch {
    return null
  }
}

/** Begins the names of all namespaces that this process makes. */
export const ownPrefix = `${PREFIX}-${process.pid}-${startOf(process.pid)}-`

export async function listNamespaces(prefix: string): Promise<string[]> {
  const printed = await run('ip', ['netns', 'list'])
  const names = printed.split('\n').map((line) => line.split(' ')[0] as string)
  return names.filter((name) => name.startsWith(prefix))
}

async function listProcesses(namespace: string): Promise<number[]> {
  const printed = await run('ip', ['netns', 'pids', namespace])
  return printed
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 1 && pid !== process.pid)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

/** Ends every process in a namespace and removes it with its interfaces. */
export async function removeNamespace(namespace: string): Promise<void> {
  const endMs = Date.now() + GONE_TIMEOUT_MS
  for (;;) {
    const pids = await listProcesses(namespace)
    if (pids.length === 0 || Date.now() > endMs) break
    for (const pid of pids) kill(pid)
  }
  await run('ip', ['netns', 'del', namespace])
}

/** Removes what runs left behind whose process is gone. Resolves with the names. */
export async function sweepDeadRuns(): Promise<string[]> {
  const swept: string[] = []
  for (const name of await listNamespaces(`${PREFIX}-`)) {
    const [, pid, start] = name.split('-')
    if (startOf(Number(pid)) === start) continue
    try {
      await removeNamespace(name)
      swept.push(name)
    } catch (error) {
      // Another run may sweep at the same time.
      if ((await listNamespaces(name)).includes(name)) throw error
    }
  }
  return swept
}
