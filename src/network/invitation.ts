/**
 * The one thing that a node tells to strangers: what network it belongs to. Whoever joins asks for it before it can say
 * hello, which takes a network to belong to. protocols/join.md has the wire format.
 */
import './shim.js'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import type { Connection, Stream } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { Logger } from 'pino'
import type { KeyPair } from '../crypto/index.js'
import { ipOf, parseAddress } from './addresses.js'
import { calmYamux } from './calm-yamux.js'
import { Deadline } from './deadline.js'
import { NetworkError } from './errors.js'
import { FRAME_MESSAGE, FrameReader, finishStream, writeFrame } from './frames.js'
import { toPrivateKey, toPublicKey } from './peer-id.js'
import { TokenBucket } from './rate-limit.js'

export const JOIN_PROTOCOL = '/hp/join/1'

const MAX_INVITATION_BYTES = 32 * 1024
const ANSWER_TIMEOUT_MS = 5000
/** Answers to one IP address, and to all: it is asked once by each new node. */
const PER_ADDRESS = { perSecond: 1, burst: 10 }
const IN_ALL = { perSecond: 50, burst: 200 }
const ADDRESSES_MAX = 4096

/** Answers strangers. */
export class Inviter {
  readonly #invitation: () => Uint8Array
  readonly #log: Logger
  readonly #all = new TokenBucket(IN_ALL.perSecond, IN_ALL.burst)
  readonly #addresses = new Map<string, TokenBucket>()

  /** @param invitation the answer, at most 32 KiB */
  constructor(invitation: () => Uint8Array, log: Logger) {
    this.#invitation = invitation
    this.#log = log
  }

  readonly onStream = (stream: Stream, connection: Connection): void => {
    const from = connection.remoteAddr.toString()
    if (!this.#mayAsk(ipOf(from) ?? from)) {
      stream.abort(new Error('asked too often'))
      return
    }
    this.#answer(stream).catch((error: unknown) => {
      stream.abort(error instanceof Error ? error : new Error(String(error)))
      this.#log.debug({ err: error }, 'a stranger who asked for the network went away')
    })
  }

  #mayAsk(address: string): boolean {
    let bucket = this.#addresses.get(address)
    if (bucket === undefined) {
      bucket = new TokenBucket(PER_ADDRESS.perSecond, PER_ADDRESS.burst)
      if (this.#addresses.size >= ADDRESSES_MAX) this.#addresses.clear()
      this.#addresses.set(address, bucket)
    }
    return bucket.take() && this.#all.take()
  }

  async #answer(stream: Stream): Promise<void> {
    const deadline = new Deadline(ANSWER_TIMEOUT_MS, undefined, true)
    try {
      await writeFrame(stream, FRAME_MESSAGE, this.#invitation(), deadline)
      await finishStream(stream)
    } finally {
      deadline.clear()
    }
  }
}

export interface AskOptions {
  keyPair: KeyPair
  timeoutMs: number
  signal?: AbortSignal
}

/**
 * Asks the node at `address` for its network. The answer is not checked here.
 *
 * @throws NetworkError 'bad-address', 'unreachable' with what went wrong
 */
export async function askForInvitation(
  address: string,
  { keyPair, timeoutMs, signal }: AskOptions
): Promise<{ invitation: Uint8Array; peer: string }> {
  parseAddress(address)
  const node = await createLibp2p({
    privateKey: toPrivateKey(keyPair),
    addresses: { listen: [] },
    transports: [webSockets(), tcp(), circuitRelayTransport()],
    connectionEncrypters: [noise()],
    streamMuxers: [calmYamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    connectionMonitor: { enabled: false },
    services: { identify: identify() },
    connectionManager: { dialTimeout: timeoutMs, addressDialTimeout: timeoutMs, reconnectRetries: 0 }
  })
  const deadline = new Deadline(timeoutMs, signal, true)
  try {
    const connection = await node.dial(multiaddr(address), { signal: deadline.signal })
    const peer = toPublicKey(connection.remotePeer)
    if (peer === null) throw new Error('its key is not ed25519')
    const stream = await connection.newStream(JOIN_PROTOCOL, { signal: deadline.signal, runOnLimitedConnection: true })
    const reader = new FrameReader(stream)
    const frame = await reader.read(MAX_INVITATION_BYTES, deadline)
    reader.detach()
    if (frame === null || frame.kind !== FRAME_MESSAGE) throw new Error('it closed the stream without an answer')
    await finishStream(stream)
    return { invitation: frame.body, peer }
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason
    throw new NetworkError('unreachable', `${address} does not tell its network: ${wordsOf(error)}`, { cause: error })
  } finally {
    deadline.clear()
    await node.stop()
  }
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'UnsupportedProtocolError')
    return 'it speaks another protocol (is it a node of hp-p2p, and new enough?)'
  if (error.name === 'AggregateError') return (error as AggregateError).errors.map(wordsOf).join('; ').slice(0, 300)
  return error.message
}
