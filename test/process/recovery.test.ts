import { mkdir, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { contractPaths, parseConfigText, readConfigText, writeConfig } from '../../src/config/index.js'
import { checkOneChain } from '../helpers/chain.js'
import { runCli, runJson } from '../helpers/cli.js'
import { Cluster, onCleanup } from '../helpers/cluster.js'
import { NodeProcess } from '../helpers/node-process.js'
import { findFreePort, HOST } from '../helpers/ports.js'

const config = { roundtime: 200 }

/** Lets the network go on by so many ledgers. */
async function goOn(cluster: Cluster, ledgers: number): Promise<void> {
  const newest = Math.max(...(await cluster.statuses()).map(({ seq }) => seq))
  await cluster.waitForSeq(newest + ledgers)
}

async function checkAll(cluster: Cluster, counter: string): Promise<void> {
  await cluster.waitUntilReady()
  await cluster.waitUntilSettled()
  await cluster.stopAll()
  const chain = await checkOneChain(cluster.nodes)
  expect(chain.state.get('counter')).toBe(counter)
  for (const node of cluster.nodes) {
    expect(await runJson(['ledger', 'verify', node.dir])).toMatchObject({ ok: true })
  }
}

/** The data files of the ledger store, the largest first. */
async function dataFiles(node: NodeProcess): Promise<string[]> {
  const dir = contractPaths(node.dir).ledgers
  const names = (await readdir(dir)).filter((name) => /\.(log|ldb)$/.test(name))
  const files = await Promise.all(
    names.map(async (name) => ({ name, bytes: (await readFile(join(dir, name))).length }))
  )
  return files.sort((a, b) => b.bytes - a.bytes).map(({ name }) => join(dir, name))
}

// Nodes start many times here, on machines that may be slow.
vi.setConfig({ testTimeout: 400_000 })

describe('a validator whose ledgers were damaged while it was down', () => {
  it('goes on from what is left, or from nothing as it is told, with the help of its peers', async () => {
    const cluster = await Cluster.start({ nodes: 4, contract: 'counter', config })
    const user = await cluster.connect(0)
    expect(await user.ask('add 5\n')).toBe('5\n')
    await goOn(cluster, 20)
    const hurt = cluster.node(3)

    await hurt.stop()
    const [file] = await dataFiles(hurt)
    await truncate(file as string, Math.floor((await readFile(file as string)).length / 2))
    expect(await user.ask('add 1\n')).toBe('6\n')
    await hurt.start()
    await cluster.waitUntilReady()
    await goOn(cluster, 3)

    await hurt.stop()
    const { ledgers } = contractPaths(hurt.dir)
    await rm(join(ledgers, 'CURRENT'))
    const { code, stderr } = await runCli(['run', hurt.dir])
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('Move the directory away') })
    await rename(ledgers, `${ledgers}.damaged`)
    expect(await user.ask('add 1\n')).toBe('7\n')
    await hurt.start()
    await cluster.waitUntilReady()
    await goOn(cluster, 3)
    await checkAll(cluster, '7\n')
  })
})

describe('a node restored from a backup', () => {
  it('that was made while it ran, catches up and takes part again', async () => {
    const cluster = await Cluster.start({ nodes: 4, contract: 'counter', config })
    const user = await cluster.connect(0)
    expect(await user.ask('add 5\n')).toBe('5\n')
    const lost = cluster.node(3)
    const file = join(cluster.dir, 'node3.hpb')
    const made = await runJson<{ seq: number; stateRoot: string }>(['backup', lost.dir, file])
    expect(made.seq).toBeGreaterThan(0)
    const again = await runCli(['backup', lost.dir, file])
    expect({ code: again.code, stderr: again.stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('is there already')
    })
    expect(await user.ask('add 1\n')).toBe('6\n')
    await lost.stop()
    await rm(lost.dir, { recursive: true })
    expect(await user.ask('add 1\n')).toBe('7\n')
    const report = await runJson(['restore', file, lost.dir])
    expect(report).toMatchObject({
      publicKey: lost.publicKey,
      isValidator: true,
      seq: made.seq,
      stateRoot: made.stateRoot
    })
    await lost.start()
    await cluster.waitUntilReady()
    expect(await user.ask('add 1\n')).toBe('8\n')
    await goOn(cluster, 5)
    await checkAll(cluster, '8\n')
  })
})

