import { EMPTY_OUTPUTS_ROOT } from '../../../src/codec/index.js'
import { KEYS } from '../../../src/ledger/keys.js'
import { KEPT_MIN } from '../../../src/ledger/store.js'
import { expectedQuorum } from '../profile.js'
import type { Crowd } from './crowd.js'
import type { Faults } from './faults.js'
import type { Stage } from './stage.js'
import { LEDGERS_PATH, type WholeNode } from './whole-node.js'

/** Ledgers to be closed after the faults. */
const LEDGERS_AFTER = 4
/** An execution is settled by the next ledger, and that one may still be on its way to the contract. */
const UNSETTLED = 2

/** What must go on after the faults, and whether it does. */
export class Healing {
  readonly #stage: Stage
  readonly #crowd: Crowd
  /** Honest nodes that take part. */
  readonly #honest: readonly WholeNode[]
  readonly #goal: number
  /** Ledgers up to this one have their outputs at a node. */
  readonly #answered = new Map<WholeNode, number>()

  private constructor(stage: Stage, crowd: Crowd, honest: readonly WholeNode[]) {
    this.#stage = stage
    this.#crowd = crowd
    this.#honest = honest
    this.#goal = stage.checks.newest + LEDGERS_AFTER
  }

  /** Draws who takes part from here on. Byzantine nodes go on as they did. */
  static choose(stage: Stage, faults: Faults): { healed: WholeNode[]; isQuorumAlone: boolean } {
    const { random, checks, nodes, profile } = stage
    const { unl, threshold } = checks.config
    const quorum = expectedQuorum(unl.length, threshold)
    const validators = nodes.filter((node) => unl.includes(node.publicKey) && !stage.isLiar(node))
    // Who has lost its journal, or goes on from a later ledger since nobody keeps its next one, is silent for a while: the
    // others must be a quorum. A change of the UNL may still be on its way.
    const mayBeSilent = faults.lost.size > 0 || (profile.history > 0 && checks.newest > KEPT_MIN)
    if (random.chance(0.6) || mayBeSilent || profile.changeEveryMs > 0) {
      return { healed: [...nodes], isQuorumAlone: false }
    }
    const chosen = random.shuffle(validators).slice(0, quorum)
    const healed = nodes.filter((node) => chosen.includes(node) || stage.isLiar(node))
    return { healed, isQuorumAlone: chosen.length < validators.length }
  }

  static begin(stage: Stage, crowd: Crowd): Healing {
    stage.hub.heal()
    const healed = stage.healed ?? []
    for (const node of stage.nodes) {
      node.machine.repairDisk()
      if (!healed.includes(node)) {
        if (node.isRunning) {
          node.crash('kill')
          stage.checks.crashed(node, 'kill')
        }
      } else if (!node.isRunning) node.start()
    }
    const honest = healed.filter((node) => !stage.isLiar(node))
    return new Healing(stage, crowd, honest)
  }

  /** All ledgers are here and executed, their outputs kept, and the users who are connected then are answered. */
  isDone(): boolean {
    for (const of of this.#honest) {
      const { isUp, node } = of
      if (!isUp || node === null || node.ledgers.tip().seq < this.#goal || node.executor.backlog > 1) return false
      const { seq } = node.ledgers.tip()
      if (node.executor.diverged !== null || !this.#hasNewState(seq, node.state.committedRoot)) return false
      if (this.#missingOutputs(of) !== null) return false
    }
    if (!this.#crowd.isProbing) this.#crowd.probe()
    return this.#crowd.unanswered === 0
  }

  /** The state is the one that the last ledger here agrees on, or that of one of the two before. */
  #hasNewState(tip: number, root: string): boolean {
    return [tip, tip - 1, tip - 2].some((seq) => this.#stage.checks.chain.get(seq)?.header.result.stateRoot === root)
  }

  /** The first ledger whose agreed outputs a node should have and has not. */
  #missingOutputs(of: WholeNode): number | null {
    const { node, machine } = of
    if (node === null) return null
    const { chain } = this.#stage.checks
    let seq = Math.max(node.ledgers.first(), this.#answered.get(of) ?? 1)
    for (; seq <= node.ledgers.tip().seq - UNSETTLED; seq++) {
      const agreed = chain.get(seq + 1)?.header.result
      if (agreed?.status !== 'ok' || agreed.outputsRoot === EMPTY_OUTPUTS_ROOT) continue
      if (machine.level(LEDGERS_PATH).get(KEYS.outputs(seq).toString()) === undefined) return seq
    }
    this.#answered.set(of, seq)
    return null
  }

  /** What is not as it should be. */
  describe(): { isOutputs: boolean; words: string } {
    const rows = this.#honest.map((of) => {
      const { name, isUp, isRunning, node } = of
      if (!isUp || node === null) return `${name} ${isRunning ? 'starts' : 'is down'}`
      const { seq } = node.ledgers.tip()
      const missing = this.#missingOutputs(of)
      const lack = missing === null ? '' : `, without the outputs of ledger ${missing}`
      return `${name} at ${seq}, attempt ${node.driver.attempt}, backlog ${node.executor.backlog}, ${node.executor.diverged ?? 'not diverged'}${lack}`
    })
    const lag = this.#honest.every(
      ({ isUp, node }) => isUp && node !== null && node.ledgers.tip().seq >= this.#goal && node.executor.backlog <= 1
    )
    const isOutputs = lag && this.#honest.some((of) => this.#missingOutputs(of) !== null)
    const words = `not all reached ledger ${this.#goal} with ${this.#crowd.unanswered} users left unanswered: ${rows.join('; ')}`
    return { isOutputs, words }
  }
}
