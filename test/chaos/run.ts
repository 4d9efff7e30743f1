import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Faults } from './faults.js'
import { judge, type Verdict } from './judge.js'
import { describeManifest, drawManifest, drawRound, type FaultKind, type Manifest, type RoundPlan } from './manifest.js'
import { ChaosNetwork } from './network.js'
import { Timeline } from './timeline.js'
import { ChaosUser } from './traffic.js'
import { type Recovery, Watch } from './watch.js'

export interface ChaosOptions {
  seed: number
  /** Rounds of faults begin for so long, s. */
  seconds: number
  /** Values other than those the seed draws. */
  override?: Partial<Manifest>
  /** Kinds of the first faults of the first rounds, one each, and no round after them. */
  script?: FaultKind[]
  onLine?: (line: string) => void
  /** Keep the directories of the nodes also when all goes well. */
  keep?: boolean
}

export interface ChaosOutcome {
  manifest: Manifest
  rounds: number
  /** By kind. */
  faults: Map<string, number>
  recoveries: Recovery[]
  /** Longest time without a new ledger, ms. */
  longestPauseMs: number
  verdict: Verdict | null
  error: Error | null
  timeline: string[]
  /** Where the nodes' directories and logs were kept; null when they were not, as nothing went wrong. */
  keptIn: string | null
  tookMs: number
}

/** Everything healed, all nodes are at a common ledger and every user is answered by then. */
const HEAL_MS = 150_000
/** A network with a quorum that nobody hurts closes a ledger by then; this machine may be busy. */
const PAUSE_LIMIT_MS = 60_000
const LEDGERS_AFTER = 3

/** One network under the faults that its seed draws. Never rejects for what the network does: that is in the outcome. */
export async function runChaos(options: ChaosOptions): Promise<ChaosOutcome> {
  const startMs = performance.now()
  const manifest = drawManifest(options.seed, options.override)
  const timeline = new Timeline(options.onLine)
  timeline.tell(describeManifest(manifest))
  const network = await ChaosNetwork.create(manifest)
  const run = new ChaosRun(manifest, network, timeline)
  let error: Error | null = null
  let verdict: Verdict | null = null
  let isKept = false
  try {
    verdict = await run.play(options)
  } catch (caught) {
    error = caught instanceof Error ? caught : new Error(String(caught))
    timeline.tell(`failed: ${error.message}`)
  } finally {
    await run.end()
    isKept = error !== null || (options.keep ?? false)
    if (isKept) writeFileSync(join(network.dir, 'timeline.txt'), `${timeline.lines.join('\n')}\n`)
    await network.destroy(isKept)
  }
  return {
    manifest,
    rounds: run.rounds,
    faults: run.faults.counts,
    recoveries: run.watch.recoveries,
    longestPauseMs: run.watch.longestPauseMs,
    verdict,
    error,
    timeline: timeline.lines,
    keptIn: isKept ? network.dir : null,
    tookMs: performance.now() - startMs
  }
}

class ChaosRun {
  readonly watch: Watch
  readonly faults: Faults
  readonly users: ChaosUser[] = []
  rounds = 0
  #isMeasured = false

  constructor(
    private readonly manifest: Manifest,
    private readonly network: ChaosNetwork,
    private readonly timeline: Timeline
  ) {
    this.watch = new Watch(network, timeline)
    this.faults = new Faults(network, this.watch, timeline, () => this.#isMeasured)
  }

  async play({ seconds, script }: ChaosOptions): Promise<Verdict> {
    await this.#begin()
    const endMs = performance.now() + seconds * 1000
    do {
      await this.#round(drawRound(this.manifest, this.rounds, script?.[this.rounds]))
      this.rounds++
    } while (script === undefined ? performance.now() < endMs : this.rounds < script.length)
    return await this.#finish()
  }

  async end(): Promise<void> {
    await this.watch.stop()
    await Promise.all(this.users.map((user) => user.close()))
  }

  async #begin(): Promise<void> {
    const { network, watch, manifest } = this
    await Promise.all(network.nodes.map((node) => node.start()))
    watch.start()
    await watch.until('the first ledgers', () => this.#areInStep(1), HEAL_MS)
    const lineOf = (answer: string): string =>
      manifest.contract === 'book' ? answer.replace(/^\d+ /, '') : answer.toLowerCase()
    const urls = network.nodes.map(({ userUrl }) => userUrl)
    for (const [index, plan] of manifest.users.entries()) {
      const user = new ChaosUser(`u${index}`, plan, urls, lineOf)
      await user.connect()
      this.users.push(user)
      user.start()
    }
    const bypass = await network.findBypass()
    if (bypass !== null) throw new Error(`the links between the nodes are not the only ones: ${bypass}`)
    this.timeline.tell(`all in step at ledger ${watch.newest}, ${this.users.length} users talk`)
  }

  /** All nodes stand on the newest ledgers, and these are `seq` or later. */
  #areInStep(seq: number): boolean {
    return this.network.nodes.every((_, index) => {
      const status = this.watch.status(index)
      return status !== null && status.sync === 'synced' && status.seq >= seq && status.seq >= this.watch.newest - 2
    })
  }

