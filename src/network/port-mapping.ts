/** Asks the router to forward the ports for peers: UPnP, and NAT-PMP of the default gateway. */
import { readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { type Gateway, type PortMapping, pmpNat, upnpNat } from '@achingbrain/nat-port-mapper'
import type { Logger } from 'pino'
import { isPublicIp } from './ip.js'
import type { PortMappingInfo } from './types.js'

const SEARCH_TIMEOUT_MS = 10_000
const MAP_TIMEOUT_MS = 10_000
const LEASE_MS = 3600_000
/** Between two searches, while there is no mapping. */
const RETRY_MS = 600_000
const STOP_TIMEOUT_MS = 3000

export interface PortMapperHost {
  log: Logger
  description: string
  /** IP address that is listened on; 0.0.0.0 or :: for all. */
  host: string
  /** Ports with what is spoken on them. */
  ports(): { port: number; suffix: '' | '/ws' }[]
  onChange(): void
  /** Other than the default gateway, for tests. */
  gateway?: string
}

interface Mapped extends PortMappingInfo {
  suffix: '' | '/ws'
}

export class PortMapper {
  readonly #host: PortMapperHost
  readonly #stopping = new AbortController()
  #gateways: Gateway[] = []
  #mappings: Mapped[] = []
  #error: string | null = null
  #work: Promise<void> | null = null
  #nextMs = 0

  constructor(host: PortMapperHost) {
    this.#host = host
  }

  get mappings(): PortMappingInfo[] {
    return this.#mappings.map(({ suffix: _, ...mapping }) => mapping)
  }

  get error(): string | null {
    return this.#error
  }

  /** Transports that lead here from outside. A router that is itself behind a NAT gives none. */
  addresses(): string[] {
    return this.#mappings
      .filter(({ externalHost }) => isPublicIp(externalHost))
      .map(({ externalHost, externalPort, suffix }) => {
        return `/ip${externalHost.includes(':') ? 6 : 4}/${externalHost}/tcp/${externalPort}${suffix}`
      })
  }

  /** Looks for a router when it is time; called every second while mappings are wanted. */
  check(): void {
    const isDue = performance.now() >= this.#nextMs && this.#mappings.length === 0
    if (this.#work !== null || !isDue || this.#stopping.signal.aborted) return
    this.#nextMs = performance.now() + RETRY_MS
    this.#work = this.#map().finally(() => {
      this.#work = null
    })
  }

  /** Takes the mappings back. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node stops'))
    await this.#work
    const signal = AbortSignal.timeout(STOP_TIMEOUT_MS)
    await Promise.allSettled(this.#gateways.map((gateway) => gateway.stop({ signal })))
    this.#gateways = []
    this.#mappings = []
  }

  async #map(): Promise<void> {
    const internalHost = this.#internalHost()
    if (internalHost === null) {
      this.#error = 'this machine has no private IPv4 address that a router could forward to'
      return
    }
    const errors: string[] = []
    for (const [protocol, find] of [
      ['nat-pmp', () => this.#findPmp()],
      ['upnp', () => this.#findUpnp()]
    ] as const) {
      if (this.#stopping.signal.aborted) return
      try {
        const gateway = await find()
        this.#gateways.push(gateway)
        for (const { port, suffix } of this.#host.ports()) {
          const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(MAP_TIMEOUT_MS)])
          const mapping = await gateway.map(port, internalHost, { protocol: 'TCP', ttl: LEASE_MS, signal })
          this.#mappings.push(await this.#describe(protocol, gateway, mapping, suffix, signal))
        }
        this.#error = null
        this.#host.log.info({ protocol, mappings: this.mappings }, 'the router forwards the ports for peers')
        this.#host.onChange()
        return
      } catch (error) {
        errors.push(`${protocol}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    this.#error = `no router forwards the ports (${errors.join('; ')})`.slice(0, 300)
    this.#host.log.debug(this.#error)
  }

  async #describe(
    protocol: 'upnp' | 'nat-pmp',
    gateway: Gateway,
    { externalHost, externalPort, internalPort }: PortMapping,
    suffix: '' | '/ws',
    signal: AbortSignal
  ): Promise<Mapped> {
    const host = isPublicIp(externalHost) ? externalHost : await gateway.externalIp({ signal })
    return { protocol, externalHost: host, externalPort, internalPort, suffix }
  }

  async #findUpnp(): Promise<Gateway> {
    const client = upnpNat({ description: this.#host.description, ttl: LEASE_MS })
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(SEARCH_TIMEOUT_MS)])
    for await (const gateway of client.findGateways({ signal })) {
      if (gateway.family === 'IPv4') return gateway
    }
    throw new Error('no router answers')
  }

  async #findPmp(): Promise<Gateway> {
    const address = this.#host.gateway ?? (await readDefaultGateway())
    if (address === null) throw new Error('the address of the router is not known')
    const gateway = pmpNat(address, { description: this.#host.description, ttl: LEASE_MS })
    await gateway.externalIp({
      signal: AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(SEARCH_TIMEOUT_MS / 2)])
    })
    return gateway
  }

  #internalHost(): string | null {
    const { host } = this.#host
    if (host !== '0.0.0.0' && host !== '::') return host.includes(':') || isPublicIp(host) ? null : host
    const all = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
    const found = all.find(({ family, internal, address }) => family === 'IPv4' && !internal && !isPublicIp(address))
    return found?.address ?? null
  }
}

/** Of the Linux routing table; null elsewhere or without one. */
async function readDefaultGateway(): Promise<string | null> {
  try {
    for (const line of (await readFile('/proc/net/route', 'utf8')).split('\n').slice(1)) {
      const [, destination, gateway] = line.split('\t')
      if (destination !== '00000000' || gateway === undefined || gateway === '00000000') continue
      return [6, 4, 2, 0].map((offset) => Number.parseInt(gateway.slice(offset, offset + 2), 16)).join('.')
    }
  } catch {
    // Not Linux.
  }
  return null
}