describe('exported ledgers', () => {
  it('are imported into a new node of the network, which goes on from there', async () => {
    const cluster = await Cluster.start({ nodes: 2, observers: 1, contract: 'counter', config })
    const user = await cluster.connect(0)
    expect(await user.ask('add 5\n')).toBe('5\n')
    await cluster.waitUntilSettled()
    const source = cluster.node(1)
    await source.stop()
    const file = join(cluster.dir, 'ledgers.hpl')
    const made = await runJson<{ last: number }>(['ledger', 'export', source.dir, file])
    expect(await runJson(['ledger', 'verify', file])).toMatchObject({ ok: true, last: made.last })
    const target = cluster.node(2)
    await target.stop()
    const paths = contractPaths(target.dir)
    await rm(paths.hist, { recursive: true })
    await mkdir(paths.hist)
    expect(await runJson(['ledger', 'import', target.dir, file])).toMatchObject({ added: made.last, tip: made.last })
    const cut = join(cluster.dir, 'cut.hpl')
    await writeFile(cut, (await readFile(file)).subarray(0, -100))
    expect(await runCli(['ledger', 'import', target.dir, cut])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('not copied or written whole')
    })
    await source.start()
    await target.start()
    await cluster.waitUntilReady()
    expect(await user.ask('add 2\n')).toBe('7\n')
    await checkAll(cluster, '7\n')
  })
})

/** What a backup without keys was restored to, on ports of its own. */
async function onOtherPorts(dir: string, publicKey: string): Promise<NodeProcess> {
  const ports = { pubport: await findFreePort(), peerport: await findFreePort(), tcpport: await findFreePort() }
  await writeConfig(dir, { ...parseConfigText((await readConfigText(dir)).text), ...ports })
  const node = new NodeProcess(dir, publicKey, `ws://${HOST}:${ports.pubport}`, ports)
  onCleanup(async () => {
    await node.stop()
  })
  return node
}

describe('a running node', () => {
  it('gives its ledgers and a backup without its keys, which becomes an observer of another name', async () => {
    const cluster = await Cluster.start({ nodes: 2, contract: 'counter', config })
    const user = await cluster.connect(0)
    expect(await user.ask('add 5\n')).toBe('5\n')
    const source = cluster.node(1)
    const ledgers = join(cluster.dir, 'ledgers.hpl')
    const { last } = await runJson<{ last: number }>(['ledger', 'export', source.dir, ledgers])
    expect(await runJson(['ledger', 'verify', ledgers])).toMatchObject({ ok: true, last })
    const file = join(cluster.dir, 'node1.hpb')
    await runJson(['backup', '--no-keys', source.dir, file])
    const { seckey } = parseConfigText((await readConfigText(source.dir)).text) as { seckey: string }
    expect(seckey).toMatch(/^[0-9a-f]{64,}$/)
    expect((await readFile(file)).includes(seckey)).toBe(false)

    const dir = join(cluster.dir, 'another')
    const report = await runJson<{ publicKey: string }>(['restore', file, dir])
    expect(report).toMatchObject({ isValidator: false })
    expect(report.publicKey).not.toBe(source.publicKey)
    const another = await onOtherPorts(dir, report.publicKey)
    await another.start()
    expect(await user.ask('add 1\n')).toBe('6\n')
    const { seq } = await cluster.node(0).waitFor('an answer', () => true)
    await another.waitFor('being in step', (status) => status.sync === 'synced' && status.seq >= seq)
    await checkAll(cluster, '6\n')
  })

  it('tells what its files differ in from the state of a peer', async () => {
    const cluster = await Cluster.start({
      nodes: 4,
      contract: 'counter',
      config: { roundtime: 3000, minroundtime: 3000 }
    })
    const user = await cluster.connect(0)
    expect(await user.ask('add 5\n')).toBe('5\n')
    const node = cluster.node(3)
    const diff = ['state', 'diff', node.dir, cluster.node(0).publicKey]
    await cluster.waitUntil('equal states', async () => (await runJson<{ isEqual: boolean }>(diff)).isEqual)
    // Until the next execution, after which the node undoes it.
    const found = await cluster.waitUntil('the difference', async () => {
      await writeFile(join(contractPaths(node.dir).state, 'planted'), 'not agreed')
      const { differences } = await runJson<{ differences: { path: string; kind: string }[] }>([...diff, '--files'])
      return differences.find(({ path }) => path === 'planted') ?? null
    })
    expect(found.kind).toBe('removed')
    expect(await user.ask('add 1\n')).toBe('6\n')
    await checkAll(cluster, '6\n')
  })
})
