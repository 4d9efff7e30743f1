import '../../../src/network/shim.js'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import { onTestFinished } from 'vitest'
import type { PublicKey } from '../../../src/consensus/types.js'
import { createKeyPair, type KeyPair } from '../../../src/crypto/index.js'
import { createNetwork, type Network, type NetworkEvents, type NetworkOptions } from '../../../src/network/index.js'

export const NETWORK_ID = 'aa'.repeat(32)
const OTHER = '11'.repeat(32)

/** Key pairs in the order of their public keys. */
export function createKeyPairs(count: number): KeyPair[] {
  return Array.from({ length: count }, () => createKeyPair()).sort((a, b) => (a.publicKey < b.publicKey ? -1 : 1))
}

/** A logger that keeps its lines. */
export function createLog(): { log: Logger; lines: () => Array<{ msg: string; level: number }> } {
  const kept: string[] = []
  const level = process.env.NETWORK_LOG ?? 'info'
  const log = pino(
    { level },
    {
      write: (line: string) => {
        kept.push(line)
        if (process.env.NETWORK_LOG !== undefined) console.log(line.trim())
      }
    }
  )
  return { log, lines: () => kept.map((line) => JSON.parse(line)) }
}

export interface TestNode {
  network: Network
  keyPair: KeyPair
  options: NetworkOptions
  lines: () => Array<{ msg: string; level: number }>
  wsPort: number
  /** The WebSocket address with /p2p. */
  address: string
}

type Overrides = Partial<Omit<NetworkOptions, 'listen'>> & {
  listen?: Partial<NetworkOptions['listen']>
  description?: Partial<ReturnType<NetworkOptions['describe']>>
}

/** A node on loopback with free ports; stopped and removed when the test ends. */
export async function startNode(keyPair: KeyPair, overrides: Overrides = {}): Promise<TestNode> {
  const { listen, description, ...rest } = overrides
  const dataDir = rest.dataDir ?? (await mkdtemp(join(tmpdir(), 'hp-network-')))
  const { log, lines } = createLog()
  const options: NetworkOptions = {
    keyPair,
    networkId: NETWORK_ID,
    validators: () => [],
    describe: () => ({
      contractId: 'test',
      unlHash: OTHER,
      configHash: OTHER,
      genesisStateRoot: OTHER,
      threshold: 67,
      roundtimeMs: 1000,
      minRoundtimeMs: 0,
      limitsHash: OTHER,
      role: 'validator',
      seq: 0,
      lcl: '00'.repeat(32),
      ...description
    }),
    peers: [],
    agentVersion: 'hp-p2p/test',
    log,
    ...rest,
    dataDir,
    listen: { host: '127.0.0.1', wsPort: 0, tcpPort: null, ...listen }
  }
  const network = await createNetwork(options)
  onTestFinished(async () => {
    await network.stop()
    await rm(dataDir, { recursive: true, force: true })
  })
  // Empty for a node that listens on nothing.
  const address = network.addresses().find((each) => each.includes('/ws')) ?? ''
  return { network, keyPair, options, lines, address, wsPort: Number(address.split('/')[4]) }
}

/** The next event that fits; rejects after 20 s. */
export function nextEvent<K extends keyof NetworkEvents>(
  network: Network,
  name: K,
  fits: (event: NetworkEvents[K]) => boolean = () => true
): Promise<NetworkEvents[K]> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name} in 20 s`)), 20_000)
    const off = network.on(name, (event) => {
      if (!fits(event)) return
      clearTimeout(timer)
      off()
      resolve(event)
    })
  })
}

/** Resolves when the node can gossip to all of these peers. */
export async function waitReady(network: Network, peers: PublicKey[]): Promise<void> {
  const others = peers.filter((peer) => peer !== network.publicKey)
  const missing = (): PublicKey[] =>
    others.filter(
      (peer) => !network.subscribers('consensus').includes(peer) || !network.subscribers('npl').includes(peer)
    )
  while (missing().length > 0) {
    await Promise.race([nextEvent(network, 'peer:ready'), nextTurn(20)])
  }
}

function nextTurn(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Polls until the condition holds; rejects after `timeoutMs` with `what`. */
export async function until(what: string, condition: () => boolean, timeoutMs = 20_000): Promise<void> {
  const endMs = Date.now() + timeoutMs
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`not in ${timeoutMs} ms: ${what}`)
    await nextTurn(10)
  }
}

/** Fully connected nodes that know only the first one's address. */
export async function startCluster(count: number, overrides: Overrides = {}): Promise<TestNode[]> {
  const pairs = createKeyPairs(count)
  const keys = pairs.map((pair) => pair.publicKey)
  const common: Overrides = { validators: () => keys, ...overrides }
  const first = await startNode(pairs[0] as KeyPair, common)
  const rest = await Promise.all(
    pairs.slice(1).map((pair) => startNode(pair, { ...common, peers: [first.address.replace(/\/p2p\/.*/, '')] }))
  )
  const nodes = [first, ...rest]
  await Promise.all(nodes.map(({ network }) => waitReady(network, keys)))
  return nodes
}
