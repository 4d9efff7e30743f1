/** States beside each other: for operators who look for the place where two nodes differ. */
import { AdminError, type StateDiffRequest, type StateDiffView, type StateRootView } from '../admin/index.js'
import { contractPaths } from '../config/index.js'
import type { Hash, PublicKey } from '../consensus/types.js'
import type { LedgerStore } from '../ledger/index.js'
import { RequestError } from '../network/index.js'
import { type DirNode, hashState, StateError } from '../state/index.js'
import type { NodeView } from './node-view.js'
import { diffWithPeer } from './state-copy.js'

/** Newest ledgers among which a root is looked for. */
const LEDGERS_SEARCHED = 10_000
/** Differences told, and how much of a path: both bound the answer. */
const DIFFERENCES_MAX = 1000
const PATH_SHOWN_MAX = 512
/** Longest time for fetching what differs. */
const DIFF_TIMEOUT_MS = 300_000

/** The newest of the kept ledgers that agrees on a state. */
export async function findStateRoot(ledgers: LedgerStore, root: Hash): Promise<StateRootView> {
  const to = ledgers.tip().seq
  let from = to
  for (let seq = to; seq >= 0 && seq > to - LEDGERS_SEARCHED; seq--) {
    const header = await ledgers.header(seq)
    if (header === null) break
    from = seq
    if (header.result.stateRoot === root) return { root, ledger: seq, from, to }
  }
  return { root, ledger: null, from, to }
}

/** Compares a state of the node with the one that a peer has now. Throws `AdminError` 'refused' with the reason. */
export async function compareStates(
  node: NodeView,
  peer: PublicKey,
  { files = false }: Omit<StateDiffRequest, 'peer'>
): Promise<StateDiffView> {
  const signal = AbortSignal.any([node.signal, AbortSignal.timeout(DIFF_TIMEOUT_MS)])
  try {
    const local = files ? (await hashState(contractPaths(node.config.dir).state)).tree : agreedTree(node)
    const diff = await diffWithPeer(node.network, peer, local, { maxDifferences: DIFFERENCES_MAX, signal })
    const { localRoot, remoteRoot, isEqual, differences, total, fetchedBytes } = diff
    return {
      peer,
      compared: files ? 'files' : 'agreed',
      local: await findStateRoot(node.ledgers, localRoot),
      remote: await findStateRoot(node.ledgers, remoteRoot),
      isEqual,
      differences: differences.map((difference) => ({ ...difference, path: shorten(difference.path) })),
      total,
      fetchedBytes
    }
  } catch (error) {
    throw toAdminError(error, node, signal)
  }
}

function agreedTree(node: NodeView): DirNode {
  if (node.state.isIntact) return node.state.reader.tree
  throw new AdminError('refused', 'the last agreed state is damaged on this node: it is copied from peers first')
}

function shorten(path: string): string {
  return path.length <= PATH_SHOWN_MAX ? path : `${path.slice(0, PATH_SHOWN_MAX)}\u2026`
}

function toAdminError(error: unknown, node: NodeView, signal: AbortSignal): unknown {
  if (node.stopping) return new AdminError('refused', 'the node stops')
  if (signal.aborted) return new AdminError('refused', 'the peer did not show its state in time')
  if (error instanceof RequestError) {
    return new AdminError('refused', `the peer does not show its state: ${error.message}`)
  }
  if (!(error instanceof StateError)) return error
  if (error.code === 'unavailable') {
    return new AdminError('refused', 'the peer has gone on to another state and does not keep this one: try again')
  }
  if (error.code === 'changing') {
    return new AdminError('refused', 'the contract writes its files just now: try again, or compare the agreed state')
  }
  return new AdminError('refused', error.message)
}
