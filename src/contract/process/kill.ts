/** How long a killed process may take to go: it can be deep in a write to a slow disk. */
export const GONE_WAIT_MS = 2_000

/** A negative pid is a group. False when there is none. */
export function sendKill(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL')
    return true
  } catch {
    return false
  }
}
