/**
 * Keeps the node connected: dials configured addresses, members of the UNL and other known nodes, at once and then with
 * back-off. libp2p 3 dials nobody by itself, and its reconnect queue uses addresses that identify overwrites.
 */
import './shim.js'
import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import type { PublicKey } from '../consensus/types.js'
import type { AddressBook } from './address-book.js'
import { type DialAddress, parseAddress, relayOf, withPeerId } from './addresses.js'
import { createStopper } from './deadline.js'
import type { NetworkLimits } from './limits.js'
import { toPeerId, toPublicKey } from './peer-id.js'

export interface DialerHost {
  self: PublicKey
  limits: NetworkLimits
  log: Logger
  book: AddressBook
  validators: () => PublicKey[]
  /** `peer`: whom the address is to lead to, if that is known. */
  dial(address: Multiaddr, signal: AbortSignal, peer: PublicKey | null): Promise<Connection>
  /** Waits for hello; null when the connection was refused or cut. */
  admit(connection: Connection): Promise<PublicKey | null>
  /** The peer has a connection that works, as far as we know. */
  isConnected(peer: PublicKey): boolean
  /** A direct connection to the node with this peer id is open. */
  isRelayAt(peerId: string): boolean
  /** The connected node that says that it listens on this address. */
  findByAddress(transport: string): PublicKey | null
  /** Connected peers outside the UNL. */
  countObservers(): number
}

/** A node to reach, by key, or by a configured address whose key we do not know yet. */
interface Target {
  id: string
  key: PublicKey | null
  transport: string | null
  failures: number
  notBeforeMs: number
  timer: NodeJS.Timeout | null
  dialling: boolean
  /** Addresses that had their turn in the dial under way, and the one whose turn it is. */
  tried: Set<string>
  current: { transport: string; turn: AbortController } | null
  /** When the peer went out of reach. */
  lostMs: number
  newsMs: number
  lastError: { text: string; atMs: number } | null
}

/** For so long a kept peer that was lost is dialled again after a second at most. */
const EAGER_MS = 60_000
const EAGER_REDIAL_MS = 1000
/** The rank of addresses through a relay that is connected. */
const RELAY_AT_HAND = 1
/** After a failed dial that took longer, relays at hand are tried again before other addresses. */
const SLOW_DIAL_MS = 1000
/** What others tell hurries a dial no more often than this. */
const NEWS_INTERVAL_MS = 2000

export class Dialer {
  readonly #host: DialerHost
  readonly #targets = new Map<string, Target>()
  /** Addresses from the configuration, by key. */
  readonly #configured = new Map<PublicKey, Set<string>>()
  readonly #stopping = createStopper()
  readonly #running = new Set<Promise<void>>()

  constructor(host: DialerHost) {
    this.#host = host
  }

