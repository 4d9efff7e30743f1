/**
 * Relays on both sides. A node that cannot be dialled holds a place at several relays and tells others to dial it
 * through them; libp2p's circuit relay v2 does the work, and which relay is used when is decided here: only peers that
 * have passed hello and offer it, and another one as soon as one is lost.
 */
import './shim.js'
import {
  type CircuitRelayTransportComponents,
  circuitRelayServer,
  circuitRelayTransport,
  RELAY_V2_STOP_CODEC
} from '@libp2p/circuit-relay-v2'
import type { Connection, PeerId, Stream, StreamHandler, Transport } from '@libp2p/interface'
import type { Logger } from 'pino'
import type { PublicKey } from '../consensus/types.js'
import { throughRelay } from './addresses.js'
import { gateRegistrar, withRegistrar } from './gate.js'
import type { NetworkLimits } from './limits.js'
import type { Peer } from './link.js'
import { toPeerId } from './peer-id.js'

/** A week; with two hours, the timer that renews a reservation fails after the second time. */
const RESERVATION_TTL_MS = 7 * 24 * 3600 * 1000
/** Connections through one relay that one node may have. */
const MAX_RELAYED = 256
const ADDRESSES_PER_RELAY = 2
/** A relay that refused is asked again after this time. */
const RETRY_MS = 5000

export type RelayPolicy = 'auto' | 'on' | 'off'

/** A place at a relay. */
export interface HeldRelay {
  publicKey: PublicKey
  /** ms since the epoch. */
  since: number
  /** Transports at which this node is reached through it. */
  addresses: string[]
}

/** What is used of the client's side of @libp2p/circuit-relay-v2. */
interface ReservationStore {
  addRelay(peer: PeerId, type: 'configured'): Promise<unknown>
  hasReservation(peer: PeerId): boolean
  relayFilter: { add(item: Uint8Array): unknown; has(item: Uint8Array): boolean }
}

export interface RelayGate {
  /** Waits for hello; null when the connection was refused or cut. */
  admit(connection: Connection): Promise<PublicKey | null>
}

/** Serves and uses relays only with peers that have passed hello. */
function onlyMembers(gate: RelayGate, mayStop: (connection: Connection) => boolean) {
  return (handler: StreamHandler, stream: Stream, connection: Connection): void => {
    gate
      .admit(connection)
      .then(async (peer) => {
        if (peer === null) throw new Error('only nodes of this network may use the relay')
        if (stream.protocol === RELAY_V2_STOP_CODEC && !mayStop(connection)) throw new Error('no place was asked for')
        await handler(stream, connection)
      })
      .catch((error: unknown) => stream.abort(error instanceof Error ? error : new Error('refused')))
  }
}

/** The service for libp2p; `denyInboundRelayReservation` of the connection gater says whether it is on. */
export function createRelayServer(gate: RelayGate, limits: NetworkLimits): ReturnType<typeof circuitRelayServer> {
  const create = circuitRelayServer({
    maxInboundHopStreams: MAX_RELAYED,
    maxOutboundHopStreams: MAX_RELAYED,
    maxOutboundStopStreams: MAX_RELAYED,
    reservations: {
      applyDefaultLimit: false,
      maxReservations: limits.maxRelayed,
      reservationTtl: RESERVATION_TTL_MS
    }
  })
  return (components) =>
    create(
      withRegistrar(
        components,
        gateRegistrar(
          components.registrar,
          onlyMembers(gate, () => true)
        )
      )
    )
}

/** Keeps enough places at relays while they are wanted. */
export class Relays {
  readonly #host: RelaysHost
  readonly #held = new Map<PublicKey, HeldRelay>()
  readonly #retryAtMs = new Map<PublicKey, number>()
  #store: ReservationStore | null = null
  #asking: Promise<void> | null = null

  constructor(host: RelaysHost) {
    this.#host = host
  }

