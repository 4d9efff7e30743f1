/**
 * Whether others can dial this node: it asks its peers to try. What libp2p's AutoNAT does, save that AutoNAT wants four
 * public peers of different networks, which a small network does not have. A peer dials only the address from which it
 * sees the asker, so that nobody is made to dial third parties.
 */
import './shim.js'
import { networkInterfaces } from 'node:os'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { DialBack, DialBackResult } from '../codec/pb/network.js'
import type { PublicKey } from '../consensus/types.js'
import { ipOf, needsRelay, parseAddress, withPeerId } from './addresses.js'
import { awakeNow } from './awake.js'
import { createStopper, Deadline } from './deadline.js'
import { RequestError } from './errors.js'
import type { NetworkLimits } from './limits.js'
import type { Peer } from './link.js'
import { localPortOf } from './local-address.js'
import type { RequestResponse } from './request-response.js'

export type Reachable = 'public' | 'private' | 'unknown'
/** cone: the router keeps the port towards every peer. symmetric: it does not. As far as peers can tell. */
export type NatKind = 'none' | 'cone' | 'symmetric' | 'unknown'

export interface ReachabilityHost {
  limits: NetworkLimits
  log: Logger
  requests: RequestResponse
  /** Fixed by the operator, or to be found out. */
  policy: 'auto' | 'public' | 'private'
  /** The operator named addresses to announce. */
  isAnnounced: boolean
  peers(): Peer[]
  peer(key: PublicKey): Peer | undefined
  /** Multiaddrs that this node listens on. */
  listening(): string[]
  /** Whether the address leads to the node that its /p2p part names. Closes the connection at once. */
  probe(address: Multiaddr, signal: AbortSignal): Promise<boolean>
  onChange(state: Reachable): void
}

const NAME = 'dial-back'
const MAX_ADDRESSES = 4
const MAX_BYTES = 4096
const PROBE_TIMEOUT_MS = 4000
const ASKED_PEERS = 3
/** Between two rounds, while nobody reaches this node and afterwards. */
const ROUND_MS = 30_000
const CALM_ROUND_MS = 300_000
/** After a round of nos, doubled with each up to `ROUND_MS`: the first may come of a machine that is overloaded. */
const FIRST_ROUND_MS = 5000
/** Rounds of nos in a row after which a node whose peers see it at an address of its own machine takes itself for private. */
const NO_ROUNDS = 2
/** This process could not run for so long while it waited: a no then says nothing. */
const STARVED_MS = 1000
/** Nobody has answered for this long: better to be reached through a relay than not at all. */
const PATIENCE_MS = 15_000

interface Answer {
  reached: boolean
  atMs: number
}

export class Reachability {
  readonly #host: ReachabilityHost
  readonly #answers = new Map<PublicKey, Answer>()
  readonly #stopping = createStopper()
  readonly #startedMs = awakeNow()
  /** Rounds in a row that said no, and the time of the last one. */
  #noes = 0
  #roundStartMs = 0
  #state: Reachable
  #asking: Promise<void> | null = null

  constructor(host: ReachabilityHost) {
    this.#host = host
    this.#state = host.policy === 'auto' ? (host.isAnnounced ? 'public' : 'unknown') : host.policy
  }

  get state(): Reachable {
    return this.#state
  }

