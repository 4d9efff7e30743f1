import { expect, it } from 'vitest'
import {
  formatFigures,
  measureDirectness,
  measureLedgers,
  type Spread,
  spreadOf
} from '../../scripts/nat-lab/figures.js'
import type { LabNetwork } from '../../scripts/nat-lab/network.js'
import { talkAtAll } from '../../scripts/nat-lab/talk.js'
import { checkOneChain } from '../helpers/chain.js'
import { createNetwork, describeLab } from './setup.js'

const NAMES = ['one', 'two', 'three', 'four']
const DELAY_MS = 150
/** Proposals, prevotes, precommits. */
const DELAYS_OF_A_LEDGER = 3
/** The first proposal to those who have no input, two ledgers, the second with the outputs of the first. */
const DELAYS_OF_AN_ANSWER = 1 + 2 * DELAYS_OF_A_LEDGER
const SLACK = 1.5
const ANSWERS = 10
const LEDGERS = 20

async function measure(network: LabNetwork): Promise<{ ledgers: Spread; answers: Spread }> {
  // One user alone: each answer begins with an idle network.
  const user = await network.connect('two')
  const answersMs: number[] = []
  await user.ask('add 1\n')
  while (answersMs.length < ANSWERS) {
    const startMs = performance.now()
    await user.ask('add 1\n')
    answersMs.push(performance.now() - startMs)
  }
  // Users at all nodes: one ledger after another.
  const { fromSeq } = await talkAtAll(network, NAMES, LEDGERS)
  return { ledgers: await measureLedgers(network, fromSeq + 1, fromSeq + LEDGERS), answers: spreadOf(answersMs) }
}

describeLab('a wide network', () => {
  it(`closes ledgers within ${SLACK} times the message delays that consensus needs`, async () => {
    const network = await createNetwork({
      contract: 'counter',
      nodes: NAMES.map((name) => ({ name })),
      config: { roundtime: 2000 }
    })
    await network.internet.setDelay(DELAY_MS)
    await network.start()
    const firstLedgerMs = await network.waitForFirstLedger()
    await network.waitUntilReady()
    const { ledgers, answers } = await measure(network)
    const directness = await measureDirectness(network)
    // What the machine itself takes, which other programs may slow down, is not the network's.
    await network.internet.setDelay(0)
    const without = await measure(network)
    console.log(formatFigures(`${DELAY_MS} ms each way`, { firstLedgerMs, directness, ledgers, answers }))
    console.log(formatFigures('no delay', without))
    expect(ledgers.p50 - without.ledgers.p50).toBeLessThanOrEqual(SLACK * DELAYS_OF_A_LEDGER * DELAY_MS)
    expect(answers.p50 - without.answers.p50).toBeLessThanOrEqual(SLACK * DELAYS_OF_AN_ANSWER * DELAY_MS)
    // Nothing is faster than the delay, else it was not there.
    expect(ledgers.p50).toBeGreaterThanOrEqual(DELAYS_OF_A_LEDGER * DELAY_MS - 5)
    await network.waitUntilSettled()
    await network.stop()
    await checkOneChain(network.processes)
  })
})
