import { statfsSync } from 'node:fs'
import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises'
import type { Libc } from '../libc.js'
import type { ControlGroup } from '../process/control-group.js'
import { GONE_WAIT_MS, sendKill } from '../process/kill.js'
import type { Processes, ProcessTotals } from '../process/process-group.js'
import { listDescendants, readUsage, sumUsage } from '../process/process-tree.js'
import type { SandboxLaunch } from './launch.js'

const QUICK_LOOKS = 20
const TMP_BYTES_PER_FILE = 4096
/** Its name as a process. */
const BWRAP = 'bwrap'

/** The processes of one execution in a sandbox. Whatever they do, they are descendants of the first, and die with it. */
export class SandboxProcesses implements Processes {
  /** bwrap, outside. */
  readonly leader: number
  readonly #firstPid: () => number | null
  readonly #libc: Libc | null
  readonly #group: ControlGroup | null
  /** The first process inside, and when it started: so that a reused pid is not mistaken for it. */
  #isSetUp = false
  #first: { pid: number; startTicks: number } | null = null

  constructor(leader: number, launch: SandboxLaunch, libc: Libc | null, group: ControlGroup | null) {
    this.leader = leader
    this.#firstPid = () => launch.firstPid()
    this.#libc = libc
    this.#group = group
  }

  measure(max: number): ProcessTotals {
    const first = this.#find()
    if (first === null) return { count: 0, residentBytes: 0, cpuSeconds: 0, pids: [] }
    const pids = listDescendants(first, max + 2).slice(1)
    const totals = sumUsage(pids)
    this.#isSetUp ||= pids.length > 0
    // Those whose parent ended were waited for by the first.
    totals.cpuSeconds += readUsage(first)?.childrenCpuSeconds ?? 0
    return totals
  }

  /**
   * What is in the sandbox's /tmp, in bytes; a file counts for as much as a page. null when it cannot be seen:
   * until the contract has started, the first process has the machine's own /tmp.
   */
  tmpUsage(): number | null {
    const first = this.#isSetUp ? this.#find() : null
    if (first === null) return null
    try {
      const { blocks, bfree, bsize, files, ffree } = statfsSync(`/proc/${first}/root/tmp`)
      return Math.max((blocks - bfree) * bsize, (files - ffree) * TMP_BYTES_PER_FILE)
    } catch {
      return null
    }
  }

  kill(): boolean {
    const first = this.#find()
    // With the first all others inside end, at once.
    const hasFirst = first !== null && sendKill(first)
    const hasGroup = first === null && (this.#group?.kill() ?? false)
    return sendKill(-this.leader) || hasFirst || hasGroup
  }

  async clear(): Promise<boolean> {
    const first = this.#find()
    // Without one, what bwrap may have left is still in its group.
    const hadSome = first === null ? sendKill(-this.leader) : sendKill(first)
    const deadline = Date.now() + GONE_WAIT_MS
    // It is gone when all that it had inside are. Mostly that is so at once.
    for (let looks = 0; this.#find() !== null && Date.now() < deadline; looks++) {
      await (looks < QUICK_LOOKS ? immediate() : delay(1))
    }
    // The outer bwrap does not wait for it, so it is ours by now.
    const orphan = this.#first?.pid ?? this.#firstPid()
    if (orphan !== null) this.#libc?.wait(orphan)
    await this.#group?.clear()
    return hadSome
  }

  /** The pid of the first process inside while it lives. */
  #find(): number | null {
    const pid = this.#first?.pid ?? this.#firstPid()
    const usage = pid === null ? null : readUsage(pid)
    if (usage === null || usage.state === 'Z' || usage.state === 'X') return null
    if (this.#first === null) {
      // A quick contract is over before the first look: then the outer bwrap, its parent, is gone already.
      if (usage.parent !== this.leader && usage.name !== BWRAP) return null
      this.#first = { pid: usage.pid, startTicks: usage.startTicks }
    }
    return this.#first.startTicks === usage.startTicks ? usage.pid : null
  }
}
