import { describe, expect, it } from 'vitest'
import { toPeerId } from '../../../src/network/index.js'
import { startAttacker } from './attacker.js'
import { createKeyPairs, nextEvent, startNode, type TestNode, until, waitReady } from './helpers.js'

const HIDDEN = { listen: { wsPort: null } }
const RELAY = { reachability: 'public', relay: 'auto' } as const

function at<T>(list: readonly T[], index: number): T {
  const item = list[index]
  if (item === undefined) throw new Error('unreachable')
  return item
}

function through(relay: TestNode, node: TestNode): boolean {
  return node.network.reachability().relays.some(({ publicKey }) => publicKey === relay.network.publicKey)
}

/** Relays that know each other, and nodes that listen on nothing and know the first relay. */
async function startHidden(relayCount: number, hiddenCount: number, overrides: Parameters<typeof startNode>[1] = {}) {
  const pairs = createKeyPairs(relayCount + hiddenCount)
  const keys = pairs.map(({ publicKey }) => publicKey)
  const common = { validators: () => keys, ...overrides }
  const first = await startNode(at(pairs, 0), { ...common, ...RELAY })
  const peers = [first.address]
  const rest = await Promise.all(
    pairs.slice(1, relayCount).map((pair) => startNode(pair, { ...common, ...RELAY, peers }))
  )
  const relays = [first, ...rest]
  const hidden = await Promise.all(
    pairs.slice(relayCount).map((pair) => startNode(pair, { ...common, ...HIDDEN, peers }))
  )
  const all = [...relays, ...hidden]
  await Promise.all(all.map(({ network }) => waitReady(network, keys)))
  return { relays, hidden, all, keys }
}

describe('nodes that nobody can dial', { timeout: 60_000 }, () => {
  it('reach each other through a relay with gossip, requests and large answers, knowing its address alone', async () => {
    const { relays, hidden } = await startHidden(1, 2)
    const [relay, a, b] = [at(relays, 0), at(hidden, 0), at(hidden, 1)]
    expect(a.network.reachability()).toMatchObject({ state: 'private', source: 'peers', offersRelay: false })
    expect(relay.network.reachability()).toMatchObject({ state: 'public', source: 'config', offersRelay: true })
    const suffix = `/p2p/${relay.network.peerId}/p2p-circuit/p2p/${b.network.peerId}`
    expect(b.network.addresses()).toEqual([relay.address.replace(/\/p2p\/.*/, suffix)])
    expect(a.network.peer(b.network.publicKey)).toMatchObject({
      connected: true,
      relayed: true,
      relay: relay.network.publicKey,
      transport: 'ws',
      connections: 1
    })
    expect(a.network.peer(relay.network.publicKey)).toMatchObject({ relayed: false, relay: null, offersRelay: true })

    const got: string[] = []
    b.network.onGossip('consensus', (content, from) => {
      got.push(`${from} ${Buffer.from(content)}`)
      return 'accept'
    })
    for (let index = 0; index < 50; index++) await a.network.publish('consensus', Buffer.from(`${index}`))
    await until('all messages', () => got.length === 50)
    expect(got[0]).toBe(`${a.network.publicKey} 0`)

    // More than the default limits of a relay would let through.
    const big = new Uint8Array(4 * 1024 * 1024).fill(7)
    await b.network.handle('big', 1, {}, async () => big)
    expect(await a.network.request(b.network.publicKey, 'big', new Uint8Array(1))).toHaveLength(big.length)
    expect(await a.network.ping(b.network.publicKey)).toBeGreaterThan(0)
  })

  it('hold several relays, and take another one when one is lost', async () => {
    const { relays, hidden, keys } = await startHidden(3, 2, { relayCount: 2 })
    const [a, b] = [at(hidden, 0), at(hidden, 1)]
    await until('two relays each', () => hidden.every(({ network }) => network.reachability().relays.length === 2))
    const used = a.network.peer(b.network.publicKey).relay
    const lost = relays.find(({ network }) => network.publicKey === used) as TestNode
    const left = keys.filter((key) => key !== used)
    await lost.network.stop()
    await until('two other relays each', () =>
      hidden.every((node) => node.network.reachability().relays.length === 2 && !through(lost, node))
    )
    await Promise.all(hidden.map(({ network }) => waitReady(network, left)))
    expect(a.network.peer(b.network.publicKey)).toMatchObject({ connected: true, relayed: true })
    expect(a.network.peer(b.network.publicKey).relay).not.toBe(used)
    for (const address of a.network.addresses()) expect(address).not.toContain(lost.network.peerId)
  })

  it('use only the relays that the operator names', async () => {
    const pairs = createKeyPairs(3)
    const first = await startNode(at(pairs, 0), RELAY)
    const second = await startNode(at(pairs, 1), { ...RELAY, peers: [first.address] })
    const relays = [`${second.address.replace(/\/p2p\/.*/, '')}`]
    const node = await startNode(at(pairs, 2), { ...HIDDEN, peers: [first.address], relays })
    await waitReady(node.network, [first.network.publicKey, second.network.publicKey])
    await until('the named relay', () => through(second, node))
    await nextEvent(node.network, 'peer:status').catch(() => {})
    expect(through(first, node)).toBe(false)
  })

  it('come back with no peer given, from what they remember', async () => {
    const { relays, hidden, keys } = await startHidden(1, 2)
    const [relay, node, other] = [at(relays, 0), at(hidden, 0), at(hidden, 1)]
    await node.network.stop()
    const again = await startNode(node.keyPair, { ...node.options, peers: [] })
    await waitReady(again.network, keys)
    expect(again.network.peer(other.network.publicKey)).toMatchObject({ relayed: true, relay: relay.network.publicKey })
  })
})

