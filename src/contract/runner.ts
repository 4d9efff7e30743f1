import type { Hash, PublicKey } from '../consensus/types.js'
import { resolveBinary } from './binary.js'
import { ContractError } from './errors.js'
import { FdListRun } from './fdlist/run.js'
import { Standby, type StartCounts } from './fdlist/standby.js'
import type { StartFacts, StartOptions } from './fdlist/start.js'
import { type Libc, loadLibc } from './libc.js'
import { type ContractLimits, checkLimits } from './limits.js'
import { LogFile } from './log-files.js'
import { PartyLine } from './party-line/party-line.js'
import { WaitingRoom } from './party-line/waiting-room.js'
import { buildEnvironment, CONTRACT_PATH } from './process/command.js'
import { ControlGroup } from './process/control-group.js'
import { DiskUsage } from './process/disk-usage.js'
import { canReadProcesses } from './process/process-tree.js'
import { RunMarker } from './process/run-marker.js'
import { DeviceGuard } from './sandbox/devices.js'
import { Sandbox } from './sandbox/sandbox.js'
import { DEFAULT_SANDBOX, type SandboxFact } from './sandbox/types.js'
import { chooseTempDir, TempFiles } from './temp-files.js'
import type {
  Execution,
  ExecutionOutcome,
  NplMessage,
  ReceivedNplMessage,
  RunnerCapabilities,
  RunnerOptions
} from './types.js'

/** Ledgers for which a late node still gets the answer that we are done. */
const FINISHED_MAX = 16
const WAITING_BYTES_MAX = 64 * 1024 * 1024
/** The next sandbox is made when what follows from the execution has been sent. */
const STANDBY_DELAY_MS = 5

interface Finished {
  seq: number
  lcl: Hash
  /** How many messages we sent. */
  count: number
  /** Who was told since. */
  answered: Set<PublicKey>
}

interface Current {
  execution: Execution
  line: PartyLine
  run: FdListRun
  done: Promise<ExecutionOutcome>
}

/** Runs the contract, one execution at a time, and joins it to the party line. */
export class ContractRunner {
  /** A message of our contract, for every node; the node sets it. */
  onNpl: (message: NplMessage) => void = () => {}
  readonly #options: RunnerOptions
  readonly #stdout: LogFile
  readonly #stderr: LogFile
  readonly #marker: RunMarker
  readonly #files: TempFiles
  readonly #libc: Libc | null
  readonly #sandbox: Sandbox
  readonly #group: ControlGroup | null
  readonly #disk: DiskUsage
  readonly #devices = new DeviceGuard()
  readonly #standby: Standby
  readonly #env: Record<string, string>
  readonly #waitingRoom: WaitingRoom
  readonly #finished: Finished[] = []
  #limits: ContractLimits
  #connected: () => PublicKey[] = () => []
  #current: Current | null = null
  #lastSeq: number | null = null
  #isStopped = false

