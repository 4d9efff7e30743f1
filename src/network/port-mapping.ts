/** Asks the router to forward the ports for peers: by NAT-PMP of the default gateway, else by UPnP. */
import { networkInterfaces } from 'node:os'
import { type Gateway, upnpNat } from '@achingbrain/nat-port-mapper'
import type { Logger } from 'pino'
import { createStopper } from './deadline.js'
import { isPublicIp } from './ip.js'
import { NatPmp, readDefaultGateway } from './nat-pmp.js'
import type { PortMappingInfo } from './types.js'

const SEARCH_TIMEOUT_MS = 10_000
const MAP_TIMEOUT_MS = 10_000
const LEASE_S = 3600
/** A router that was started anew has forgotten what it forwards, and may have another address outside. */
const RENEW_MS = 60_000
/** Between two searches, while there is no mapping: at first, doubled each time, at last. */
const FIRST_RETRY_MS = 5000
const RETRY_MS = 300_000
/** What was asked so lately is not asked again, whoever wants it. */
const SOON_MS = 5000
const STOP_TIMEOUT_MS = 3000

type Suffix = '' | '/ws'

export interface PortMapperHost {
  log: Logger
  description: string
  /** IP address that is listened on; 0.0.0.0 or :: for all. */
  host: string
  /** Ports with what is spoken on them. */
  ports(): { port: number; suffix: Suffix }[]
  onChange(): void
  /** The router, where it is not the default gateway or not on the port of NAT-PMP. */
  pmp?: { gateway: string; port: number }
}

/** A router that forwards ports. */
interface Router {
  protocol: 'nat-pmp' | 'upnp'
  externalIp(signal: AbortSignal): Promise<string>
  map(port: number, signal: AbortSignal): Promise<{ externalPort: number; lifetimeS: number }>
  /** Takes back what was mapped. */
  stop(ports: number[], signal: AbortSignal): Promise<void>
}

interface Mapped extends PortMappingInfo {
  suffix: Suffix
}

export class PortMapper {
  readonly #host: PortMapperHost
  readonly #stopping = createStopper()
  #router: Router | null = null
  #mappings: Mapped[] = []
  #error: string | null = null
  #work: Promise<void> | null = null
  #nextMs = 0
  #renewedMs = Number.NEGATIVE_INFINITY
  #failures = 0

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
      .map(({ externalHost, externalPort, suffix }) => `/ip4/${externalHost}/tcp/${externalPort}${suffix}`)
  }

  /** Looks for a router, or renews what it forwards, when it is time; called every second while that is wanted. */
  check(): void {
    if (this.#work !== null || performance.now() < this.#nextMs || this.#stopping.signal.aborted) return
    this.#work = this.#renew().finally(() => {
      this.#work = null
    })
  }

  /** Something speaks for it that the mappings no longer hold. */
  renewSoon(): void {
    this.#nextMs = Math.min(this.#nextMs, this.#renewedMs + SOON_MS)
  }

  /** Takes the mappings back. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node stops'))
    await this.#work
    const ports = this.#mappings.map(({ internalPort }) => internalPort)
    this.#mappings = []
    await this.#router?.stop(ports, AbortSignal.timeout(STOP_TIMEOUT_MS)).catch(() => {})
    this.#router = null
  }

  async #renew(): Promise<void> {
    const before = JSON.stringify(this.#mappings)
    const errors: string[] = []
    let mapped: Mapped[] = []
    let lifetimeS = LEASE_S
    for (const find of this.#router === null
      ? [() => this.#findPmp(), () => this.#findUpnp()]
      : [async () => this.#router as Router]) {
      try {
        const router = await find()
        this.#router = router
        ;({ mapped, lifetimeS } = await this.#mapAll(router))
        break
      } catch (error) {
        this.#router = null
        errors.push(error instanceof Error ? error.message : String(error))
      }
    }
    if (this.#stopping.signal.aborted) return
    this.#renewedMs = performance.now()
    this.#failures = mapped.length > 0 ? 0 : this.#failures + 1
    const retryMs = Math.min(RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures, 10))
    this.#nextMs = this.#renewedMs + (mapped.length > 0 ? Math.min(RENEW_MS, (lifetimeS * 1000) / 2) : retryMs)
    this.#error = errors.length === 0 || mapped.length > 0 ? null : errors.join('; ').slice(0, 300)
    this.#mappings = mapped
    if (JSON.stringify(mapped) === before) return
    if (mapped.length > 0) this.#host.log.info({ mappings: this.mappings }, 'the router forwards the ports for peers')
    else this.#host.log.info('the router no longer forwards the ports for peers')
    this.#host.onChange()
  }

  async #mapAll(router: Router): Promise<{ mapped: Mapped[]; lifetimeS: number }> {
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(MAP_TIMEOUT_MS)])
    const externalHost = await router.externalIp(signal)
    const mapped: Mapped[] = []
    let lifetimeS = LEASE_S
    for (const { port, suffix } of this.#host.ports()) {
      const result = await router.map(port, signal)
      lifetimeS = Math.min(lifetimeS, Math.max(60, result.lifetimeS))
      mapped.push({
        protocol: router.protocol,
        externalHost,
        externalPort: result.externalPort,
        internalPort: port,
        suffix
      })
    }
    return { mapped, lifetimeS }
  }

  async #findPmp(): Promise<Router> {
    const gateway = this.#host.pmp?.gateway ?? (await readDefaultGateway())
    if (gateway === null) throw new Error('NAT-PMP: the address of the router is not known')
    const pmp = new NatPmp(gateway, this.#host.pmp?.port)
    await pmp.externalIp(this.#stopping.signal).catch((error: Error) => {
      throw new Error(`NAT-PMP: ${error.message}`)
    })
    return {
      protocol: 'nat-pmp',
      externalIp: (signal) => pmp.externalIp(signal),
      map: (port, signal) => pmp.map(port, LEASE_S, signal),
      stop: async (ports, signal) => {
        for (const port of ports) await pmp.map(port, 0, signal)
      }
    }
  }

  async #findUpnp(): Promise<Router> {
    const internalHost = this.#internalHost()
    if (internalHost === null) throw new Error('UPnP: this machine has no private IPv4 address')
    const gateway = await this.#searchUpnp()
    return {
      protocol: 'upnp',
      externalIp: (signal) => gateway.externalIp({ signal }),
      map: async (port, signal) => {
        const options = { protocol: 'TCP', ttl: LEASE_S * 1000, autoRefresh: false, signal } as const
        const { externalPort } = await gateway.map(port, internalHost, options)
        return { externalPort, lifetimeS: LEASE_S }
      },
      stop: async (_ports, signal) => await gateway.stop({ signal })
    }
  }

  async #searchUpnp(): Promise<Gateway> {
    const client = upnpNat({ description: this.#host.description, ttl: LEASE_S * 1000, autoRefresh: false })
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(SEARCH_TIMEOUT_MS)])
    try {
      for await (const gateway of client.findGateways({ signal })) if (gateway.family === 'IPv4') return gateway
    } catch (error) {
      if (!signal.aborted) throw new Error(`UPnP: ${(error as Error).message}`)
    }
    throw new Error('UPnP: no router answers')
  }

  #internalHost(): string | null {
    const { host } = this.#host
    if (host !== '0.0.0.0' && host !== '::') return host.includes(':') || isPublicIp(host) ? null : host
    const all = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
    const found = all.find(({ family, internal, address }) => family === 'IPv4' && !internal && !isPublicIp(address))
    return found?.address ?? null
  }
}
