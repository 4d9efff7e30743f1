import type { TargetEntry } from '../engine/target.js'
import { backupTargets } from './backup.js'
import { codecTargets } from './codec.js'
import { configTargets } from './config.js'
import { contractTargets } from './contract.js'
import { interfaceTargets } from './interfaces.js'
import { ledgerTargets } from './ledger.js'
import { networkTargets } from './network.js'
import { nodeTargets } from './node.js'
import { stateTargets } from './state.js'
import { userTargets } from './users.js'

/** Every target, in the order of the table in docs/fuzzing.md, which says how to add one. */
export const TARGETS: readonly TargetEntry[] = [
  ...codecTargets,
  ...nodeTargets,
  ...ledgerTargets,
  ...backupTargets,
  ...stateTargets,
  ...networkTargets,
  ...contractTargets,
  ...userTargets,
  ...configTargets,
  ...interfaceTargets
]
