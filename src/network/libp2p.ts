/** Assembles the libp2p node: transports, limits, and what must be hardened from outside. */
import './shim.js'
import { createServer, type Server as NetServer, type Socket } from 'node:net'
import type { GossipSub, GossipSubComponents } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { ConnectionGater, Libp2p, MultiaddrConnection, PeerId, PrivateKey } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import type { Datastore } from 'interface-datastore'
import { createLibp2p } from 'libp2p'
import type { WebSocketServer } from 'ws'
import { listenAddress } from './addresses.js'
import { calmYamux } from './calm-yamux.js'
import { NetworkError } from './errors.js'
import { createLocalDiscovery, createWebRtc } from './extras.js'
import { HalfOpenSockets } from './half-open.js'
import { createHolePunching } from './hole-punching.js'
import type { NetworkLimits } from './limits.js'
import { createRelayServer, type RelayGate, type Relays } from './relays.js'
import { MAX_WEBSOCKET_MESSAGE_BYTES } from './shim.js'
import type { NetworkOptions } from './types.js'

export type HotPocketLibp2p = Libp2p<{
  identify: unknown
  ping: unknown
  pubsub: GossipSub
  relay: unknown
  holePunching: unknown
}>

export interface NodeParts {
  privateKey: PrivateKey
  datastore: Datastore
  limits: NetworkLimits
  pubsub: (components: GossipSubComponents) => GossipSub
  /** False for a peer that may not connect now. */
  mayConnect: (peerId: PeerId) => boolean
  /** False when the address has too many connections. */
  mayConnectFrom: (remote: string) => boolean
  gate: RelayGate
  relays: Relays
  /** This node serves as relay. */
  offersRelay: () => boolean
}

/** Not started yet. Throws NetworkError 'bad-address' and 'not-installed'. */
export async function createNode(options: NetworkOptions, parts: NodeParts): Promise<HotPocketLibp2p> {
  const { limits } = parts
  const { host, wsPort, tcpPort } = options.listen
  const listen: string[] = []
  if (wsPort !== null) listen.push(listenAddress(host, wsPort, 'ws'))
  if (tcpPort !== null) listen.push(listenAddress(host, tcpPort, 'tcp'))
  const gater: ConnectionGater = {
    // libp2p's default refuses private addresses in some places; ours are checked in addresses.ts.
    denyDialMultiaddr: () => false,
    denyInboundConnection: (connection: MultiaddrConnection) => !parts.mayConnectFrom(connection.remoteAddr.toString()),
    denyInboundEncryptedConnection: (peerId: PeerId) => !parts.mayConnect(peerId),
    denyOutboundEncryptedConnection: (peerId: PeerId) => !parts.mayConnect(peerId),
    denyInboundRelayReservation: (peerId: PeerId) => !parts.offersRelay() || !parts.mayConnect(peerId),
    denyOutboundRelayedConnection: (from: PeerId, to: PeerId) => !parts.mayConnect(from) || !parts.mayConnect(to),
    denyInboundRelayedConnection: (_relay: PeerId, from: PeerId) => !parts.mayConnect(from)
  }
  const webrtc = options.webrtc === true ? [(await createWebRtc(options.stun ?? [])) as never] : []
  return await createLibp2p({
    start: false,
    privateKey: parts.privateKey,
    datastore: parts.datastore,
    addresses: { listen, ...(options.announce?.length ? { announce: options.announce } : {}) },
    nodeInfo: { name: 'hp-p2p', version: options.agentVersion, userAgent: options.agentVersion },
    transports: [
      webSockets(),
      tcp({ maxConnections: limits.maxConnections + limits.maxPendingConnections }),
      parts.relays.createTransport,
      ...webrtc
    ],
    peerDiscovery: options.mdns === true ? [createLocalDiscovery(options.networkId)] : [],
    connectionEncrypters: [noise()],
    streamMuxers: [calmYamux({ maxInboundStreams: MAX_STREAMS_OF_PEER })],
    connectionGater: gater,
    connectionManager: {
      maxConnections: limits.maxConnections,
      // half-open.ts keeps to the limit; this bounds connections through relays, which have no socket.
      maxIncomingPendingConnections: limits.maxPendingConnections * RELAYED_PENDING,
      inboundConnectionThreshold: limits.inboundConnectionsPerSecond,
      inboundUpgradeTimeout: limits.upgradeTimeoutMs,
      maxParallelDials: limits.maxParallelDials,
      // Our own deadlines end before, save while this process cannot run.
      dialTimeout: limits.dialTimeoutMs * 6,
      addressDialTimeout: limits.dialTimeoutMs * 6,
      outboundStreamProtocolNegotiationTimeout: 10_000,
      inboundStreamProtocolNegotiationTimeout: 10_000,
      reconnectRetries: 0
    },
    // It would abort connections whose ping fails, which under load is every connection; peers.ts finds dead peers.
    connectionMonitor: { enabled: false },
    services: {
      identify: identify(),
      ping: ping(),
      pubsub: parts.pubsub,
      relay: createRelayServer(parts.gate, limits),
      holePunching: createHolePunching(parts.gate)
    }
  })
}