  /** Others reach this node through relays only, as far as we know. */
  get needsRelays(): boolean {
    if (this.#state !== 'unknown') return this.#state === 'private'
    return awakeNow() - this.#startedMs > PATIENCE_MS
  }

  async start(): Promise<void> {
    const options = { maxRequestBytes: MAX_BYTES, rateLimit: { perSecond: 0.2, burst: 5 }, handlerTimeoutMs: 20_000 }
    await this.#host.requests.handle(NAME, 1, options, (body, from, signal) => this.#serve(body, from, signal))
  }

  /** There are new ways to dial this node: the peers are asked anew. */
  reset(): void {
    this.#answers.clear()
    this.#noes = 0
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node stops'))
    await this.#asking
  }

  /** Asks a peer when it is time; called every second. */
  check(): void {
    if (this.#host.policy !== 'auto' || this.#host.isAnnounced || this.#asking !== null) return
    if (this.#host.listening().length === 0) {
      this.#decide('private')
      return
    }
    const nowMs = performance.now()
    const direct = this.#host.peers().filter(({ primary }) => !primary.relayed)
    for (const key of this.#answers.keys()) if (this.#host.peer(key) === undefined) this.#answers.delete(key)
    const isSure = this.#state === 'public' && this.#noes === 0
    const roundMs = isSure ? CALM_ROUND_MS : Math.min(ROUND_MS, FIRST_ROUND_MS * 2 ** Math.max(0, this.#noes - 1))
    const fresh = [...this.#answers.values()].filter(({ atMs }) => nowMs - atMs < roundMs)
    if (fresh.length >= ASKED_PEERS) return
    const next = direct.find(({ publicKey }) => nowMs - (this.#answers.get(publicKey)?.atMs ?? -roundMs) >= roundMs)
    if (next === undefined) return
    this.#asking = this.#ask(next).finally(() => {
      this.#asking = null
    })
  }

  /** The addresses from which direct peers see this node, distinct. */
  observed(): string[] {
    return [...new Set(this.#observations().map(({ observed }) => ipOf(observed) as string))]
  }

  natKind(): NatKind {
    const observations = this.#observations()
    if (observations.length === 0) return 'unknown'
    if (this.#isSeenAsIs()) return 'none'
    const ports = observations.flatMap(({ observed, peer }) => {
      const local = peer.primary.connection.direction === 'outbound' ? localPortOf(peer.primary.connection) : null
      return local === null ? [] : [Number(observed.split('/')[4]) === local]
    })
    if (ports.length === 0) return 'unknown'
    return ports.every((isKept) => isKept) ? 'cone' : 'symmetric'
  }

  #observations(): { peer: Peer; observed: string }[] {
    return this.#host.peers().flatMap((peer) => {
      const { observed } = peer.hello
      return peer.primary.relayed || needsRelay(observed) || ipOf(observed) === null ? [] : [{ peer, observed }]
    })
  }

  /** The peers see this node at addresses of its own machine: no router translates them. */
  #isSeenAsIs(): boolean {
    const own = new Set(Object.values(networkInterfaces()).flatMap((each) => each?.map(({ address }) => address) ?? []))
    const observations = this.#observations()
    return observations.length > 0 && observations.every(({ observed }) => own.has(ipOf(observed) as string))
  }

  async #ask(peer: Peer): Promise<void> {
    const startMs = performance.now()
    const awakeMs = awakeNow()
    const { publicKey, hello } = peer
    const ip = ipOf(hello.observed)
    let reached = false
    try {
      if (ip !== null) {
        const addresses = portsOf(this.#host.listening()).map((port) => `/ip${ip.includes(':') ? 6 : 4}/${ip}${port}`)
        const body = DialBack.encode({ addresses: addresses.slice(0, MAX_ADDRESSES) })
        const answer = await this.#host.requests.request(publicKey, NAME, body, {
          timeouts: { firstByteMs: 20_000, totalMs: 25_000 },
          maxResponseBytes: MAX_BYTES,
          signal: this.#stopping.signal
        })
        reached = DialBackResult.decode(answer, { limits: { reached: MAX_ADDRESSES } }).reached.includes(true)
      }
      const asleepMs = performance.now() - startMs - (awakeNow() - awakeMs)
      if (!reached && asleepMs > STARVED_MS) throw new Error('this process could not run while it was dialled')
      this.#answers.set(publicKey, { reached, atMs: performance.now() })
    } catch (error) {
      // No answer says nothing about us; the peer is asked again in the next round.
      this.#host.log.debug({ err: error, peer: publicKey }, 'a peer did not say whether it reaches this node')
      this.#answers.delete(publicKey)
      await new Promise((resolve) => setTimeout(resolve, this.#stopping.signal.aborted ? 0 : 1000))
      return
    }
    const answers = [...this.#answers.values()]
    const yes = answers.filter((answer) => answer.reached).length
    if (yes * 2 > answers.length) {
      this.#noes = 0
      this.#decide('public')
      return
    }
    // All that were asked at about one time are one round.
    const nowMs = performance.now()
    if (this.#noes === 0 || nowMs - this.#roundStartMs >= FIRST_ROUND_MS) {
      this.#noes = Math.min(this.#noes + 1, 10)
      this.#roundStartMs = nowMs
    }
    if (this.#noes >= NO_ROUNDS || !this.#isSeenAsIs()) this.#decide('private')
  }

  #decide(state: Reachable): void {
    if (state === this.#state) return
    this.#state = state
    this.#host.log.info(
      state === 'public' ? 'other nodes can dial this node' : 'other nodes cannot dial this node: it needs relays'
    )
    this.#host.onChange(state)
  }

  async #serve(body: Uint8Array, from: PublicKey, signal: AbortSignal): Promise<Uint8Array> {
    const peer = this.#host.peer(from)
    const remote = peer?.primary.connection.remoteAddr.toString() ?? ''
    if (peer === undefined || peer.primary.relayed) {
      throw new RequestError('refused', 'only a node that is connected directly is dialled back')
    }
    const { addresses } = DialBack.decode(body, { limits: { addresses: MAX_ADDRESSES } })
    const reached: boolean[] = []
    for (const text of addresses) reached.push(await this.#tryAddress(text, from, remote, signal))
    return DialBackResult.encode({ reached })
  }

  async #tryAddress(text: string, from: PublicKey, remote: string, signal: AbortSignal): Promise<boolean> {
    const deadline = new Deadline(PROBE_TIMEOUT_MS, signal, true)
    try {
      const { transport } = parseAddress(text, this.#host.limits.maxAddressLength)
      if (needsRelay(transport) || ipOf(transport) === null || ipOf(transport) !== ipOf(remote)) return false
      return await this.#host.probe(withPeerId(transport, from), deadline.signal)
    } catch {
      return false
    } finally {
      deadline.clear()
    }
  }
}

/** '/tcp/1234/ws' and such, of the addresses that are listened on, distinct. */
function portsOf(addresses: readonly string[]): string[] {
  return [...new Set(addresses.flatMap((address) => /\/tcp\/\d+(\/ws)?(?=\/p2p|$)/.exec(address)?.[0] ?? []))]
}
