import { randomBytes } from 'node:crypto'
import { symlinkSync, writeFileSync } from 'node:fs'
import { cp, mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { contractPaths } from '../../src/config/index.js'
import { checkOneChain } from '../helpers/chain.js'
import { Cluster, makeTempDir, onCleanup } from '../helpers/cluster.js'
import type { NodeProcess } from '../helpers/node-process.js'
import { canMountDisks, fillDisk, mountSmallDisk, releaseDisk } from '../helpers/small-disk.js'
import { Talker } from '../helpers/talker.js'

/** Slow enough for a node that is behind to come up to the others on a machine that has much to do. */
const config = { roundtime: 1000 }
const PAUSE_MS = 500
const DISK_MB = 24
const DATA_BYTES = 6_000_000
const CATCH_UP_MS = 180_000

vi.setConfig({ testTimeout: 600_000 })

const isPossible = canMountDisks()
if (!isPossible) console.log('Skipped: a small disk to be filled can only be mounted by root.')

/** Moves the directory of a node that does not run onto a small disk of its own; its log stays outside. */
async function giveDisk(node: NodeProcess): Promise<void> {
  const kept = `${node.dir}.kept`
  const logs = await makeTempDir()
  await rename(node.dir, kept)
  mountSmallDisk(node.dir, DISK_MB)
  onCleanup(async () => {
    await node.stop()
    releaseDisk(node.dir)
  })
  await cp(kept, node.dir, { recursive: true, preserveTimestamps: true })
  await rm(kept, { recursive: true })
  await mkdir(join(node.dir, 'log'), { recursive: true })
  symlinkSync(join(logs, 'node.log'), node.logPath)
}

async function expectStopped(cluster: Cluster, node: NodeProcess): Promise<void> {
  await cluster.waitUntil('the node to stop', () => !node.isRunning)
  expect(await node.exited).toBe('exit code 1')
  expect(node.tail(3)).toMatch(/the disk is full: make room on the file system of .* and start the node again/)
}

async function expectGoOn(cluster: Cluster, talkers: Talker[]): Promise<void> {
  const before = talkers.map(({ answered }) => answered.size)
  await cluster.waitUntil('the others to go on', () =>
    talkers.every(({ answered }, index) => answered.size > (before[index] as number) + 2)
  )
}

describe.skipIf(!isPossible)('a node whose disk is full', () => {
  it('stops with a clear line during ledgers and during a copy, and takes part again when there is room', async () => {
    const cluster = await Cluster.create({ contract: 'obedient.sh', config })
    const data = randomBytes(DATA_BYTES)
    for (const { dir } of cluster.nodes) writeFileSync(join(contractPaths(dir).state, 'data'), data)
    const node = cluster.node(3)
    await giveDisk(node)
    await cluster.startAll()
    const users = await Promise.all([0, 1].map((index) => cluster.connect(index)))
    const talkers = users.map((user, index) => new Talker(user, `user${index}`, PAUSE_MS))

    for (const left of [0, 200_000]) {
      await expectGoOn(cluster, talkers)
      const makeRoom = fillDisk(node.dir, left)
      await expectStopped(cluster, node)
      await expectGoOn(cluster, talkers)
      if (left === 0) {
        // Without room it does not run, and says the same.
        await node.start()
        await expectStopped(cluster, node)
      }
      makeRoom()
      await node.start()
      await node.waitFor('being in step', ({ sync }) => sync === 'synced', CATCH_UP_MS)
    }

    // Its state is lost: there is room for its ledgers, but not for a copy.
    await node.stop()
    const { state, snapshot } = contractPaths(node.dir)
    await rm(snapshot, { recursive: true })
    await rm(join(state, 'data'))
    const makeRoom = fillDisk(node.dir, 4_000_000)
    await node.start()
    await expectStopped(cluster, node)
    expect(node.log().some(({ msg }) => /copied from peers/.test(msg))).toBe(true)
    await expectGoOn(cluster, talkers)
    makeRoom()
    await node.start()
    await cluster.waitUntilReady()
    await Promise.all(talkers.map((talker) => talker.stop()))
    // It takes part again: with another one gone, its votes are needed.
    await cluster.node(2).stop()
    expect(await users[0]?.ask('note last\n')).toBe('noted last\n')
    await cluster.node(2).start()
    await cluster.waitUntilReady()
    await cluster.waitUntilSettled()
    for (const status of await cluster.statuses()) expect(status.warnings.join()).not.toContain('signed two')
    await cluster.stopAll()
    const chain = await checkOneChain(cluster.nodes)
    const notes = talkers.flatMap(({ answered }) => [...answered])
    expect((chain.state.get('notes') ?? '').split('\n').slice(0, -1).sort()).toEqual([...notes, 'last'].sort())
  })
})
