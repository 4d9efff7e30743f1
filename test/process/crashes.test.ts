import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type Chain, checkOneChain, expectOutputsKept, inputsOf, readChain } from '../helpers/chain.js'
import { Cluster, onCleanup } from '../helpers/cluster.js'
import { expectNoDoubleVotes } from '../helpers/double-votes.js'
import { Talker } from '../helpers/talker.js'

const CONFIG = { roundtime: 500 }

/** Numbers from 0 to 1 that a seed determines (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** The notes in the state are those of the chain, each once; whatever was answered is among them. */
function expectNotesKept(chain: Chain, talkers: Talker[]): void {
  const inLedgers = inputsOf(chain, 'executed').flatMap(({ text }) => /^note (.*)\n$/.exec(text)?.[1] ?? [])
  const inState = (chain.state.get('notes') ?? '').split('\n').slice(0, -1)
  expect([...inState].sort()).toEqual([...inLedgers].sort())
  expect(new Set(inState).size).toBe(inState.length)
  const known = new Set(inState)
  for (const talker of talkers) {
    expect([...talker.answered].filter((note) => !known.has(note))).toEqual([])
    expect(talker.answered.size).toBeGreaterThan(0)
  }
}

describe('nodes that are killed', () => {
  it('loses no input, executes none twice and never forks while one of four is killed again and again', async () => {
    const seed = Number(process.env.HP_P2P_SEED ?? Date.now() % 1e9)
    console.log(`seed ${seed} (set HP_P2P_SEED to repeat its choices)`)
    const random = createRandom(seed)
    const cluster = await Cluster.start({ contract: 'obedient.sh', config: CONFIG })
    const users = await Promise.all([0, 1, 2, 3].map((index) => cluster.connect(index, { reconnect: true })))
    const talkers = users.map((user, index) => new Talker(user, `user${index}`))
    for (let round = 0; round < 6; round++) {
      const index = Math.floor(random() * 4)
      const node = cluster.node(index)
      await delay(random() * 500)
      await node.kill()
      await delay(random() * 1000)
      await node.start()
      await node.waitFor('catching up', ({ sync, seq }) => sync === 'synced' && seq > 0)
      const talker = talkers[index] as Talker
      const before = talker.answered.size
      await cluster.waitUntil(`user ${index} served again`, () => talker.answered.size > before + 1)
    }
    await Promise.all(talkers.map((talker) => talker.stop()))
    await cluster.waitUntilSettled()
    await expectNoDoubleVotes(cluster)
    await cluster.stopAll()
    const chain = await checkOneChain(cluster.nodes)
    expectNotesKept(chain, talkers)
    for (const node of cluster.nodes) expectOutputsKept(await readChain(node), chain.ledgers.length - 5)
  })

  it('closes no ledger while two of four are dead, and goes on with what waited when one is back', async () => {
    const cluster = await Cluster.start({ contract: 'obedient.sh', config: CONFIG })
    const user = await cluster.connect(0)
    await user.ask('note before\n')
    await Promise.all([cluster.node(2).kill(), cluster.node(3).kill()])
    const alive = [cluster.node(0), cluster.node(1)]
    const waiting = await Promise.all(
      alive.map((node) => node.waitFor('waiting for a quorum', ({ sync }) => sync === 'waiting-for-quorum'))
    )
    const seq = Math.max(...waiting.map((status) => status.seq))
    user.send('note waited\n')
    await cluster.node(0).waitFor('the input to wait', ({ pendingInputs }) => pendingInputs === 1)
    // Several times as long as the network takes for a ledger.
    await delay(4000)
    for (const status of await cluster.statuses()) {
      expect(status).toMatchObject({ sync: 'waiting-for-quorum', quorum: { needed: 3, present: 2, validators: 4 } })
      expect(status.seq).toBeLessThanOrEqual(seq + 1)
    }
    expect(user.text).toBe('noted before\n')
    await cluster.node(2).start()
    await user.waitForText('noted waited\n')
    await cluster.node(3).start()
    await cluster.waitUntilReady()
    const late = await cluster.connect(3)
    expect(await late.ask('count\n')).toBe('2 notes\n')
    await cluster.waitUntilSettled()
    await expectNoDoubleVotes(cluster)
    await cluster.stopAll()
    const chain = await checkOneChain(cluster.nodes)
    expect(chain.state.get('notes')).toBe('before\nwaited\n')
  })

  it('goes on with the same state when all four are killed at once', async () => {
    const cluster = await Cluster.start({ contract: 'obedient.sh', config: CONFIG })
    let expected = 0
    for (let round = 0; round < 2; round++) {
      const users = await Promise.all([0, 1, 2, 3].map((index) => cluster.connect(index)))
      const talkers = users.map((user, index) => new Talker(user, `round${round}-${index}`))
      await cluster.waitUntil('notes', () => talkers.every(({ answered }) => answered.size >= 2))
      const before = Math.max(...(await cluster.statuses()).map((status) => status.seq))
      await Promise.all(cluster.nodes.map((node) => node.kill()))
      await Promise.all(talkers.map((talker) => talker.stop()))
      expected += talkers.reduce((sum, { answered }) => sum + answered.size, 0)
      await cluster.startAll()
      await cluster.waitForSeq(before + 1)
    }
    const user = await cluster.connect(1)
    const [, count] = /^(\d+) notes\n$/.exec(await user.ask('count\n')) ?? []
    expect(Number(count)).toBeGreaterThanOrEqual(expected)
    await cluster.waitUntilSettled()
    await expectNoDoubleVotes(cluster)
    await cluster.stopAll()
    const chain = await checkOneChain(cluster.nodes)
    expectNotesKept(chain, [])
    expect((chain.state.get('notes') ?? '').split('\n')).toHaveLength(Number(count) + 1)
  })

  it('leaves the ledgers of a minute to the others when a validator has lost its journal', async () => {
    const cluster = await Cluster.start({ contract: 'obedient.sh', config: CONFIG })
    const user = await cluster.connect(0)
    await user.ask('note before\n')
    const node = cluster.node(3)
    await node.kill()
    await rm(join(node.dir, 'hist', 'journal'))
    await node.start()
    await cluster.waitUntilReady()
    const said = (words: RegExp): boolean => node.log().some(({ msg }) => words.test(String(msg)))
    expect(said(/journal .* was lost: no vote is given before/)).toBe(true)
    expect(await node.waitFor('an answer', () => true)).toMatchObject({
      warnings: expect.arrayContaining([expect.stringMatching(/does not vote/)])
    })
    // A second start does not make it forget that it has forgotten.
    await node.kill()
    await node.start()
    await cluster.waitUntilReady()
    expect(await user.ask('note meanwhile\n')).toBe('noted meanwhile\n')
    // Its users do not wait for that: it hands their inputs on.
    const own = await cluster.connect(3)
    expect(await own.ask('note handed on\n')).toBe('noted handed on\n')
    expect(said(/votes again/)).toBe(false)
    // What is still handed on when the one who has it is killed, nobody may have in full.
    await own.close()
    await cluster.waitUntil('its votes', () => said(/votes again/), 150_000)
    // It votes again: with another one dead, its votes are needed.
    await cluster.node(2).kill()
    expect(await user.ask('note after\n')).toBe('noted after\n')
    expect(await (await cluster.connect(3)).ask('note own after\n')).toBe('noted own after\n')
    await cluster.node(2).start()
    await cluster.waitUntilSettled()
    await expectNoDoubleVotes(cluster)
    await cluster.stopAll()
    const chain = await checkOneChain(cluster.nodes)
    expect(chain.state.get('notes')).toBe('before\nmeanwhile\nhanded on\nafter\nown after\n')
  })

  it('says so when two of four are frozen, and goes on when they wake up', async () => {
    const cluster = await Cluster.start({ contract: 'obedient.sh', config: CONFIG })
    const user = await cluster.connect(0)
    await user.ask('note before\n')
    const frozen = [cluster.node(2), cluster.node(3)].map(({ pid }) => pid)
    for (const pid of frozen) process.kill(pid, 'SIGSTOP')
    onCleanup(async () => {
      for (const node of cluster.nodes) if (node.isRunning) process.kill(node.pid, 'SIGCONT')
    })
    user.send('note waited\n')
    const { sync, warnings } = await cluster
      .node(0)
      .waitFor('a warning', ({ warnings: found }) => /no ledger has closed for/.test(found.join()))
    expect(sync).toBe('stalled')
    expect(warnings.join()).toContain('although 4 validators are in touch')
    expect(user.text).toBe('noted before\n')
    for (const pid of frozen) process.kill(pid, 'SIGCONT')
    await user.waitForText('noted waited\n')
    await cluster.waitUntilReady()
    expect(await (await cluster.connect(3)).ask('count\n')).toBe('2 notes\n')
    for (const status of await cluster.statuses()) expect(status.warnings.join()).not.toContain('no ledger')
    await cluster.waitUntilSettled()
    await expectNoDoubleVotes(cluster)
    await cluster.stopAll()
    expect((await checkOneChain(cluster.nodes)).state.get('notes')).toBe('before\nwaited\n')
  })
})