  /** Throws ContractError 'invalid-options' when a limit is out of range. */
  constructor(options: RunnerOptions) {
    this.#options = options
    this.#limits = checkLimits(options.limits)
    const { logDir, limits } = options
    this.#stdout = new LogFile(logDir, 'contract.stdout.log', limits.logBytes, limits.logFiles)
    this.#stderr = new LogFile(logDir, 'contract.stderr.log', limits.logBytes, limits.logFiles)
    this.#marker = new RunMarker(logDir)
    this.#files = new TempFiles(options.tempDir ?? chooseTempDir(4 * limits.ledgerOutputBytes))
    this.#libc = options.libc === undefined ? loadLibc() : options.libc
    this.#group = ControlGroup.open(logDir)
    this.#sandbox = new Sandbox({
      ...DEFAULT_SANDBOX,
      ...options.sandbox,
      dir: options.dir,
      secretPaths: [options.logDir, ...(options.secretPaths ?? [])],
      searchPath: CONTRACT_PATH,
      files: this.#files,
      libc: this.#libc,
      group: this.#group,
      log: options.log
    })
    this.#disk = new DiskUsage(options.dir)
    this.#env = buildEnvironment(options.dir, options.env)
    this.#standby = new Standby({ tools: this.#tools(), marker: this.#marker, log: options.log })
    this.#waitingRoom = new WaitingRoom({ senderBytes: limits.nplBytes, totalBytes: WAITING_BYTES_MAX })
  }

  get capabilities(): RunnerCapabilities {
    return {
      interface: 'fdlist',
      nplBoundaries: this.#libc !== null,
      processWatch: canReadProcesses,
      kernelLimits: true,
      sandbox: this.#sandbox.fact.active ? 'bubblewrap' : 'none',
      processBound: this.#group !== null ? 'cgroup' : this.#sandbox.limitsTasks ? 'rlimit' : 'watch'
    }
  }

  /** How the contract is kept from the rest of the machine; complete once the runner has started. */
  get sandbox(): SandboxFact {
    return this.#sandbox.fact
  }

  /** How many executions began in a sandbox that was made ahead. */
  get starts(): Readonly<StartCounts> {
    return this.#standby.counts
  }

  /**
   * Ends a contract that an earlier run of this node left running, and tries the sandbox out. Call it before the state
   * is looked at. Throws ContractError 'sandbox-missing' when the contract must have a sandbox and there is none.
   */
  async start(): Promise<void> {
    const isLeft = (await this.#group?.clear()) ?? false
    if ((await this.#marker.clearLeftovers(this.#options.dir)) || isLeft) {
      this.#options.log.warn('Ended the contract that an earlier run of this node left behind.')
    }
    await this.#sandbox.probe()
  }

  /** Limits that the network agreed on; they hold from the next execution. Throws like the constructor. */
  setLimits(limits: Partial<ContractLimits>): void {
    this.#limits = checkLimits({ ...this.#limits, ...limits })
  }

  /** How to learn which UNL members are connected now: the party line does not wait for the others. */
  setNplPeers(connected: () => PublicKey[]): void {
    this.#connected = connected
  }

  /** Throws ContractError when the binary is missing or not executable. */
  checkBinary(): string {
    return resolveBinary(this.#options.dir, this.#options.binary, this.#env.PATH ?? '')
  }

  /**
   * Runs the contract for one ledger. Throws ContractError when it could not be run or was stopped: that is no result,
   * unlike an outcome with status 'failed'.
   */
  async execute(execution: Execution): Promise<ExecutionOutcome> {
    if (this.#isStopped) throw new ContractError('stopped', 'the contract runner is stopped')
    if (this.#current !== null) throw new ContractError('busy', 'the contract runs already: one execution at a time')
    const binary = this.checkBinary()
    const line = this.#openLine(execution)
    const facts = this.#factsOf(execution.users.length, binary)
    const run = this.#prepare(execution, facts, line)
    const done = this.#run(execution, run, facts, line)
    this.#current = { execution, line, run, done }
    try {
      const outcome = await done
      if (this.#isStopped) throw new ContractError('stopped', 'the contract was stopped')
      if (outcome.status === 'failed') this.#logFailure(execution, outcome)
      return outcome
    } catch (error) {
      // Also a start that was cut off.
      throw this.#isStopped ? new ContractError('stopped', 'the contract was stopped') : error
    } finally {
      line.finish()
      this.#remember(execution, line)
      this.#current = null
      this.#prepareNext(execution.users.length)
    }
  }

  /** Runs at once unless nobody called `start`, which tries the sandbox out, or a sandbox stands by. */
  async #run(execution: Execution, run: FdListRun, facts: StartFacts, line: PartyLine): Promise<ExecutionOutcome> {
    if (!this.#sandbox.isProbed) await this.#sandbox.probe()
    const ready = await this.#standby.take(facts)
    if (this.#isStopped) {
      await ready?.discard()
      throw new ContractError('stopped', 'the contract was stopped')
    }
    await run.begin(ready)
    const done = run.finish()
    this.#lastSeq = execution.seq
    for (const message of this.#waitingRoom.take(execution.seq, execution.lcl)) line.receive(message)
    return await done
  }

  /** A message of another node, whose signature and membership were checked. Never throws. */
  deliverNpl(message: ReceivedNplMessage): void {
    if (this.#isStopped || message.sender === this.#options.publicKey) return
    const current = this.#current
    const isCurrent = message.seq === current?.execution.seq && message.lcl === current.execution.lcl
    if (isCurrent && this.#lastSeq === message.seq) {
      current.line.receive(message)
      return
    }
    const finished = this.#finished.find(({ seq, lcl }) => seq === message.seq && lcl === message.lcl)
    if (finished === undefined) this.#waitingRoom.add(message, this.#lastSeq)
    else this.#answerEnd(finished, message.sender)
  }

  /** Kills the running contract with all its processes and waits for its end. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true
    const current = this.#current
    if (current !== null) {
      current.run.kill('stopped')
      await current.done.catch(() => {})
    }
    await this.#standby.stop()
    this.#stdout.close()
    this.#stderr.close()
    this.#marker.close()
    this.#devices.close()
    this.#group?.remove()
  }

  #openLine(execution: Execution): PartyLine {
    return new PartyLine({
      seq: execution.seq,
      lcl: execution.lcl,
      self: this.#options.publicKey,
      members: execution.unl,
      limits: this.#limits,
      connected: () => this.#connected(),
      send: (message) => this.onNpl(message),
      onLimit: (reason) => this.#current?.run.kill(reason)
    })
  }

  #tools(): Omit<StartOptions, keyof StartFacts> {
    return {
      files: this.#files,
      libc: this.#libc,
      sandbox: this.#sandbox,
      group: this.#group,
      stdout: this.#stdout,
      stderr: this.#stderr
    }
  }

  #factsOf(userCount: number, binary: string): StartFacts {
    const { args, dir } = this.#options
    return { userCount, binary, args, dir, env: this.#env, limits: this.#limits }
  }

  #prepare(execution: Execution, facts: StartFacts, partyLine: PartyLine): FdListRun {
    const { publicKey, log } = this.#options
    return new FdListRun({
      ...facts,
      ...this.#tools(),
      execution,
      publicKey,
      disk: this.#disk,
      devices: this.#devices,
      partyLine,
      onProcess: (pid) => (pid === 0 ? this.#marker.clear() : this.#marker.set(pid)),
      onLogCut: () => log.warn({ seq: execution.seq }, 'The contract writes its log too fast: a part was dropped.')
    })
  }

  #prepareNext(userCount: number): void {
    if (this.#options.standby === false) return
    this.#standby.prepare(STANDBY_DELAY_MS, () => this.#factsOf(userCount, this.checkBinary()))
  }

  #remember(execution: Execution, line: PartyLine): void {
    const { seq, lcl } = execution
    this.#finished.push({ seq, lcl, count: line.sentMessages, answered: new Set() })
    if (this.#finished.length > FINISHED_MAX) this.#finished.shift()
  }

  /** A node that comes late would wait for us: each is answered once. */
  #answerEnd(finished: Finished, sender: PublicKey): void {
    if (finished.answered.has(sender) || finished.answered.size >= FINISHED_MAX * 16) return
    finished.answered.add(sender)
    this.onNpl({ seq: finished.seq, lcl: finished.lcl, ordinal: finished.count, end: true })
  }

  #logFailure(execution: Execution, outcome: ExecutionOutcome): void {
    const { reason, durationMs } = outcome
    this.#options.log.warn({ seq: execution.seq, reason, durationMs }, 'The contract failed.')
  }
}
