/**
 * `npx tsx scripts/nat-lab/main.ts`: starts four validators in the NAT lab, two of them behind NAT, lets users talk to
 * each, and prints the layout, who is connected to whom and how, and the figures. Needs `npm run build` and root.
 */
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Table from 'cli-table3'
import { parseOptions } from '../options.js'
import { formatFigures, measureDirectness, measureLedgers, spreadOf } from './figures.js'
import { Internet } from './internet.js'
import { LabNetwork, type NodePlan } from './network.js'
import { findObstacle } from './system.js'
import { talkAtAll } from './talk.js'

const NODES: NodePlan[] = [
  { name: 'relay' },
  { name: 'public' },
  { name: 'cone', nat: 'cone' },
  { name: 'symmetric', nat: 'symmetric' }
]
const LEDGERS = 100
const USAGE = `usage: npx tsx scripts/nat-lab/main.ts [--delay MS] [--ledgers N] [--keep]

  --delay MS   delay of the internet each way, default 0
  --ledgers N  ledgers to close with inputs from users at each node, default ${LEDGERS}
  --keep       leave everything running until Ctrl-C, to look around in it`

function readNumber(text: string | undefined, name: string, fallback: number): number {
  const value = text === undefined ? fallback : Number(text)
  if (!Number.isInteger(value) || value < 0 || value > 10_000) throw new Error(`--${name} must be a number up to 10000`)
  return value
}

function showNodes(network: LabNetwork): string {
  const table = new Table({
    head: ['node', 'role', 'address', 'NAT', 'seen as', 'namespace'],
    style: { head: [], border: [], compact: true }
  })
  for (const { name, role, host } of network.nodes) {
    table.push([name, role, host.address, host.nat ?? 'none', host.publicAddress, host.namespace])
  }
  return table.toString()
}

/** A row for each node: how it is connected to the others. */
async function showLinks(network: LabNetwork): Promise<string> {
  const names = network.nodes.map(({ name }) => name)
  const links = await network.links()
  const table = new Table({ head: ['from \\ to', ...names], style: { head: [], border: [], compact: true } })
  for (const from of names) {
    const cells = names.map((to) => {
      if (to === from) return ''
      const link = links.find((candidate) => candidate.from === from && candidate.to === to)
      if (link === undefined) return 'none'
      const { relayed, direction, latencyMs } = link.row
      const rtt = latencyMs === null ? '' : `, ${Math.round(latencyMs)} ms`
      return `${relayed ? 'relayed' : 'direct'} ${direction === 'outbound' ? 'out' : 'in'}${rtt}`
    })
    table.push([from, ...cells])
  }
  return table.toString()
}

function showDoors(network: LabNetwork): string {
  const lines = network.nodes.map(({ name, host, process: node }) =>
    [
      `${name}: hp-p2p peers ${node.dir}`,
      `  hp-p2p client ${node.userUrl}`,
      `  ip netns exec ${host.namespace} bash   (log: ${node.logPath})`
    ].join('\n')
  )
  return lines.join('\n')
}

async function run(interrupted: Promise<void>): Promise<void> {
  const { values } = parseOptions(USAGE, {
    options: {
      delay: { type: 'string' },
      ledgers: { type: 'string' },
      keep: { type: 'boolean', default: false }
    }
  })
  const delayMs = readNumber(values.delay, 'delay', 0)
  const ledgerCount = readNumber(values.ledgers, 'ledgers', LEDGERS)
  const obstacle = findObstacle()
  if (obstacle !== null) throw new Error(obstacle)
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'hp-nat-lab-')))
  const internet = await Internet.create()
  let network: LabNetwork | undefined
  try {
    network = await LabNetwork.create(internet, dir, { contract: 'counter', nodes: NODES, config: { roundtime: 500 } })
    await internet.setDelay(delayMs)
    console.log(showNodes(network))
    await Promise.race([measure(network, ledgerCount), interrupted])
    if (!values.keep) return
    console.log(`${showDoors(network)}\nCtrl-C ends it.`)
    await interrupted
  } finally {
    await network?.destroy()
    await internet.destroy()
    await rm(dir, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function measure(network: LabNetwork, ledgerCount: number): Promise<void> {
  await network.start()
  const firstLedgerMs = await network.waitForFirstLedger()
  await network.waitUntilReady()
  console.log(await showLinks(network))
  const names = network.nodes.map(({ name }) => name)
  const { fromSeq, answersMs } = await talkAtAll(network, names, ledgerCount)
  console.log(await showLinks(network))
  const figures = {
    firstLedgerMs,
    directness: await measureDirectness(network),
    ledgers: await measureLedgers(network, fromSeq, await network.newestSeq()),
    answers: spreadOf(answersMs)
  }
  console.log(formatFigures(`${ledgerCount} ledgers`, figures))
}

const interrupted = new Promise<void>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
})
try {
  await run(interrupted)
} catch (error) {
  console.error(`nat-lab: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}
// What waited for a network that was interrupted waits no longer.
process.exit()
