import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { waitUntil } from '../../test/helpers/wait.js'
import { ownPrefix, removeNamespace, sweepDeadRuns } from './namespaces.js'
import { type HomeOptions, type NatKind, natRules, PORT_MAPPING_RULES, portMappingConfig } from './nat.js'
import { ip, nft, setKernel } from './system.js'

const DELAY_LINE = fileURLToPath(new URL('./delay-line.ts', import.meta.url))
const DELAY_DEVICE = 'delay'
/** The routing table whose only way leads through the delay line. */
const DELAY_TABLE = 100
/** Longest names of interfaces have 15 characters. */
const NAME = /^[a-z][a-z0-9]{0,11}$/
/** The same in every home, as it is in the world. */
const LAN = '192.168.1'
const MAX_SAID = 4000
const DELAY_MAX_MS = 10_000

/** A machine of the lab: a network namespace in which processes can be started. */
export interface Host {
  readonly name: string
  readonly namespace: string
  /** null: has an address of the internet of its own. */
  readonly nat: NatKind | null
  /** Its own address. */
  address: string
  /** The address by which the internet sees it. */
  publicAddress: string
}

interface Site extends Host {
  /** The namespace that holds the public address: the host's own or its router's. */
  edge: string
  /** The first three numbers of all public addresses that the site can have. */
  net: string
}

let labs = 0

/**
 * An internet in network namespaces: one router in the middle, and around it hosts with public addresses and homes, each
 * one host behind a router with NAT. Nothing of it touches the machine's own network. Needs root; see `findObstacle`.
 *
 *     host eth0 ---- to-host [internet] to-home ---- wan [home's router] lan ---- eth0 home
 */
export class Internet {
  readonly #prefix = `${ownPrefix}${labs++}-`
  readonly #sites = new Map<string, Site>()
  /** In the order of their making. */
  readonly #namespaces: string[] = []
  readonly #dirs: string[] = []
  #delayLine: ChildProcess | null = null
  #delayLineReady: Promise<unknown> = Promise.resolve()
  /** Packets go through the delay line. */
  #isDetoured = false

  private constructor() {}

  /** Makes the router in the middle; removes first what dead runs have left. */
  static async create(): Promise<Internet> {
    await sweepDeadRuns()
    const internet = new Internet()
    try {
      await internet.#createCore()
      return internet
    } catch (error) {
      await internet.destroy()
      throw error
    }
  }

  host(name: string): Host {
    return this.#site(name)
  }

  /** A machine with a public address. */
  async addHost(name: string): Promise<Host> {
    const namespace = await this.#createNamespace(this.#checkName(name))
    const net = await this.#connect(name, namespace, 'eth0')
    const address = `${net}.2`
    return this.#addSite({ name, namespace, nat: null, address, publicAddress: address, edge: namespace, net })
  }

  /**
   * A machine with a private address behind a router with NAT of its own.
   */
  async addHome(name: string, nat: NatKind, { forward = [], portMapping = false }: HomeOptions = {}): Promise<Host> {
    const namespace = await this.#createNamespace(this.#checkName(name))
    const edge = await this.#createNamespace(`${name}.nat`)
    const net = await this.#connect(name, edge, 'wan')
    await ip([`link add lan netns ${edge} type veth peer name eth0 netns ${namespace}`])
    await ip([`addr add ${LAN}.1/24 dev lan`, 'link set lan up'], edge)
    const address = `${LAN}.2`
    await ip(
      [`addr add ${address}/24 dev eth0`, 'link set eth0 up', `route add default via ${LAN}.1 dev eth0`],
      namespace
    )
    await setKernel(edge, { 'ipv4/ip_forward': 1 })
    await nft(edge, natRules(nat, address, forward))
    if (portMapping) await this.#startPortMapping(edge)
    return this.#addSite({ name, namespace, nat, address, publicAddress: `${net}.2`, edge, net })
  }

