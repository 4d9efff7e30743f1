import { describe, expect, it } from 'vitest'
import { checkOneChain } from '../helpers/chain.js'
import { Cluster } from '../helpers/cluster.js'
import { HOST } from '../helpers/ports.js'

describe('nodes outside the UNL', () => {
  it('an observer follows, verifies, executes and serves users; its role is told', async () => {
    const cluster = await Cluster.create({ nodes: 4, observers: 1, contract: 'counter', config: { roundtime: 500 } })
    const observer = cluster.node(4)
    await Promise.all(cluster.nodes.slice(0, 4).map((node) => node.start()))
    await cluster.waitUntilReady()
    const user = await cluster.connect(0)
    expect(await user.ask('add 5\n')).toBe('5\n')
    // It comes late: what it missed it gets from the others.
    await observer.start()
    await cluster.waitUntilReady()
    const status = await observer.waitFor('an answer', () => true)
    expect(status).toMatchObject({ role: 'observer', quorum: { needed: 3, present: 4, validators: 4 } })
    for (const node of cluster.nodes.slice(0, 4)) {
      const rows = await node.peers()
      expect(rows.find(({ publicKey }) => publicKey === observer.publicKey)).toMatchObject({ role: 'observer' })
    }
    const listener = await cluster.connect(4, { as: user })
    expect(await user.ask('add 2\n')).toBe('7\n')
    await listener.waitForText('7\n')
    expect(await listener.ask('add 1\n')).toBe('8\n')
    await cluster.waitUntilSettled()
    await cluster.stopAll()
    const chain = await checkOneChain(cluster.nodes)
    expect(chain.state.get('counter')).toBe('8\n')
    expect(observer.log().some(({ msg }) => /observer|not in the UNL/.test(msg))).toBe(true)
  })

  it('a node with another UNL is refused, in words on both sides', async () => {
    const cluster = await Cluster.create({ nodes: 1, contract: 'counter', config: { roundtime: 500 } })
    const node = cluster.node(0)
    const peers = [`/ip4/${HOST}/tcp/${node.ports.peerport}/ws`]
    const strangers = await Cluster.create({ nodes: 1, contract: 'counter', config: { roundtime: 500, peers } })
    const stranger = strangers.node(0)
    await node.start()
    await stranger.start()
    const told = (of: typeof node): string =>
      of
        .log()
        .map(({ msg, ...fields }) => `${msg} ${JSON.stringify(fields)}`)
        .join('\n')
    await cluster.waitUntil('words on both sides', () => [node, stranger].every((of) => /UNL differ/.test(told(of))))
    for (const of of [node, stranger]) {
      await of.waitFor('ledgers of its own', ({ seq, peers: connected }) => seq >= 2 && connected === 0)
      const rows = await of.peers()
      expect(rows.filter(({ connected }) => connected)).toEqual([])
      expect(rows.map(({ lastError }) => lastError).join()).toMatch(/refused by (us|the peer): .*UNL differ/)
    }
  })
})
