import { expect, it } from 'vitest'
import { formatFigures, isRelayed, measureDirectness, measureLedgers, spreadOf } from '../../scripts/nat-lab/figures.js'
import type { LabNetwork, NodePlan } from '../../scripts/nat-lab/network.js'
import { findPortMappingObstacle } from '../../scripts/nat-lab/system.js'
import { type Talk, talkAtAll } from '../../scripts/nat-lab/talk.js'
import { checkOneChain, inputsOf } from '../helpers/chain.js'
import { PATIENCE_MS } from '../helpers/wait.js'
import { createNetwork, describeLab } from './setup.js'

const mapperObstacle = findPortMappingObstacle()
if (mapperObstacle !== null) console.warn(`one test skipped: ${mapperObstacle}`)

const CONFIG = { roundtime: 500 }
/** Every node is told of the first one alone. */
const NODES: NodePlan[] = [
  { name: 'relay' },
  { name: 'public' },
  { name: 'cone', nat: 'cone' },
  { name: 'symmetric', nat: 'symmetric' }
]

async function startNetwork(nodes = NODES): Promise<{ network: LabNetwork; firstLedgerMs: number }> {
  const network = await createNetwork({ contract: 'counter', nodes, config: CONFIG })
  await network.start()
  const firstLedgerMs = await network.waitForFirstLedger()
  await network.waitUntilReady()
  return { network, firstLedgerMs }
}

/** Stops all nodes: their chains are one, and hold so many inputs. */
async function expectOneChain(network: LabNetwork, inputs: number): Promise<void> {
  await network.waitUntilSettled()
  for (const status of await network.statuses()) expect(status.warnings.join()).not.toContain('signed two')
  await network.stop()
  const chain = await checkOneChain(network.processes)
  expect(inputsOf(chain)).toHaveLength(inputs)
  expect(chain.state.get('counter')).toBe(`${inputs}\n`)
}

