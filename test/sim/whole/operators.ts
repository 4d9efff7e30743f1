import type { ConfigWish, ConsensusConfig } from '../../../src/consensus/types.js'
import { compareWishes, isFulfilled, targetOfWish } from '../../../src/consensus/wishes.js'
import { Changes } from '../changes.js'
import type { Stage } from './stage.js'
import type { WholeNode } from './whole-node.js'

/** The operators of the nodes: each tells its own node what shall be changed. */
export class Operators {
  readonly #stage: Stage
  readonly #honest: readonly WholeNode[]
  readonly #changes: Changes
  /** What the operator of a node wishes for now. */
  readonly #wanted = new Map<WholeNode, ConfigWish | null>()

  constructor(stage: Stage, honest: readonly WholeNode[]) {
    this.#stage = stage
    this.#honest = honest
    const { n, quorum, byzantine } = stage.profile
    const liars = stage.nodes.filter((node) => !honest.includes(node)).map(({ publicKey }) => publicKey)
    const spares = honest.filter(({ index }) => index >= n).map(({ publicKey }) => publicKey)
    this.#changes = new Changes(stage.random, new Set(liars), spares, byzantine <= n - quorum)
  }

  begin(): void {
    const { profile, random, clock, checks } = this.#stage
    this.#stage.every(profile.changeEveryMs, () => {
      // Who is down has no part in it, and must not come back with a wish of long ago.
      if (this.#stage.healed !== null || !this.#honest.every(({ isUp }) => isUp)) return
      const wish = this.#changes.draw(checks.config)
      if (wish === null) return
      this.#stage.note(`operators wish for ${JSON.stringify(wish)}`)
      for (const node of this.#honest) {
        const wanted = random.chance(0.9) ? wish : null
        clock.schedule(random.fraction() * profile.changeEveryMs, () => {
          this.#wanted.set(node, wanted)
          this.tell(node)
        })
      }
    })
  }

  /** The node is up: it hears what its operator wishes for, and what no longer. */
  tell(of: WholeNode): void {
    const { node } = of
    const wanted = this.#wanted.get(of)
    if (wanted === undefined || node === null || !of.isUp) return
    const { agreed, wishes } = node
    const keeps = (wish: ConfigWish): boolean => wanted !== null && compareWishes(wish, wanted) === 0
    const told: ConfigWish[] = wishes.own
      .filter((wish) => !keeps(wish))
      .map((wish) => inForce(wish, agreed))
      .filter((wish) => wanted === null || targetOfWish(wish) !== targetOfWish(wanted))
    for (const wish of wanted === null ? told : [...told, wanted]) {
      // A full disk ends the node by other ways.
      wishes.add(wish, agreed).catch(() => {})
    }
  }
}

/** What takes a wish back: to wish for what is in force. */
function inForce(wish: ConfigWish, config: ConsensusConfig): ConfigWish {
  if (isFulfilled(wish, config)) return wish
  if (wish.kind === 'set') return { ...wish, value: config[wish.name] }
  return { kind: wish.kind === 'add-validator' ? 'remove-validator' : 'add-validator', key: wish.key }
}
