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
import { ContractError, type Execution, type ExecutionOutcome } from '../contract/index.js'
import { StateError } from '../state/index.js'
import type { PassedOver, Settlement } from './passed-over.js'

/** The contract, as far as the executor needs it. */
export interface ContractPort {
  /** @param config agreed by the ledger that is executed: its limits hold */
  execute(execution: Execution, config: ConsensusConfig): Promise<ExecutionOutcome>
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

export interface LastExecution {
  seq: number
  status: 'ok' | 'failed'
  reason: string | null
  durationMs: number
}

export interface ExecutorOptions {
  contract: ContractPort
  state: StatePort
  /** The config that a ledger has agreed on. */
  readConfig: (hash: Hash) => Promise<ConsensusConfig>
  log: Logger
  /** Reads a closed ledger back; null when it is not kept. */
  readLedger: (seq: number) => Promise<Ledger | null>
  onExecuted: (seq: number, result: ExecutionResult) => void
  /** The result of a ledger is agreed and in place here. */
  onSettled: (settlement: Settlement) => void
  /** Keeps the outputs of an execution with its ledger. */
  keepOutputs: (seq: number, outputs: UserOutput[]) => Promise<void>
  /** Copies the agreed state `root` from others and commits it; false when it cannot be done now. */
  copyState: (root: Hash) => Promise<boolean>
  /** Learns the outcome of what is not executed here. */
  passedOver: Pick<PassedOver, 'settle'>
  /** The newest ledger that peers say is closed; may be a lie. */
  target: () => number
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
/** When executing all that waits would take longer, copying the newest agreed state is the shorter way. */
const REPLAY_MAX_MS = 2000
/** The same for so few ledgers as a network is often ahead of a node. */
const FEW_LEDGERS = 16
const REPLAY_FEW_MAX_MS = 20_000
/** What the execution of a ledger is taken to cost before there was one, ms. */
const EXECUTION_GUESS_MS = 20
/** Before a copy the missing ledgers are waited for as long as they come faster than a network closes them. */
const ARRIVAL_WATCH_MS = 250
const ARRIVALS_MIN = 16
const ARRIVAL_WAIT_MAX_MS = 120_000
/** Peers keep the state of the last agreed ledger: a copy begins anew when they went on before the first question. */
const COPY_STARTS = 5
const COPY_RESTART_MS = 50
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
  /** True once `genesis` or `resume` has said where the state stands. */
  #isPlaced = false
  readonly #log: Logger
  #done: Done | null = null
  #running: Promise<void> | null = null
  #stopped = false
  /** Copying instead of replaying failed: not tried again before, performance.now(). */
  #nextJumpMs = 0
  /** What executing and settling a ledger takes, the last ones counting most, ms. */
  #executionMs = EXECUTION_GUESS_MS
  /** Neither the state nor the snapshot is the agreed one: it is copied before anything else is executed. */
  #isDamaged = false
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
    if (this.#newest > 0) this.resume(1, this.#newest)
    else this.#isPlaced = true
  }