  /** Delays every packet from one site to another by this time each way; 0 for none. */
  async setDelay(delayMs: number): Promise<void> {
    if (!(delayMs >= 0 && delayMs <= DELAY_MAX_MS)) throw new Error(`a delay has 0 to ${DELAY_MAX_MS} ms`)
    if (delayMs === 0 && !this.#isDetoured) return
    const line = this.#delayLine
    if (line === null) throw new Error('the lab has been taken down')
    await this.#delayLineReady
    if (!this.#isDetoured) await this.#detourAll()
    const told = once(line, 'message')
    line.send({ delayMs })
    await told
  }

  /** Cuts two groups of hosts off from each other: packets between them vanish. */
  async partition(one: string[], other: string[]): Promise<void> {
    const nets = (names: string[]): string => names.map((name) => `${this.#site(name).net}.0/24`).join(', ')
    const [a, b] = [nets(one), nets(other)]
    await nft(
      this.#core,
      `table ip partition
      delete table ip partition
      table ip partition {
        chain forward {
          type filter hook forward priority -10; policy accept;
          ip saddr { ${a} } ip daddr { ${b} } drop
          ip saddr { ${b} } ip daddr { ${a} } drop
        }
      }`
    )
  }

  /** Ends the partition. */
  async heal(): Promise<void> {
    await nft(this.#core, 'table ip partition\ndelete table ip partition')
  }

  /** Gives a site the next public address, as a provider does overnight; what was translated to the old one is lost. */
  async changePublicAddress(name: string): Promise<string> {
    const site = this.#site(name)
    const device = site.nat === null ? 'eth0' : 'wan'
    const next = `${site.net}.${Number(site.publicAddress.split('.')[3]) + 1}`
    await ip(
      [
        `addr del ${site.publicAddress}/24 dev ${device}`,
        `addr add ${next}/24 dev ${device}`,
        `route replace default via ${site.net}.1 dev ${device}`
      ],
      site.edge
    )
    site.publicAddress = next
    if (site.nat === null) site.address = next
    return next
  }

  /** Gives a machine behind NAT another address in its home. */
  async changeLanAddress(name: string): Promise<string> {
    const site = this.#site(name)
    if (site.nat === null) throw new Error(`${name} is in no home`)
    const next = `${LAN}.${Number(site.address.split('.')[3]) + 1}`
    await ip(
      [
        `addr del ${site.address}/24 dev eth0`,
        `addr add ${next}/24 dev eth0`,
        `route replace default via ${LAN}.1 dev eth0`
      ],
      site.namespace
    )
    site.address = next
    return next
  }

  /** Removes everything; idempotent. */
  async destroy(): Promise<void> {
    const line = this.#delayLine
    this.#delayLine = null
    // The routers go last, with the device that the delay line waits on.
    for (const namespace of this.#namespaces.splice(0).reverse()) await removeNamespace(namespace)
    if (line !== null && line.exitCode === null && line.signalCode === null) {
      const ended = once(line, 'exit')
      line.kill('SIGKILL')
      await ended
    }
    for (const dir of this.#dirs.splice(0)) await rm(dir, { recursive: true, force: true })
    this.#sites.clear()
  }

  /** What is there, a line for each machine. */
  describe(): string[] {
    return [...this.#sites.values()].map(({ name, nat, address, publicAddress, namespace }) => {
      const where = nat === null ? `public ${publicAddress}` : `${address} behind a ${nat} NAT at ${publicAddress}`
      return `${name}: ${where} (${namespace})`
    })
  }

  get #core(): string {
    return `${this.#prefix}internet`
  }

  #site(name: string): Site {
    const site = this.#sites.get(name)
    if (site === undefined) throw new Error(`the lab has no host ${name}`)
    return site
  }

  #addSite(site: Site): Site {
    this.#sites.set(site.name, site)
    return site
  }

  #checkName(name: string): string {
    if (!NAME.test(name)) throw new Error(`${name}: the name of a host has 1 to 12 lower-case letters and digits`)
    if (this.#sites.has(name)) throw new Error(`the lab has a host ${name} already`)
    return name
  }

  async #createNamespace(name: string): Promise<string> {
    const namespace = `${this.#prefix}${name}`
    await ip([`netns add ${namespace}`])
    this.#namespaces.push(namespace)
    await ip(['link set lo up'], namespace)
    return namespace
  }

  async #createCore(): Promise<void> {
    await this.#createNamespace('internet')
    await setKernel(this.#core, {
      'ipv4/ip_forward': 1,
      'ipv4/conf/all/rp_filter': 0,
      'ipv4/conf/default/rp_filter': 0
    })
    await ip([`tuntap add dev ${DELAY_DEVICE} mode tun`, `link set ${DELAY_DEVICE} txqueuelen 10000 up`], this.#core)
    this.#startDelayLine()
  }

  /** A link between a site and the internet, with a public network of its own. */
  async #connect(name: string, edge: string, device: string): Promise<string> {
    const net = `11.0.${this.#sites.size + 1}`
    await ip([`link add to-${name} netns ${this.#core} type veth peer name ${device} netns ${edge}`])
    await ip([`addr add ${net}.1/24 dev to-${name}`, `link set to-${name} up`], this.#core)
    await ip(
      [`addr add ${net}.2/24 dev ${device}`, `link set ${device} up`, `route add default via ${net}.1 dev ${device}`],
      edge
    )
    if (this.#isDetoured) await ip([this.#detour(name)], this.#core)
    return net
  }

  /** What comes from a site goes to the delay line; what comes from there finds its way by the main table. */
  #detour(name: string): string {
    return `rule add iif to-${name} lookup ${DELAY_TABLE} pref ${DELAY_TABLE}`
  }

  /** Starts the router's daemon; it ends with the namespace. */
  async #startPortMapping(edge: string): Promise<void> {
    await nft(edge, PORT_MAPPING_RULES)
    const dir = await mkdtemp(join(tmpdir(), 'hp-port-mapping-'))
    this.#dirs.push(dir)
    const config = join(dir, 'miniupnpd.conf')
    await writeFile(config, portMappingConfig(dir))
    const args = ['netns', 'exec', edge, 'miniupnpd', '-d', '-f', config, '-P', join(dir, 'pid')]
    const daemon = spawn('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    daemon.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-MAX_SAID)
    })
    await Promise.race([
      waitUntil('miniupnpd to listen', () => said.includes('Listening for NAT-PMP')),
      once(daemon, 'exit').then(() => Promise.reject(new Error(`miniupnpd ended: ${said}`)))
    ])
  }

  async #detourAll(): Promise<void> {
    this.#isDetoured = true
    const detours = [...this.#sites.keys()].map((name) => this.#detour(name))
    await ip([`route add default dev ${DELAY_DEVICE} table ${DELAY_TABLE}`, ...detours], this.#core)
  }

  #startDelayLine(): void {
    // In a process group of its own: Ctrl-C is for the parent, which it outlives to tidy up if that one cannot.
    const line = spawn(process.execPath, ['--import', 'tsx', DELAY_LINE, this.#core, DELAY_DEVICE], {
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc']
    })
    this.#delayLine = line
    this.#delayLineReady = Promise.race([
      once(line, 'message'),
      once(line, 'exit').then(([code, signal]) => Promise.reject(new Error(`the delay line ended (${signal ?? code})`)))
    ])
    // Who sets a delay is told.
    this.#delayLineReady.catch(() => {})
  }
}
