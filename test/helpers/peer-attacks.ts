/** Attacks on the peer port of one node: by strangers, by observers (anybody may be one) and by who holds a member's key. */
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import type { Stream } from '@libp2p/interface'
import { decodeGenesis, encodeConsensusMessage } from '../../src/codec/index.js'
import * as join from '../../src/codec/pb/join.js'
import * as wire from '../../src/codec/pb/network.js'
import * as sync from '../../src/codec/pb/sync.js'
import type { Genesis } from '../../src/consensus/types.js'
import { createKeyPair } from '../../src/crypto/index.js'
import { encodeBatchRequest, encodeForwardRequest } from '../../src/node/forwarding/wire.js'
import type { Attack, AttackRun, Target } from './attack.js'
import { Forger, randomHash } from './forger.js'
import { askForGenesis, frame, gossipFrame, HostilePeer, trySend } from './hostile-peer.js'
import { varint } from './varint.js'

type Who = 'observer' | 'member' | 'stranger'

/** One valid request of each protocol that is served to peers. */
const REQUESTS: Record<string, () => Uint8Array> = {
  ledgers: () => sync.LedgersRequest.encode({ from: 0, count: 256 }),
  proposals: () =>
    sync.ProposalsRequest.encode({ hashes: Array.from({ length: 100 }, () => new Uint8Array(randomBytes(32))) }),
  outputs: () => sync.OutputsRequest.encode({ seq: 1 }),
  state: () => sync.StateRequest.encode({ root: new Uint8Array(), wants: [] }),
  contract: () => join.ContractRequest.encode({ path: '', offset: 0 }),
  start: () => join.StartRequest.encode({ ledgers: 1 }),
  forward: () => encodeForwardRequest({ hash: randomHash(), bytes: 1_000_000 }),
  'forward-batch': () => encodeBatchRequest(randomHash()),
  status: () =>
    wire.Status.encode({
      seq: 0,
      lcl: new Uint8Array(32),
      role: 0,
      agent: 'x',
      addresses: [],
      relay: false,
      unreached: []
    }),
  peers: () => new Uint8Array(),
  'dial-back': () => wire.DialBack.encode({ addresses: ['/ip4/127.0.0.1/tcp/1'] })
}

export const REQUEST_NAMES = Object.keys(REQUESTS)
/** Streams of one attacker that are under way at one time. */
const PARALLEL = 48
const PEERS = 4
/** Between two attempts of a peer that is refused. */
const REFUSED_MS = 200

interface Scene {
  address: string
  genesis: Genesis
  count: number
  isOver: boolean
  add(count?: number): void
}

/** Keeps `peers` attackers connected, each with a new key when it was cut, until it is stopped. */
async function attackAs(
  who: Who,
  target: Target,
  act: (peer: HostilePeer, scene: Scene) => Promise<void>,
  peers = who === 'member' ? 1 : PEERS
): Promise<AttackRun> {
  const address = `/ip4/${target.host}/tcp/${target.tcpport}`
  const scene: Scene = {
    address,
    genesis: target.genesis === undefined ? await askForGenesis(address) : decodeGenesis(target.genesis),
    count: 0,
    isOver: false,
    add(count = 1) {
      this.count += count
    }
  }
  const attacking = Array.from({ length: peers }, async () => {
    while (!scene.isOver) {
      let peer: HostilePeer | null = null
      try {
        const keys = who === 'member' && target.memberKeys !== undefined ? target.memberKeys : createKeyPair()
        peer = await HostilePeer.dial(address, { genesis: scene.genesis, keys, hello: who !== 'stranger' })
        while (!scene.isOver && !peer.isCut) {
          await act(peer, scene)
          await turn()
        }
      } catch {
        await delay(REFUSED_MS)
      } finally {
        await peer?.end().catch(() => {})
      }
    }
  })
  return {
    count: () => scene.count,
    stop: async () => {
      scene.isOver = true
      await Promise.all(attacking)
    }
  }
}

/** Resolves when the stream has ended, or after a time. */
function drain(stream: Stream): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 5000)
    const end = (): void => {
      clearTimeout(timer)
      resolve()
    }
    stream.addEventListener('message', () => {})
    stream.addEventListener('remoteCloseWrite', end, { once: true })
    stream.addEventListener('close', end, { once: true })
    if (stream.status !== 'open') end()
  })
}

