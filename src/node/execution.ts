import type { Logger } from 'pino'
import { contractPaths, type NodeConfig } from '../config/index.js'
import type { ConsensusConfig, ExecutionResult, Hash, Ledger, PublicKey } from '../consensus/types.js'
import type { ContractRunner } from '../contract/index.js'
import type { LedgerStore } from '../ledger/index.js'
import type { Network } from '../network/index.js'
import { StateError, type StateStore, type SyncProgress } from '../state/index.js'
import type { UserServer } from '../users/index.js'
import { DeliveredMark } from './delivered.js'
import { contractLimits } from './disk.js'
import { isDiskFull } from './errors.js'
import { Executor } from './executor.js'
import { PassedOver, type Settlement } from './passed-over.js'
import { findPlace } from './resume.js'
import { fetchOutputs } from './services.js'
import { copyState } from './state-copy.js'

export interface ExecutionOptions {
  config: NodeConfig
  networkId: Hash
  ledgers: LedgerStore
  state: StateStore
  runner: ContractRunner
  network: Network
  log: Logger
  /** The server of the users who are connected here; null when there is none, or none yet. */
  users: () => UserServer | null
  /** Peers to ask, the best first. */
  peers: () => PublicKey[]
  /** The newest ledger that peers say is closed; may be a lie. */
  target: () => number
  /** The config that a ledger has agreed on. */
  readConfig: (hash: Hash) => Promise<ConsensusConfig>
  onExecuted: (seq: number, result: ExecutionResult) => void
  onFatal: (error: Error) => void
}

/**
 * What follows from closed ledgers on this node: runs the contract in the state directory, keeps the state in step with
 * what is agreed, by copying it from peers if need be, and answers the users.
 */
export class Execution {
  readonly executor: Executor
  readonly passedOver: PassedOver
  /** How far the copying of the state from peers is; null when none goes on. */
  stateCopy: SyncProgress | null = null
  /** How the last one went, and when that was, ms since the epoch. */
  lastStateCopy: { progress: SyncProgress; atMs: number } | null = null
  readonly #options: ExecutionOptions
  readonly #stopping = new AbortController()
  readonly #delivered: DeliveredMark
  /** The mark as it was at the start. */
  readonly #deliveredBefore: number

  private constructor(options: ExecutionOptions, delivered: DeliveredMark) {
    this.#options = options
    this.#delivered = delivered
    this.#deliveredBefore = delivered.seq
    const { config, ledgers, state, runner, network, peers, target, readConfig, onFatal } = options
    const log = options.log.child({ part: 'execution' })
    const readLedger = async (seq: number): Promise<Ledger | null> => (await ledgers.get(seq))?.ledger ?? null
    this.passedOver = new PassedOver({
      log,
      readLedger,
      readHeader: (seq) => ledgers.header(seq),
      hasOutputs: (seq) => ledgers.hasOutputs(seq),
      fetchOutputs: (seq, root, signal) => fetchOutputs(network, seq, root, peers(), { log, signal }),
      keepOutputs: (seq, outputs) => ledgers.putOutputs(seq, outputs),
      hasUsers: () => (options.users()?.users().length ?? 0) > 0,
      onSettled: (settlement, isLate) => this.#tellUsers(settlement, isLate),
      onFatal
    })
    this.executor = new Executor({
      contract: {
        execute: (execution, agreed) => {
          runner.setLimits(contractLimits(config, agreed))
          return runner.execute(execution)
        }
      },
      state,
      readConfig,
      log,
      readLedger,
      onExecuted: (seq, result) => {
        ledgers.holdFrom(seq)
        options.onExecuted(seq, result)
      },
      onSettled: (settlement) => this.#tellUsers(settlement, false),
      // On disk before the state is: what is committed is not executed again, and all nodes may lose power at once.
      keepOutputs: (seq, outputs) => ledgers.putOutputs(seq, outputs, { sync: true }),
      copyState: (root) => this.#copyState(root),
      target,
      passedOver: this.passedOver,
      onFatal
    })
  }

  static async open(options: ExecutionOptions): Promise<Execution> {
    const { config, networkId } = options
    return new Execution(options, await DeliveredMark.open(contractPaths(config.dir).delivered, networkId))
  }

  /** Finds the ledger before whose execution the state on disk stands, and goes on from there. */
  async resume(): Promise<void> {
    const { ledgers, state, log } = this.#options
    ledgers.holdFrom(0)
    const tip = ledgers.tip().seq
    // Without the content of its last ledger a node executes nothing: it copies the state of a later one.
    if (tip < ledgers.first() && tip > 0) return this.executor.wait()
    const seq = await findPlace(ledgers, state, (root) => this.#recover(root))
    this.passedOver.resume(ledgers.first(), seq ?? tip)
    if (seq !== null) {
      if (seq === 0) this.executor.genesis((await ledgers.get(0))?.ledger as Ledger)
      if (tip > 0) this.executor.resume(Math.max(seq, 1), tip)
      return
    }
    log.error('the state directory holds no agreed state of the kept ledgers: it is copied from peers')
    this.executor.resume(tip, tip)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    const done = Promise.all([this.executor.stop(), this.passedOver.stop()])
    await this.#options.runner.stop()
    await done
    await this.#delivered.close()
  }

  async #copyState(root: Hash): Promise<boolean> {
    const { network, state, onFatal } = this.#options
    const { signal } = this.#stopping
    const log = this.#options.log.child({ part: 'state' })
    try {
      const onProgress = (progress: SyncProgress): void => {
        this.stateCopy = progress
        this.lastStateCopy = { progress, atMs: Date.now() }
      }
      await copyState(root, { network, state, log, signal, onProgress })
      return true
    } catch (error) {
      if (isDiskFull(error)) onFatal(error as Error)
      else if (!signal.aborted) log.warn(`the agreed state could not be copied now: ${(error as Error).message}`)
      // Found block by block as they are needed: the next attempt begins with knowing all that is damaged.
      if (isDamage(error)) await state.recover(root, { reread: true })
      return false
    } finally {
      this.stateCopy = null
    }
  }

  /** Outputs of an agreed execution to the users who are connected here; a word to those who get none. */
  #tellUsers(settlement: Settlement, isLate: boolean): void {
    const { seq } = settlement.ledger.header
    const users = this.#options.users()
    if (users === null) return
    // What is late is behind the mark, and was told to nobody since the start.
    if (isLate ? seq <= this.#deliveredBefore : !this.#delivered.take(seq)) return
    if (settlement.status === 'ok') {
      for (const { user, content } of settlement.outputs) users.deliver(user, content)
      return
    }
    const notice =
      settlement.status === 'void'
        ? { notice: 'ledger_void', seq, reason: 'the nodes did not agree on a result: it has no effect' }
        : { notice: 'execution_failed', seq, reason: settlement.reason }
    for (const user of new Set(settlement.ledger.inputs.map((input) => input.user))) users.notify(user, notice)
  }

  async #recover(root: Hash): Promise<'clean' | 'restored' | 'unknown'> {
    try {
      return await this.#options.state.recover(root)
    } catch (error) {
      if (!isDamage(error)) throw error
      return await this.#options.state.recover(root, { reread: true })
    }
  }
}

/** The snapshot holds other bytes than its times made believe. */
function isDamage(error: unknown): boolean {
  return error instanceof StateError && error.code === 'snapshot-damaged'
}
