import { setTimeout as delay } from 'node:timers/promises'
import type { ControlGroup } from './control-group.js'
import { GONE_WAIT_MS, sendKill } from './kill.js'
import {
  canReadProcesses,
  listDescendants,
  listGroup,
  type ProcessTotals,
  readUsage,
  sumUsage
} from './process-tree.js'

export type { ProcessTotals }

const DESCENDANTS_MAX = 10_000

/** A look at all processes of the machine, which finds children whose parent has ended: each this many looks. */
const FULL_LOOK_EVERY = 10

/** The processes of one execution. */
export interface Processes {
  /** What they use together; counts at most a few more than `max` of them. Cheap: called every few ms. */
  measure(max: number): ProcessTotals
  /** SIGKILL to all. True when there was one. */
  kill(): boolean
  /** After the end of the first: kills what is left and waits until it can write nothing more. */
  clear(): Promise<boolean>
}

/** The processes of one execution: the leader's group, and descendants that were seen to leave it. */
export class ProcessGroup implements Processes {
  readonly leader: number
  /** Descendants in a group of their own: pid -> start, so that a reused pid is not mistaken for it. */
  readonly #strays = new Map<number, number>()
  readonly #group: ControlGroup | null
  #looks = 0

  /** @param group where all of them are, when there is one */
  constructor(leader: number, group: ControlGroup | null = null) {
    this.leader = leader
    this.#group = group
  }

  measure(max: number): ProcessTotals {
    if (this.#group !== null) return sumUsage(this.#group.pids().slice(0, max + 1))
    const pids = new Set(this.#scan(max + 1))
    if (this.#looks++ % FULL_LOOK_EVERY === 1) for (const { pid } of listGroup(this.leader)) pids.add(pid)
    return sumUsage(pids)
  }

  /** Looks for descendants, remembers those outside the group; returns all pids found, the leader first. */
  #scan(max: number): number[] {
    if (!canReadProcesses) return [this.leader]
    const pids = listDescendants(this.leader, max)
    for (const pid of pids) {
      const usage = pid === this.leader ? null : readUsage(pid)
      if (usage !== null && usage.group !== this.leader) this.#strays.set(pid, usage.startTicks)
    }
    return pids
  }

  kill(): boolean {
    let killed = this.#group?.kill() ?? false
    this.#scan(DESCENDANTS_MAX)
    killed = sendKill(-this.leader) || killed
    for (const [pid, startTicks] of this.#strays) {
      const usage = readUsage(pid)
      if (usage?.startTicks === startTicks && usage.state !== 'Z') killed = sendKill(pid) || killed
    }
    this.#strays.clear()
    return killed
  }

  async clear(): Promise<boolean> {
    if (!this.kill()) return false
    await this.#group?.clear()
    const deadline = Date.now() + GONE_WAIT_MS
    while (canReadProcesses && listGroup(this.leader).length > 0 && Date.now() < deadline) {
      sendKill(-this.leader)
      await delay(2)
    }
    return true
  }
}