async function ask(peer: HostilePeer, name: string): Promise<void> {
  const stream = await peer.openRequest(name)
  const answered = drain(stream)
  trySend(stream, frame((REQUESTS[name] as () => Uint8Array)()))
  await stream.close().catch(() => {})
  await answered
  stream.abort(new Error('done'))
}

function requestFlood(name: string, who: Who): Attack {
  return {
    name: `${name}: valid requests as fast as they go (${who})`,
    on: 'peers',
    start: (target) =>
      attackAs(who, target, async (peer, scene) => {
        const lanes = Array.from({ length: PARALLEL }, async () => {
          while (!scene.isOver && !peer.isCut) {
            await ask(peer, name)
            scene.add()
          }
        })
        await Promise.all(lanes)
      })
  }
}

/** Asks for what is large and takes nothing of it. */
const slowReaders: Attack = {
  name: 'large answers that nobody reads (observers)',
  on: 'peers',
  start: (target) =>
    attackAs('observer', target, async (peer, scene) => {
      for (const name of ['ledgers', 'contract', 'proposals', 'state']) {
        for (let count = 0; count < PARALLEL && !scene.isOver && !peer.isCut; count++) {
          const stream = await peer.openRequest(name)
          stream.pause()
          trySend(stream, frame((REQUESTS[name] as () => Uint8Array)()))
          scene.add()
        }
      }
      await delay(1000)
    })
}

function slowWriters(who: Who): Attack {
  return {
    name: `requests of one byte a second (${who}s)`,
    on: 'peers',
    start: (target) =>
      attackAs(who, target, async (peer, scene) => {
        const streams: Stream[] = []
        for (const name of REQUEST_NAMES) {
          for (let count = 0; count < 20 && !scene.isOver && !peer.isCut; count++) {
            streams.push(await peer.openRequest(name))
            scene.add()
          }
        }
        for (let second = 0; second < 9 && !scene.isOver && !peer.isCut; second++) {
          for (const stream of streams) trySend(stream, second === 0 ? Buffer.from([200]) : Buffer.from([1]))
          await delay(1000)
        }
        for (const stream of streams) stream.abort(new Error('done'))
      })
  }
}

const oversized: Attack = {
  name: 'frames that say they have a gigabyte (observers)',
  on: 'peers',
  start: (target) =>
    attackAs('observer', target, async (peer, scene) => {
      for (const name of REQUEST_NAMES) {
        const stream = await peer.openRequest(name)
        trySend(stream, Buffer.concat([varint(2 ** 30), Buffer.alloc(60_000)]))
        scene.add()
      }
    })
}

/** Streams with as much in each as the window lets go out, which nobody ever reads to the end. */
function leftStreams(who: Who): Attack {
  return {
    name: `streams opened, filled and left (${who}s)`,
    on: 'peers',
    start: (target) =>
      attackAs(who, target, async (peer, scene) => {
        const body = Buffer.alloc(250_000)
        const opening: Promise<unknown>[] = []
        for (const name of REQUEST_NAMES) {
          for (let count = 0; count < 80; count++) {
            opening.push(
              peer.openRequest(name).then((stream) => {
                trySend(stream, body)
                scene.add()
              })
            )
            if (opening.length % 40 === 0) await Promise.allSettled(opening.splice(0))
          }
        }
        await Promise.allSettled(opening)
        await delay(3000)
      })
  }
}

const helloStorm: Attack = {
  name: 'connect, hello, leave, with ever new keys (observers)',
  on: 'peers',
  start: (target) =>
    attackAs('observer', target, async (peer, scene) => {
      scene.add()
      await peer.end()
      await delay(20)
      throw new Error('again')
    })
}

const joinFlood: Attack = {
  name: 'invitations (strangers)',
  on: 'peers',
  start: (target) =>
    attackAs('stranger', target, async (peer, scene) => {
      const lanes = Array.from({ length: 4 }, async () => {
        while (!scene.isOver && !peer.isCut) {
          const stream = await peer.open('/hp/join/1')
          await drain(stream)
          stream.abort(new Error('done'))
          scene.add()
        }
      })
      await Promise.all(lanes)
    })
}

type Content = (forger: Forger, count: number) => Uint8Array