  async #round(plan: RoundPlan): Promise<void> {
    const { watch, network, manifest } = this
    const silent = network.nodes.filter((_, index) => network.isValidator(index) && watch.isSilent(index)).length
    const hurt = new Set(plan.faults.map(({ node }) => node))
    const hurtValidators = [...hurt].filter((index) => network.isValidator(index)).length
    const spare = manifest.validators - manifest.quorum
    this.#isMeasured = hurtValidators + silent <= spare
    const isWithin = this.#isMeasured
    this.timeline.tell(
      `round ${this.rounds}: ${plan.faults.length} nodes${isWithin ? '' : ', more than the quorum can do without'}${silent > 0 ? `, ${silent} silent without journal` : ''}`
    )
    const done = Promise.all(plan.faults.map((fault) => this.faults.run(fault)))
    await (isWithin ? this.#seeProgress(done, hurt) : done)
    watch.check()
    await this.#heal()
  }

  /** As long as a quorum is well, ledgers close. */
  async #seeProgress(done: Promise<unknown>, hurt: Set<number>): Promise<void> {
    const { watch, network } = this
    let isOver = false
    const over = done.finally(() => {
      isOver = true
    })
    over.catch(() => {})
    const well = network.nodes.flatMap((_, index) => (hurt.has(index) ? [] : [index]))
    const newest = (): number => Math.max(...well.map((index) => watch.tip(index)))
    let [seq, sinceMs] = [newest(), performance.now()]
    while (!isOver) {
      await delay(100)
      watch.check()
      if (newest() > seq) [seq, sinceMs] = [newest(), performance.now()]
      else if (performance.now() - sinceMs > PAUSE_LIMIT_MS) {
        watch.fail(`no ledger for ${PAUSE_LIMIT_MS / 1000} s although a quorum is well: ${watch.describe()}`)
      }
    }
    await over
  }

  async #heal(): Promise<void> {
    const { watch } = this
    this.network.links.openAll()
    const startMs = performance.now()
    const target = watch.newest + LEDGERS_AFTER
    await watch.until(`ledger ${target} on all nodes`, () => this.#areInStep(target), HEAL_MS)
    const inStepMs = performance.now() - startMs
    const answered = await Promise.all(this.users.map((user) => user.ask(HEAL_MS)))
    watch.check()
    const mute = this.users
      .filter((_, index) => !answered[index])
      .map(({ name, plan }) => `${name} of node ${plan.home}`)
    if (mute.length > 0) {
      watch.fail(`after the healing nobody answered ${mute.join(', ')} for ${HEAL_MS / 1000} s: ${watch.describe()}`)
    }
    watch.check()
    this.timeline.tell(
      `healed: all at ledger ${target} or later after ${(inStepMs / 1000).toFixed(1)} s, every user answered after ${((performance.now() - startMs) / 1000).toFixed(1)} s`
    )
  }

  /** Everything is well, every input is settled: then the network is stopped and looked at. */
  async #finish(): Promise<Verdict> {
    const { watch, network, users, manifest } = this
    await Promise.all(users.map((user) => user.quiet()))
    await this.#heal()
    const newest = watch.newest
    const isSettled = (index: number): boolean => (watch.status(index)?.lastExecution?.seq ?? 0) > newest
    await watch.until(
      `ledger ${newest} settled on all nodes`,
      () => network.nodes.every((_, index) => isSettled(index) && watch.status(index)?.pendingInputs === 0),
      HEAL_MS
    )
    // What was told last may still be on its way.
    await delay(500)
    const connections = users.map(({ connection, isConnected }) => ({ connection, isConnected }))
    await watch.stop()
    watch.check()
    for (const [index, node] of network.nodes.entries()) {
      watch.expectDown(index)
      const how = await node.stop()
      if (how !== 'exit code 0') throw new Error(`node ${index} did not stop in order: ${how}: ${node.tail(5)}`)
      const fault = node.log().find(({ msg }) => msg === 'an error that nothing handles')
      if (fault !== undefined) throw new Error(`node ${index}: ${JSON.stringify(fault)}`)
    }
    const verdict = await judge(manifest, network.nodes, users, connections)
    this.timeline.tell(
      `${verdict.ledgers} ledgers, ${verdict.inputs} inputs, ${verdict.answers} answers, all of them right`
    )
    return verdict
  }
}
