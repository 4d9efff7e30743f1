import { readFileSync, rmSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { contractPaths } from '../../src/config/index.js'
import { MAIN, type NodeProcess } from '../helpers/node-process.js'
import { fillDisk } from '../helpers/small-disk.js'
import { Random } from '../sim/random.js'
import { damage } from './damage.js'
import type { LinkState } from './link-proxy.js'
import { drawClock, type FaultKind, type FaultPlan } from './manifest.js'
import type { ChaosNetwork } from './network.js'
import { OTHER_VERSIONS } from './other-version.js'
import type { Timeline } from './timeline.js'
import { Violation } from './violation.js'
import type { Watch } from './watch.js'

/** A node that cannot start says so by then, and one that is asked to stop has stopped. */
const WORDS_MS = 60_000
/** A node that was started answers its operator by then. */
const START_MS = 60_000

/** Hurts one node as planned, and heals it. What was done is told in the timeline and counted. */
export class Faults {
  readonly counts = new Map<string, number>()

  constructor(
    private readonly network: ChaosNetwork,
    private readonly watch: Watch,
    private readonly timeline: Timeline,
    /** True while a recovery is one that the network can give: a quorum was there all the time. */
    private readonly isMeasured: () => boolean
  ) {}

  async run(plan: FaultPlan): Promise<void> {
    await delay(plan.afterMs)
    const random = new Random(plan.seed)
    const node = this.network.node(plan.node)
    const kind = this.#possible(plan)
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
    switch (kind) {
      case 'kill':
        return this.#kill(plan, node)
      case 'kill-again':
        return this.#killAgain(plan, node, random)
      case 'freeze':
        return this.#freeze(plan, node)
      case 'stop':
        return this.#stop(plan, node)
      case 'partition':
        return this.#partition(plan, random)
      case 'contract-kill':
        return this.#killContract(plan, node)
      case 'clock':
        return this.#setClock(plan, random)
      case 'disk-full':
        return this.#fillDisk(plan, node)
      case 'version':
        return this.#otherVersion(plan, node, random)
      default:
        return this.#spoil(plan, kind, node, random)
    }
  }

  /** Without a small disk to fill there is a kill instead. */
  #possible({ kind, node }: FaultPlan): FaultKind {
    return kind === 'disk-full' && !this.network.hasSmallDisk(node) ? 'kill' : kind
  }

  #tell(node: number, what: string): void {
    this.timeline.tell(`node ${node}: ${what}`)
  }

  async #end(index: number, node: NodeProcess): Promise<void> {
    this.watch.expectDown(index)
    await node.kill()
  }

  async #begin(index: number, node: NodeProcess, kind: string | null): Promise<void> {
    const startMs = performance.now()
    await node.start()
    this.watch.expectBack(index, kind !== null && this.isMeasured() ? kind : null, startMs)
  }

  async #kill({ node: index, holdMs }: FaultPlan, node: NodeProcess): Promise<void> {
    this.#tell(index, `kill -9, down for ${holdMs} ms`)
    await this.#end(index, node)
    await delay(holdMs)
    await this.#begin(index, node, 'kill')
  }

  /** While it starts, as a machine that runs out of memory does. */
  async #killAgain({ node: index }: FaultPlan, node: NodeProcess, random: Random): Promise<void> {
    const waits = Array.from({ length: random.between(2, 4) }, () => random.between(0, 3000))
    this.#tell(index, `kill -9 ${waits.length + 1} times, each ${waits.join(', ')} ms after a start`)
    await this.#end(index, node)
    for (const waitMs of waits) {
      await node.start()
      await delay(waitMs)
      if (!node.isRunning) throw new Violation(`node ${index} ended by itself: ${node.tail(3)}`)
      await node.kill()
    }
    await this.#begin(index, node, 'kill')
  }

  async #freeze({ node: index, holdMs }: FaultPlan, node: NodeProcess): Promise<void> {
    this.#tell(index, `SIGSTOP for ${holdMs} ms`)
    process.kill(node.pid, 'SIGSTOP')
    try {
      await delay(holdMs)
    } finally {
      if (node.isRunning) process.kill(node.pid, 'SIGCONT')
    }
    this.watch.expectBack(index, this.isMeasured() ? 'freeze' : null)
  }

  async #stop({ node: index, holdMs }: FaultPlan, node: NodeProcess): Promise<void> {
    this.#tell(index, `SIGTERM, down for ${holdMs} ms`)
    await this.#stopInOrder(index, node)
    await delay(holdMs)
    await this.#begin(index, node, 'stop')
  }

  async #stopInOrder(index: number, node: NodeProcess): Promise<void> {
    this.watch.expectDown(index)
    const how = await node.stop()
    if (how !== 'exit code 0') throw new Violation(`node ${index} did not stop in order: ${how}: ${node.tail(5)}`)
  }

  async #partition({ node: index, holdMs }: FaultPlan, random: Random): Promise<void> {
    const all = this.network.nodes.flatMap((_, other) => (other === index ? [] : [other]))
    const others = random.chance(0.6) ? all : random.shuffle(all).slice(0, random.between(1, all.length))
    const modes: [LinkState, LinkState][] = [
      ['held', 'held'],
      ['held', 'open'],
      ['open', 'held'],
      ['refused', 'refused']
    ]
    const [out, into] = random.pick(modes)
    const whom = others.length === all.length ? 'all' : `nodes ${others.sort().join(', ')}`
    this.#tell(index, `links to ${whom} ${out}, from them ${into}, for ${holdMs} ms`)
    this.network.isolate(index, others, out, into)
    await delay(holdMs)
    this.network.isolate(index, others, 'open', 'open')
    this.#tell(index, 'links open')
    this.watch.expectBack(index, this.isMeasured() ? 'partition' : null)
  }

  /** As often as it can be caught while it runs. */
  async #killContract({ node: index, holdMs }: FaultPlan, node: NodeProcess): Promise<void> {
    const endMs = performance.now() + holdMs
    let killed = 0
    while (performance.now() < endMs && killed < 5) {
      if (killRunningContract(node)) killed++
      await delay(killed === 0 ? 1 : 50)
    }
    this.#tell(index, `contract killed ${killed} times`)
  }

  async #setClock({ node: index }: FaultPlan, random: Random): Promise<void> {
    const clock = drawClock(random, this.network.manifest.hasWildClocks, 0.1)
    this.#tell(index, `clock ${clock.offsetMs} ms ahead, ${clock.rate * 1000} ms a second faster`)
    this.network.setClock(index, clock)
  }

  async #fillDisk({ node: index, holdMs }: FaultPlan, node: NodeProcess): Promise<void> {
    this.#tell(index, 'disk full')
    this.watch.expectDown(index)
    const makeRoom = fillDisk(diskOf(node))
    try {
      await this.#expectEnd(index, node, /the disk is full: make room on the file system of/)
      await delay(holdMs)
    } finally {
      makeRoom()
    }
    await this.#begin(index, node, 'disk-full')
  }

  /** The node ends by itself and says why. */
  async #expectEnd(index: number, node: NodeProcess, words: RegExp): Promise<void> {
    const how = await Promise.race([node.exited, delay(WORDS_MS, null, { ref: false })])
    if (how === null) throw new Violation(`node ${index} did not end, and should say ${words}`)
    const said = node.tail(3)
    if (how !== 'exit code 1' || !words.test(said)) {
      throw new Violation(`node ${index} ended (${how}) and should have said ${words}, but said: ${said}`)
    }
    this.#tell(index, `ended in words: ${said.trim().split('\n').at(-1)?.slice(0, 300)}`)
  }

  async #otherVersion({ node: index, holdMs }: FaultPlan, node: NodeProcess, random: Random): Promise<void> {
    const version = random.pick(OTHER_VERSIONS)
    this.#tell(index, `runs another version for ${holdMs + 5000} ms: ${version.name}`)
    await this.#stopInOrder(index, node)
    node.main = this.network.mainOf(version)
    const from = readFileSync(node.logPath).length
    try {
      await node.start()
      await delay(holdMs + 5000)
      const peers = await node.peers().catch(() => [])
      const said = readFileSync(node.logPath).subarray(from).toString() + peers.map(({ lastError }) => lastError).join()
      if (!version.says.test(said)) throw new Violation(`node ${index} does not say that its version differs: ${said}`)
      this.#tell(index, `says: ${version.says.exec(said)?.[0]}`)
      // Another one may speak the same other version just now.
      const alike = this.network.nodes.filter(({ main }) => main === node.main).map(({ publicKey }) => publicKey)
      const stranger = peers.find(({ connected, publicKey }) => connected && !alike.includes(publicKey ?? ''))
      if (stranger !== undefined) {
        throw new Violation(`node ${index} of another version is connected with ${stranger.publicKey}`)
      }
      await node.stop()
    } finally {
      node.main = MAIN
    }
    await this.#begin(index, node, 'version')
  }

  /** What lies on the disk of a node that does not run is changed. */
  async #spoil(plan: FaultPlan, kind: FaultKind, node: NodeProcess, random: Random): Promise<void> {
    const { node: index, holdMs } = plan
    if (random.chance(0.5)) await this.#end(index, node)
    else await this.#stopInOrder(index, node)
    const paths = contractPaths(node.dir)
    const base = paths.dir
    let what: string | null = null
    if (kind === 'ledgers-damaged') what = damage([paths.ledgers], base, random, false)
    if (kind === 'state-damaged') what = damage([paths.state, paths.snapshot], base, random, true)
    if (kind === 'journal-damaged') what = damage([paths.journal], base, random, false)
    if (kind === 'journal-deleted') {
      rmSync(paths.journal)
      what = 'journal deleted'
    }
    // Records cut off at the end, or spoilt there, cannot be told from ones whose writing was interrupted.
    if (kind === 'journal-damaged') this.watch.excused.add(node.publicKey)
    this.#tell(index, what ?? 'nothing to damage')
    await delay(holdMs)
    await this.#startSpoilt(index, node, kind)
  }

  /** It starts, or says what its operator has to do; then that is done. */
  async #startSpoilt(index: number, node: NodeProcess, kind: FaultKind): Promise<void> {
    const remedies: { words: RegExp; apply: () => Promise<void> }[] = [
      {
        words: /ledger store .*Move the directory away and start again/s,
        apply: () => rename(contractPaths(node.dir).ledgers, `${contractPaths(node.dir).ledgers}.damaged-${Date.now()}`)
      },
      {
        words: /journal \(hist\/journal\) (is damaged|is of another version|belongs to another)/,
        apply: async () => rmSync(contractPaths(node.dir).journal)
      }
    ]
    for (let tries = 0; tries < 3; tries++) {
      const startMs = performance.now()
      await node.start()
      const endMs = startMs + START_MS
      while (node.isRunning && performance.now() < endMs && (await node.status()) === null) await delay(50)
      if (node.isRunning) {
        this.watch.expectBack(index, this.isMeasured() ? kind : null, startMs)
        return
      }
      const how = await node.exited
      const said = node.tail(3)
      const remedy = remedies.find(({ words }) => words.test(said))
      if (how !== 'exit code 1' || remedy === undefined) {
        throw new Violation(`node ${index} does not start (${how}) and does not say what helps: ${said}`)
      }
      this.#tell(index, `refused to start: ${said.trim().split('\n').at(-1)?.slice(0, 300)}`)
      await remedy.apply()
    }
    throw new Violation(`node ${index} does not start although what it asked for was done: ${node.tail(3)}`)
  }
}

/** The mount that the directory of a node lies on. */
function diskOf(node: NodeProcess): string {
  return node.dir.replace(/\/node$/, '')
}

/** The processes of the contract that runs now, if the file that names them is no old one. */
function killRunningContract(node: NodeProcess): boolean {
  try {
    const [pid, ticks] = readFileSync(`${node.dir}/log/contract.pid`, 'latin1').trim().split(' ').map(Number)
    if (pid === undefined || !(pid > 1)) return false
    // The name of the program, which stands in brackets, may hold anything; the start time is field 22 of proc(5).
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]) !== ticks) return false
    process.kill(-pid, 'SIGKILL')
    return true
  } catch {
    return false
  }
}
