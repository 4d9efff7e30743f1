import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createKeyPair } from '../../../src/crypto/index.js'
import { createNetwork, NetworkError } from '../../../src/network/index.js'
import { startStranger } from './attacker.js'
import { createKeyPairs, nextEvent, startCluster, startNode, until, waitReady } from './helpers.js'

const DIFFERENT = '22'.repeat(32)

describe('a node that speaks another version of hello', { timeout: 60_000 }, () => {
  it('is named in words an operator can act on, once in the log and among the peers', async () => {
    const [pair] = createKeyPairs(1)
    if (pair === undefined) throw new Error('unreachable')
    const { publicKey, address } = await startStranger()
    const { network, lines } = await startNode(pair, {
      validators: () => [pair.publicKey, publicKey],
      peers: [address]
    })
    for (let round = 0; round < 2; round++) {
      await expect(network.connect(address)).rejects.toThrow(NetworkError)
    }
    const words = 'it does not speak /hp/hello/1: it runs a version of hp-p2p that cannot talk with this one'
    const said = lines().filter(({ msg }) => msg.includes(words))
    expect(said.filter(({ level }) => level === 40)).toHaveLength(1)
    const rowSays = () =>
      network
        .peers()
        .find((peer) => peer.publicKey === publicKey)
        ?.lastError?.includes(words) ?? false
    await until('the words among the peers', rowSays)
    expect(network.connected()).toEqual([])
  })
})

describe('nodes of different networks', { timeout: 60_000 }, () => {
  it.each([
    ['UNL', { unlHash: DIFFERENT }],
    ['roundtime', { roundtimeMs: 2000, configHash: DIFFERENT }],
    ['contract id', { contractId: 'another' }],
    ['initial state', { genesisStateRoot: DIFFERENT }],
    ['threshold', { threshold: 80, configHash: DIFFERENT }],
    ['limits', { limitsHash: DIFFERENT, configHash: DIFFERENT }]
  ])('part with words on both sides: %s', async (word, description) => {
    const [first, second] = createKeyPairs(2)
    if (first === undefined || second === undefined) throw new Error('unreachable')
    const a = await startNode(first, { limits: { mismatchRedialMs: 100 } })
    const b = await startNode(second, {
      networkId: 'bb'.repeat(32),
      description,
      limits: { mismatchRedialMs: 100 }
    })
    const reason = `your ${word} differs`
    const told = nextEvent(a.network, 'peer:refused', (event) => event.by === 'us' && event.reason === reason)
    const heard = nextEvent(a.network, 'peer:refused', (event) => event.by === 'peer' && event.reason === reason)
    const toldThere = nextEvent(b.network, 'peer:refused', (event) => event.by === 'us' && event.reason === reason)
    const heardThere = nextEvent(b.network, 'peer:refused', (event) => event.by === 'peer' && event.reason === reason)
    await expect(b.network.connect(a.address)).rejects.toThrow(NetworkError)
    await Promise.all([told, heard, toldThere, heardThere])
    // It is dialled again, and the words are not said again.
    for (let round = 0; round < 2; round++) {
      const again = nextEvent(a.network, 'peer:refused')
      await b.network.connect(a.address).catch(() => {})
      await again
    }
    for (const node of [a, b]) {
      expect(node.network.connected()).toEqual([])
      expect(node.lines().filter(({ msg }) => msg.includes(`refuses us; it says: ${reason}`))).toHaveLength(1)
      expect(node.lines().filter(({ msg }) => msg.includes(`we tell it: ${reason}`))).toHaveLength(1)
    }
  })

  it('are not dialled again before their time', async () => {
    const [first, second] = createKeyPairs(2)
    if (first === undefined || second === undefined) throw new Error('unreachable')
    const a = await startNode(first)
    let met = 0
    a.network.on('peer:refused', ({ by }) => {
      if (by === 'us') met++
    })
    const refused = nextEvent(a.network, 'peer:refused')
    const b = await startNode(second, {
      networkId: 'bb'.repeat(32),
      peers: [a.address],
      description: { unlHash: DIFFERENT }
    })
    await refused
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(met).toBe(1)
    expect(b.network.connected()).toEqual([])
  })
})

