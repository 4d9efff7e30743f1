import { setTimeout as delay } from 'node:timers/promises'
import { adminRequest, type NodeStatus } from '../../src/admin/index.js'
import type { ChaosNetwork } from './network.js'
import type { Timeline } from './timeline.js'
import { Violation } from './violation.js'

const POLL_MS = 300
const POLL_FAST_MS = 60
const ADMIN_TIMEOUT_MS = 10_000

export interface Recovery {
  kind: string
  node: number
  ms: number
}

interface Recovering {
  kind: string
  startMs: number
  /** The newest ledger of the network when the node came back. */
  seq: number
}

/** Looks at every node all the time: that no two tell of different ledgers, that none ends by itself, who is back and when. */
export class Watch {
  readonly recoveries: Recovery[] = []
  readonly #hashes = new Map<number, { hash: string; node: number }>()
  readonly #statuses: (NodeStatus | null)[]
  readonly #tips: number[]
  /** Nodes that are down because we want it. */
  readonly #down = new Set<number>()
  readonly #recovering = new Map<number, Recovering>()
  /** Nodes whose journal we spoilt in a way that nobody can see: they may contradict themselves. */
  readonly excused = new Set<string>()
  /** Longest time between two ledgers of the network, ms. */
  longestPauseMs = 0
  #newest = 0
  #newestAtMs = performance.now()
  #violation: Violation | null = null
  #stopped = false
  #loops: Promise<void>[] = []

  constructor(
    private readonly network: ChaosNetwork,
    private readonly timeline: Timeline
  ) {
    this.#statuses = network.nodes.map(() => null)
    this.#tips = network.nodes.map(() => 0)
  }

  get newest(): number {
    return this.#newest
  }
  status(node: number): NodeStatus | null {
    return this.#statuses[node] ?? null
  }
  tip(node: number): number {
    return this.#tips[node] ?? 0
  }

  start(): void {
    this.#newestAtMs = performance.now()
    this.#loops = this.network.nodes.map((_, node) => this.#loop(node))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#loops)
  }

  /** The node is about to be ended by us. */
  expectDown(node: number): void {
    this.#down.add(node)
    this.#recovering.delete(node)
    this.#statuses[node] = null
  }

  /** The node was just started or woken again: from now until it signs a new ledger, or as an observer follows, is its recovery. */
  expectBack(node: number, kind: string | null, startMs = performance.now()): void {
    this.#down.delete(node)
    if (kind !== null) this.#recovering.set(node, { kind, startMs, seq: this.#newest })
  }

  /** The node does not vote, as its journal is gone. */
  isSilent(node: number): boolean {
    return this.#statuses[node]?.warnings.some((words) => words.includes('does not vote')) ?? false
  }

  fail(what: string): void {
    if (this.#violation !== null) return
    this.#violation = new Violation(what)
    this.timeline.tell(`VIOLATION: ${what}`)
  }

  /** @throws Violation */
  check(): void {
    if (this.#violation !== null) throw this.#violation
  }

  /** Waits until `condition` holds. @throws Violation when something is wrong meanwhile, or it takes too long */
  async until(what: string, condition: () => boolean, timeoutMs: number): Promise<void> {
    const endMs = performance.now() + timeoutMs
    while (!condition()) {
      this.check()
      if (performance.now() > endMs) {
        this.fail(`waited ${timeoutMs / 1000} s for ${what}: ${this.describe()}`)
        this.check()
      }
      await delay(50)
    }
    this.check()
  }

  describe(): string {
    return this.#statuses
      .map((status, node) => {
        if (status === null) return `node ${node} ${this.network.node(node).isRunning ? 'is silent' : 'does not run'}`
        const { sync, seq, quorum, lastExecution, warnings } = status
        return `node ${node} ${sync} at ${seq}, ${quorum.present} validators, executed ${lastExecution?.seq ?? '-'}${warnings.length > 1 ? ` (${warnings.join('; ')})` : ''}`
      })
      .join(', ')
  }

  async #loop(index: number): Promise<void> {
    const node = this.network.node(index)
    while (!this.#stopped) {
      const isRecovering = this.#recovering.has(index)
      await delay(isRecovering ? POLL_FAST_MS : POLL_MS)
      if (this.#down.has(index)) continue
      if (!node.isRunning) {
        // A fault may be between two steps.
        await delay(POLL_MS)
        if (node.isRunning || this.#down.has(index) || this.#stopped) continue
        this.fail(`node ${index} ended by itself (${await node.exited}): ${node.tail(3).trim().slice(-600)}`)
        return
      }
      try {
        const status = await node.status()
        if (this.#down.has(index)) continue
        this.#statuses[index] = status
        if (status === null) continue
        this.#see(index, status)
        if (this.#recovering.has(index)) await this.#seeRecovery(index, status)
      } catch (error) {
        this.fail(`node ${index} answers its operator with nonsense: ${(error as Error).message}`)
      }
    }
  }

  #see(node: number, { seq, lcl, warnings }: NodeStatus): void {
    this.#tips[node] = seq
    const known = this.#hashes.get(seq)
    if (known === undefined) this.#hashes.set(seq, { hash: lcl, node })
    else if (known.hash !== lcl) {
      this.fail(`fork: ledger ${seq} is ${known.hash} at node ${known.node} and ${lcl} at node ${node}`)
    }
    if (seq > this.#newest) {
      const nowMs = performance.now()
      if (this.#newest > 0) this.longestPauseMs = Math.max(this.longestPauseMs, nowMs - this.#newestAtMs)
      this.#newest = seq
      this.#newestAtMs = nowMs
    }
    for (const warning of warnings) {
      const [, key] = /validator ([0-9a-f]{64}) signed two/.exec(warning) ?? []
      if (key !== undefined && !this.excused.has(key)) this.fail(`node ${node} says: ${warning}`)
    }
  }

  async #seeRecovery(node: number, status: NodeStatus): Promise<void> {
    const recovering = this.#recovering.get(node) as Recovering
    if (status.seq <= recovering.seq) return
    const isBack = this.network.isValidator(node)
      ? await this.#hasSigned(node, recovering.seq)
      : status.sync === 'synced'
    if (!isBack) return
    if (this.#recovering.get(node) !== recovering) return
    this.#recovering.delete(node)
    const ms = performance.now() - recovering.startMs
    this.recoveries.push({ kind: recovering.kind, node, ms })
    this.timeline.tell(
      `node ${node} is back after ${(ms / 1000).toFixed(1)} s (${recovering.kind}), ledger ${status.seq}`
    )
  }

  /** Whether the newest ledger, as this node or another one keeps it, has the node's signature. */
  async #hasSigned(node: number, after: number): Promise<boolean> {
    const { publicKey } = this.network.node(node)
    const others = this.network.nodes.flatMap((_, index) => (this.#statuses[index]?.sync === 'synced' ? [index] : []))
    const other = others.filter((index) => index !== node).at(Math.floor(performance.now()) % 3)
    for (const index of [node, other]) {
      if (index === undefined) continue
      const { dir } = this.network.node(index)
      const ledger = await adminRequest(dir, '/v1/ledgers/latest', { timeoutMs: ADMIN_TIMEOUT_MS }).catch(() => null)
      if (ledger !== null && ledger.seq > after && ledger.certificate?.signers.includes(publicKey)) return true
    }
    return false
  }
}