/** Handshakes under way, those through relays included, for each that may be from a socket of this node. */
const RELAYED_PENDING = 4
/** Streams that one peer may have open; requests are bounded to less, and each can hold a window of unread bytes. */
const MAX_STREAMS_OF_PEER = 400

interface PortListener {
  server?: NetServer
  http?: NetServer
  wsServer?: WebSocketServer
}

/**
 * Bounds what the listeners leave open: sockets that do not become connections, the size of a WebSocket message, and
 * the time of a socket that never asks for an upgrade, which would also keep the listener from closing.
 */
export function hardenListeners(node: HotPocketLibp2p, limits: NetworkLimits): HalfOpenSockets {
  const halfOpen = new HalfOpenSockets(limits.maxPendingConnections)
  const { transportManager } = (
    node as unknown as { components: { transportManager: { getListeners(): PortListener[] } } }
  ).components
  for (const listener of transportManager.getListeners()) {
    if (listener.server === undefined) continue
    listener.server.on('connection', (socket: Socket) => {
      socket.on('error', () => socket.destroy())
      halfOpen.add(socket)
    })
    if (listener.wsServer !== undefined) hardenWebSockets(listener, limits)
  }
  return halfOpen
}

function hardenWebSockets({ server, http, wsServer }: PortListener, limits: NetworkLimits): void {
  if (server === undefined || wsServer === undefined) return
  const waiting = new Map<Socket, NodeJS.Timeout>()
  const release = (socket: Socket): void => {
    clearTimeout(waiting.get(socket))
    waiting.delete(socket)
  }
  wsServer.options.maxPayload = MAX_WEBSOCKET_MESSAGE_BYTES
  server.maxConnections = limits.maxConnections + limits.maxPendingConnections
  server.on('connection', (socket: Socket) => {
    waiting.set(
      socket,
      setTimeout(() => socket.destroy(), limits.upgradeTimeoutMs)
    )
    socket.once('close', () => release(socket))
  })
  http?.on('upgrade', (request: { socket: Socket }) => release(request.socket))
}

/** Throws NetworkError 'port-in-use' or 'listen-failed', naming host and port. */
export async function checkPort(host: string, port: number): Promise<void> {
  if (port === 0) return
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port, exclusive: true }, resolve)
    })
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === 'EADDRINUSE') {
      throw new NetworkError('port-in-use', `port ${port} on ${host} is in use by another process`, { host, port })
    }
    const words = code === 'EADDRNOTAVAIL' ? 'the address is not of this machine' : String(code ?? error)
    throw new NetworkError('listen-failed', `cannot listen on ${host} port ${port}: ${words}`, {
      host,
      port,
      cause: error
    })
  }
  await new Promise<void>((resolve) => server.close(() => resolve()))
}
