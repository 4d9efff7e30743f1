import '../../../src/network/shim.js'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Core } from '../../../src/network/core.js'
import { Network } from '../../../src/network/network.js'
import * as parts from '../../../src/network/parts.js'
import { describeReachability } from '../../../src/network/reachability-info.js'
import { createKeyPairs, startNode, type TestNode, until, waitReady } from './helpers.js'

/** A way to a port of which the connections can be silenced: they stay open, and nothing passes any more. */
async function startWay(port: number): Promise<{ port: number; silence: () => void; opened: () => number }> {
  const sockets = new Set<Socket>()
  let opened = 0
  const server = createServer((near) => {
    opened++
    const far = createConnection(port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near]
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.pipe(to)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const silence = (): void => {
    for (const socket of sockets) socket.unpipe().resume()
    sockets.clear()
  }
  return { port: (server.address() as { port: number }).port, silence, opened: () => opened }
}

async function expectGossip(from: Network, to: Network, text: string): Promise<void> {
  let isThere = false
  const off = to.onGossip('consensus', (content) => {
    isThere ||= Buffer.from(content).toString() === text
    return 'accept'
  })
  await from.publish('consensus', Buffer.from(text))
  await until(`${text} arrives`, () => isThere)
  off()
}

describe('a connection on which nothing comes any more', { timeout: 60_000 }, () => {
  it('is replaced by another one within seconds, and nobody is cut meanwhile', async () => {
    const [one, two] = createKeyPairs(2)
    if (one === undefined || two === undefined) throw new Error('unreachable')
    const validators = (): string[] => [one.publicKey, two.publicKey]
    const limits = { quietPeerAfterMs: 500, doubtPeerAfterMs: 1500, silentPeerTimeoutMs: 60_000 }
    const target = await startNode(two, { validators, limits })
    const way = await startWay(target.wsPort)
    const node = await startNode(one, { validators, limits, peers: [`/ip4/127.0.0.1/tcp/${way.port}/ws`] })
    await waitReady(node.network, [two.publicKey])
    await waitReady(target.network, [one.publicKey])
    const gone: string[] = []
    for (const { network } of [node, target]) network.on('peer:disconnect', ({ reason }) => void gone.push(reason))
    // Younger ones might be taken for two dials at one time.
    const startMs = performance.now()
    await until('it is of some age', () => performance.now() - startMs > 3500)
    expect(node.network.peer(two.publicKey).connections).toBe(1)

    way.silence()
    const isDoubted = (): boolean =>
      [node, target].some(({ lines }) => lines().some(({ msg }) => msg.includes('another connection to it is tried')))
    await until('the silence is noticed', isDoubted, 10_000)
    const isWell = ({ network }: TestNode, other: string): boolean =>
      network.subscribers('consensus').includes(other) && network.peer(other).connections === 1
    await until('another connection', () => isWell(node, two.publicKey) && isWell(target, one.publicKey), 10_000)
    await expectGossip(node.network, target.network, 'there')
    await expectGossip(target.network, node.network, 'and back')
    expect(gone).toEqual([])
  })
})

/** Makes the node forget which topics its peers want, as when their words are lost. */
function forgetSubscriptions(core: Core): void {
  const { topics } = core.requireNode().services.pubsub as unknown as { topics: Map<string, Set<string>> }
  for (const peers of topics.values()) peers.clear()
}

describe('a connection without gossip', { timeout: 60_000 }, () => {
  it('has its gossip streams opened anew and is not cut', async () => {
    const [one, two] = createKeyPairs(2)
    if (one === undefined || two === undefined) throw new Error('unreachable')
    const target = await startNode(two, { validators: () => [one.publicKey, two.publicKey] })
    const dataDir = await mkdtemp(join(tmpdir(), 'hp-network-'))
    const peers = [target.address]
    const options = { ...target.options, keyPair: one, dataDir, peers, limits: { noGossipTimeoutMs: 9000 } }
    const core = new Core(options, { ...parts, describeReachability })
    onTestFinished(async () => {
      await core.stop()
      await rm(dataDir, { recursive: true, force: true })
    })
    await core.start()
    const network = new Network(core)
    await waitReady(network, [two.publicKey])
    await waitReady(target.network, [one.publicKey])
    const gone: string[] = []
    for (const each of [network, target.network]) each.on('peer:disconnect', ({ reason }) => void gone.push(reason))
    forgetSubscriptions(core)
    expect(network.subscribers('consensus')).toEqual([])
    await until('gossip again', () => network.subscribers('consensus').length === 1)
    await waitReady(target.network, [one.publicKey])
    await expectGossip(network, target.network, 'there')
    await expectGossip(target.network, network, 'and back')
    expect(gone).toEqual([])
  })
})
