import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { formatFigures, measureDirectness, measureLedgers } from '../../scripts/nat-lab/figures.js'
import { talkAtAll } from '../../scripts/nat-lab/talk.js'
import { checkOneChain } from '../helpers/chain.js'
import { createNetwork, describeLab } from './setup.js'

const NAMES = ['one', 'two', 'three', 'four']

describeLab('a partition', () => {
  it('of one of four stops nobody else, of two of four all, and either heals', async () => {
    const network = await createNetwork({
      contract: 'counter',
      nodes: NAMES.map((name) => ({ name })),
      config: { roundtime: 500 }
    })
    await network.start()
    const firstLedgerMs = await network.waitForFirstLedger()
    await network.waitUntilReady()

    // One alone: three go on, it learns what it missed.
    await network.internet.partition(['four'], ['one', 'two', 'three'])
    const { fromSeq: cutSeq } = await talkAtAll(network, ['one'], 10)
    const lonely = await network.node('four').process.waitFor('no quorum', ({ sync }) => sync !== 'synced')
    expect(lonely.seq).toBeLessThanOrEqual(cutSeq + 2)
    const healedOneMs = performance.now()
    await network.internet.heal()
    await network.waitForSeq(await network.newestSeq())
    const backAfterMs = performance.now() - healedOneMs
    await network.waitUntilReady()

    // Two and two: nobody closes a ledger, and a user's input waits.
    await network.internet.partition(['one', 'two'], ['three', 'four'])
    const user = await network.connect('one')
    user.send('add 1000\n')
    await network.node('one').process.waitFor('no quorum', ({ sync }) => sync !== 'synced')
    const halves = await network.statuses()
    await delay(5000)
    for (const [index, status] of (await network.statuses()).entries()) {
      expect(status.sync, NAMES[index]).toMatch(/waiting-for-quorum|stalled/)
      expect(status.seq).toBeLessThanOrEqual((halves[index]?.seq ?? 0) + 1)
    }
    expect(user.outputs).toEqual([])
    const healedTwoMs = performance.now()
    await network.internet.heal()
    await network.waitUntil('the answer', () => user.outputs.length > 0)
    const answeredAfterMs = performance.now() - healedTwoMs
    await network.waitUntilReady()
    const { fromSeq } = await talkAtAll(network, ['four'], 30)

    const figures = {
      firstLedgerMs,
      directness: await measureDirectness(network),
      ledgers: await measureLedgers(network, fromSeq, await network.newestSeq())
    }
    console.log(formatFigures('partitions', figures))
    console.log(
      `healed: one of four back after ${Math.round(backAfterMs)} ms, two of four close a ledger after ${Math.round(answeredAfterMs)} ms`
    )
    await network.waitUntilSettled()
    await network.stop()
    await checkOneChain(network.processes)
  })
})