describeLab('nodes behind NAT', () => {
  it('validators behind two NATs close 100 ledgers with inputs from users at each node', async () => {
    const { network, firstLedgerMs } = await startNetwork()
    const { fromSeq, answersMs } = await talkAtAll(
      network,
      NODES.map(({ name }) => name),
      100
    )
    const directness = await measureDirectness(network)
    const ledgers = await measureLedgers(network, fromSeq, await network.newestSeq())
    console.log(formatFigures('two NATs', { firstLedgerMs, directness, ledgers, answers: spreadOf(answersMs) }))
    expect(directness.connected).toBe(directness.pairs)
    await expectOneChain(network, answersMs.length)
  })

  it('goes on when the relay is killed, and takes it back', async () => {
    const { network, firstLedgerMs } = await startNetwork()
    const before = await talkAtAll(network, ['cone', 'symmetric'], 5)
    const relayed = (await network.links())
      .filter(({ row }) => isRelayed(row.address))
      .map(({ from, to }) => `${from}-${to}`)
    await network.node('relay').process.kill()
    const killedMs = performance.now()
    const user = await network.connect('symmetric')
    expect(await user.ask('add 1\n')).toMatch(/^\d+\n$/)
    const answeredAfterMs = performance.now() - killedMs
    await network.waitUntilReady()
    const readyAfterMs = performance.now() - killedMs
    const after = await talkAtAll(network, ['public', 'cone', 'symmetric'], 30)
    const figures = {
      firstLedgerMs,
      directness: await measureDirectness(network),
      ledgers: await measureLedgers(network, after.fromSeq, await network.newestSeq()),
      answers: spreadOf(after.answersMs)
    }
    console.log(formatFigures('without the relay', figures))
    console.log(
      `relayed before: ${relayed.join(' ') || 'none'}; answer ${Math.round(answeredAfterMs)} ms after the kill, all three in touch after ${Math.round(readyAfterMs)} ms`
    )
    await network.node('relay').process.start()
    await network.waitUntilReady()
    const last = await talkAtAll(network, ['relay'], 5)
    await expectOneChain(network, before.answersMs.length + 1 + after.answersMs.length + last.answersMs.length)
  })

  it('a node comes back when its router or its home gives it another address', async () => {
    const { network, firstLedgerMs } = await startNetwork()
    const before = await talkAtAll(network, ['cone', 'symmetric'], 5)
    let inputs = before.answersMs.length
    const changes: [string, string, () => Promise<string>][] = [
      ['router', 'cone', () => network.internet.changePublicAddress('cone')],
      ['home', 'symmetric', () => network.internet.changeLanAddress('symmetric')]
    ]
    for (const [what, name, change] of changes) {
      await change()
      const startMs = performance.now()
      const { answersMs } = await talkAtAll(network, [name], 5)
      const answerMs = answersMs[0] as number
      await network.waitUntilReady()
      const readyMs = performance.now() - startMs
      console.log(
        `${what} of ${name}: answer after ${Math.round(answerMs)} ms, all in touch after ${Math.round(readyMs)} ms`
      )
      inputs += answersMs.length
    }
    const after = await talkAtAll(
      network,
      NODES.map(({ name }) => name),
      20
    )
    const figures = {
      firstLedgerMs,
      directness: await measureDirectness(network),
      ledgers: await measureLedgers(network, after.fromSeq, await network.newestSeq())
    }
    console.log(formatFigures('other addresses', figures))
    await expectOneChain(network, inputs + after.answersMs.length)
  })

  it.skipIf(mapperObstacle !== null)(
    'a router that maps ports makes all connections direct, while users talk',
    async () => {
      const { network, firstLedgerMs } = await startNetwork([
        { name: 'relay' },
        { name: 'mapped', nat: 'cone', home: { portMapping: true } },
        { name: 'symmetric', nat: 'symmetric' }
      ])
      const names = network.nodes.map(({ name }) => name)
      const startMs = performance.now()
      let directAfterMs: number | null = null
      const talks: Talk[] = []
      while (directAfterMs === null) {
        talks.push(await talkAtAll(network, names, 5))
        const { direct, pairs } = await measureDirectness(network)
        if (direct === pairs) directAfterMs = performance.now() - startMs
        else if (performance.now() - startMs > PATIENCE_MS) throw new Error(`not direct\n${await network.describe()}`)
      }
      const after = await talkAtAll(network, names, 20)
      const figures = {
        firstLedgerMs,
        directness: await measureDirectness(network),
        ledgers: await measureLedgers(network, after.fromSeq, await network.newestSeq()),
        answers: spreadOf(after.answersMs)
      }
      console.log(formatFigures(`ports mapped, all direct after ${Math.round(directAfterMs)} ms`, figures))
      await expectOneChain(network, [...talks, after].flatMap(({ answersMs }) => answersMs).length)
    }
  )

  it('a node joins from behind a NAT with the address of the relay alone', async () => {
    const nodes: NodePlan[] = [...NODES, { name: 'newcomer', nat: 'symmetric', role: 'observer' }]
    const network = await createNetwork({ contract: 'counter', nodes, config: CONFIG })
    const validators = NODES.map(({ name }) => name)
    await network.start(validators)
    await network.waitUntilReady()
    const before = await talkAtAll(network, ['cone', 'symmetric'], 20)
    await network.start(['newcomer'])
    const firstLedgerMs = await network.waitForFirstLedger()
    const seq = await network.newestSeq()
    const newcomer = network.node('newcomer').process
    await newcomer.waitFor('catching up', (status) => status.sync === 'synced' && status.seq >= seq)
    await network.waitUntilReady()
    const after = await talkAtAll(network, validators, 20)
    const links = (await network.links()).filter(({ from }) => from === 'newcomer')
    expect(links.map(({ to }) => to).sort()).toEqual([...validators].sort())
    const figures = {
      firstLedgerMs,
      directness: await measureDirectness(network),
      ledgers: await measureLedgers(network, after.fromSeq, await network.newestSeq())
    }
    console.log(formatFigures('a newcomer', figures))
    await expectOneChain(network, before.answersMs.length + after.answersMs.length)
  })
})
