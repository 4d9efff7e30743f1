import type { Logger } from 'pino'
import { EMPTY_OUTPUTS_ROOT, outputsRootOf } from '../codec/index.js'
import type {
  AgreedResult,
  ConsensusConfig,
  ExecutionResult,
  Hash,
  Ledger,
  PublicKey,
  UserOutput
} from '../consensus/types.js'
import type { Execution, ExecutionOutcome } from '../contract/index.js'
import { StateError } from '../state/index.js'

/** The contract, as far as the executor needs it. */
export interface ContractPort {
  execute(execution: Execution): Promise<ExecutionOutcome>
}

/** The state store, as far as the executor needs it. */
export interface StatePort {
  /** Root of the last agreed state. */
  readonly committedRoot: Hash
  /** Root of what the contract has left. */
  scan(): Promise<{ root: Hash }>
  /** What was scanned is the agreed state. */
  commit(root: Hash): Promise<void>
  /** Back to the last agreed state. */
  rollback(): Promise<Hash>
}

/** What is told about an agreed execution to the users who are connected here. */
export type Settlement =
  | { status: 'ok'; ledger: Ledger; outputs: UserOutput[] }
  | { status: 'failed'; ledger: Ledger; reason: string }
  | { status: 'void'; ledger: Ledger }

export interface LastExecution {
  seq: number
  status: 'ok' | 'failed'
  reason: string | null
  durationMs: number
}

export interface ExecutorOptions {
  contract: ContractPort
  state: StatePort
  config: ConsensusConfig
  log: Logger
  /** Reads a closed ledger back; null when it is not kept. */
  readLedger: (seq: number) => Promise<Ledger | null>
  onExecuted: (seq: number, result: ExecutionResult) => void
  /** The result of a ledger is agreed and in place here. */
  onSettled: (settlement: Settlement) => void
  /** Keeps the outputs of an execution with its ledger. */
  keepOutputs: (seq: number, outputs: UserOutput[]) => Promise<void>
  /**
   * Our state is not the agreed one and running the contract again did not help: gets state and outputs from others.
   * Resolves with the outputs of `seq` once the state directory is at the agreed root and committed; null when it
   * cannot be done now.
   */
  repair: (seq: number, agreed: AgreedResult) => Promise<UserOutput[] | null>
  onFatal: (error: Error) => void
}

interface Done {
  ledger: Ledger
  result: ExecutionResult
  outputs: UserOutput[]
  reason: string | null
}

/** How long a repair that could not be done waits before it is tried again. */
const REPAIR_RETRY_MS = 2000
/** Ledgers that wait in memory; the others are read back from the store when their turn comes. */
const LEDGERS_IN_MEMORY = 16

/**
 * Runs the contract once for each closed ledger, in order. The result of a ledger becomes final with the next one: the
 * state is committed, rolled back or repaired to what was agreed, and only then does the next execution begin.
 */
export class Executor {
  readonly #options: ExecutorOptions
  readonly #recent = new Map<number, Ledger>()
  /** seq of the ledger to execute next, and of the last closed one. */
  #next: number | null = null
  #newest = 0
  readonly #log: Logger
  #done: Done | null = null
  #running: Promise<void> | null = null
  #stopped = false
  #wake: (() => void) | null = null
  #diverged: string | null = null
  #last: LastExecution | null = null

  constructor(options: ExecutorOptions) {
    this.#options = options
    this.#log = options.log
  }

  /** Ledgers that are closed and not yet executed. */
  get backlog(): number {
    return this.#next === null ? 0 : this.#newest - this.#next + 1
  }
  get lastExecution(): LastExecution | null {
    return this.#last
  }
  /** Why this node cannot follow the agreed state, or null. */
  get diverged(): string | null {
    return this.#diverged
  }

  /** Begins where the chain stands: nothing is to be executed for the genesis ledger. */
  genesis(ledger: Ledger): void {
    const { stateRoot, configHash } = ledger.header.result
    const result: ExecutionResult = { status: 'ok', stateRoot, outputsRoot: EMPTY_OUTPUTS_ROOT, configHash }
    this.#done = { ledger, result, outputs: [], reason: null }
    this.#options.onExecuted(ledger.header.seq, result)
  }

  /** Begins with ledger `seq`, before whose execution the committed state stood, and goes on to `newest`. */
  resume(seq: number, newest: number): void {
    this.#next = seq
    this.#newest = newest
    this.#start()
  }

  /** The next ledger is closed and in the store. */
  enqueue(ledger: Ledger): void {
    const { seq } = ledger.header
    this.#next ??= seq
    this.#newest = seq
    if (this.backlog <= LEDGERS_IN_MEMORY) this.#recent.set(seq, ledger)
    this.#start()
  }

