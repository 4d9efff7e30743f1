import { Losses } from './losses.js'
import type { Stage } from './stage.js'
import { type CrashKind, JOURNAL_PATH, LEDGERS_PATH, type WholeNode } from './whole-node.js'

/** A node that was told to stop has stopped after this. */
export const STOP_MAX_MS = 60_000

/** How long it takes to start a node again that has to, once the faults are over. */
const AFTER_FAULTS_DOWN_MS = 500

/** What befalls the nodes and the links between them, and what operators do about it. */
export class Faults {
  readonly #stage: Stage
  /** Nodes whose journal was lost: one at most. */
  readonly lost = new Set<WholeNode>()
  readonly #losses: Losses

  constructor(stage: Stage) {
    this.#stage = stage
    this.#losses = new Losses(stage)
  }

  plan(): void {
    const { partitionEveryMs, crashEveryMs, diskFullEveryMs, clockStepEveryMs, allShare, skewMs } = this.#stage.profile
    const random = this.#stage.random
    this.#while(partitionEveryMs, () => {
      const kind = this.#stage.hub.partition(this.#stage.nodes.map(({ publicKey }) => publicKey))
      this.#stage.note(`partition of kind ${kind}`)
    })
    this.#while(crashEveryMs, () => {
      if (random.chance(allShare)) {
        const kind = this.#drawKind()
        if (kind === 'power') this.#stage.marks.add('all nodes at once without power')
        for (const node of this.#stage.nodes) if (node.isRunning) this.crash(node, kind)
        return
      }
      const node = random.pick(this.#stage.nodes)
      if (!node.isRunning) return
      if (node.isUp && random.chance(0.2)) this.#stop(node)
      else this.crash(node)
    })
    this.#while(diskFullEveryMs, () => {
      const node = random.pick(this.#stage.nodes)
      if (this.#stage.nodes.some(({ machine }) => machine.files.isFull)) return
      this.#stage.note(`the disk of ${node.name} is full`)
      node.machine.files.isFull = true
      this.#stage.clock.schedule(random.between(10, 2000), () => {
        node.machine.files.isFull = false
        this.#stage.note(`the disk of ${node.name} has room`)
      })
    })
    this.#while(clockStepEveryMs, () => {
      const node = random.pick(this.#stage.nodes)
      node.machine.skewMs = skewMs * (2 * random.fraction() - 1)
      this.#stage.marks.add('clock stepped')
    })
  }

  #while(ms: number, run: () => void): void {
    this.#stage.every(ms, () => {
      if (this.#stage.healed === null) run()
    })
  }

  #drawKind(): CrashKind {
    return this.#stage.random.chance(this.#stage.profile.powerShare) ? 'power' : 'kill'
  }

  crash(node: WholeNode, kind = this.#drawKind()): void {
    this.#stage.note(`${node.name}: ${kind}`)
    this.#stage.marks.add(kind === 'power' ? 'power cut' : 'killed')
    node.crash(kind)
    this.#stage.checks.crashed(node, kind)
    if (this.#mayDamage(node)) {
      this.#flipBit(node)
      this.#damageLedger(node)
    }
    this.#mayLose(node)
    this.#startLater(node)
  }

  #mayLose(node: WholeNode): void {
    const { random, profile } = this.#stage
    if (!random.chance(profile.lossOnDiskRate) || !this.#mayDamage(node)) return
    this.#losses.lose(node)
    this.lost.add(node)
  }

  #stop(node: WholeNode): void {
    this.#stage.note(`${node.name} is told to stop`)
    const { lives } = node
    node.stop(() => {
      this.#stage.note(`${node.name} has stopped`)
      this.#stage.marks.add('stopped in order')
      this.#losses.backUp(node)
      this.#mayLose(node)
      this.#startLater(node)
    })
    this.#stage.clock.schedule(STOP_MAX_MS, () => {
      if (node.lives === lives && node.isStopping) this.#stage.checks.fail('no-progress', `${node.name} does not stop`)
    })
  }

  #startLater(node: WholeNode): void {
    const downMs = this.#stage.healed === null ? this.#stage.profile.downMs : AFTER_FAULTS_DOWN_MS
    this.#stage.clock.schedule(this.#stage.random.fraction() * 2 * downMs, () => {
      if (this.#stage.healed === null || this.#stage.healed.includes(node)) node.start()
    })
  }

  /** What is damaged makes a validator silent for a while: one at a time, lest the others be too few. */
  #mayDamage(node: WholeNode): boolean {
    return node.index < this.#stage.profile.n && (this.lost.size === 0 || this.lost.has(node))
  }

  /** A bit of the last ledger flips: it is dropped, and fetched from others. */
  #damageLedger(node: WholeNode): void {
    const { random, profile } = this.#stage
    if (!random.chance(profile.damageRate)) return
    const level = node.machine.level(LEDGERS_PATH)
    const last = level.keys({ gte: '/ledger/', lt: '/ledger0', reverse: true, limit: 1 })[0]
    if (last === undefined) return
    level.flipBit(last, random)
    this.lost.add(node)
    this.#stage.note(`a bit of the last ledger of ${node.name} flips: ${last}`)
  }

  /** A bit of the journal flips; not of its last record, where nobody could tell it from a torn write. */
  #flipBit(node: WholeNode): void {
    if (!this.#stage.random.chance(this.#stage.profile.flipRate)) return
    const inode = node.machine.files.find(JOURNAL_PATH)
    if (inode === undefined) return
    const bytes = Buffer.from(inode.data.view)
    const last = bytes.lastIndexOf('hpj1')
    if (last < 200) return
    const at = this.#stage.random.between(0, last - 1)
    bytes[at] = (bytes[at] as number) ^ (1 << this.#stage.random.between(0, 7))
    node.machine.files.write(inode, 0, bytes)
    node.machine.files.sync(inode, false)
    this.lost.add(node)
    this.#stage.note(`a bit of the journal of ${node.name} flips`)
  }

  /** A node that could not start or had to stop: what its operator does. */
  onFailed(node: WholeNode, error: Error): void {
    this.#stage.note(`${node.name} ends: ${error.message}`)
    if (/disk is full|no space left/i.test(error.message)) {
      this.#stage.marks.add('disk full')
      this.#startLater(node)
    } else if (/the journal .* damaged/.test(error.message) && this.lost.has(node)) {
      this.#stage.marks.add('journal gone or damaged')
      node.machine.files.rename(JOURNAL_PATH, `${JOURNAL_PATH}.damaged.${node.lives}`)
      node.machine.files.syncAll()
      this.#startLater(node)
    } else if ((error as { restart?: boolean }).restart === true) {
      this.#stage.marks.add('went on from a later ledger')
      this.#startLater(node)
    } else this.#stage.checks.fail('fatal', `${node.name} ends: ${error.stack ?? error.message}`)
  }
}
