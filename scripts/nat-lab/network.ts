import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { NodeStatus, PeerRow } from '../../src/admin/index.js'
import { prepareContract } from '../../src/cli/devnet/contract.js'
import { createContractDir, loadConfig } from '../../src/config/index.js'
import { createKeyPair } from '../../src/crypto/index.js'
import { toPeerId } from '../../src/network/peer-id.js'
import { MAIN, NodeProcess } from '../../test/helpers/node-process.js'
import { User } from '../../test/helpers/user.js'
import { waitUntil } from '../../test/helpers/wait.js'
import { Gateway } from './gateway.js'
import type { Host, Internet } from './internet.js'
import type { HomeOptions, NatKind } from './nat.js'
import { run } from './system.js'

/** The same on every machine of the lab. */
export const PORTS = { pubport: 8080, peerport: 22860, tcpport: 22861 }

const JOIN_TIMEOUT_MS = 60_000

/** One node of the network and the machine it runs on. */
export interface NodePlan {
  /** Names the machine too. */
  name: string
  /** Behind a router with NAT; without it the machine has a public address. */
  nat?: NatKind
  home?: HomeOptions
  role?: 'validator' | 'observer'
  /** Names of the nodes that it is told of; the first node alone when absent. */
  peers?: string[]
  /** More keys of its hp.cfg. */
  config?: Record<string, unknown>
}

export interface NetworkPlan {
  nodes: NodePlan[]
  /** An example by name, or a path. */
  contract: string
  /** Keys of every hp.cfg. */
  config?: Record<string, unknown>
}

export interface LabNode {
  readonly name: string
  readonly host: Host
  readonly role: 'validator' | 'observer'
  readonly process: NodeProcess
  readonly gateway: Gateway
}

/** A network of real nodes, each a process on a machine of its own in the lab. */
export class LabNetwork {
  readonly nodes: LabNode[] = []
  readonly #users: User[] = []
  #startedAtMs = 0

  private constructor(
    readonly internet: Internet,
    readonly dir: string
  ) {}

  /** Makes machines and contract directories in `dir`; nothing runs yet. */
  static async create(internet: Internet, dir: string, plan: NetworkPlan): Promise<LabNetwork> {
    const network = new LabNetwork(internet, dir)
    try {
      await network.#prepare(plan)
      return network
    } catch (error) {
      await network.destroy()
      throw error
    }
  }

