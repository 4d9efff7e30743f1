import { describe, expect, it } from 'vitest'
import { createKeyPairs, nextEvent, startCluster, startNode, until, waitReady } from './helpers.js'

describe('a cluster', () => {
  it('finds itself through one address, and all gossip reaches all', { timeout: 60_000 }, async () => {
    const nodes = await startCluster(4)
    const got = nodes.map(() => new Set<string>())
    nodes.forEach(({ network }, index) => {
      network.onGossip('consensus', (content, from) => {
        got[index]?.add(`${from} ${Buffer.from(content)}`)
        return 'accept'
      })
    })
    for (let round = 0; round < 25; round++) {
      for (const { network } of nodes) await network.publish('consensus', Buffer.from(`round ${round}`.padEnd(900)))
      for (const { network } of nodes) await network.publish('consensus', Buffer.from(`${network.publicKey} ${round}`))
    }
    // Equal content of two nodes counts as one message.
    const own = (index: number): number => [...(got[index] ?? [])].filter((each) => !each.includes('round')).length
    await until('all messages at all nodes', () => nodes.every((_, index) => own(index) === 75))
    for (const { network } of nodes) {
      const peers = network.peers()
      expect(peers).toHaveLength(3)
      for (const peer of peers) {
        expect(peer).toMatchObject({ connected: true, inUnl: true, score: 0, role: 'validator', agent: 'hp-p2p/test' })
        expect(peer.bytesIn).toBeGreaterThan(0)
        expect(peer.bytesOut).toBeGreaterThan(0)
      }
    }
  })

  it('has a stopped node back within seconds of its restart, with gossip both ways', { timeout: 60_000 }, async () => {
    const nodes = await startCluster(4)
    const victim = nodes[2]
    const first = nodes[0]
    if (victim === undefined || first === undefined) throw new Error('unreachable')
    const others = nodes.filter((node) => node !== victim)
    const gone = others.map(({ network }) => nextEvent(network, 'peer:disconnect'))
    await victim.network.stop()
    await Promise.all(gone)
    expect(first.network.peers().find((peer) => peer.publicKey === victim.keyPair.publicKey)?.connected).toBe(false)
    const back = others.map(({ network }) =>
      nextEvent(network, 'peer:ready', (event) => event.publicKey === victim.keyPair.publicKey)
    )
    const startMs = Date.now()
    // It remembers the others from its peer store: no address is configured.
    const again = await startNode(victim.keyPair, {
      ...victim.options,
      peers: [],
      listen: { wsPort: victim.wsPort }
    })
    await Promise.all(back)
    expect(Date.now() - startMs).toBeLessThan(5000)
    await waitReady(
      again.network,
      others.map(({ network }) => network.publicKey)
    )
    const arrived = new Promise<string>((resolve) => {
      again.network.onGossip('npl', (content) => {
        resolve(Buffer.from(content).toString())
        return 'accept'
      })
    })
    await first.network.publish('npl', Buffer.from('welcome back'))
    expect(await arrived).toBe('welcome back')
  })

  it('keeps one connection for each pair when all dial all at one time', { timeout: 60_000 }, async () => {
    const pairs = createKeyPairs(4)
    const keys = pairs.map((pair) => pair.publicKey)
    const nodes = await Promise.all(pairs.map((pair) => startNode(pair, { validators: () => keys })))
    await Promise.all(
      nodes.flatMap(({ network }) =>
        nodes.filter((node) => node.network !== network).map((node) => network.connect(node.address).catch(() => {}))
      )
    )
    await Promise.all(nodes.map(({ network }) => waitReady(network, keys)))
    await until('one connection a pair', () =>
      nodes.every(({ network }) => network.peers().every((peer) => peer.connections === 1))
    )
    await Promise.all(nodes.map(({ network }) => waitReady(network, keys)))
    const got = nodes.map(() => 0)
    nodes.forEach(({ network }, index) => {
      network.onGossip('consensus', () => {
        got[index] = (got[index] ?? 0) + 1
        return 'accept'
      })
    })
    for (const { network } of nodes) await network.publish('consensus', Buffer.from(network.publicKey))
    await until('gossip from all to all', () => got.every((count) => count === 3))
  })
})
