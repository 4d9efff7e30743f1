/** Tries to get a direct connection to each peer that is connected through a relay. */
import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import type { PublicKey } from '../consensus/types.js'
import { withPeerId } from './addresses.js'
import { createStopper } from './deadline.js'
import type { NetworkLimits } from './limits.js'
import type { Peer } from './link.js'

export interface UpgradesHost {
  self: PublicKey
  limits: NetworkLimits
  log: Logger
  peers(): Peer[]
  /** Transports that lead to the peer without a relay. */
  directOf(peer: Peer): string[]
  dial(address: Multiaddr, signal: AbortSignal): Promise<Connection>
  /** Waits for hello; null when the connection was refused or cut. */
  admit(connection: Connection): Promise<PublicKey | null>
  worked(peer: PublicKey, transport: string): void
  failed(peer: PublicKey, transport: string): void
}

interface Attempt {
  dueMs: number
  failures: number
  running: boolean
}

const DELAYS_MS = [1000, 3000, 10_000, 30_000, 60_000, 120_000, 300_000]

export class Upgrades {
  readonly #host: UpgradesHost
  readonly #attempts = new Map<PublicKey, Attempt>()
  readonly #stopping = createStopper()
  readonly #running = new Set<Promise<void>>()

  constructor(host: UpgradesHost) {
    this.#host = host
  }

  /** Begins what is due; called every second. */
  check(): void {
    const nowMs = performance.now()
    const relayed = new Map(
      this.#host
        .peers()
        .filter(({ primary }) => primary.relayed)
        .map((peer) => [peer.publicKey, peer])
    )
    for (const key of this.#attempts.keys()) if (!relayed.has(key)) this.#attempts.delete(key)
    for (const [key, peer] of relayed) {
      const attempt = this.#attempts.get(key) ?? { dueMs: nowMs + this.#turnDelayMs(key), failures: 0, running: false }
      this.#attempts.set(key, attempt)
      if (attempt.running || attempt.dueMs > nowMs) continue
      attempt.running = true
      const work = this.#try(peer, attempt).finally(() => this.#running.delete(work))
      this.#running.add(work)
    }
  }

  /** New addresses of the peer are known. */
  retry(peer: PublicKey): void {
    const attempt = this.#attempts.get(peer)
    if (attempt === undefined) return
    attempt.failures = 0
    attempt.dueMs = Math.min(attempt.dueMs, performance.now() + this.#turnDelayMs(peer))
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node stops'))
    await Promise.allSettled(this.#running)
    this.#attempts.clear()
  }

  /** The node of the lower key dials first, so that there are not two new connections. */
  #turnDelayMs(peer: PublicKey): number {
    return this.#host.self < peer ? 0 : (DELAYS_MS[0] as number)
  }

  async #try(peer: Peer, attempt: Attempt): Promise<void> {
    const { log } = this.#host
    for (const transport of this.#host.directOf(peer)) {
      if (!peer.primary.relayed || this.#stopping.signal.aborted) break
      try {
        const connection = await this.#host.dial(withPeerId(transport, peer.publicKey), this.#stopping.signal)
        if ((await this.#host.admit(connection)) !== peer.publicKey) continue
        this.#host.worked(peer.publicKey, transport)
        log.info({ peer: peer.publicKey, address: transport }, 'a peer is connected directly now, no longer by a relay')
        break
      } catch (error) {
        this.#host.failed(peer.publicKey, transport)
        log.debug({ err: error, peer: peer.publicKey, address: transport }, 'no direct connection yet')
      }
    }
    const delayMs = DELAYS_MS[Math.min(attempt.failures, DELAYS_MS.length - 1)] as number
    attempt.failures++
    attempt.dueMs = performance.now() + delayMs * (0.75 + Math.random() / 2)
    attempt.running = false
  }
}
