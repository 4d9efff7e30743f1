import type { DoctorCheck, DoctorReport, NodeStatus } from '../../admin/index.js'
import { contractPaths } from '../../config/index.js'
import type { NodeView } from '../node-view.js'
import { check } from './check.js'
import { examineJournal, examineSecret } from './files.js'
import { examineLedgers } from './ledgers.js'
import { examineMachine } from './machine.js'
import { examineNetwork } from './network.js'
import { examineProcessBound, examineSandbox } from './sandbox.js'

/** Looks at a running node and its machine, and says what to do about what is amiss. */
export async function examineNode(node: NodeView, status: NodeStatus): Promise<DoctorReport> {
  const { dir } = node.config
  return {
    running: true,
    checks: [
      examineSync(status),
      examineQuorum(status),
      ...examineNetwork(node),
      examineState(node),
      await examineLedgers(node.ledgers),
      await examineJournal(dir, node.networkId, node.publicKey),
      examineSandbox(node.runner.sandbox),
      examineProcessBound(node.runner.capabilities.processBound),
      await examineSecret(dir),
      ...(await examineMachine(contractPaths(dir).hist))
    ]
  }
}

const SYNC_ADVICE: Record<NodeStatus['sync'], string | null> = {
  synced: null,
  starting: null,
  stopping: null,
  'catching-up': 'wait: `hp-p2p status` shows how far it is',
  'waiting-for-quorum': 'start the missing validators, or make this node reach them (see "validators" and "reachable")',
  stalled: 'look at the logs of the other validators: some are connected and do not answer',
  diverged:
    'the contract gave another result here than elsewhere: the node repairs its state; make the contract deterministic'
}

function examineSync({ sync, role, seq, version }: NodeStatus): DoctorCheck {
  const advice = SYNC_ADVICE[sync]
  const found = `hp-p2p ${version} runs as ${role}, ${sync}, ledger ${seq}`
  const isBad = sync === 'waiting-for-quorum' || sync === 'stalled' || sync === 'diverged'
  return check('node', advice === null ? 'ok' : isBad ? 'problem' : 'note', found, advice)
}

function examineQuorum({ quorum }: NodeStatus): DoctorCheck {
  const { needed, present, validators } = quorum
  const found = `${present} of ${validators} in touch, ${needed} close a ledger`
  if (present < needed) return check('quorum', 'problem', found, 'start the missing validators')
  const spare = present - needed
  if (validators === present || spare > 0) return check('quorum', 'ok', found)
  return check('quorum', 'warning', `${found}: without one more, nothing closes`, 'start the missing validators')
}

function examineState(node: NodeView): DoctorCheck {
  const { executor, state } = node
  const { stateCopy } = node.execution
  if (executor.diverged !== null) return check('state', 'problem', executor.diverged, 'the node copies it from peers')
  if (stateCopy !== null) return check('state', 'note', `is being copied from peers: ${stateCopy.phase}`)
  if (!state.isIntact) {
    return check('state', 'warning', 'the kept copy is damaged', 'look after the disk; the node mends it from peers')
  }
  return check('state', 'ok', `root ${state.committedRoot.slice(0, 16)}…`)
}
