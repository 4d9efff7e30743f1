import type { Logger } from 'pino'
import type { ProposalMessage } from '../../../src/codec/index.js'
import type { NodeConfig } from '../../../src/config/index.js'
import { contractPaths } from '../../../src/config/paths.js'
import type { ConsensusConfig, Ledger, Proposal, PublicKey } from '../../../src/consensus/types.js'
import { ContractError } from '../../../src/contract/errors.js'
import { DEFAULT_LIMITS as CONTRACT_LIMITS } from '../../../src/contract/limits.js'
import type { KeyPair } from '../../../src/crypto/index.js'
import { NetworkError, RequestError } from '../../../src/network/errors.js'
import type { NetworkOptions } from '../../../src/network/index.js'
import { DEFAULT_LIMITS as NETWORK_LIMITS } from '../../../src/network/limits.js'
import { TokenBucket } from '../../../src/network/rate-limit.js'
import type { NodeError } from '../../../src/node/errors.js'
import type { Executor } from '../../../src/node/executor.js'
import type { HotPocketNode } from '../../../src/node/node.js'
import type { ProposalPool } from '../../../src/node/proposal-pool.js'
import { DEFAULT_USER_LIMITS, type UserServerOptions } from '../../../src/users/index.js'
import type { Hub } from './hub.js'
import { asModule, type Program } from './program.js'
import { SimNetwork } from './sim-network.js'
import { type Machine, SimProcess } from './sim-process.js'
import { type Conduct, createRunnerClass } from './sim-runner.js'
import { SimUserServer, type UserEvents } from './sim-users.js'

export type CrashKind = 'kill' | 'power'

export interface NodeEvents {
  /** A closed ledger is in the store of this node, and on its way to the contract. */
  onLedger: (node: WholeNode, ledger: Ledger) => void
  onUp: (node: WholeNode) => void
  onLog: (node: WholeNode, level: string, message: string) => void
  conductOf: (node: WholeNode, seq: number) => Conduct
  users: (node: WholeNode) => UserEvents
  /** A Byzantine node's software has checked a proposal of another node. */
  onProposal: (node: WholeNode, proposal: Proposal, message: ProposalMessage) => void
  /** The node could not start, or had to stop. */
  onFailed: (node: WholeNode, error: Error) => void
  onUncaught: (node: WholeNode, error: unknown) => void
}

export const DIR = '/node'
export const HIST_PATH = `${DIR}/hist`
export const STATE_PATH = `${DIR}/state`
export const JOURNAL_PATH = `${HIST_PATH}/journal`
export const LEDGERS_PATH = `${HIST_PATH}/ledgers`

/** One node with all that it is made of: the sources of the node, in one process after another on one machine. */
export class WholeNode {
  readonly index: number
  readonly keys: KeyPair
  readonly machine: Machine
  node: HotPocketNode | null = null
  users: SimUserServer | null = null
  network: SimNetwork | null = null
  /** It has started and has not stopped. */
  isUp = false
  isStopping = false
  lives = 0
  /** It is Byzantine: who speaks beside it with its key wants to know what it hears. */
  isWatched = false
  readonly #program: Program
  readonly #hub: Hub
  readonly #config: NodeConfig
  readonly #events: NodeEvents
  #process: SimProcess | null = null

  constructor(
    index: number,
    keys: KeyPair,
    machine: Machine,
    around: { program: Program; hub: Hub; consensus: ConsensusConfig; history: number; events: NodeEvents }
  ) {
    this.index = index
    this.keys = keys
    this.machine = machine
    this.#program = around.program
    this.#hub = around.hub
    this.#events = around.events
    this.#config = configOf(keys, around.consensus, around.history)
    machine.files.add(DIR, 'dir', 0o755)
    machine.files.add(`${DIR}/hist`, 'dir', 0o755)
    machine.files.syncAll()
  }

  get publicKey(): PublicKey {
    return this.keys.publicKey
  }
  /** A process runs, be it that it is still starting. */
  get isRunning(): boolean {
    return this.#process !== null
  }
  get name(): string {
    return `n${this.index}`
  }

