/** The two protocols of the network layer itself: `status` and `peers`. */
import type { Logger } from 'pino'
import { bytesToHex, checkInteger } from '../codec/canonical.js'
import { PeerList, Status } from '../codec/pb/network.js'
import type { PublicKey } from '../consensus/types.js'
import { createStopper } from './deadline.js'
import { decodeLenient, wellFormed } from './decode.js'
import type { NetworkLimits } from './limits.js'
import type { Peer } from './link.js'
import type { RequestResponse } from './request-response.js'
import type { ScoreRule } from './scores.js'
import type { PeerStatus } from './types.js'

export interface ExchangesHost {
  limits: NetworkLimits
  log: Logger
  requests: RequestResponse
  peers: () => Peer[]
  status: () => PeerStatus
  addressesOf: (peer: PublicKey) => string[]
  onStatus: (peer: PublicKey, status: PeerStatus) => void
  onTold: (teller: Peer, about: PublicKey, addresses: readonly string[]) => void
  report: (peer: PublicKey, rule: ScoreRule, detail: string) => void
}

const STATUS = 'status'
const PEERS = 'peers'
const MAX_STATUS_BYTES = 16 * 1024
const MAX_STATUS_ADDRESSES = 16
const MAX_UNREACHED = 128
const MAX_PEERS_BYTES = 512 * 1024
const MAX_TOLD_PEERS = 200
const MAX_TOLD_ADDRESSES = 8
const TIMEOUTS = { dialMs: 5000, firstByteMs: 5000, totalMs: 10_000 }

function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}

function encodeStatus({ seq, lcl, role, agent, addresses, relay, unreached }: PeerStatus): Uint8Array {
  return Status.encode({
    seq,
    lcl: fromHex(lcl),
    role: role === 'validator' ? 1 : 0,
    agent: agent.slice(0, 256),
    addresses: addresses.slice(0, MAX_STATUS_ADDRESSES),
    relay,
    unreached: unreached.slice(0, MAX_UNREACHED).map(fromHex)
  })
}

/** @throws CodecError */
export function decodeStatus(body: Uint8Array): PeerStatus {
  const limits = { addresses: MAX_STATUS_ADDRESSES, unreached: MAX_UNREACHED }
  const { seq, lcl, role, agent, addresses, relay, unreached } = decodeLenient(Status, body, 'status', limits)
  return {
    seq: checkInteger(seq, 0, Number.MAX_SAFE_INTEGER, 'seq'),
    lcl: bytesToHex(lcl, 32, 'lcl'),
    role: role === 1 ? 'validator' : 'observer',
    agent: agent.slice(0, 256).replace(/[^\x20-\x7e]/g, '?'),
    addresses: addresses.map(wellFormed),
    relay,
    unreached: unreached.map((key) => bytesToHex(key, 32, 'unreached'))
  }
}

export class Exchanges {
  readonly #host: ExchangesHost
  readonly #stopping = createStopper()
  #lastAnnouncedMs = Number.NEGATIVE_INFINITY
  #announceTimer: NodeJS.Timeout | null = null

  constructor(host: ExchangesHost) {
    this.#host = host
  }

  async start(): Promise<void> {
    const { requests } = this.#host
    await requests.handle(STATUS, 1, { maxRequestBytes: MAX_STATUS_BYTES }, async (body, from) => {
      this.#takeStatus(from, body, 'bad-request')
      return encodeStatus(this.#host.status())
    })
    const rateLimit = { perSecond: 1, burst: 10 }
    await requests.handle(PEERS, 1, { maxRequestBytes: 16, rateLimit }, async (_body, from) => this.#listPeers(from))
  }

  stop(): void {
    this.#stopping.abort(new Error('the node stops'))
    if (this.#announceTimer !== null) clearTimeout(this.#announceTimer)
    this.#announceTimer = null
  }

  /** Throws RequestError. */
  async askStatus(peer: PublicKey): Promise<PeerStatus> {
    const answer = await this.#host.requests.request(peer, STATUS, encodeStatus(this.#host.status()), {
      timeouts: TIMEOUTS,
      maxResponseBytes: MAX_STATUS_BYTES,
      signal: this.#stopping.signal
    })
    return this.#takeStatus(peer, answer, 'wrong-answer')
  }

  /** To all peers, now or as soon as the interval since the last time allows. */
  announceStatus(): void {
    if (this.#announceTimer !== null || this.#stopping.signal.aborted) return
    const waitMs = Math.max(0, this.#lastAnnouncedMs + this.#host.limits.statusIntervalMs - performance.now())
    this.#announceTimer = setTimeout(() => {
      this.#announceTimer = null
      this.#lastAnnouncedMs = performance.now()
      for (const { publicKey } of this.#host.peers()) {
        this.askStatus(publicKey).catch((error: unknown) => {
          this.#host.log.debug({ err: error, peer: publicKey }, 'a peer did not take our status')
        })
      }
    }, waitMs)
  }

  askAllForPeers(): void {
    for (const { publicKey } of this.#host.peers()) void this.askForPeers(publicKey)
  }

  async askForPeers(peer: PublicKey): Promise<void> {
    try {
      const answer = await this.#host.requests.request(peer, PEERS, new Uint8Array(), {
        timeouts: TIMEOUTS,
        maxResponseBytes: MAX_PEERS_BYTES,
        signal: this.#stopping.signal
      })
      this.#takePeers(peer, answer)
    } catch (error) {
      this.#host.log.debug({ err: error, peer }, 'a peer did not tell its peers')
    }
  }

  #takeStatus(peer: PublicKey, body: Uint8Array, rule: ScoreRule): PeerStatus {
    let status: PeerStatus
    try {
      status = decodeStatus(body)
    } catch (error) {
      this.#host.report(peer, rule, `status: ${(error as Error).message}`)
      throw error
    }
    this.#host.onStatus(peer, status)
    return status
  }

  #listPeers(from: PublicKey): Uint8Array {
    const peers = this.#host
      .peers()
      .filter(({ publicKey }) => publicKey !== from)
      .slice(0, MAX_TOLD_PEERS)
      .map(({ publicKey }) => ({
        publicKey: Uint8Array.from(Buffer.from(publicKey, 'hex')),
        addresses: this.#host.addressesOf(publicKey).slice(0, MAX_TOLD_ADDRESSES)
      }))
    return PeerList.encode({ peers })
  }

  #takePeers(teller: PublicKey, body: Uint8Array): void {
    const connected = this.#host.peers().find(({ publicKey }) => publicKey === teller)
    if (connected === undefined) return
    let list: PeerList
    try {
      list = PeerList.decode(body, { limits: { peers: MAX_TOLD_PEERS, peers$: { addresses: MAX_TOLD_ADDRESSES } } })
      if (list.peers.some(({ publicKey }) => publicKey.byteLength !== 32)) throw new Error('a key has not 32 bytes')
    } catch (error) {
      this.#host.report(teller, 'wrong-answer', `peers: ${(error as Error).message}`)
      return
    }
    for (const { publicKey, addresses } of list.peers) {
      const about = Buffer.from(publicKey).toString('hex')
      try {
        this.#host.onTold(connected, about, addresses)
      } catch (error) {
        this.#host.report(teller, 'wrong-answer', `peers: ${(error as Error).message}`)
        return
      }
    }
  }
}