  /** Addresses that the operator gave. */
  addConfigured(address: DialAddress): void {
    const key = address.peerId === null ? null : toPublicKey(peerIdFromString(address.peerId))
    if (key === null) {
      this.#schedule(this.#target(address.transport, null, address.transport), 0)
      return
    }
    if (key === this.#host.self) return
    this.#bindConfigured(key, address.transport)
    this.wake(key)
  }

  isConfigured(peer: PublicKey): boolean {
    return this.#configured.has(peer)
  }

  /** Transports that the operator gave for the peer. */
  configuredAddresses(peer: PublicKey): string[] {
    return [...(this.#configured.get(peer) ?? [])]
  }

  configured(): PublicKey[] {
    return [...this.#configured.keys()]
  }

  /** The words, and ms since the epoch. */
  lastError(peer: PublicKey): { text: string; atMs: number } | null {
    return this.#targets.get(peer)?.lastError ?? null
  }

  addressOf(peer: PublicKey): string | null {
    return this.#addresses(peer)[0] ?? null
  }

  /** Dials every member of the UNL and every node of the address book that is not connected. */
  wakeAll(): void {
    for (const peer of new Set([...this.#host.validators(), ...this.#host.book.peers()])) this.wake(peer)
  }

  /** Something new is known of the peer: dial it unless it is connected or being waited for. */
  wake(peer: PublicKey): void {
    if (peer === this.#host.self || this.#host.isConnected(peer)) return
    const target = this.#target(peer, peer, null)
    if (target.timer === null && !target.dialling) this.#schedule(target, this.#turnDelayMs(peer))
  }

  /** As `wake`; addresses that are new to us do not wait for the next dial of a peer that is kept. */
  hearOf(peer: PublicKey, isNews: boolean): void {
    this.wake(peer)
    const target = this.#targets.get(peer)
    if (!isNews || target === undefined || this.#host.isConnected(peer) || !this.#isKept(target)) return
    const nowMs = performance.now()
    if (nowMs - target.newsMs < NEWS_INTERVAL_MS) return
    target.newsMs = nowMs
    target.failures = 0
    if (!target.dialling) {
      this.#schedule(target, this.#turnDelayMs(peer))
      return
    }
    this.#reconsider(target, peer)
  }

  /** A peer is connected that may serve as relay: dials that hang need not end first. */
  relayAtHand(): void {
    for (const target of this.#targets.values()) {
      if (target.dialling && target.key !== null) this.#reconsider(target, target.key)
      // The next dial need not wait long either.
      else if (target.timer !== null && this.#isKept(target)) target.failures = 0
    }
  }

  /** Ends the turn of the address that is being dialled when a better one is known. */
  #reconsider({ current, tried }: Target, peer: PublicKey): void {
    if (current === null) return
    const best = this.#addresses(peer).find((transport) => transport === current.transport || !tried.has(transport))
    if (best !== current.transport) current.turn.abort(new Error('a better address is known'))
  }

  /** The last connection of the peer has gone: dial it at once, or after the other side's turn. */
  lost(peer: PublicKey): void {
    const target = this.#target(peer, peer, null)
    target.failures = 0
    target.lostMs = performance.now()
    if (!target.dialling) this.#schedule(target, this.#turnDelayMs(peer))
  }

  /** The peer's connection may be dead: one beside it is tried, and goes on being tried until the peer is heard. */
  doubt(peer: PublicKey): void {
    const target = this.#target(peer, peer, null)
    if (target.timer !== null || target.dialling) return
    target.failures = 0
    target.lostMs = performance.now()
    this.#schedule(target, this.#turnDelayMs(peer))
  }

  connected(peer: PublicKey): void {
    const target = this.#targets.get(peer)
    if (target === undefined) return
    target.failures = 0
    target.lastError = null
    this.#unschedule(target)
  }

  /** The peer may be dialled again, whatever was said before. */
  pardon(peer: PublicKey): void {
    const target = this.#targets.get(peer)
    if (target !== undefined) {
      target.notBeforeMs = 0
      target.failures = 0
      this.#unschedule(target)
    }
    this.wake(peer)
  }

  /** No dial of this peer for a while. */
  postpone(peer: PublicKey, delayMs: number, why: string): void {
    const target = this.#target(peer, peer, null)
    target.notBeforeMs = performance.now() + delayMs
    target.lastError = { text: why, atMs: Date.now() }
    if (!target.dialling) this.#schedule(target, delayMs)
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node stops'))
    for (const target of this.#targets.values()) this.#unschedule(target)
    await Promise.allSettled(this.#running)
    this.#targets.clear()
  }

  #target(id: string, key: PublicKey | null, transport: string | null): Target {
    let target = this.#targets.get(id)
    if (target === undefined) {
      target = {
        id,
        key,
        transport,
        failures: 0,
        notBeforeMs: 0,
        timer: null,
        dialling: false,
        tried: new Set(),
        current: null,
        lostMs: performance.now(),
        newsMs: 0,
        lastError: null
      }
      this.#targets.set(id, target)
    }
    return target
  }

  /** Of two nodes the one with the lower key dials first, so that there are not two connections. */
  #turnDelayMs(peer: PublicKey): number {
    return this.#host.self < peer ? 0 : this.#host.limits.dialTurnDelayMs
  }

  #unschedule(target: Target): void {
    if (target.timer !== null) clearTimeout(target.timer)
    target.timer = null
  }

  #schedule(target: Target, delayMs: number): void {
    this.#unschedule(target)
    if (this.#stopping.signal.aborted) return
    const waitMs = Math.max(delayMs, target.notBeforeMs - performance.now())
    target.timer = setTimeout(() => {
      target.timer = null
      const work = this.#attempt(target)
        .catch((error: unknown) => this.#host.log.error({ err: error }, 'a dial failed in an unexpected way'))
        .finally(() => this.#running.delete(work))
      this.#running.add(work)
    }, waitMs)
  }

  #backOffMs(target: Target): number {
    const { redialMinMs, redialMaxMs } = this.#host.limits
    const isLostLately = performance.now() - target.lostMs < EAGER_MS && this.#isKept(target)
    const maxMs = isLostLately ? Math.min(EAGER_REDIAL_MS, redialMaxMs) : redialMaxMs
    const delayMs = Math.min(maxMs, redialMinMs * 2 ** Math.min(target.failures, 20))
    return delayMs * (0.75 + Math.random() * 0.25)
  }

  #isKept(target: Target): boolean {
    if (target.key === null) return true
    return this.#configured.has(target.key) || this.#host.validators().includes(target.key)
  }

  #addresses(peer: PublicKey): string[] {
    const known = this.#host.book.known(peer)
    const transports = known.map(({ transport }) => transport)
    const configured = [...(this.#configured.get(peer) ?? [])].filter((transport) => !transports.includes(transport))
    const own = toPeerId(this.#host.self).toString()
    return (
      [...known, ...configured.map((transport) => ({ transport, workedMs: 0, failures: 0 }))]
        .filter(({ transport }) => relayOf(transport) !== own)
        .map((address) => ({ ...address, rank: this.#rank(address) }))
        // A relay at hand says at once when it has no way to the peer: failures of earlier times do not matter.
        .map((address) => (address.rank === RELAY_AT_HAND ? { ...address, failures: 0 } : address))
        .sort((a, b) => a.failures - b.failures || a.rank - b.rank)
        .map(({ transport }) => transport)
    )
  }

  /**
   * Of two addresses with equally many failures the one with the lower number comes first: a direct one that worked, one
   * through a relay that is at hand, other direct ones, which a node behind a NAT has as well and which take long to
   * fail, then the rest. Where a relay was taken, upgrades.ts goes on with the direct ones.
   */
  #rank({ transport, workedMs }: { transport: string; workedMs: number }): number {
    const relay = relayOf(transport)
    if (relay === null) return workedMs > 0 ? 0 : 2
    if (transport.endsWith('/webrtc')) return 4
    return this.#host.isRelayAt(relay) ? RELAY_AT_HAND : 3
  }

  #isRelayAtHand(transport: string): boolean {
    return this.#rank({ transport, workedMs: 0 }) === RELAY_AT_HAND
  }

  async #attempt(target: Target): Promise<void> {
    if (target.key !== null && this.#host.isConnected(target.key)) return
    const { limits, book } = this.#host
    if (!this.#isKept(target) && this.#host.countObservers() >= limits.maxObservers / 2) {
      return this.#schedule(target, limits.redialMaxMs * 4)
    }
    target.dialling = true
    let reached = false
    try {
      reached = target.key === null ? await this.#dialUnknown(target) : await this.#dialKnown(target, target.key)
    } finally {
      target.dialling = false
    }
    if (reached) target.failures = 0
    if (reached || this.#stopping.signal.aborted || !this.#targets.has(target.id)) return
    if (target.key !== null && this.#host.isConnected(target.key)) return
    target.failures++
    if (target.key !== null && !this.#isKept(target) && target.failures >= limits.forgetAfterFailures) {
      this.#targets.delete(target.id)
      book.forget(target.key)
      return
    }
    this.#schedule(target, this.#backOffMs(target))
  }

  async #dialKnown(target: Target, key: PublicKey): Promise<boolean> {
    target.tried.clear()
    // Chosen anew each time: better addresses may have become known meanwhile.
    const next = (): string | undefined => this.#addresses(key).find((transport) => !target.tried.has(transport))
    if (next() === undefined) target.lastError = { text: 'no address of it is known', atMs: Date.now() }
    for (let transport = next(); transport !== undefined; transport = next()) {
      if (this.#host.isConnected(key)) return true
      if (this.#stopping.signal.aborted) return false
      target.tried.add(transport)
      const startMs = performance.now()
      const turn = new AbortController()
      target.current = { transport, turn }
      const result = await this.#dialOne(target, withPeerId(transport, key), turn.signal)
      target.current = null
      if (result.key === key) return true
      if (performance.now() - startMs > SLOW_DIAL_MS && !this.#isRelayAtHand(transport)) {
        // Meanwhile the peer may have a place at a relay, of which the answer comes at once.
        for (const each of target.tried) if (this.#isRelayAtHand(each)) target.tried.delete(each)
      }
      if (turn.signal.aborted && !result.connected) {
        // Later again; not its fault.
        target.tried.delete(transport)
        continue
      }
      if (result.key === null && result.connected) return false
      if (result.wrongNode) this.#host.book.remove(key, transport)
      else this.#host.book.failed(key, transport)
    }
    return false
  }

  async #dialUnknown(target: Target): Promise<boolean> {
    const transport = target.transport as string
    let key = this.#host.findByAddress(transport)
    if (key === null) {
      const result = await this.#dialOne(target, multiaddr(transport))
      if (result.self) {
        this.#host.log.info({ address: transport }, 'a configured peer address leads to this node itself; left out')
        this.#targets.delete(target.id)
        return true
      }
      key = result.key
    }
    if (key === null) return false
    this.#targets.delete(target.id)
    this.#bindConfigured(key, transport)
    if (!this.#host.isConnected(key)) this.wake(key)
    return true
  }

  #bindConfigured(key: PublicKey, transport: string): void {
    const addresses = this.#configured.get(key) ?? new Set()
    this.#configured.set(key, addresses.add(transport))
  }

  async #dialOne(
    target: Target,
    address: Multiaddr,
    turn?: AbortSignal
  ): Promise<{ key: PublicKey | null; connected: boolean; wrongNode: boolean; self: boolean }> {
    let connected = false
    try {
      const signal = turn === undefined ? this.#stopping.signal : AbortSignal.any([this.#stopping.signal, turn])
      const connection = await this.#host.dial(address, signal, target.key)
      connected = true
      const key = await this.#host.admit(connection)
      if (key === null) {
        const remote = toPublicKey(connection.remotePeer)
        const postponed = remote === null ? undefined : this.#targets.get(remote)
        if (postponed !== undefined && postponed !== target) {
          // Refused at hello: the address waits as long as the node behind it.
          target.notBeforeMs = Math.max(target.notBeforeMs, postponed.notBeforeMs)
          target.lastError = postponed.lastError
        }
        target.lastError ??= { text: 'the peer closed the connection before hello was complete', atMs: Date.now() }
      }
      return { key, connected, wrongNode: false, self: false }
    } catch (error) {
      const words = describeError(error)
      target.lastError = { text: words, atMs: Date.now() }
      return {
        key: null,
        connected,
        wrongNode: /UnexpectedPeerError|peer id|Payload identity key/i.test(words),
        self: /can not dial self|tried to dial self/i.test(words)
      }
    }
  }
}

function describeError(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(describeError).join('; ').slice(0, 300)
  return (error instanceof Error ? error.message : String(error)).slice(0, 300)
}

/** Parses the configured peers; those that are wrong are told in one line and left out. */
export function parseConfigured(addresses: readonly string[], log: Logger, maxLength: number): DialAddress[] {
  return addresses.flatMap((text) => {
    try {
      return [parseAddress(text, maxLength)]
    } catch (error) {
      log.warn((error as Error).message)
      return []
    }
  })
}