  async #prepare(plan: NetworkPlan): Promise<void> {
    const { dir } = this
    const contract = await prepareContract(plan.contract, join(dir, 'build'))
    const keys = new Map(plan.nodes.map(({ name }) => [name, createKeyPair()]))
    const unl = plan.nodes.filter(({ role }) => role !== 'observer').map(({ name }) => keys.get(name)?.publicKey ?? '')
    for (const { name, nat, home } of plan.nodes) await this.#addMachine(name, nat, home)
    const addressOf = (name: string): string => this.#addressOf(name, keys.get(name)?.publicKey ?? '')
    const first = plan.nodes[0]?.name as string
    for (const { name, role = 'validator', peers = [first], config } of plan.nodes) {
      const pair = keys.get(name)
      if (pair === undefined) throw new Error(`two nodes have the name ${name}`)
      const path = join(dir, name)
      await createContractDir(path, {
        ...PORTS,
        keys: pair,
        unl,
        binary: contract.binary,
        binargs: contract.binargs,
        extra: {
          contractid: 'nat-lab',
          peers: peers.filter((peer) => peer !== name).map(addressOf),
          pubmaxcpm: 0,
          ...plan.config,
          ...config
        }
      })
      await contract.install(path)
      await this.#addNode(name, role, pair.publicKey)
    }
    await rm(join(dir, 'build'), { recursive: true, force: true })
  }

  /**
   * Makes a further machine, and on it with `hp-p2p join` a node of the running network that is told of one peer alone.
   * Start it by `start`.
   */
  async join(name: string, through: string, nat?: NatKind, home?: HomeOptions): Promise<LabNode> {
    const { namespace } = await this.#addMachine(name, nat, home)
    const path = join(this.dir, name)
    const ports = Object.entries(PORTS).flatMap(([port, number]) => [`--${port}`, String(number)])
    const command = [process.execPath, MAIN, 'join', path, this.address(through), '--no-start', ...ports]
    await run('ip', ['netns', 'exec', namespace, ...command], { timeoutMs: JOIN_TIMEOUT_MS })
    const { keys } = await loadConfig(path)
    return this.#addNode(name, 'observer', keys.publicKey)
  }

  /** The multiaddr that others are told of a node. */
  address(name: string): string {
    return this.#addressOf(name, this.node(name).process.publicKey)
  }

  #addressOf(name: string, publicKey: string): string {
    const { publicAddress } = this.internet.host(name)
    return `/ip4/${publicAddress}/tcp/${PORTS.peerport}/ws/p2p/${toPeerId(publicKey).toString()}`
  }

  #addMachine(name: string, nat?: NatKind, home?: HomeOptions): Promise<Host> {
    return nat === undefined ? this.internet.addHost(name) : this.internet.addHome(name, nat, home)
  }

  async #addNode(name: string, role: LabNode['role'], publicKey: string): Promise<LabNode> {
    const host = this.internet.host(name)
    const gateway = await Gateway.open(host.namespace, PORTS.pubport)
    const launcher = ['ip', 'netns', 'exec', host.namespace]
    const url = `ws://127.0.0.1:${gateway.port}`
    const node = {
      name,
      host,
      role,
      gateway,
      process: new NodeProcess(join(this.dir, name), publicKey, url, PORTS, launcher)
    }
    this.nodes.push(node)
    return node
  }

  node(name: string): LabNode {
    const node = this.nodes.find((candidate) => candidate.name === name)
    if (node === undefined) throw new Error(`there is no node ${name}`)
    return node
  }

  get running(): LabNode[] {
    return this.nodes.filter(({ process }) => process.isRunning)
  }
  get processes(): NodeProcess[] {
    return this.nodes.map(({ process }) => process)
  }

  async start(names = this.nodes.map(({ name }) => name)): Promise<void> {
    this.#startedAtMs = performance.now()
    await Promise.all(names.map((name) => this.node(name).process.start()))
  }

  /** Waits until every running node has closed a ledger; resolves with the time since `start`, ms. */
  async waitForFirstLedger(timeoutMs?: number): Promise<number> {
    await this.waitForSeq(1, timeoutMs)
    return performance.now() - this.#startedAtMs
  }

  /** Waits until all running nodes have every other running validator in touch and stand on the last ledger. */
  async waitUntilReady(timeoutMs?: number): Promise<void> {
    const validators = this.running.filter(({ role }) => role === 'validator').length
    await this.#waitForAll(
      'ready',
      ({ sync, quorum, seq }) => sync === 'synced' && quorum.present >= validators && seq > 0,
      timeoutMs
    )
  }

  /** Waits until every pair of running nodes is connected, directly or through a relay. */
  async waitUntilMeshed(timeoutMs?: number): Promise<void> {
    const others = this.running.length - 1
    await this.waitUntil(
      'all pairs connected',
      async () => {
        const links = await this.links()
        const names = new Set(this.running.map(({ name }) => name))
        return this.running.every(
          ({ name }) => links.filter(({ from, to }) => from === name && names.has(to)).length === others
        )
      },
      timeoutMs
    )
  }

  /** Waits until every running node has closed ledger `seq`. */
  async waitForSeq(seq: number, timeoutMs?: number): Promise<void> {
    await this.#waitForAll(`ledger ${seq}`, (status) => status.seq >= seq, timeoutMs)
  }

  /** Waits until everything up to the newest ledger of now is executed and settled on every running node. */
  async waitUntilSettled(): Promise<void> {
    const newest = await this.newestSeq()
    // The execution of newest + 1 begins when the result of `newest` is in its place.
    await this.#waitForAll(`ledger ${newest} settled`, ({ lastExecution }) => (lastExecution?.seq ?? 0) > newest)
  }

  async newestSeq(): Promise<number> {
    return Math.max(...(await this.statuses()).map(({ seq }) => seq))
  }

  /** Of the running nodes, in their order. */
  async statuses(): Promise<NodeStatus[]> {
    return Promise.all(this.running.map(({ process }) => process.waitFor('an answer', () => true)))
  }

  /** A user of a node, who comes to it from its own machine. */
  async connect(name: string, options: { reconnect?: boolean } = {}): Promise<User> {
    const user = await User.connect([this.node(name).process.userUrl], {
      reconnect: options.reconnect ?? false,
      context: () => this.describe()
    })
    this.#users.push(user)
    return user
  }

  /** What each running node says of each connected node of the network. */
  async links(): Promise<{ from: string; to: string; row: PeerRow }[]> {
    const names = new Map(this.nodes.map(({ name, process }) => [process.publicKey, name]))
    const rows = this.running.map(async ({ name, process }) => {
      const connected = (await process.peers()).filter((row) => row.connected)
      return connected.map((row) => ({ from: name, to: names.get(row.publicKey ?? '') ?? row.peerId, row }))
    })
    return (await Promise.all(rows)).flat()
  }

  waitUntil<T>(what: string, condition: () => T | Promise<T>, timeoutMs?: number): Promise<NonNullable<T>> {
    return waitUntil(what, condition, {
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      describe: () => this.describe()
    })
  }

  /** The machines, and of each node its status, links and the end of its log. */
  async describe(): Promise<string> {
    const links = await this.links().catch(() => [])
    const parts = this.nodes.map(async ({ name, process }) => {
      const status = process.isRunning ? JSON.stringify(await process.status()) : 'does not run'
      const own = links.filter(({ from }) => from === name).map(({ to, row }) => `  -> ${to} ${row.address}`)
      return [`--- ${name}: ${status}`, ...own, process.tail(25)].join('\n')
    })
    return [...this.internet.describe(), ...(await Promise.all(parts))].join('\n')
  }

  async #waitForAll(what: string, condition: (status: NodeStatus) => boolean, timeoutMs?: number): Promise<void> {
    try {
      await Promise.all(this.running.map(({ process }) => process.waitFor(what, condition, timeoutMs)))
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${await this.describe()}`)
    }
  }

  /** Stops users and nodes; resolves with how each node ended. */
  async stop(): Promise<string[]> {
    await Promise.all(this.#users.splice(0).map((user) => user.close()))
    return Promise.all(this.processes.map((node) => node.stop()))
  }

  /** Stops everything and lets go of the machines; idempotent. */
  async destroy(): Promise<void> {
    await this.stop()
    for (const { process, gateway } of this.nodes) {
      process.killContract()
      await gateway.close()
    }
  }
}
