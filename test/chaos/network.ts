import { randomBytes } from 'node:crypto'
import { symlinkSync, writeFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { prepareContract } from '../../src/cli/devnet/contract.js'
import { contractPaths, createContractDir } from '../../src/config/index.js'
import { createKeyPair } from '../../src/crypto/index.js'
import { NodeProcess } from '../helpers/node-process.js'
import { findFreePort, HOST } from '../helpers/ports.js'
import { canMountDisks, mountSmallDisk, releaseDisk } from '../helpers/small-disk.js'
import { LinkProxy } from './link-proxy.js'
import type { Manifest } from './manifest.js'
import { buildOtherVersion, type OtherVersion } from './other-version.js'

/** Room for a node of a short run, and little enough to be filled in no time. */
const DISK_MB = 48

const BOOK = fileURLToPath(new URL('../fixtures/contracts/book.sh', import.meta.url))
const CLOCK = new URL('clock-shift.mjs', import.meta.url)
/** All nodes share this machine's cores. */
const FLAGS = ['--single-threaded-gc']

/** The nodes of one seed: real processes in one directory, with a proxy between each two of them. */
export class ChaosNetwork {
  readonly #mounted: string[] = []
  readonly #others = new Map<string, string>()

  private constructor(
    readonly manifest: Manifest,
    readonly dir: string,
    readonly nodes: NodeProcess[],
    readonly links: LinkProxy,
    /** By which nodes are dialled. */
    private readonly proxyPorts: number[]
  ) {}

  static async create(manifest: Manifest): Promise<ChaosNetwork> {
    const dir = await realpath(await mkdtemp(join(tmpdir(), `hp-chaos-${manifest.seed}-`)))
    const count = manifest.validators + manifest.observers
    const ports: { pubport: number; peerport: number; proxy: number }[] = []
    for (let index = 0; index < count; index++) {
      ports.push({ pubport: await findFreePort(), peerport: await findFreePort(), proxy: await findFreePort() })
    }
    const nodes: NodeProcess[] = []
    const links = await LinkProxy.start(
      ports.map(({ proxy }) => proxy),
      ports.map(({ peerport }) => peerport),
      (node) => (nodes[node]?.isRunning ? nodes[node].pid : null)
    )
    const network = new ChaosNetwork(
      manifest,
      dir,
      nodes,
      links,
      ports.map(({ proxy }) => proxy)
    )
    try {
      await network.#createNodes(ports)
    } catch (error) {
      await network.destroy(false)
      throw error
    }
    return network
  }

  async #createNodes(ports: { pubport: number; peerport: number; proxy: number }[]): Promise<void> {
    const { manifest, dir } = this
    const named = manifest.contract === 'book' ? BOOK : manifest.contract
    const contract = await prepareContract(named, join(dir, 'build'))
    const keys = ports.map(() => createKeyPair())
    const unl = keys.slice(0, manifest.validators).map(({ publicKey }) => publicKey)
    const address = (port: number): string => `/ip4/${HOST}/tcp/${port}${manifest.transport === 'ws' ? '/ws' : ''}`
    const ballast = manifest.ballastBytes.map((bytes) => randomBytes(bytes))
    const isMounting = canMountDisks()
    for (const [index, pair] of keys.entries()) {
      const path = join(dir, `node${index}`)
      const { pubport, peerport, proxy } = ports[index] as (typeof ports)[number]
      const isWs = manifest.transport === 'ws'
      // A small disk holds the directory; its log lies outside.
      if (isMounting && manifest.smallDisks.includes(index)) {
        mountSmallDisk(join(dir, `disk${index}`), DISK_MB)
        this.#mounted.push(index.toString())
      }
      const home = this.hasSmallDisk(index) ? join(dir, `disk${index}`, 'node') : path
      await createContractDir(home, {
        pubport,
        peerport: isWs ? peerport : 0,
        tcpport: isWs ? 0 : peerport,
        keys: pair,
        unl,
        binary: contract.binary,
        binargs: contract.binargs,
        extra: {
          contractid: `chaos-${manifest.seed}`,
          ip: HOST,
          announce: [address(proxy)],
          peers: ports.flatMap((other, at) => (at === index ? [] : [address(other.proxy)])),
          roundtime: manifest.roundtimeMs,
          threshold: manifest.threshold,
          sandbox: manifest.sandbox,
          pubmaxcpm: 0
        }
      })
      await contract.install(home)
      const { state } = contractPaths(home)
      for (const [at, bytes] of ballast.entries()) await writeFile(join(state, `ballast${at}`), bytes)
      const node = new NodeProcess(home, pair.publicKey, `ws://${HOST}:${pubport}`, {
        pubport,
        peerport,
        tcpport: peerport
      })
      if (this.hasSmallDisk(index)) {
        // As with a log that is kept elsewhere.
        await mkdir(join(home, 'log'), { recursive: true })
        symlinkSync(join(dir, `node${index}.log`), node.logPath)
      }
      this.nodes.push(node)
      this.setClock(index, manifest.clocks[index] ?? { offsetMs: 0, rate: 0 })
      const file = encodeURIComponent(this.#clockFile(index))
      node.nodeFlags = [...FLAGS, '--import', `${CLOCK.href}?file=${file}`]
    }
    await rm(join(dir, 'build'), { recursive: true, force: true })
    await mkdir(join(dir, 'versions'))
  }

  node(index: number): NodeProcess {
    const node = this.nodes[index]
    if (node === undefined) throw new Error(`there is no node ${index}`)
    return node
  }

  isValidator(index: number): boolean {
    return index < this.manifest.validators
  }

  hasSmallDisk(index: number): boolean {
    return this.#mounted.includes(index.toString())
  }

  #clockFile(index: number): string {
    return join(this.dir, `clock${index}`)
  }

  setClock(index: number, { offsetMs, rate }: { offsetMs: number; rate: number }): void {
    writeFileSync(this.#clockFile(index), `${offsetMs} ${rate}`)
  }

  /** An address by which a node would go around the links that we cut; null when there is none. */
  async findBypass(): Promise<string | null> {
    for (const [index, node] of this.nodes.entries()) {
      for (const { addresses } of await node.peers()) {
        const other = addresses.find((address) => {
          const ports = [...address.matchAll(/\/tcp\/(\d+)/g)].map(([, port]) => Number(port))
          return ports.some((port) => !this.proxyPorts.includes(port))
        })
        if (other !== undefined) return `node ${index} knows ${other}`
      }
    }
    return null
  }

  /** What to run for a node of another version of the wire protocol. */
  mainOf(version: OtherVersion): string {
    const { name } = version
    const known = this.#others.get(name)
    if (known !== undefined) return known
    const main = buildOtherVersion(join(this.dir, 'versions', String(this.#others.size)), version)
    this.#others.set(name, main)
    return main
  }

  /** Cuts all links from or to `node` as asked; the state of each direction. */
  isolate(node: number, others: number[], out: 'open' | 'held' | 'refused', into: 'open' | 'held' | 'refused'): void {
    for (const other of others) {
      this.links.set(node, other, out)
      this.links.set(other, node, into)
    }
  }

  /** Ends every process. Keeps the directory, with what lay on small disks, when asked. */
  async destroy(isKept: boolean): Promise<void> {
    for (const node of this.nodes) if (node.isRunning) process.kill(node.pid, 'SIGCONT')
    await Promise.all(this.nodes.map((node) => node.stop()))
    for (const node of this.nodes) node.killContract()
    await this.links.close()
    for (const index of this.#mounted) {
      const disk = join(this.dir, `disk${index}`)
      if (isKept) await keepDisk(disk)
      releaseDisk(disk)
    }
    if (isKept) await rm(join(this.dir, 'versions'), { recursive: true, force: true })
    else await rm(this.dir, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function keepDisk(disk: string): Promise<void> {
  await rm(join(disk, 'filler'), { force: true })
  await cp(join(disk, 'node'), `${disk}.kept`, { recursive: true, preserveTimestamps: true }).catch(() => {})
}
