import { expect, it } from 'vitest'
import { formatFigures, measureDirectness, measureLedgers, spreadOf } from '../../scripts/nat-lab/figures.js'
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

/** The node through which two are connected. */
async function findRelay(network: LabNetwork, one: string, other: string): Promise<string> {
  const link = (await network.links()).find(({ from, to }) => from === one && to === other)
  const relay = network.nodes.find(({ process }) => process.publicKey === link?.row.relay)
  if (relay === undefined) throw new Error(`${one} and ${other} are connected by ${link?.row.address}, without a relay`)
  return relay.name
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
    const ledgers = await measureLedgers(network, fromSeq, await network.newestSeq())
    await network.waitUntilMeshed()
    const directness = await measureDirectness(network)
    console.log(formatFigures('two NATs', { firstLedgerMs, directness, ledgers, answers: spreadOf(answersMs) }))
    // All but the pair of homes, of which nobody can dial the other.
    expect(directness).toEqual({ direct: 5, connected: 6, pairs: 6 })
    await expectOneChain(network, answersMs.length)
  })

  it('goes on when the relay is killed, and takes it back', async () => {
    const { network, firstLedgerMs } = await startNetwork()
    const before = await talkAtAll(network, ['cone', 'symmetric'], 5)
    await network.waitUntilMeshed()
    const relay = await findRelay(network, 'cone', 'symmetric')
    const others = NODES.map(({ name }) => name).filter((name) => name !== relay)
    await network.node(relay).process.kill()
    const killedMs = performance.now()
    const user = await network.connect('symmetric')
    expect(await user.ask('add 1\n')).toMatch(/^\d+\n$/)
    const answeredAfterMs = performance.now() - killedMs
    await network.waitUntilMeshed()
    const meshedAfterMs = performance.now() - killedMs
    expect(await findRelay(network, 'cone', 'symmetric')).not.toBe(relay)
    const after = await talkAtAll(network, others, 30)
    const figures = {
      firstLedgerMs,
      directness: await measureDirectness(network),
      ledgers: await measureLedgers(network, after.fromSeq, await network.newestSeq()),
      answers: spreadOf(after.answersMs)
    }
    console.log(formatFigures('without the relay', figures))
    console.log(
      `killed ${relay}, the relay in use: answer after ${Math.round(answeredAfterMs)} ms, connected through another after ${Math.round(meshedAfterMs)} ms`
    )
    await network.node(relay).process.start()
    await network.waitUntilReady()
    const last = await talkAtAll(network, [relay], 5)
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
      await network.waitUntilMeshed()
      const meshedMs = performance.now() - startMs
      console.log(
        `${what} of ${name}: answer after ${Math.round(answerMs)} ms, connected to all after ${Math.round(meshedMs)} ms`
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
    const { network } = await startNetwork()
    const validators = NODES.map(({ name }) => name)
    const before = await talkAtAll(network, ['cone', 'symmetric'], 20)
    const startMs = performance.now()
    const { process: newcomer } = await network.join('newcomer', 'relay', 'symmetric')
    const joinedAfterMs = performance.now() - startMs
    await network.start(['newcomer'])
    const firstLedgerMs = await network.waitForFirstLedger()
    const seq = await network.newestSeq()
    await newcomer.waitFor('catching up', (status) => status.sync === 'synced' && status.seq >= seq)
    const syncedAfterMs = performance.now() - startMs
    await network.waitUntilMeshed()
    const meshedAfterMs = performance.now() - startMs
    const after = await talkAtAll(network, validators, 20)
    const figures = {
      firstLedgerMs,
      directness: await measureDirectness(network),
      ledgers: await measureLedgers(network, after.fromSeq, await network.newestSeq())
    }
    console.log(formatFigures('a newcomer', figures))
    console.log(
      `joined after ${Math.round(joinedAfterMs)} ms, in sync after ${Math.round(syncedAfterMs)} ms, connected to all after ${Math.round(meshedAfterMs)} ms`
    )
    await expectOneChain(network, before.answersMs.length + after.answersMs.length)
  })
})