  /** Begins once another ledger is closed, with a state from others: there is none here that could be built on. */
  wait(): void {
    this.#isPlaced = true
    if (this.#newest > 0) this.resume(this.#newest, this.#newest)
  }

  /** Begins with ledger `seq`, before whose execution the committed state stood, and goes on to `newest`. */
  resume(seq: number, newest: number): void {
    this.#isPlaced = true
    this.#next = seq
    this.#newest = Math.max(newest, this.#newest)
    this.#start()
  }

  /** The next ledger is closed and in the store. */
  enqueue(ledger: Ledger): void {
    const { seq } = ledger.header
    this.#newest = seq
    // The others may close ledgers while the state is still being looked at: nothing is executed before it is known
    // where that stands.
    if (!this.#isPlaced) return
    this.#next ??= seq
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
        if (this.#isFarBehind && (await this.#passOver())) continue
        const ledger = await this.#take(this.#next)
        const startMs = performance.now()
        const inPlace = await this.#settle(ledger)
        if (this.#stopped) return
        if (!inPlace) continue
        await this.#execute(ledger)
        this.#executionMs += (performance.now() - startMs - this.#executionMs) / 8
        this.#next = ledger.header.seq + 1
      }
    } catch (error) {
      if (this.#stopped) return
      this.#stopped = true
      this.#options.onFatal(error instanceof Error ? error : new Error(String(error)))
    }
  }

  get #isFarBehind(): boolean {
    const maxMs = this.backlog > FEW_LEDGERS ? REPLAY_MAX_MS : REPLAY_FEW_MAX_MS
    return this.backlog * this.#executionMs > maxMs && performance.now() >= this.#nextJumpMs
  }

  /**
   * Instead of executing all that waits: takes the state that the newest ledger agrees on.
   *
   * @returns false when it cannot be copied: the ledgers are executed after all
   */
  async #passOver(): Promise<boolean> {
    await this.#awaitLedgers()
    if (this.#stopped) return true
    if (await this.#tryJump(this.#done?.ledger.header.seq ?? (this.#next as number))) return true
    this.#nextJumpMs = performance.now() + REPAIR_RETRY_MS
    return this.#stopped
  }

  /** Until the ledgers that were missed are here: the state of one that is soon old would be copied in vain. */
  async #awaitLedgers(): Promise<void> {
    const endMs = performance.now() + ARRIVAL_WAIT_MAX_MS
    while (!this.#stopped && performance.now() < endMs) {
      const before = this.#newest
      if (this.#options.target() <= before + FEW_LEDGERS) return
      await this.#sleep(ARRIVAL_WATCH_MS)
      // A peer that promises ledgers and has none, or is slow, does not keep this node from what it can do now.
      if (this.#newest - before < ARRIVALS_MIN) return
    }
  }

  async #take(seq: number): Promise<Ledger> {
    const ledger = this.#recent.get(seq) ?? (await this.#options.readLedger(seq))
    this.#recent.delete(seq)
    if (ledger === null) throw new Error(`ledger ${seq}, which is to be executed, is not in the ledger store`)
    return ledger
  }

  /**
   * Brings the state to what `next` says about the execution before it, and tells the users.
   *
   * @returns false when the state was copied and another ledger comes next
   */
  async #settle(next: Ledger): Promise<boolean> {
    const done = this.#done
    const agreed = next.header.result
    if (this.#isDamaged) {
      this.#done = null
      await this.#copyState(done?.ledger.header.seq ?? next.header.seq)
      return false
    }
    if (done === null) {
      if (this.#options.state.committedRoot === agreed.stateRoot) return true
      await this.#copyState(next.header.seq)
      return false
    }
    this.#done = null
    const { ledger, reason } = done
    if (agreed.status === 'void') {
      const isBack = await this.#rollBack()
      this.#options.onSettled({ status: 'void', ledger })
      this.#log.warn(`execution of ledger ${ledger.header.seq} is void: no result had enough support`)
      if (!isBack) await this.#copyState(next.header.seq)
      return isBack
    }
    if (!isSame(done.result, agreed)) {
      const { status, stateRoot } = done.result
      this.#log.warn(
        `our result of ledger ${ledger.header.seq} (${status}, state ${short(stateRoot)}) is not the agreed one (${agreed.status}, state ${short(agreed.stateRoot)})`
      )
      return await this.#repair(done, next)
    }
    if (!(await this.#accept(done, agreed))) return await this.#repair(done, next)
    if (agreed.status === 'failed') this.#options.onSettled({ status: 'failed', ledger, reason: reason ?? 'failed' })
    return true
  }

  /** Our result is the agreed one. False when the files were changed since and cannot be committed any more. */
  async #accept({ ledger, outputs }: Done, agreed: AgreedResult): Promise<boolean> {
    const { seq } = ledger.header
    if (outputs.length > 0) await this.#options.keepOutputs(seq, outputs)
    try {
      await this.#options.state.commit(agreed.stateRoot)
    } catch (error) {
      if (!(error instanceof StateError) || error.code !== 'changing') throw error
      this.#log.warn(
        `the state was changed after the execution of ledger ${seq}, not by the contract: ${error.message}`
      )
      return false
    }
    if (agreed.status === 'ok') this.#options.onSettled({ status: 'ok', ledger, outputs })
    return true
  }

  /**
   * What is here is not what `next` agrees on: go back and run it again (a limit, a crash or somebody's hand may have
   * hit only us), else copy.
   */
  async #repair({ ledger, reason }: Done, next: Ledger): Promise<boolean> {
    const { seq } = ledger.header
    const agreed = next.header.result
    const isBack = await this.#rollBack()
    if (agreed.status === 'failed') {
      this.#options.onSettled({ status: 'failed', ledger, reason: reason ?? 'failed on most nodes' })
      if (!isBack) await this.#copyState(next.header.seq)
      return isBack
    }
    if (isBack) {
      const again = await this.#runContract(ledger)
      if (this.#stopped) return false
      if (isSame(again.result, agreed) && (await this.#accept(again, agreed))) return true
      await this.#rollBack()
    }
    await this.#copyState(seq)
    return false
  }

  /** Back to the last agreed state. False when that is damaged too. */
  async #rollBack(): Promise<boolean> {
    try {
      await this.#options.state.rollback()
      return true
    } catch (error) {
      if (!(error instanceof StateError) || error.code !== 'snapshot-damaged') throw error
      this.#log.warn(error.message)
      this.#isDamaged = true
      return false
    }
  }

  /** Tries until the newest agreed state is here: without one nothing that follows can be executed. */
  async #copyState(from: number): Promise<void> {
    while (!this.#stopped) {
      this.#diverged = `the agreed state of ledger ${this.#newest} is not here yet: it is copied from peers`
      if (await this.#tryJump(from)) {
        this.#isDamaged = false
        this.#diverged = null
        return
      }
      await this.#sleep(REPAIR_RETRY_MS)
    }
  }

  /** Copies the state that the newest ledger agrees on, and passes over the executions before that. */
  async #tryJump(from: number): Promise<boolean> {
    const newest = await this.#copyNewest()
    if (newest === null) return false
    const { seq } = newest.header
    this.#log.info(`the state of ledger ${seq} is in place: executions ${from} to ${seq - 1} are passed over`)
    this.#done = null
    this.#next = seq
    for (const old of this.#recent.keys()) if (old < seq) this.#recent.delete(old)
    await this.#options.passedOver.settle(from, seq)
    return true
  }

  /** @returns the ledger whose agreed state is in place now, or null when there is nobody to copy it from */
  async #copyNewest(): Promise<Ledger | null> {
    for (let start = 0; start < COPY_STARTS && !this.#stopped; start++) {
      if (start > 0) await this.#sleep(COPY_RESTART_MS)
      const newest = await this.#options.readLedger(this.#newest)
      if (newest !== null && (await this.#options.copyState(newest.header.result.stateRoot))) return newest
    }
    return null
  }

  async #execute(ledger: Ledger): Promise<void> {
    const done = await this.#runContract(ledger)
    if (this.#stopped) return
    this.#done = done
    this.#options.onExecuted(ledger.header.seq, done.result)
  }

  async #runContract(ledger: Ledger): Promise<Done> {
    const { state, readConfig } = this.#options
    const { seq } = ledger.header
    const config = await readConfig(ledger.header.result.configHash)
    const outcome = await this.#tryContract(executionOf(ledger, config.unl), config)
    if (this.#stopped) return this.#failed(ledger, 'stopped')
    this.#last = { seq, status: outcome.status, reason: outcome.reason, durationMs: outcome.durationMs }
    if (outcome.status === 'failed') return this.#undo(ledger, outcome.reason ?? 'failed')
    let stateRoot: Hash
    try {
      stateRoot = (await state.scan()).root
    } catch (error) {
      // A full disk says nothing about the contract: a result that is made up of it would be wrong.
      if (!(error instanceof StateError) || error.code === 'disk-full') throw error
      return this.#undo(ledger, error.message)
    }
    const { configHash } = ledger.header.result
    const result: ExecutionResult = { status: 'ok', stateRoot, outputsRoot: outputsRootOf(outcome.outputs), configHash }
    return { ledger, result, outputs: outcome.outputs, reason: null }
  }

  /** A contract that cannot even be started has failed: when that is so everywhere, the chain goes on without it. */
  async #tryContract(execution: Execution, config: ConsensusConfig): Promise<ExecutionOutcome> {
    const start = performance.now()
    try {
      return await this.#options.contract.execute(execution, config)
    } catch (error) {
      if (!(error instanceof ContractError) || this.#stopped) throw error
      this.#log.error(`the contract could not be run for ledger ${execution.seq}: ${error.message}`)
      const durationMs = performance.now() - start
      const none = { exitCode: null, signal: null, outputs: [], nplMessages: 0, nplBytesSent: 0 }
      return { status: 'failed', reason: 'the contract could not be started', durationMs, ...none }
    }
  }

  /** A failed execution leaves no trace. */
  async #undo(ledger: Ledger, reason: string): Promise<Done> {
    await this.#rollBack()
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

/** The config in the agreed one is that of the ledger which agrees, and may be newer. */
function isSame(own: ExecutionResult, agreed: AgreedResult): boolean {
  return own.status === agreed.status && own.stateRoot === agreed.stateRoot && own.outputsRoot === agreed.outputsRoot
}

function short(hash: Hash): string {
  return hash.slice(0, 8)
}
