import { EMPTY_OUTPUTS_ROOT } from '../codec/index.js'
import type { Hash } from '../consensus/types.js'
import type { LedgerStore } from '../ledger/index.js'

/** Executions before the last closed ledger that are looked at: a node is rarely so many behind, and not by its own fault. */
const LOOKED_AT_MAX = 128

/**
 * Executions before ledger `seq` may have left the state as it was, so that the state does not tell whether they took
 * place here; what they answered may not have come to the disk.
 *
 * @param seq a ledger before whose execution the state on disk stands
 * @param root of that state
 * @returns the first ledger to execute: `seq`, or an earlier one whose outputs are missing
 */
export async function findUnanswered(
  ledgers: Pick<LedgerStore, 'header' | 'getOutputs'>,
  seq: number,
  root: Hash
): Promise<number> {
  let first = seq
  for (let next = seq; next > Math.max(1, seq - LOOKED_AT_MAX); next--) {
    const agreed = await ledgers.header(next)
    const before = await ledgers.header(next - 1)
    if (agreed === null || before === null || before.result.stateRoot !== root) break
    const { status, outputsRoot } = agreed.result
    if (status !== 'ok' || outputsRoot === EMPTY_OUTPUTS_ROOT) continue
    if ((await ledgers.getOutputs(next - 1)) !== null) break
    first = next - 1
  }
  return first
}