  start(): void {
    if (this.#process !== null) return
    this.lives++
    const process = new SimProcess(this.machine)
    this.#process = process
    process.onUncaught = (error) => this.#events.onUncaught(this, error)
    const modules = process.modules()
    const load = this.#program.process({ globals: process.globals(), modules })
    this.#setStandIns(process, load, modules)
    const { HotPocketNode: Node } = load<{ HotPocketNode: typeof HotPocketNode }>('node/node')
    const node = new Node({ dir: DIR, config: this.#config, log: this.#log(process) })
    this.node = node
    node.start().then(
      () => this.#started(process),
      (error: Error) => this.#ended(process, error)
    )
    node.stopped.then((error) => {
      if (error !== null && process.isAlive) node.stop().then(() => this.#ended(process, error))
    })
  }

  /** The node stops in order. */
  stop(done: () => void): void {
    const process = this.#process
    if (process === null || !this.isUp) return
    this.isStopping = true
    this.node?.stop().then(() => {
      if (this.#process !== process) return
      this.#end()
      done()
    })
  }

  crash(kind: CrashKind): void {
    this.#end()
    if (kind === 'power') this.machine.cutPower()
  }

  #end(): void {
    this.network?.vanish()
    this.#process?.kill()
    this.#process = null
    this.isUp = false
    this.isStopping = false
    this.node = null
    this.users = null
    this.network = null
  }

  #started(process: SimProcess): void {
    if (this.#process !== process) return
    this.isUp = true
    this.#events.onUp(this)
  }

  #ended(process: SimProcess, error: NodeError | Error): void {
    if (this.#process !== process) return
    this.#end()
    this.#events.onFailed(this, error)
  }

  /** What a simulated node has in place of libp2p, sockets, child processes and the operator's door. */
  #setStandIns(process: SimProcess, load: <T>(name: string) => T, modules: Map<string, unknown>): void {
    const makeError = (code: RequestError['code'], message: string): Error => new RequestError(code, message)
    const createNetwork = async (options: NetworkOptions): Promise<SimNetwork> => {
      this.network = new SimNetwork(this.#hub, process, options, makeError)
      return this.network
    }
    class SimTokenBucket extends TokenBucket {
      constructor(perSecond: number, burst: number) {
        super(perSecond, burst, () => process.machine.clock.nowMs)
      }
    }
    const network = { createNetwork, RequestError, NetworkError, DEFAULT_LIMITS: NETWORK_LIMITS }
    modules.set('network/index', asModule({ ...network, TokenBucket: SimTokenBucket }))
    const conductOf = (seq: number): Conduct => this.#events.conductOf(this, seq)
    const ContractRunner = createRunnerClass(process, conductOf, (words) => new ContractError('stopped', words))
    modules.set('contract/index', asModule({ ContractRunner, ContractError, DEFAULT_LIMITS: CONTRACT_LIMITS }))
    const events = this.#events.users(this)
    const setUsers = (server: SimUserServer): void => {
      this.users = server
    }
    class UserServer extends SimUserServer {
      constructor(options: UserServerOptions) {
        super(options, process, events)
        setUsers(this)
      }
    }
    modules.set('users/user-server', asModule({ UserServer }))
    modules.set('users/listener', asModule({}))
    const acquireNodeLock = async (): Promise<object> => ({ release: async () => {} })
    const createAdminServer = async (): Promise<object> => ({ stop: async () => {} })
    modules.set('admin/index', asModule({ acquireNodeLock, createAdminServer }))
    modules.set('version', asModule({ VERSION: 'simulated' }))
    modules.set('config/index', asModule({ contractPaths }))
    modules.set('node/operations', asModule({ createOperations: () => ({}) }))
    modules.set('node/doctor/running', asModule({ examineNode: async () => ({}) }))
    if (this.isWatched) modules.set('node/proposal-pool', this.#watchedPool(process, load))
    // The last one: what it needs must be in its place.
    modules.set('node/executor', this.#watchedExecutor(process, load))
  }

  /** The executor, which is told of each closed ledger once it is in the store. */
  #watchedExecutor(process: SimProcess, load: <T>(name: string) => T): unknown {
    const module = load<{ Executor: typeof Executor }>('node/executor')
    const onLedger = (ledger: Ledger): void => {
      if (process.isAlive) this.#events.onLedger(this, ledger)
    }
    class WatchedExecutor extends module.Executor {
      override enqueue(ledger: Ledger): void {
        onLedger(ledger)
        super.enqueue(ledger)
      }
    }
    return { ...module, Executor: WatchedExecutor }
  }

  #watchedPool(process: SimProcess, load: <T>(name: string) => T): unknown {
    const module = load<{ ProposalPool: typeof ProposalPool }>('node/proposal-pool')
    const onProposal = (proposal: Proposal, message: ProposalMessage | undefined): void => {
      if (process.isAlive && message !== undefined) this.#events.onProposal(this, proposal, message)
    }
    class WatchedPool extends module.ProposalPool {
      override async take(...work: Parameters<ProposalPool['take']>): Promise<Proposal | null> {
        const proposal = await super.take(...work)
        if (proposal !== null) onProposal(proposal, this.whole(proposal.hash))
        return proposal
      }
    }
    return { ...module, ProposalPool: WatchedPool }
  }

  #log(process: SimProcess): Logger {
    const at =
      (level: string) =>
      (first: unknown, second?: string): void => {
        if (!process.isAlive) return
        const words = typeof first === 'string' ? first : `${second ?? ''} ${wordsOf(first)}`
        this.#events.onLog(this, level, words)
      }
    const nothing = (): void => {}
    const log = {
      trace: nothing,
      debug: nothing,
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      fatal: at('fatal'),
      child: () => log
    }
    return log as unknown as Logger
  }
}

function wordsOf(what: unknown): string {
  const { err } = what as { err?: Error }
  return err === undefined ? JSON.stringify(what) : String(err.message)
}

function configOf(keys: KeyPair, consensus: ConsensusConfig, history: number): NodeConfig {
  const { messagesPerMinute: _, ...userLimits } = DEFAULT_USER_LIMITS
  const config = {
    dir: DIR,
    keys,
    contractId: 'simulated',
    consensus,
    network: { host: '127.0.0.1', wsPort: null, tcpPort: null, peers: [] },
    users: { host: '127.0.0.1', port: 1, limits: userLimits, tls: null },
    contract: { binary: '/bin/contract', args: [], limits: {}, sandbox: {} },
    history: history === 0 ? 'full' : history,
    logLevel: 'info',
    isValidator: consensus.unl.includes(keys.publicKey),
    warnings: []
  }
  return config as unknown as NodeConfig
}
