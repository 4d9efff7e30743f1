import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkOneChain } from '../helpers/chain.js'
import { runCli, runJson } from '../helpers/cli.js'
import { Cluster, onCleanup } from '../helpers/cluster.js'
import { MAIN, NodeProcess } from '../helpers/node-process.js'
import { findFreePort, HOST } from '../helpers/ports.js'
import { waitUntil } from '../helpers/wait.js'

async function addressOf(node: NodeProcess): Promise<string> {
  const { multiaddrs } = await runJson<{ multiaddrs: string[] }>(['id', node.dir])
  return multiaddrs.find((address) => address.includes(HOST)) ?? (multiaddrs[0] as string)
}

async function networkOf(node: NodeProcess): Promise<string> {
  return (await runJson<{ networkId: string }>(['id', node.dir])).networkId
}

/** Makes the directory of a new node of the cluster by `hp-p2p join`. */
async function joinBy(cluster: Cluster, name: string, extra: string[] = []): Promise<NodeProcess> {
  const dir = join(cluster.dir, name)
  const ports = { pubport: await findFreePort(), peerport: await findFreePort(), tcpport: await findFreePort() }
  const flags = Object.entries(ports).flatMap(([key, port]) => [`--${key}`, String(port)])
  const address = await addressOf(cluster.node(0))
  const result = await runCli(['join', dir, address, '--no-start', ...flags, ...extra])
  if (result.code !== 0) throw new Error(result.stderr)
  const { publicKey } = await runJson<{ publicKey: string }>(['id', dir])
  const node = new NodeProcess(dir, publicKey, `ws://${HOST}:${ports.pubport}`, ports)
  cluster.nodes.push(node)
  return node
}

describe('hp-p2p join', () => {
  it('makes a node from one multiaddr: contract, ledgers, state; it follows and serves users', async () => {
    const cluster = await Cluster.start({ nodes: 2, contract: 'counter', config: { roundtime: 300 } })
    const user = await cluster.connect(0)
    expect(await user.ask('add 5\n')).toBe('5\n')
    const node = await joinBy(cluster, 'joined', ['--network', await networkOf(cluster.node(0))])
    expect(readdirSync(join(node.dir, 'bin'))).toEqual(readdirSync(join(cluster.node(0).dir, 'bin')))
    await node.start()
    await cluster.waitUntilReady()
    expect(await node.waitFor('an answer', () => true)).toMatchObject({ role: 'observer' })
    const listener = await cluster.connect(2, { as: user })
    expect(await user.ask('add 2\n')).toBe('7\n')
    await listener.waitForText('7\n')
    await cluster.waitUntilSettled()
    await cluster.stopAll()
    const chain = await checkOneChain(cluster.nodes)
    expect(chain.state.get('counter')).toBe('7\n')
    // It remembers whom it met: a start needs no peer that is still where it was.
    expect(node.warnings().filter(({ msg }) => !/not in unl|sandbox/.test(msg))).toEqual([])
  })

  it('starts from a proven ledger when the older ones are gone, and becomes a validator', async () => {
    const config = { roundtime: 100, history: 16 }
    const cluster = await Cluster.start({ nodes: 1, contract: 'counter', config })
    const first = cluster.node(0)
    const user = await cluster.connect(0)
    expect(await user.ask('add 5\n')).toBe('5\n')
    await cluster.waitForSeq(150)
    await waitUntil('pruning', async () => (await runCli(['ledger', 'show', first.dir, '1'])).code !== 0)
    const node = await joinBy(cluster, 'joined', ['--history', '70'])
    await node.start()
    await cluster.waitUntilReady()
    // It is refused as long as the node lags behind.
    const add = ['unl', 'add', first.dir, node.publicKey, '--wait', '60']
    let said = ''
    const isAdded = async (): Promise<boolean> => {
      const { code, stderr, stdout } = await runCli(add)
      said = stderr + stdout
      return code === 0
    }
    await waitUntil('the new validator', isAdded, { describe: async () => `${said}\n${await cluster.describe()}` })
    await node.waitFor('its role', ({ role }) => role === 'validator')
    expect(await user.ask('add 2\n')).toBe('7\n')
    const other = await cluster.connect(1)
    expect(await other.ask('add 1\n')).toBe('8\n')
    await cluster.waitUntilSettled()
    await cluster.stopAll()
    for (const { dir } of cluster.nodes) expect(await runCli(['ledger', 'verify', dir])).toMatchObject({ code: 0 })
  })

  it('refuses another network than the one named, a node that is none, a directory that is there', async () => {
    const cluster = await Cluster.start({ nodes: 1, contract: 'counter', config: { roundtime: 300 } })
    const address = await addressOf(cluster.node(0))
    const dir = join(cluster.dir, 'joined')
    const other = await runCli(['join', dir, address, '--no-start', '--network', '0'.repeat(64)])
    expect(other).toMatchObject({ code: 1, stderr: expect.stringMatching(/belongs to network .*, not to 0000/) })
    const nobody = `/ip4/${HOST}/tcp/${await findFreePort()}/ws`
    const none = await runCli(['join', dir, nobody, '--no-start'])
    expect(none).toMatchObject({ code: 1, stderr: expect.stringMatching(/does not tell its network/) })
    const there = await runCli(['join', cluster.node(0).dir, address, '--no-start'])
    expect(there).toMatchObject({ code: 1, stderr: expect.stringMatching(/is there already/) })
    const wrong = await runCli(['join', dir, 'http://example', '--no-start'])
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringMatching(/no usable peer address/) })
    // Nothing is left behind.
    expect(readdirSync(cluster.dir).filter((name) => name.includes('join'))).toEqual([])
  })

  it('runs the node that it made, and says how it becomes a validator', async () => {
    const cluster = await Cluster.start({ nodes: 1, contract: 'counter', config: { roundtime: 300 } })
    const dir = join(cluster.dir, 'joined')
    const ports = ['--peerport', String(await findFreePort()), '--pubport', String(await findFreePort())]
    const child = spawn(process.execPath, [MAIN, 'join', dir, await addressOf(cluster.node(0)), ...ports])
    onCleanup(async () => void child.kill('SIGKILL'))
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
    await waitUntil('what to do next', () => /hp-p2p unl add/.test(said), { describe: () => said })
    child.kill('SIGTERM')
    expect(await exited).toBe(0)
  })
})
