import { genesisLedger, outputsRootOf } from '../../../src/codec/index.js'
import type { StoredLedger } from '../../../src/ledger/index.js'
import type { Program } from './program.js'
import { SimProcess } from './sim-process.js'
import type { Stage } from './stage.js'
import { HIST_PATH, type WholeNode } from './whole-node.js'

type LedgerChecks = typeof import('../../../src/ledger/check.js')

/** Ledgers that a node may be behind the others with its executions when it is asked to stop. */
const STATE_BEHIND_MAX = 20
const NOTHING = Buffer.alloc(0)

/** Reads back all that is left on the disks of the nodes when a run ends, and stops them. */
export class Audit {
  readonly #stage: Stage
  readonly #clean: Program
  /** Nodes that have not stopped. */
  open = 0

  /** @param clean the sources as they are: what judges a fault in them must not have it */
  constructor(stage: Stage, clean: Program) {
    this.#stage = stage
    this.#clean = clean
  }

  begin(): void {
    const nodes = this.#stage.healed ?? []
    this.open = nodes.length
    for (const node of nodes) {
      this.#checkNode(node).catch((error: Error) =>
        this.#stage.checks.fail('chain', `${node.name} cannot be read: ${error.stack ?? error.message}`)
      )
    }
  }

  async #checkNode(of: WholeNode): Promise<void> {
    const { node } = of
    if (node === null) return
    const { ledgers, state } = node
    const { findLedgerProblem } = this.#ledgerChecks()
    const unpin = ledgers.pin()
    const tip = ledgers.tip().seq
    for (let seq = Math.max(1, ledgers.first()); seq <= tip; seq++) {
      const stored: StoredLedger | null = await ledgers.get(seq)
      const before = seq === 1 ? genesisLedger(node.genesis) : await ledgers.link(seq - 1)
      const config = await ledgers.configAt(seq)
      // What was being dropped when the reading began.
      if (seq < ledgers.first()) continue
      if (stored === null || before === null || config === null) {
        this.#stage.checks.fail('chain', `${of.name} lacks ledger ${seq}`)
        return
      }
      if (stored.ledger.hash !== this.#stage.checks.chain.get(seq)?.hash)
        this.#stage.checks.fail('fork', `${of.name} at ledger ${seq}`)
      const { ledger, certificate } = stored
      if ((certificate?.attempt ?? 0) > 0) this.#stage.marks.add('closed in a later attempt')
      const outputs = await ledgers.getOutputs(seq)
      const agreed = this.#stage.checks.chain.get(seq + 1)?.header.result.outputsRoot
      if (outputs !== null && agreed !== undefined && outputsRootOf(outputs) !== agreed)
        this.#stage.checks.fail('outputs', `${of.name} keeps outputs of ledger ${seq} that were not agreed`)
      const problem = certificate === null ? 'no certificate' : findLedgerProblem(ledger, certificate, before, config)
      if (problem !== null) this.#stage.checks.fail('certificate', `ledger ${seq} of ${of.name}: ${problem}`)
    }
    unpin()
    of.stop(() => {
      this.#checkState(of, state.committedRoot)
      this.open--
    })
  }

  /** The committed state is one that was agreed, and its files are those that the executions leave. */
  #checkState(of: WholeNode, root: string): void {
    const { newest } = this.#stage.checks
    let seq = newest
    while (seq > 1 && this.#stage.checks.chain.get(seq)?.header.result.stateRoot !== root) seq--
    const agreed = this.#stage.checks.chain.get(seq)?.header.result.stateRoot
    const files = this.#stage.checks.filesAfter(seq - 1)
    if (agreed !== root || newest - seq > STATE_BEHIND_MAX || files === undefined) {
      this.#stage.checks.fail(
        'state',
        `${of.name} has a state that nobody agreed on when ledger ${newest} was closed: ${root}`
      )
      return
    }
    const found = filesBelow(of, `${HIST_PATH}/state/snapshot`)
    const names = [...new Set([...found.keys(), ...files.keys()])]
    const other = names.find((name) => found.get(name)?.equals(files.get(name) ?? NOTHING) !== true || !files.has(name))
    if (other !== undefined)
      this.#stage.checks.fail('state', `${of.name}: ${other} is not what the executions leave there`)
  }

  #ledgerChecks(): LedgerChecks {
    const process = new SimProcess((this.#stage.nodes[0] as WholeNode).machine)
    return this.#clean.process({ globals: process.globals(), modules: process.modules() })<LedgerChecks>('ledger/check')
  }
}

/** All files below a directory of a node, by their path in it. */
function filesBelow(of: WholeNode, dir: string): Map<string, Buffer> {
  const found = new Map<string, Buffer>()
  const left = ['']
  for (let at = left.pop(); at !== undefined; at = left.pop()) {
    const inode = of.machine.files.get(`${dir}/${at}`, 'read')
    for (const name of inode.entries.keys()) {
      const path = at === '' ? name : `${at}/${name}`
      const child = of.machine.files.get(`${dir}/${path}`, 'read')
      if (child.kind === 'dir') left.push(path)
      else found.set(path, Buffer.from(child.data.view))
    }
  }
  return found
}
