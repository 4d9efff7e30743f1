import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import type { NodeStatus } from '../../src/admin/index.js'
import { prepareContract } from '../../src/cli/devnet/contract.js'
import { createContractDir } from '../../src/config/index.js'
import { createKeyPair } from '../../src/crypto/index.js'
import { NodeProcess } from './node-process.js'
import { findFreePort, HOST } from './ports.js'
import { User } from './user.js'
import { waitUntil } from './wait.js'

const FIXTURES = new URL('../fixtures/contracts/', import.meta.url).pathname

export interface ClusterOptions {
  /** Validators; default 4. */
  nodes?: number
  /** Further nodes that are not in the UNL. */
  observers?: number
  /** An example by name, or a file of fixtures/contracts (with its extension). */
  contract: string
  binargs?: string[]
  /** Keys of hp.cfg, the same for all nodes. */
  config?: Record<string, unknown>
}

const cleanups: (() => Promise<void>)[] = []

/** Runs after the test, the last one first. */
export function onCleanup(cleanup: () => Promise<void>): void {
  cleanups.push(cleanup)
}

afterEach(async ({ task }) => {
  const failed = task.result?.state === 'fail'
  for (const cleanup of cleanups.splice(0).reverse()) {
    try {
      await cleanup()
    } catch (error) {
      if (!failed) throw error
    }
  }
})

export async function makeTempDir(): Promise<string> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'hp-process-')))
  onCleanup(async () => {
    if (process.env.HP_P2P_KEEP === undefined) await rm(dir, { recursive: true, force: true, maxRetries: 3 })
  })
  return dir
}

/** A whole network in real processes on the loopback; stopped and removed after the test. */
export class Cluster {
  readonly users: User[] = []

  private constructor(
    readonly dir: string,
    /** Validators first, then observers. */
    readonly nodes: NodeProcess[],
    readonly validators: number
  ) {}

  /** Makes the directories; nothing runs yet. */
  static async create(options: ClusterOptions): Promise<Cluster> {
    const { nodes: validators = 4, observers = 0, config = {} } = options
    const dir = await makeTempDir()
    const named = options.contract.includes('.') ? join(FIXTURES, options.contract) : options.contract
    const contract = await prepareContract(named, join(dir, 'build'))
    const count = validators + observers
    const keys = Array.from({ length: count }, () => createKeyPair())
    const unl = keys.slice(0, validators).map(({ publicKey }) => publicKey)
    const ports = await Promise.all(
      keys.map(async () => ({
        pubport: await findFreePort(),
        peerport: await findFreePort(),
        tcpport: await findFreePort()
      }))
    )
    const nodes: NodeProcess[] = []
    for (const [index, pair] of keys.entries()) {
      const path = join(dir, `node${index}`)
      const own = ports[index] as (typeof ports)[number]
      const peers = ports.filter((_, other) => other !== index).map(({ peerport }) => `/ip4/${HOST}/tcp/${peerport}/ws`)
      await createContractDir(path, {
        ...own,
        keys: pair,
        unl,
        binary: contract.binary,
        binargs: options.binargs ?? contract.binargs,
        extra: { contractid: 'process-test', ip: HOST, peers, pubmaxcpm: 0, ...config }
      })
      await contract.install(path)
      nodes.push(new NodeProcess(path, pair.publicKey, `ws://${HOST}:${own.pubport}`, own))
    }
    await rm(join(dir, 'build'), { recursive: true, force: true })
    const cluster = new Cluster(dir, nodes, validators)
    onCleanup(() => cluster.#destroy())
    return cluster
  }

  /** Makes the network, starts it and waits until every node stands in it. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = await Cluster.create(options)
    await cluster.startAll()
    return cluster
  }

  node(index: number): NodeProcess {
    const node = this.nodes[index]
    if (node === undefined) throw new Error(`there is no node ${index}`)
    return node
  }

  async startAll(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.start()))
    await this.waitUntilReady()
  }

  /** Waits until all running nodes see each other and stand on the last ledger. */
  async waitUntilReady(): Promise<void> {
    const running = this.nodes.filter((node) => node.isRunning)
    const validators = this.nodes.slice(0, this.validators).filter((node) => node.isRunning).length
    await Promise.all(
      running.map((node) =>
        node.waitFor('ready', ({ sync, quorum, seq }) => sync === 'synced' && quorum.present >= validators && seq > 0)
      )
    )
  }

  async stopAll(): Promise<string[]> {
    return Promise.all(this.nodes.map((node) => node.stop()))
  }

  async statuses(): Promise<NodeStatus[]> {
    return Promise.all(this.nodes.filter((node) => node.isRunning).map((node) => node.waitFor('an answer', () => true)))
  }

  /** Waits until every running node has closed ledger `seq`. */
  async waitForSeq(seq: number, timeoutMs?: number): Promise<void> {
    const running = this.nodes.filter((node) => node.isRunning)
    await Promise.all(running.map((node) => node.waitFor(`ledger ${seq}`, (status) => status.seq >= seq, timeoutMs)))
  }

  /** Waits until every running node has executed and settled everything up to the newest ledger that is closed now. */
  async waitUntilSettled(): Promise<void> {
    const newest = Math.max(...(await this.statuses()).map(({ seq }) => seq))
    const running = this.nodes.filter((node) => node.isRunning)
    // The execution of newest + 1 begins when the result of `newest` is in its place.
    await Promise.all(
      running.map((node) =>
        node.waitFor(`ledger ${newest} settled`, ({ lastExecution, outputsAwaited }) => {
          return (lastExecution?.seq ?? 0) > newest && outputsAwaited === 0
        })
      )
    )
  }

  /** A user of node `index`; with the key pair of another user it is that user's second connection. */
  async connect(index: number, options: { as?: User; reconnect?: boolean } = {}): Promise<User> {
    const user = await User.connect([this.node(index).userUrl], {
      ...(options.as === undefined ? {} : { keyPair: options.as.keyPair }),
      reconnect: options.reconnect ?? false,
      context: () => this.describe()
    })
    this.users.push(user)
    return user
  }

  /** The status and the end of the log of each node. */
  async describe(): Promise<string> {
    const parts = this.nodes.map(async (node) => {
      const status = node.isRunning ? JSON.stringify(await node.status()) : 'does not run'
      return `--- ${node.dir}: ${status}\n${node.tail()}`
    })
    return (await Promise.all(parts)).join('\n')
  }

  async #destroy(): Promise<void> {
    await Promise.all(this.users.map((user) => user.close()))
    await this.stopAll()
    for (const node of this.nodes) node.killContract()
  }

  waitUntil<T>(what: string, condition: () => T | Promise<T>, timeoutMs?: number): Promise<NonNullable<T>> {
    return waitUntil(what, condition, {
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      describe: () => this.describe()
    })
  }
}
