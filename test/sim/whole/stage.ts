import type { Clock } from '../clock.js'
import type { Random } from '../random.js'
import type { WholeChecks } from './checks.js'
import type { Hub } from './hub.js'
import type { WholeMark } from './marks.js'
import type { WholeProfile } from './profile.js'
import type { WholeNode } from './whole-node.js'

/** What the parts of a simulated world share. */
export interface Stage {
  readonly clock: Clock
  readonly random: Random
  readonly profile: WholeProfile
  readonly checks: WholeChecks
  readonly marks: Set<WholeMark>
  readonly hub: Hub
  readonly nodes: readonly WholeNode[]
  /** Nodes that take part after the faults; null while there are faults. */
  readonly healed: readonly WholeNode[] | null
  /** It is Byzantine. */
  isLiar(node: WholeNode): boolean
  /** Adds a line to the trace. */
  note(line: string): void
  /** Calls `run` about every `ms`; never for 0. */
  every(ms: number, run: () => void): void
}
