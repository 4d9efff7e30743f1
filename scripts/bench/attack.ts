/**
 * `npm run bench attack [-- --nodes 3 --connections 1000 --seconds 10]`: the pace of two honest users, one at the attacked
 * node and one elsewhere, under each attack of hostile users, as a part of their pace without one; and the node's memory.
 * One address may hold 2,048 connections: further ones are refused, which is what is measured then.
 */
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { HotPocketClient } from '../../dist/client/node.js'
import { measurePace, residentBytes, userAttacks } from '../../test/helpers/hostile-user.js'
import { startNetwork } from './network.js'

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    nodes: { type: 'string', default: '3' },
    connections: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '10' }
  }
})
const [nodes, connections, seconds] = [values.nodes, values.connections, values.seconds].map(Number) as [
  number,
  number,
  number
]
const isWhole = [nodes, connections].every((value) => Number.isInteger(value) && value > 0)
if (!isWhole || nodes > 7 || connections > 10_000 || !(seconds > 0)) {
  console.error('usage: npm run bench attack -- [--nodes 3 (to 7)] [--connections 1000 (to 10000)] [--seconds 10]')
  process.exit(2)
}

interface Asker {
  ask(input: string): Promise<string>
  close(): Promise<void>
}

async function connectHonest(url: string): Promise<Asker> {
  const client = await HotPocketClient.connect(url, { reconnect: false })
  return {
    ask: (input) =>
      new Promise((resolve, reject) => {
        const offs = [
          client.on('output', ({ bytes }) => end(() => resolve(Buffer.from(bytes).toString()))),
          client.on('close', ({ reason }) => end(() => reject(new Error(`the honest user was closed: ${reason}`))))
        ]
        const end = (then: () => void): void => {
          for (const off of offs) off()
          then()
        }
        client.send(input)
      }),
    close: () => client.close()
  }
}

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0)
const settings = { roundtime: 1000, minroundtime: 0, pubmaxcpm: 6000 }
const network = await startNetwork(nodes, settings)
try {
  const [url = '', otherUrl = url] = network.urls
  const [pid = 0] = network.pids
  const users = await Promise.all([connectHonest(url), connectHonest(otherUrl)])
  const measure = async (): Promise<number[]> => Promise.all(users.map((user) => measurePace(user, seconds * 1000)))
  await measure()
  const alone = await measure()
  const table = new Table({
    head: ['attack', 'pace at the node', 'pace elsewhere', 'connections at the node', 'resident MiB'],
    style: { head: [], border: [] }
  })
  const row = async (name: string, paces: number[]): Promise<void> => {
    const shares = paces.map((pace, index) => `${pace.toFixed(1)}/s (${(pace / (alone[index] as number)).toFixed(2)})`)
    const status = await network.status(0)
    table.push([name, ...shares, String(status.users), mib(residentBytes(pid))])
    console.error(`${name}: ${shares.join(', ')}`)
  }
  await row('none', alone)
  for (const { name, start } of userAttacks(connections)) {
    const end = await start('127.0.0.1', Number(new URL(url).port))
    await row(name, await measure())
    await end()
  }
  await row('none, after all', await measure())
  console.log(table.toString())
  await Promise.all(users.map((user) => user.close()))
} finally {
  await network.stop()
}
