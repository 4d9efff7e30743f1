import { createConnection } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { NetworkError } from '../../../src/network/index.js'
import { createKeyPairs, nextEvent, startCluster, startNode, until, waitReady } from './helpers.js'

describe('a node that restricts itself', { timeout: 60_000 }, () => {
  it('takes validators and listed observers, tells others why not, and follows the UNL', async () => {
    const pairs = createKeyPairs(4)
    const [own, validator, observer, other] = pairs as [
      (typeof pairs)[0],
      (typeof pairs)[0],
      (typeof pairs)[0],
      (typeof pairs)[0]
    ]
    const unl = [own.publicKey, validator.publicKey]
    const node = await startNode(own, { validators: () => unl, restrict: true, observers: [observer.publicKey] })
    const overrides = { validators: () => unl, peers: [node.address] }
    const friend = await startNode(validator, overrides)
    const listed = await startNode(observer, overrides)
    await waitReady(node.network, [validator.publicKey, observer.publicKey])
    const stranger = await startNode(other, { validators: () => unl })
    const told = nextEvent(stranger.network, 'peer:refused', ({ by }) => by === 'peer')
    await expect(stranger.network.connect(node.address)).rejects.toThrow(NetworkError)
    expect((await told).reason).toBe('this node takes only validators and the observers on its list')
    expect(node.network.connected().sort()).toEqual([validator.publicKey, observer.publicKey].sort())

    // The stranger becomes a validator, the validator leaves.
    const gone = nextEvent(node.network, 'peer:disconnect', ({ publicKey }) => publicKey === validator.publicKey)
    node.network.setMembers([own.publicKey, other.publicKey])
    await gone
    expect(await stranger.network.connect(node.address)).toBe(own.publicKey)
    await waitReady(node.network, [other.publicKey])
    expect(node.network.peer(other.publicKey).inUnl).toBe(true)
    expect(node.network.connected()).not.toContain(friend.network.publicKey)
    expect(node.network.connected()).toContain(listed.network.publicKey)
  })
})

describe('bans', { timeout: 60_000 }, () => {
  it('cut a peer at once and for good, last over a restart, and end when they are lifted', async () => {
    const nodes = await startCluster(3)
    const [a, b] = nodes as [(typeof nodes)[0], (typeof nodes)[0]]
    const key = b.network.publicKey
    const gone = nextEvent(b.network, 'peer:disconnect', ({ publicKey }) => publicKey === a.network.publicKey)
    a.network.ban(key, 'it lies')
    expect(a.network.connected()).not.toContain(key)
    expect(a.network.subscribers('consensus')).not.toContain(key)
    expect((await gone).reason).toContain('it lies')
    await expect(b.network.connect(a.address)).rejects.toThrow()
    expect(a.network.peer(key)).toMatchObject({ connected: false, banReason: 'it lies', lastError: 'it lies' })
    expect(a.network.bans()).toMatchObject([{ publicKey: key, reason: 'it lies' }])
    await a.network.stop()

    const again = await startNode(a.keyPair, { ...a.options, listen: { wsPort: a.wsPort } })
    await waitReady(again.network, [nodes[2]?.network.publicKey as string])
    expect(again.network.bans()).toMatchObject([{ publicKey: key, reason: 'it lies' }])
    expect(again.network.connected()).not.toContain(key)
    expect(again.network.unban(key)).toBe(true)
    expect(again.network.unban(key)).toBe(false)
    await waitReady(again.network, [key])
    expect(again.network.bans()).toEqual([])
    expect(() => again.network.ban('nonsense')).toThrow(NetworkError)
  })
})

describe('the operator', { timeout: 60_000 }, () => {
  it('sees of each peer what there is, and of absent ones why', async () => {
    const pairs = createKeyPairs(3)
    const keys = pairs.map(({ publicKey }) => publicKey)
    const [one, two, three] = pairs as [(typeof pairs)[0], (typeof pairs)[0], (typeof pairs)[0]]
    const a = await startNode(one, { validators: () => keys })
    const b = await startNode(two, { validators: () => keys, peers: [a.address] })
    const absent = `/ip4/127.0.0.1/tcp/1/ws/p2p/${(await startNode(three)).network.peerId}`
    await expect(b.network.connect(absent)).rejects.toMatchObject({ code: 'unreachable' })
    await waitReady(b.network, [one.publicKey])
    await until('the latency', () => b.network.peer(one.publicKey).latencyMs !== null)
    await b.network.publish('consensus', new Uint8Array(1000))
    await a.network.handle('echo', 1, {}, async (body) => body)
    await b.network.request(one.publicKey, 'echo', new Uint8Array(2000))
    const row = b.network.peer(one.publicKey)
    expect(row).toMatchObject({
      peerId: a.network.peerId,
      inUnl: true,
      connected: true,
      connections: 1,
      role: 'validator',
      address: a.address,
      relayed: false,
      relay: null,
      transport: 'ws',
      direction: 'outbound',
      agent: 'hp-p2p/test',
      seq: 0,
      score: 0,
      lastError: null,
      bannedUntil: null
    })
    expect(row.addresses).toContain(a.address)
    expect(row.bytesOut).toBeGreaterThan(3000)
    expect(row.bytesIn).toBeGreaterThan(2000)
    expect(Math.abs(row.clockOffsetMs as number)).toBeLessThan(1000)
    expect(Date.now() - (row.connectedSince as number)).toBeLessThan(20_000)
    expect(await b.network.ping(one.publicKey)).toBeLessThan(5000)
    await expect(b.network.ping(three.publicKey)).rejects.toMatchObject({ code: 'not-connected' })
    expect(a.network.peer(three.publicKey)).toMatchObject({
      connected: false,
      inUnl: true,
      address: null,
      latencyMs: null
    })
    await until('a reason', () =>
      b.network.peers().every(({ connected, lastError }) => connected || lastError !== null)
    )
  })

  it('has limits on connections of one address and in all', async () => {
    const pairs = createKeyPairs(4)
    const limits = { maxConnectionsPerAddress: 2 }
    const node = await startNode(pairs[0] as (typeof pairs)[0], { limits })
    const others = await Promise.all(pairs.slice(1).map((pair) => startNode(pair)))
    const results = await Promise.allSettled(others.map(({ network }) => network.connect(node.address)))
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(2)
    await until('two are connected', () => node.network.connected().length === 2)
    const few = await startNode(createKeyPairs(1)[0] as (typeof pairs)[0], { limits: { maxConnections: 1 } })
    const tried = await Promise.allSettled(others.map(({ network }) => network.connect(few.address)))
    expect(tried.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it('bounds connections that do not finish their handshake', async () => {
    const limits = { maxPendingConnections: 2, upgradeTimeoutMs: 30_000, inboundConnectionsPerSecond: 1000 }
    const [pair, good] = createKeyPairs(2)
    if (pair === undefined || good === undefined) throw new Error('unreachable')
    const node = await startNode(pair, { listen: { wsPort: null, tcpPort: 0 }, limits })
    const [address] = node.network.addresses()
    let closed = 0
    for (let index = 0; index < 6; index++) {
      const socket = createConnection(Number(address?.split('/')[4]), '127.0.0.1')
      onTestFinished(() => void socket.destroy())
      socket.on('error', () => {})
      socket.on('close', () => closed++)
      socket.resume()
    }
    await until('those above the limit are closed', () => closed === 4)
  })
})