  /** The transport for libp2p. */
  readonly createTransport = (components: CircuitRelayTransportComponents): Transport => {
    const mayStop = (connection: Connection): boolean => this.#store?.hasReservation(connection.remotePeer) === true
    const gate = onlyMembers(this.#host, mayStop)
    const transport = circuitRelayTransport({
      maxInboundStopStreams: MAX_RELAYED,
      maxOutboundStopStreams: MAX_RELAYED,
      reservationCompletionTimeout: this.#host.limits.dialTimeoutMs
    })(withRegistrar(components, gateRegistrar(components.registrar, gate)))
    this.#store = (transport as unknown as { reservationStore: ReservationStore }).reservationStore
    // It would remember for ever a relay that once could not be reached; `#retryAtMs` does so for a while.
    this.#store.relayFilter = { add: () => false, has: () => false }
    return transport
  }

  held(): HeldRelay[] {
    return [...this.#held.values()]
  }

  /** Transports to announce; empty while this node can be dialled. */
  addresses(): string[] {
    if (!this.#host.isWanted()) return []
    return [...new Set(this.held().flatMap(({ addresses }) => addresses))]
  }

  /** Drops what is lost and asks for what is missing; called every second and when a peer comes or goes. */
  check(): void {
    for (const { publicKey } of this.held()) {
      if (this.#store?.hasReservation(toPeerId(publicKey)) === true) continue
      this.#held.delete(publicKey)
      this.#host.log.info({ relay: publicKey }, 'a relay is lost')
      this.#host.onChange()
    }
    if (this.#asking !== null || !this.#host.isWanted() || this.#held.size >= this.#host.count) return
    const relay = this.#choose()
    if (relay === undefined) return
    this.#asking = this.#reserve(relay).finally(() => {
      this.#asking = null
      if (this.#store !== null) this.check()
    })
  }

  /** Waits for what is under way. */
  async stop(): Promise<void> {
    this.#store = null
    await this.#asking
  }

  /** Members of the UNL first, in an order of its own for each node, so that not all take the same ones. */
  #choose(): Peer | undefined {
    const nowMs = performance.now()
    const { self, isConfigured, hasConfigured, isValidator } = this.#host
    const rank = ({ publicKey }: Peer): string => {
      const mixed = Number.parseInt(publicKey.slice(0, 8), 16) ^ Number.parseInt(self.slice(0, 8), 16)
      return `${isConfigured(publicKey) ? 0 : 1}${isValidator(publicKey) ? 0 : 1}${(mixed >>> 0).toString(16).padStart(8, '0')}`
    }
    return this.#host
      .peers()
      .filter(({ publicKey, status, primary }) => {
        if (primary.relayed || this.#held.has(publicKey) || (this.#retryAtMs.get(publicKey) ?? 0) > nowMs) return false
        return hasConfigured ? isConfigured(publicKey) : status.relay
      })
      .sort((a, b) => (rank(a) < rank(b) ? -1 : 1))[0]
  }

  async #reserve(relay: Peer): Promise<void> {
    const { publicKey } = relay
    const { log } = this.#host
    try {
      await this.#store?.addRelay(toPeerId(publicKey), 'configured')
      const addresses = this.#host
        .addressesOf(relay)
        .slice(0, ADDRESSES_PER_RELAY)
        .map((transport) => throughRelay(transport, publicKey))
      this.#held.set(publicKey, { publicKey, since: Date.now(), addresses })
      this.#retryAtMs.delete(publicKey)
      log.info({ relay: publicKey }, 'this node can be reached through a relay')
      this.#host.onChange()
    } catch (error) {
      if (this.#store === null) return
      if (this.#retryAtMs.size > this.#host.limits.maxKnownPeers) this.#retryAtMs.clear()
      this.#retryAtMs.set(publicKey, performance.now() + RETRY_MS)
      log.debug({ err: error, relay: publicKey }, 'a relay did not take this node')
    }
  }
}

export interface RelaysHost extends RelayGate {
  self: PublicKey
  limits: NetworkLimits
  log: Logger
  /** Places to hold. */
  count: number
  /** This node cannot be dialled. */
  isWanted(): boolean
  peers(): Peer[]
  isValidator(peer: PublicKey): boolean
  /** The operator named relays: no others are used. */
  hasConfigured: boolean
  isConfigured(peer: PublicKey): boolean
  /** Direct transports of a connected relay, those likely to work for others first. */
  addressesOf(relay: Peer): string[]
  onChange(): void
}
