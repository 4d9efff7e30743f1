import { execFileSync } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { adminRequest, type NodeStatus } from '../../dist/admin/index.js'
import { openNetwork, userUrl } from '../../dist/cli/devnet/network.js'
import { NodeProcess } from '../../dist/cli/devnet/node-process.js'
import { HotPocketClient } from '../../dist/client/node.js'
import { parseConfigText, readConfigText, writeConfig } from '../../dist/config/index.js'

const START_TIMEOUT_MS = 120_000

export interface BenchNetwork {
  nodes: NodeProcess[]
  pids: number[]
  /** User URL of each node. */
  urls: string[]
  status(index: number): Promise<NodeStatus>
  /** Bytes that a node has sent to its peers. */
  sentBytes(index: number): Promise<number>
  /** Bytes on disk under hist/ of the first node. */
  historyBytes(): number
  /** Proposals that the last ledger of a node is made of. */
  proposals(index: number): Promise<number>
  /** kill -9. */
  kill(index: number): Promise<void>
  /** Starts a node that was killed. */
  start(index: number): Promise<void>
  stop(): Promise<void>
}

/** A folder with the echo that changes the state with every ledger, to be built by who starts a network with it. */
async function copyWriter(dir: string): Promise<string> {
  const folder = join(dir, 'writer')
  await cp(fileURLToPath(new URL('writer', import.meta.url)), folder, { recursive: true })
  await cp(fileURLToPath(new URL('../../examples/echo/echo.c', import.meta.url)), join(folder, 'echo.c'))
  return folder
}

/** A network of real processes on loopback, with an echo in C; `settings` go into every hp.cfg. */
export async function startNetwork(
  count: number,
  settings: Record<string, unknown> = {},
  contractName: 'echo' | 'writer' = 'echo'
): Promise<BenchNetwork> {
  const dir = await mkdtemp(join(tmpdir(), 'hp-p2p-bench-'))
  const contract = contractName === 'writer' ? await copyWriter(dir) : contractName
  const network = await openNetwork({ dir: join(dir, 'network'), nodes: count, contract, basePort: undefined })
  for (const nodeDir of network.nodeDirs) {
    await writeConfig(nodeDir, { ...parseConfigText((await readConfigText(nodeDir)).text), ...settings })
  }
  const nodes = network.nodeDirs.map((nodeDir) => new NodeProcess(nodeDir))
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()))
    await rm(dir, { recursive: true, force: true })
  }
  try {
    const { signal } = new AbortController()
    await Promise.all(nodes.map((node) => node.waitUntilReady(START_TIMEOUT_MS, signal)))
  } catch (error) {
    await stop()
    throw error
  }
  return {
    nodes,
    pids: nodes.map((node) => node.pid),
    urls: network.nodeDirs.map((_, index) => userUrl(network.basePort, index)),
    status: (index) => adminRequest(network.nodeDirs[index] as string, '/v1/status'),
    sentBytes: async (index) => {
      const peers = await adminRequest(network.nodeDirs[index] as string, '/v1/peers')
      return peers.reduce((sum, peer) => sum + peer.bytesOut, 0)
    },
    historyBytes: () => {
      const printed = execFileSync('du', ['-sb', join(network.nodeDirs[0] as string, 'hist')], { encoding: 'utf8' })
      return Number(printed.split('\t')[0])
    },
    proposals: async (index) => {
      const ledger = await adminRequest(network.nodeDirs[index] as string, '/v1/ledgers/latest')
      return ledger.proposals.length
    },
    kill: async (index) => {
      const node = nodes[index] as NodeProcess
      node.kill()
      await node.exited
    },
    start: async (index) => {
      nodes[index] = new NodeProcess(network.nodeDirs[index] as string)
    },
    stop
  }
}

/** Users, spread over the nodes in turn. */
export async function connectUsers(network: BenchNetwork, count: number): Promise<HotPocketClient[]> {
  const users: HotPocketClient[] = []
  const BATCH = 50
  for (let first = 0; first < count; first += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, count - first) }, (_, index) => {
      const url = network.urls[(first + index) % network.urls.length] as string
      return HotPocketClient.connect(url, { reconnect: false })
    })
    users.push(...(await Promise.all(batch)))
  }
  return users
}

export async function closeUsers(users: HotPocketClient[]): Promise<void> {
  await Promise.all(users.map((user) => user.close()))
}
