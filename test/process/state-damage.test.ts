import { appendFile, mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { contractPaths } from '../../src/config/index.js'
import { checkOneChain } from '../helpers/chain.js'
import { runCli, runJson } from '../helpers/cli.js'
import { Cluster } from '../helpers/cluster.js'
import type { NodeProcess } from '../helpers/node-process.js'
import { Talker } from '../helpers/talker.js'

const config = { roundtime: 300 }
const FILES = 12
const FILE_BYTES = 100_000

// Nodes start many times here, on machines that may be slow.
vi.setConfig({ testTimeout: 400_000 })

interface Hash {
  root: string
  ledger: { ledger: number | null }
}

/** Four validators whose state has some files that the contract leaves alone. */
async function startCluster(): Promise<Cluster> {
  const cluster = await Cluster.create({ contract: 'obedient.sh', config })
  for (const { dir } of cluster.nodes) {
    const data = join(dir, 'state', 'data')
    await mkdir(data)
    for (let index = 0; index < FILES; index++) {
      await writeFile(join(data, `file${index}`), Buffer.alloc(FILE_BYTES, `content of file ${index}, `))
    }
  }
  await cluster.startAll()
  return cluster
}

async function spoilState({ dir }: NodeProcess): Promise<void> {
  const { state } = contractPaths(dir)
  await appendFile(join(state, 'data', 'file0'), 'more')
  await rm(join(state, 'data', 'file1'))
  await mkdir(join(state, 'new'))
  await writeFile(join(state, 'new', 'file'), 'by hand')
  await appendFile(join(state, 'notes'), 'by hand\n')
}

/** Flips a bit of a file, and of `every` other one beside it. */
async function flipBits(dir: string, every: number): Promise<void> {
  const names = (await readdir(dir)).sort()
  for (const name of names.filter((_, index) => index % every === 0)) {
    const file = await open(join(dir, name), 'r+')
    try {
      const { size } = await file.stat()
      const at = Math.floor(size / 2)
      const byte = Buffer.alloc(1)
      await file.read(byte, 0, 1, at)
      byte[0] = (byte[0] as number) ^ 0x10
      await file.write(byte, 0, 1, at)
    } finally {
      await file.close()
    }
  }
}

/** Nobody but `hurt` noticed anything; all stand on one chain with one state, that of the notes answered. */
async function checkAll(cluster: Cluster, hurt: NodeProcess, notes: string[]): Promise<void> {
  await cluster.waitUntilSettled()
  for (const node of cluster.nodes) {
    if (node !== hurt) expect(node.warnings().filter(({ msg }) => /not the agreed|damaged|void/.test(msg))).toEqual([])
  }
  await cluster.stopAll()
  const { state } = await checkOneChain(cluster.nodes)
  expect((state.get('notes') ?? '').split('\n').slice(0, -1).sort()).toEqual([...notes].sort())
  expect(state.size).toBe(FILES + 1)
  const hashes = await Promise.all(cluster.nodes.map(({ dir }) => runJson<Hash>(['state', 'hash', dir])))
  for (const { root, ledger } of hashes) {
    expect(root).toBe(hashes[0]?.root)
    expect(ledger.ledger).not.toBeNull()
  }
}

describe('a state that is altered, with files deleted and added, under a stopped node', () => {
  it('is noticed at the start and undone from the snapshot, or copied when that is damaged too', async () => {
    const cluster = await startCluster()
    const user = await cluster.connect(0)
    expect(await user.ask('note a\n')).toBe('noted a\n')
    await cluster.waitUntilSettled()
    const hurt = cluster.node(3)
    const { state, snapshot } = contractPaths(hurt.dir)

    await hurt.stop()
    const before = await runJson<Hash>(['state', 'hash', hurt.dir])
    expect(before.ledger.ledger).not.toBeNull()
    await spoilState(hurt)
    const spoilt = await runJson<Hash>(['state', 'hash', hurt.dir])
    expect(spoilt).toMatchObject({ ledger: { ledger: null } })
    expect(spoilt.root).not.toBe(before.root)
    await hurt.start()
    await cluster.waitUntilReady()
    expect(hurt.log().some(({ msg }) => /not the agreed one: restoring it/.test(msg))).toBe(true)
    expect(await user.ask('note b\n')).toBe('noted b\n')

    // What the state lost, the snapshot cannot give back: only peers have it.
    await hurt.stop()
    await spoilState(hurt).catch(() => undefined)
    await flipBits(join(state, 'data'), 3)
    await flipBits(join(snapshot, 'snapshot', 'data'), 2)
    await rm(join(snapshot, 'snapshot', 'data', 'file1'))
    await rm(join(snapshot, 'index'), { force: true })
    await hurt.start()
    await cluster.waitUntilReady()
    const { copy } = await cluster.waitUntil('a copy', async () => {
      const found = await hurt.state()
      return found.copy === null || found.copy.running ? null : found
    })
    expect(copy?.fetchedBytes).toBeGreaterThan(0)
    expect(await user.ask('note c\n')).toBe('noted c\n')

    // The snapshot alone: the state gives it back.
    await hurt.stop()
    await flipBits(join(snapshot, 'snapshot', 'data'), 1)
    await hurt.start()
    await cluster.waitUntilReady()
    expect(await user.ask('note d\n')).toBe('noted d\n')
    expect(await runCli(['doctor', hurt.dir])).toMatchObject({ stderr: '' })
    await checkAll(cluster, hurt, ['a', 'b', 'c', 'd'])
  })
})

describe('a state that is altered under a running node', () => {
  it('is repaired without a human while the network goes on', async () => {
    const cluster = await startCluster()
    const users = await Promise.all([0, 1].map((index) => cluster.connect(index)))
    const talkers = users.map((user, index) => new Talker(user, `user${index}`))
    const hurt = cluster.node(3)
    const { state, snapshot } = contractPaths(hurt.dir)
    const differences = (): number =>
      hurt.log().filter(({ msg }) => /is not the agreed one \(|by the contract/.test(msg)).length
    const isAgreed = async (): Promise<boolean> => {
      const said = await runJson<{ isEqual: boolean; local: { ledger: number | null } }>([
        'state',
        'diff',
        hurt.dir,
        cluster.node(0).publicKey
      ]).catch(() => null)
      return said !== null && (said.isEqual || said.local.ledger !== null)
    }

    for (let round = 0; round < 3; round++) {
      const seen = differences()
      const answered = talkers.map((talker) => talker.answered.size)
      await spoilState(hurt)
      await cluster.waitUntil('the damage to be noticed', () => differences() > seen)
      await cluster.waitUntil('the repair', async () => (await readdir(state)).join() === 'data,notes')
      await cluster.waitUntil('the network to go on', () =>
        talkers.every((talker, index) => talker.answered.size > (answered[index] as number) + 2)
      )
      expect(await isAgreed()).toBe(true)
    }

    // Now the last agreed state is damaged as well, so that going back does not help.
    await flipBits(join(snapshot, 'snapshot', 'data'), 2)
    await rm(join(snapshot, 'snapshot', 'data', 'file1'))
    await spoilState(hurt)
    await cluster.waitUntil('the copy', async () => {
      const { copy, isIntact } = await hurt.state()
      return isIntact && copy !== null && !copy.running && copy.fetchedBytes > 0
    })
    await hurt.waitFor('being in step again', ({ sync }) => sync === 'synced')
    await Promise.all(talkers.map((talker) => talker.stop()))
    await cluster.waitUntilReady()
    expect(await readFile(join(state, 'data', 'file1'), 'latin1')).toContain('content of file 1, ')
    for (const status of await cluster.statuses()) expect(status.warnings.join()).not.toContain('signed two')
    const answered = talkers.flatMap((talker) => [...talker.answered])
    await checkAll(cluster, hurt, answered)
  })
})
