import { EMPTY_OUTPUTS_ROOT } from '../codec/index.js'
import type { Hash } from '../consensus/types.js'
import type { LedgerStore } from '../ledger/index.js'

type Ledgers = Pick<LedgerStore, 'tip' | 'header' | 'getOutputs'>

/** Ledgers whose state root is looked for when the state on disk is not that of the tip. */
const ROOTS_TRIED = 10_000
/** Executions before the last closed ledger that are looked at: a node is rarely so many behind, and not by its own fault. */
const LOOKED_AT_MAX = 128

/**
 * Finds where executions go on after a restart. The last committed state comes first: an execution that was cut off before
 * its result was agreed, or whose outputs were not kept yet, takes place again. What it has left in the state directory
 * counts only where the committed state is none that was agreed (damage).
 *
 * @param recover makes the state on disk that of a root, as StateStore.recover
 * @returns the first ledger to execute, 0 for none but the genesis; null when the state is none of the kept ledgers
 */
export async function findPlace(
  ledgers: Ledgers,
  state: { readonly committedRoot: Hash },
  recover: (root: Hash) => Promise<'clean' | 'restored' | 'unknown'>
): Promise<number | null> {
  const tip = ledgers.tip().seq
  for (let seq = tip; seq > Math.max(-1, tip - ROOTS_TRIED); seq--) {
    const root = (await ledgers.header(seq))?.result.stateRoot
    if (root === undefined) break
    if (root !== state.committedRoot || (await recover(root)) === 'unknown') continue
    return seq === 0 ? 0 : await findUnanswered(ledgers, seq, root)
  }
  const newest = (await ledgers.header(tip))?.result.stateRoot
  return newest !== undefined && (await recover(newest)) !== 'unknown' ? tip : null
}

/**
 * Executions before ledger `seq` may have left the state as it was, so that the state does not tell whether they took
 * place here; what they answered may not have come to the disk.
 *
 * @param seq a ledger before whose execution the state on disk stands
 * @param root of that state
 * @returns the first ledger to execute: `seq`, or an earlier one whose outputs are missing
 */
async function findUnanswered(ledgers: Ledgers, seq: number, root: Hash): Promise<number> {
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