  #start(): void {
    if (this.#stopped) return
    this.#running ??= this.#run().finally(() => {
      this.#running = null
      if (this.backlog > 0) this.#start()
    })
  }

  /** Nothing begins after this; the caller stops the contract, then this resolves. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#wake?.()
    await this.#running
  }

  async #run(): Promise<void> {
    try {
      while (!this.#stopped && this.#next !== null && this.#next <= this.#newest) {
        const ledger = await this.#take(this.#next)
        await this.#settle(ledger)
        if (this.#stopped) return
        await this.#execute(ledger)
        this.#next = ledger.header.seq + 1
      }
    } catch (error) {
      if (!this.#stopped) this.#options.onFatal(error instanceof Error ? error : new Error(String(error)))
    }
  }

  async #take(seq: number): Promise<Ledger> {
    const ledger = this.#recent.get(seq) ?? (await this.#options.readLedger(seq))
    this.#recent.delete(seq)
    if (ledger === null) throw new Error(`ledger ${seq}, which is to be executed, is not in the ledger store`)
    return ledger
  }

  /** Brings the state to what `next` says about the execution before it, and tells the users. */
  async #settle(next: Ledger): Promise<void> {
    const done = this.#done
    const agreed = next.header.result
    if (done === null) {
      if (this.#options.state.committedRoot !== agreed.stateRoot) await this.#repair(next.header.seq - 1, agreed)
      return
    }
    this.#done = null
    const { ledger, reason } = done
    if (agreed.status === 'void') {
      await this.#options.state.rollback()
      this.#options.onSettled({ status: 'void', ledger })
      this.#log.warn(`execution of ledger ${ledger.header.seq} is void: no result had a majority`)
      return
    }
    if (!isSame(done.result, agreed)) {
      await this.#settleDifferent(done, agreed)
      return
    }
    if (done.outputs.length > 0) await this.#options.keepOutputs(ledger.header.seq, done.outputs)
    await this.#options.state.commit(agreed.stateRoot)
    if (agreed.status === 'ok') this.#options.onSettled({ status: 'ok', ledger, outputs: done.outputs })
    else this.#options.onSettled({ status: 'failed', ledger, reason: reason ?? 'failed' })
  }

  /** Ours is not the agreed result: go back and run it again (a limit or a crash may have hit only us), else repair. */
  async #settleDifferent(done: Done, agreed: AgreedResult): Promise<void> {
    const { ledger } = done
    const { seq } = ledger.header
    this.#log.warn(
      `our result of ledger ${seq} (${done.result.status}, state ${short(done.result.stateRoot)}) is not the agreed one (${agreed.status}, state ${short(agreed.stateRoot)})`
    )
    await this.#options.state.rollback()
    if (agreed.status === 'failed') {
      this.#options.onSettled({ status: 'failed', ledger, reason: 'failed on most nodes' })
      return
    }
    const again = await this.#runContract(ledger)
    if (this.#stopped) return
    if (isSame(again.result, agreed)) {
      await this.#options.keepOutputs(seq, again.outputs)
      await this.#options.state.commit(agreed.stateRoot)
      this.#options.onSettled({ status: 'ok', ledger, outputs: again.outputs })
      return
    }
    await this.#options.state.rollback()
    const outputs = await this.#repair(seq, agreed)
    if (!this.#stopped) this.#options.onSettled({ status: 'ok', ledger, outputs })
  }

  /** Tries until the agreed state is here: without it nothing that follows can be executed. */
  async #repair(seq: number, agreed: AgreedResult): Promise<UserOutput[]> {
    while (!this.#stopped) {
      this.#diverged = `the agreed state after ledger ${seq} (${short(agreed.stateRoot)}) is not here`
      const outputs = await this.#options.repair(seq, agreed)
      if (outputs !== null) {
        this.#diverged = null
        await this.#options.keepOutputs(seq, outputs)
        return outputs
      }
      await this.#sleep(REPAIR_RETRY_MS)
    }
    return []
  }

  async #execute(ledger: Ledger): Promise<void> {
    const done = await this.#runContract(ledger)
    if (this.#stopped) return
    this.#done = done
    this.#options.onExecuted(ledger.header.seq, done.result)
  }

  async #runContract(ledger: Ledger): Promise<Done> {
    const { contract, state, config } = this.#options
    const { seq } = ledger.header
    const outcome = await contract.execute(executionOf(ledger, config.unl))
    if (this.#stopped) return this.#failed(ledger, 'stopped')
    this.#last = { seq, status: outcome.status, reason: outcome.reason, durationMs: outcome.durationMs }
    if (outcome.status === 'failed') return this.#undo(ledger, outcome.reason ?? 'failed')
    let stateRoot: Hash
    try {
      stateRoot = (await state.scan()).root
    } catch (error) {
      if (!(error instanceof StateError)) throw error
      return this.#undo(ledger, error.message)
    }
    const { configHash } = ledger.header.result
    const result: ExecutionResult = { status: 'ok', stateRoot, outputsRoot: outputsRootOf(outcome.outputs), configHash }
    return { ledger, result, outputs: outcome.outputs, reason: null }
  }

  /** A failed execution leaves no trace. */
  async #undo(ledger: Ledger, reason: string): Promise<Done> {
    await this.#options.state.rollback()
    this.#last = { ...(this.#last as LastExecution), status: 'failed', reason }
    this.#log.warn(`execution of ledger ${ledger.header.seq} failed: ${reason}`)
    return this.#failed(ledger, reason)
  }

  #failed(ledger: Ledger, reason: string): Done {
    const { stateRoot, configHash } = ledger.header.result
    const result: ExecutionResult = { status: 'failed', stateRoot, outputsRoot: EMPTY_OUTPUTS_ROOT, configHash }
    return { ledger, result, outputs: [], reason }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

/** A ledger as the contract sees it: every user, with the inputs in the ledger's order. */
export function executionOf(ledger: Ledger, unl: PublicKey[]): Execution {
  const users = new Map(ledger.users.map((key) => [key, { key, inputs: [] as Uint8Array[] }]))
  for (const { user, content } of ledger.inputs) users.get(user)?.inputs.push(content)
  const { seq, timeMs } = ledger.header
  return { seq, lcl: ledger.hash, timeMs, unl, users: [...users.values()] }
}

function isSame(own: ExecutionResult, agreed: AgreedResult): boolean {
  return (
    own.status === agreed.status &&
    own.stateRoot === agreed.stateRoot &&
    own.outputsRoot === agreed.outputsRoot &&
    own.configHash === agreed.configHash
  )
}

function short(hash: Hash): string {
  return hash.slice(0, 8)
}