describe('a node', { timeout: 60_000 }, () => {
  it('names host and port when a port is taken, and leaves nothing open', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as { port: number }
    for (const listen of [{ wsPort: port }, { tcpPort: port }]) {
      const error = await startNode(createKeyPair(), { listen }).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(NetworkError)
      expect(error).toMatchObject({ code: 'port-in-use', host: '127.0.0.1', port })
    }
    expect(
      await startNode(createKeyPair(), { listen: { host: '203.0.113.7', wsPort: 4 } }).catch((e) => e)
    ).toMatchObject({
      code: 'listen-failed',
      host: '203.0.113.7'
    })
  })

  it('refuses a key pair whose halves do not match, and 32 bytes', async () => {
    const [one, two] = [createKeyPair(), createKeyPair()]
    const mixed = Buffer.concat([one.secretKey.subarray(0, 32), two.secretKey.subarray(32)])
    for (const secretKey of [mixed, one.secretKey.subarray(0, 32)]) {
      const error = await startNode({ publicKey: two.publicKey, secretKey }).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'bad-key' })
    }
  })

  it('speaks over TCP alone with another, and tells its addresses in full', async () => {
    const [first, second] = createKeyPairs(2)
    if (first === undefined || second === undefined) throw new Error('unreachable')
    const a = await startNode(first, { listen: { tcpPort: 0 } })
    const tcp = a.network.addresses().find((address) => !address.includes('/ws')) as string
    expect(tcp).toMatch(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/12D3Koo/)
    const b = await startNode(second, { peers: [tcp] })
    await waitReady(b.network, [first.publicKey])
    expect(b.network.peers()[0]).toMatchObject({ address: tcp, direction: 'outbound', inUnl: false })
  })

  it('leaves out its own address and addresses that are none, with one line', async () => {
    const pair = createKeyPair()
    const node = await startNode(pair, { peers: ['/ip4/127.0.0.1/udp/1/quic', 'nonsense'] })
    expect(node.lines().filter(({ msg }) => msg.includes('is no usable peer address'))).toHaveLength(2)
    const again = node.address.replace(/\/p2p\/.*/, '')
    await expect(node.network.connect(again)).rejects.toThrow(/dial self/)
  })

  it('tells its status, and hears that of others', async () => {
    const [a, b] = await startCluster(2)
    if (a === undefined || b === undefined) throw new Error('unreachable')
    const lcl = 'cd'.repeat(32)
    const described = b.options.describe
    b.options.describe = () => ({ ...described(), seq: 42, lcl })
    const heard = nextEvent(a.network, 'peer:status', ({ status }) => status.seq === 42)
    b.network.updateSelf()
    expect(await heard).toMatchObject({ publicKey: b.network.publicKey, status: { seq: 42, lcl, role: 'validator' } })
    expect(a.network.peers()[0]).toMatchObject({ seq: 42, lcl })
    expect(await a.network.status(b.network.publicKey)).toMatchObject({ seq: 42, lcl })
    await until('the latency is measured', () => a.network.peers()[0]?.latencyMs !== null)
  })

  it('stops twice, and while its dials are under way', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'hp-network-'))
    onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
    const node = await startNode(createKeyPair(), { dataDir, peers: ['/ip4/192.0.2.1/tcp/9/ws'] })
    await Promise.all([node.network.stop(), node.network.stop()])
    await expect(node.network.publish('npl', new Uint8Array(1))).rejects.toMatchObject({ code: 'not-started' })
    // The peer store is free again.
    const again = await createNetwork({ ...node.options, peers: [] })
    await again.stop()
  })
})
