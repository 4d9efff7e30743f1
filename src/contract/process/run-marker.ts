import { closeSync, constants, openSync, readFileSync, readlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { sendKill } from './kill.js'
import { ProcessGroup } from './process-group.js'
import { canReadProcesses, listGroup, readUsage } from './process-tree.js'

const LENGTH = 40

/**
 * The process of the running execution, written down so that a node that was killed finds its contract at the next
 * start and ends it before it looks at the state: `<pid> <start ticks>` or spaces.
 */
export class RunMarker {
  readonly #path: string
  #fd: number | null = null

  constructor(dir: string) {
    this.#path = join(dir, 'contract.pid')
  }

  /** Kills what an earlier run of this node left behind in `contractDir`; true when there was something. */
  async clearLeftovers(contractDir: string): Promise<boolean> {
    let text: string
    try {
      text = readFileSync(this.#path, 'latin1')
    } catch {
      return false
    }
    const match = /^(\d{1,10}) (\d{1,20}) *$/.exec(text)
    if (match === null || !canReadProcesses) return false
    const leader = Number(match[1])
    if (leader <= 1) return false
    const isOurs = readUsage(leader)?.startTicks === Number(match[2])
    if (isOurs) await new ProcessGroup(leader).clear()
    else for (const { pid } of listGroup(leader)) if (worksIn(pid, contractDir)) sendKill(pid)
    this.clear()
    return isOurs
  }

  set(pid: number): void {
    this.#write(`${pid} ${readUsage(pid)?.startTicks ?? 0}`)
  }

  clear(): void {
    this.#write('')
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd)
    this.#fd = null
  }

  #write(text: string): void {
    this.#fd ??= openSync(this.#path, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
    writeSync(this.#fd, text.padEnd(LENGTH), 0, 'latin1')
  }
}

/** Whether the process's working directory lies in `dir`. */
function worksIn(pid: number, dir: string): boolean {
  try {
    const cwd = readlinkSync(`/proc/${pid}/cwd`)
    return cwd === dir || cwd.startsWith(`${dir}/`)
  } catch {
    return false
  }
}
