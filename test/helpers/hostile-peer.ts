import '../../src/network/shim.js'
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { identify } from '@libp2p/identify'
import type { Connection, Stream } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { decodeGenesis, networkIdOf } from '../../src/codec/index.js'
import * as pb from '../../src/codec/pb/join.js'
import type { Genesis, PublicKey } from '../../src/consensus/types.js'
import { createKeyPair, type KeyPair } from '../../src/crypto/index.js'
import { HELLO_PROTOCOL } from '../../src/network/hello.js'
import { askForInvitation } from '../../src/network/index.js'
import { toPrivateKey, toPublicKey } from '../../src/network/peer-id.js'
import { describeNetwork } from '../../src/node/genesis.js'
import { sayHello } from './say-hello.js'
import { varint } from './varint.js'

const TIMEOUT_MS = 10_000
const ASKED_MAX = 10
const ASKED_AGAIN_MS = 1000

export interface DialOptions {
  genesis: Genesis
  keys?: KeyPair
  /** Default: it says hello. */
  hello?: boolean
}

/** What any stranger can ask a node for, not too often. */
export async function askForGenesis(address: string): Promise<Genesis> {
  for (let tries = 1; ; tries++) {
    try {
      const { invitation } = await askForInvitation(address, { keyPair: createKeyPair(), timeoutMs: TIMEOUT_MS })
      return decodeGenesis(pb.Invitation.decode(invitation).genesis)
    } catch (error) {
      if (tries === ASKED_MAX) throw error
      await delay(ASKED_AGAIN_MS)
    }
  }
}

/** A libp2p node of no manners with one connection: opens what streams it likes and writes what bytes it likes. */
export class HostilePeer {
  readonly networkId: string

  private constructor(
    readonly node: Libp2p,
    readonly connection: Connection,
    readonly keys: KeyPair,
    readonly genesis: Genesis
  ) {
    this.networkId = networkIdOf(genesis)
  }

  static async dial(address: string, options: DialOptions): Promise<HostilePeer> {
    const { genesis, keys = createKeyPair(), hello = true } = options
    const node = await createLibp2p({
      privateKey: toPrivateKey(keys),
      transports: [webSockets(), tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux({ maxOutboundStreams: 100_000 })],
      connectionGater: { denyDialMultiaddr: () => false },
      connectionMonitor: { enabled: false },
      services: { identify: identify() }
    })
    try {
      const connection = await node.dial(multiaddr(address), { signal: AbortSignal.timeout(TIMEOUT_MS) })
      const peer = new HostilePeer(node, connection, keys, genesis)
      if (hello) await peer.#sayHello()
      return peer
    } catch (error) {
      await node.stop()
      throw error
    }
  }

  get publicKey(): PublicKey {
    return this.keys.publicKey
  }

  get isCut(): boolean {
    return this.connection.status !== 'open'
  }

  /** By the whole id of the protocol. */
  open(protocol: string): Promise<Stream> {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    return this.connection.newStream(protocol, { signal, maxOutboundStreams: 100_000 })
  }

  /** A stream of a request protocol. */
  openRequest(name: string): Promise<Stream> {
    return this.open(`/hp/${this.networkId}/${name}/1`)
  }

  /** A stream on which the node's gossip listens. */
  openGossip(): Promise<Stream> {
    return this.open('/meshsub/1.1.0')
  }

  async end(): Promise<void> {
    await this.node.stop()
  }

  async #sayHello(): Promise<void> {
    const stream = await this.open(HELLO_PROTOCOL)
    const role = this.genesis.config.unl.includes(this.publicKey) ? 'validator' : 'observer'
    const description = { ...describeNetwork(this.genesis), role, seq: 0, lcl: '00'.repeat(32) } as const
    const { networkId, publicKey } = this
    await sayHello(stream, { networkId, publicKey, description }, toPublicKey(this.connection.remotePeer) as PublicKey)
  }
}

/** Sends what can be sent: a stream may be cut at any time. */
export function trySend(stream: Stream, bytes: Uint8Array): boolean {
  try {
    return stream.send(bytes)
  } catch {
    return false
  }
}

/** A frame of hello and of requests: length, kind (0: message), body. */
export function frame(body: Uint8Array): Buffer {
  return Buffer.concat([varint(body.length + 1), Buffer.from([0]), body])
}

function field(number: number, body: Uint8Array): Buffer {
  return Buffer.concat([varint(number * 8 + 2), varint(body.length), body])
}

/** A length-prefixed gossipsub RPC with one message on a topic, with our own header before the content. */
export function gossipFrame(networkId: string, topic: 'consensus' | 'npl', content: Uint8Array): Buffer {
  const header = Buffer.concat([Buffer.from([topic === 'consensus' ? 1 : 2]), randomBytes(4)])
  const data = Buffer.concat([header, content])
  const rpc = field(2, Buffer.concat([field(2, data), field(4, Buffer.from(`/hp/${networkId}/${topic}/1`))]))
  return Buffer.concat([varint(rpc.length), rpc])
}
