import { describe, expect, it } from 'vitest'
import { chooseForwards } from '../../../src/network/forwarding.js'
import { createKeyPairs, nextEvent, startCluster, startNode, type TestNode, until, waitReady } from './helpers.js'

/** What the node has been given on the topic `consensus`. */
function listen({ network }: TestNode): string[] {
  const got: string[] = []
  network.onGossip('consensus', (content) => {
    got.push(Buffer.from(content).toString())
    return 'accept'
  })
  return got
}

describe('a relayed connection', { timeout: 60_000 }, () => {
  it('is replaced by a direct one without the loss of a message, a request or an answer under way', async () => {
    const pairs = createKeyPairs(3)
    const keys = pairs.map(({ publicKey }) => publicKey)
    const validators = (): string[] => keys
    const [one, two, three] = pairs as [(typeof pairs)[0], (typeof pairs)[0], (typeof pairs)[0]]
    const relay = await startNode(three, { validators, reachability: 'public' })
    const peers = [relay.address]
    // Believed to be out of reach: others come through the relay first, and find then that they can dial it.
    const target = await startNode(two, { validators, peers, reachability: 'private' })
    await until('a relay', () => target.network.reachability().relays.length === 1)
    const node = await startNode(one, { validators, peers, listen: { wsPort: null } })
    let isDirect = false
    node.network.on('peer:direct', ({ publicKey }) => {
      isDirect ||= publicKey === two.publicKey
    })
    const met = await nextEvent(node.network, 'peer:connect', ({ publicKey }) => publicKey === two.publicKey)
    expect(met.address).toContain('/p2p-circuit')
    await waitReady(node.network, keys)
    const got = [listen(node), listen(target)] as const
    await target.network.handle('echo', 1, {}, async (body) => body)
    await target.network.handle('slow', 1, {}, async function* () {
      for (let index = 0; index < 40; index++) {
        yield Buffer.from(`${index}`)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    })
    const slow = (async () => {
      let count = 0
      for await (const _ of node.network.requestStream(two.publicKey, 'slow', Buffer.from('x'))) count++
      return count
    })()
    let sent = 0
    const isSettled = (): boolean =>
      [node, target].every(({ network }) => {
        const other = network === node.network ? two.publicKey : one.publicKey
        const { relayed, connections } = network.peer(other)
        return relayed === false && connections === 1
      })
    const endMs = Date.now() + 30_000
    for (let after = 0; after < 100; after += isSettled() ? 1 : 0) {
      if (Date.now() > endMs) throw new Error('the relayed connection was not replaced')
      const text = `${sent++}`.padEnd(500)
      await Promise.all([
        node.network.publish('consensus', Buffer.from(`node ${text}`)),
        target.network.publish('consensus', Buffer.from(`target ${text}`)),
        node.network.request(two.publicKey, 'echo', Buffer.from(text))
      ])
    }
    expect(isDirect).toBe(true)
    await until('all that was sent', () => got.every((list) => list.length >= sent))
    expect(new Set(got[0])).toEqual(new Set(Array.from({ length: sent }, (_, i) => `target ${`${i}`.padEnd(500)}`)))
    expect(new Set(got[1])).toEqual(new Set(Array.from({ length: sent }, (_, i) => `node ${`${i}`.padEnd(500)}`)))
    expect(got.map((list) => list.length)).toEqual([sent, sent])
    expect(await slow).toBe(40)
    // The relay goes, and the two go on.
    await relay.network.stop()
    await node.network.publish('consensus', Buffer.from('without the relay'))
    await until('the last one', () => got[1].includes('without the relay'))
  })
})

describe('nodes that cannot reach each other', { timeout: 60_000 }, () => {
  it('get each other’s gossip from those who reach both, once', async () => {
    // A chain: each reaches its neighbours alone.
    const nodes = await startCluster(4)
    const got = nodes.map(listen)
    const cuts = [
      [0, 2],
      [0, 3],
      [1, 3]
    ] as const
    for (const [a, b] of cuts) {
      const [first, second] = [nodes[a] as TestNode, nodes[b] as TestNode]
      first.network.ban(second.network.publicKey, 'a cut')
      second.network.ban(first.network.publicKey, 'a cut')
    }
    const unreached = (node: TestNode, peer: TestNode): number =>
      node.network.peer(peer.network.publicKey).unreached.length
    const [a, b, c, d] = nodes as [TestNode, TestNode, TestNode, TestNode]
    await until('the cuts are known', () => {
      return unreached(b, a) === 2 && unreached(c, d) === 2 && unreached(b, c) === 1 && unreached(c, b) === 1
    })
    for (let index = 0; index < 50; index++) {
      for (const [at, { network }] of nodes.entries()) await network.publish('consensus', Buffer.from(`${at} ${index}`))
    }
    await until('all messages at all nodes', () => got.every((list) => list.length >= 150))
    for (const [at, list] of got.entries()) {
      const others = [0, 1, 2, 3].filter((each) => each !== at)
      expect(list).toHaveLength(150)
      expect(new Set(list)).toEqual(new Set(others.flatMap((o) => Array.from({ length: 50 }, (_, i) => `${o} ${i}`))))
    }
    expect(nodes.every(({ network }) => network.peers().every(({ score }) => score === 0))).toBe(true)
  })

  it('are helped by few of many, by other ones each time', () => {
    const members = createKeyPairs(21).map(({ publicKey }) => publicKey)
    const [x, y, ...others] = members as [string, string, ...string[]]
    const turns = new Map<string, number>()
    for (let message = 0; message < 300; message++) {
      const id = Buffer.from([message * 7, message * 31, message, 0].map((byte) => byte & 0xff))
      const helpers = others.filter((self) => {
        const peers = members.filter((each) => each !== self).map((publicKey) => ({ publicKey, unreached: [] }))
        return chooseForwards(self, { publicKey: x, unreached: [y] }, peers, members, id).includes(y)
      })
      expect(helpers).toHaveLength(3)
      for (const helper of helpers) turns.set(helper, (turns.get(helper) ?? 0) + 1)
    }
    expect(turns.size).toBeGreaterThan(10)
    const nobody = chooseForwards(others[0] as string, { publicKey: x, unreached: [] }, [], members, Buffer.alloc(20))
    expect(nobody).toEqual([])
  })
})
