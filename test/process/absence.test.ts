import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { checkOneChain, expectOutputsKept, inputsOf, readChain } from '../helpers/chain.js'
import { runCli, runJson } from '../helpers/cli.js'
import { Cluster } from '../helpers/cluster.js'
import { expectNoDoubleVotes } from '../helpers/double-votes.js'
import type { NodeProcess } from '../helpers/node-process.js'
import { Talker } from '../helpers/talker.js'

/** Ledgers that the node misses. */
const MISSED = 220

// Nodes start many times here, on machines that may be slow.
vi.setConfig({ testTimeout: 400_000 })

/** Stops `node` until the others are `MISSED` ledgers further; resolves with how long it was back until in step, ms. */
async function beAway(cluster: Cluster, node: NodeProcess): Promise<number> {
  const { seq } = await node.waitFor('an answer', () => true)
  await node.stop()
  await cluster.waitForSeq(seq + MISSED, 180_000)
  const startMs = performance.now()
  await node.start()
  await node.waitFor('being in step', (status) => status.sync === 'synced' && status.seq >= seq + MISSED, 180_000)
  return Math.round(performance.now() - startMs)
}

/** With another validator gone, the votes of this one are needed. */
async function expectVotes(cluster: Cluster, by: NodeProcess, ask: () => Promise<void>): Promise<void> {
  const other = cluster.nodes.find((node) => node !== by && node !== cluster.node(0)) as NodeProcess
  await other.stop()
  await ask()
  await other.start()
  await cluster.waitUntilReady()
}

describe('a validator that was away for hundreds of ledgers', () => {
  it('goes on from a later ledger when nobody keeps the ones it missed, and votes again', async () => {
    const cluster = await Cluster.start({ contract: 'obedient.sh', config: { roundtime: 100, history: 16 } })
    const user = await cluster.connect(0)
    expect(await user.ask('note before\n')).toBe('noted before\n')
    const talker = new Talker(user, 'user')
    const node = cluster.node(3)
    const tookMs = await beAway(cluster, node)
    console.log(`in step ${tookMs} ms after its start, without the ledgers between`)
    await talker.stop()
    expect(node.log().some(({ msg }) => /are kept by no peer: the node goes on from ledger/.test(msg))).toBe(true)
    await cluster.waitUntilReady()
    // Too few ledgers behind its new first one: it does not vote until it can tell which inputs were taken.
    const { seq } = await node.waitFor('an answer', () => true)
    await cluster.waitForSeq(seq + 100, 180_000)
    await expectVotes(cluster, node, async () => expect(await user.ask('note after\n')).toBe('noted after\n'))
    await cluster.waitUntilSettled()
    await cluster.stopAll()
    const hashes = await Promise.all(
      cluster.nodes.map(({ dir }) => runJson<{ root: string; ledger: { ledger: number } }>(['state', 'hash', dir]))
    )
    expect(new Set(hashes.map(({ root }) => root)).size).toBe(1)
    for (const { dir } of cluster.nodes) expect(await runCli(['ledger', 'verify', dir])).toMatchObject({ code: 0 })
  })

  it('replays or copies what it missed when the ledgers are kept, and has the same state', async () => {
    const cluster = await Cluster.start({ contract: 'obedient.sh', config: { roundtime: 100 } })
    const user = await cluster.connect(0)
    const talker = new Talker(user, 'user')
    const node = cluster.node(3)
    const tookMs = await beAway(cluster, node)
    console.log(`in step ${tookMs} ms after its start, with all ledgers`)
    await talker.stop()
    await cluster.waitUntilReady()
    await expectVotes(cluster, node, async () => expect(await user.ask('note after\n')).toBe('noted after\n'))
    await cluster.waitUntilSettled()
    await cluster.stopAll()
    const chain = await checkOneChain(cluster.nodes)
    for (const each of cluster.nodes) expectOutputsKept(await readChain(each), chain.ledgers.length - 5)
    const notes = (chain.state.get('notes') ?? '').split('\n').slice(0, -1)
    expect(notes.at(-1)).toBe('after')
    expect(notes.length).toBe(talker.sent.length + 1)
  })
})

describe('a validator that is killed during executions', () => {
  it('always has the agreed state again, and never votes twice', async () => {
    const cluster = await Cluster.start({ contract: 'obedient.sh', config: { roundtime: 300 } })
    const users = await Promise.all([0, 1].map((index) => cluster.connect(index)))
    const talkers = users.map((user, index) => new Talker(user, `user${index}`))
    const node = cluster.node(3)
    for (let round = 0; round < 12; round++) {
      const settled = (await node.status())?.lastExecution?.seq ?? 0
      await node.waitFor('an execution', ({ lastExecution }) => (lastExecution?.seq ?? 0) > settled)
      await delay(Math.random() * 400)
      await node.kill()
      await node.start()
    }
    await cluster.waitUntilReady()
    await Promise.all(talkers.map((talker) => talker.stop()))
    await cluster.waitUntilSettled()
    await expectNoDoubleVotes(cluster)
    await cluster.stopAll()
    const chain = await checkOneChain(cluster.nodes)
    const executed = inputsOf(chain, 'executed').flatMap(({ text }) => /^note (.*)\n$/.exec(text)?.[1] ?? [])
    const notes = (chain.state.get('notes') ?? '').split('\n').slice(0, -1)
    expect([...notes].sort()).toEqual([...executed].sort())
    const known = new Set(notes)
    for (const { answered } of talkers) expect([...answered].filter((note) => !known.has(note))).toEqual([])
  })
})