function gossipFlood(name: string, topic: 'consensus' | 'npl', who: Who, content: Content): Attack {
  return {
    name: `${name} (${who})`,
    on: 'peers',
    start: (target) =>
      attackAs(who, target, async (peer, scene) => {
        const forger = new Forger(peer.genesis, peer.keys)
        const stream = await peer.openGossip()
        const status = await currentSeq(peer)
        forger.seq = status + 1
        const endMs = performance.now() + 500
        for (let count = 0; performance.now() < endMs && !scene.isOver && !peer.isCut; count++) {
          const isWritable = trySend(stream, gossipFrame(peer.networkId, topic, content(forger, count)))
          scene.add()
          if (!isWritable || count % 20 === 0) await turn()
          while (stream.writableNeedsDrain && !peer.isCut && !scene.isOver) await delay(1)
        }
        stream.abort(new Error('done'))
      })
  }
}

async function currentSeq(peer: HostilePeer): Promise<number> {
  const stream = await peer.openRequest('status')
  const answer = new Promise<Uint8Array>((resolve, reject) => {
    stream.addEventListener('message', ({ data }) => resolve(data.subarray()), { once: true })
    stream.addEventListener('close', () => reject(new Error('no status')), { once: true })
  })
  trySend(stream, frame((REQUESTS.status as () => Uint8Array)()))
  const bytes = await answer
  stream.abort(new Error('done'))
  // Length (below 16 KiB: one or two bytes), kind, body.
  return wire.Status.decode(bytes.subarray((bytes[0] as number) >= 0x80 ? 3 : 2)).seq
}

const vote: Content = (forger, count) =>
  encodeConsensusMessage(forger.vote('precommit', randomHash(), { attempt: count % 5 }), forger.unl)

/** Half-open handshakes, renewed as the node closes them. */
function halfOpen(name: string, port: (target: Target) => number, bytes: Uint8Array, connections: number): Attack {
  return {
    name,
    on: 'peers',
    start: async (target) => {
      const sockets = new Set<Socket>()
      let [count, isOver] = [0, false]
      const open = (): void => {
        // From an address of its own: what is refused to one must not be refused to all.
        const socket = connect({ port: port(target), host: target.host, localAddress: '127.0.0.66' })
        sockets.add(socket)
        count += 1
        socket.on('error', () => {})
        socket.on('connect', () => bytes.length > 0 && socket.write(bytes))
        socket.on('close', () => {
          sockets.delete(socket)
          if (!isOver) setTimeout(() => isOver || open(), 100)
        })
      }
      for (let index = 0; index < connections; index++) {
        open()
        if (index % 100 === 99) await delay(5)
      }
      return {
        count: () => count,
        stop: async () => {
          isOver = true
          for (const socket of sockets) socket.destroy()
        }
      }
    }
  }
}

/** multistream-select up to the point where noise would begin. */
const NOISE_BEGUN = Buffer.from('\x13/multistream/1.0.0\n\x07/noise\n', 'latin1')

/** @param connections of the attacks with half-open handshakes */
export function peerAttacks(connections: number): Attack[] {
  return [
    halfOpen('TCP alone on the peer port', ({ tcpport }) => tcpport, Buffer.alloc(0), connections),
    halfOpen('noise begun and not finished', ({ tcpport }) => tcpport, NOISE_BEGUN, connections),
    halfOpen('TCP alone on the WebSocket peer port', ({ peerport }) => peerport, Buffer.alloc(0), connections),
    helloStorm,
    joinFlood,
    ...REQUEST_NAMES.map((name) => requestFlood(name, 'observer')),
    ...['ledgers', 'proposals', 'state'].map((name) => requestFlood(name, 'member')),
    slowReaders,
    slowWriters('observer'),
    slowWriters('stranger'),
    oversized,
    leftStreams('observer'),
    leftStreams('stranger'),
    gossipFlood('garbage on the consensus topic', 'consensus', 'observer', () => randomBytes(1000)),
    gossipFlood('votes of no member', 'consensus', 'observer', vote),
    gossipFlood('party line of no member', 'npl', 'observer', (forger, count) => forger.npl(count, Buffer.alloc(500))),
    gossipFlood('large party line of no member', 'npl', 'observer', (forger, count) =>
      forger.npl(count, Buffer.alloc(60_000))
    ),
    gossipFlood('signed votes for everything', 'consensus', 'member', vote),
    gossipFlood('signed party line', 'npl', 'member', (forger, count) => forger.npl(count, Buffer.alloc(500)))
  ]
}
