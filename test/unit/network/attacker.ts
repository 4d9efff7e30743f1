import '../../../src/network/shim.js'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import type { Connection, PeerId, Stream } from '@libp2p/interface'
import type { TransportManager } from '@libp2p/interface-internal'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { onTestFinished } from 'vitest'
import type { PublicKey } from '../../../src/consensus/types.js'
import { createKeyPair } from '../../../src/crypto/index.js'
import { HELLO_PROTOCOL } from '../../../src/network/hello.js'
import { toPrivateKey, toPublicKey } from '../../../src/network/peer-id.js'
import { sayHello } from '../../helpers/say-hello.js'
import { varint } from '../../helpers/varint.js'
import { NETWORK_ID, type TestNode } from './helpers.js'

export interface Attacker {
  publicKey: PublicKey
  connection: Connection
  /** A stream on which gossipsub of the target listens. */
  openGossip(): Promise<Stream>
  isCut(): boolean
  /** Asks the target to be its relay. */
  reserve(): Promise<{ limit: unknown; ttlMs: number }>
  dial(address: string): Promise<Connection>
}

interface Circuit {
  reservationStore: {
    addRelay(
      peer: PeerId,
      type: 'configured'
    ): Promise<{ details: { reservation: { limit?: unknown; expire: bigint } } }>
  }
}

/** A libp2p node of no manners that dials the target; with `hello` it passes hello first. */
export async function startAttacker(
  target: TestNode,
  hello: boolean,
  options: { relay?: boolean } = {}
): Promise<Attacker> {
  const pair = createKeyPair()
  const node = await createLibp2p({
    privateKey: toPrivateKey(pair),
    transports: [webSockets(), tcp(), ...(options.relay === true ? [circuitRelayTransport()] : [])],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    services: { identify: identify() }
  })
  onTestFinished(() => void node.stop())
  const connection = await node.dial(multiaddr(target.address))
  if (hello) {
    const self = { networkId: NETWORK_ID, publicKey: pair.publicKey, description: target.options.describe() }
    const stream = await connection.newStream(HELLO_PROTOCOL)
    await sayHello(stream, self, toPublicKey(connection.remotePeer) as PublicKey)
  }
  return {
    publicKey: pair.publicKey,
    connection,
    openGossip: () => connection.newStream('/meshsub/1.1.0'),
    isCut: () => connection.status !== 'open',
    dial: (address) => node.dial(multiaddr(address), { signal: AbortSignal.timeout(5000) }),
    reserve: async () => {
      const { transportManager } = (node as unknown as { components: { transportManager: TransportManager } })
        .components
      const circuit = transportManager.getTransports().find((each) => 'reservationStore' in each) as unknown as Circuit
      const { details } = await circuit.reservationStore.addRelay(connection.remotePeer, 'configured')
      const { limit, expire } = details.reservation
      return { limit, ttlMs: Number(expire) * 1000 - Date.now() }
    }
  }
}

/** A libp2p node that listens and knows no protocol of ours, as one of another version. */
export async function startStranger(): Promise<{ publicKey: PublicKey; address: string }> {
  const pair = createKeyPair()
  const node = await createLibp2p({
    privateKey: toPrivateKey(pair),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    services: { identify: identify() }
  })
  onTestFinished(() => void node.stop())
  return { publicKey: pair.publicKey, address: String(node.getMultiaddrs()[0]) }
}

function field(number: number, body: Uint8Array): Buffer {
  return Buffer.concat([varint(number * 8 + 2), varint(body.length), body])
}

/** A length-prefixed gossipsub RPC with one message on a topic. */
export function gossipFrame(topic: 'consensus' | 'npl', data: Uint8Array, extra: Uint8Array = Buffer.alloc(0)): Buffer {
  const message = Buffer.concat([field(2, data), field(4, Buffer.from(`/hp/${NETWORK_ID}/${topic}/1`)), extra])
  const rpc = field(2, message)
  return Buffer.concat([varint(rpc.length), rpc])
}

/** Our own header before the content. */
export function gossipData(topic: 'consensus' | 'npl', content: string | Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([topic === 'consensus' ? 1 : 2, 0, 0, 0, 0]), Buffer.from(content)])
}