describe('a relay', { timeout: 60_000 }, () => {
  it('serves nobody who has not passed hello, and members without limits', async () => {
    const { relays, hidden } = await startHidden(1, 1)
    const [relay, node] = [at(relays, 0), at(hidden, 0)]
    const stranger = await startAttacker(relay, false, { relay: true })
    await expect(stranger.reserve()).rejects.toThrow()
    const circuit = `${relay.address}/p2p-circuit/p2p/${toPeerId(node.network.publicKey)}`
    await expect(stranger.dial(circuit)).rejects.toThrow()
    const member = await startAttacker(relay, true, { relay: true })
    const reservation = await member.reserve()
    expect(reservation.limit).toBeUndefined()
    expect(reservation.ttlMs).toBeGreaterThan(6 * 24 * 3600 * 1000)
  })

  it('refuses everybody while it is off or nobody can dial it', async () => {
    for (const options of [
      { relay: 'off', reachability: 'public' },
      { relay: 'auto', reachability: 'private' }
    ] as const) {
      const [pair] = createKeyPairs(1)
      if (pair === undefined) throw new Error('unreachable')
      const node = await startNode(pair, options)
      expect(node.network.reachability().offersRelay).toBe(false)
      const member = await startAttacker(node, true, { relay: true })
      await expect(member.reserve()).rejects.toThrow()
    }
  })
})

describe('what others say about reaching this node', { timeout: 60_000 }, () => {
  it('makes it a relay when they can dial it, and is not asked for when the operator has said it', async () => {
    const pairs = createKeyPairs(3)
    const first = await startNode(at(pairs, 0))
    const second = await startNode(at(pairs, 1), { peers: [first.address] })
    const announced = ['/ip4/127.0.0.1/tcp/9', `/dns4/node.example.org/tcp/443/wss`]
    const third = await startNode(at(pairs, 2), { peers: [first.address], announce: announced })
    await until('both are found to be reachable', () =>
      [first, second].every(({ network }) => network.reachability().state === 'public')
    )
    expect(first.network.reachability()).toMatchObject({ source: 'peers', offersRelay: true, natKind: 'none' })
    expect(first.network.reachability().observed).toEqual(['127.0.0.1'])
    expect(third.network.reachability()).toMatchObject({ state: 'public', source: 'announce' })
    expect(third.network.addresses()).toEqual(announced.map((address) => `${address}/p2p/${third.network.peerId}`))
    await until('the probes leave no second connection', () =>
      [first, second, third].every(({ network }) => network.peers().every(({ connections }) => connections <= 1))
    )
  })
})
