/**
 * `npm run bench attack [-- --connections 1000 --seconds 4 --users 10000 --on users|peers --only REGEXP --out FILE]`: what each
 * attack on one node costs two honest users, one at that node and one elsewhere: their median time of an answer and
 * their answers a second, as parts of what they had right before it; the node's memory and CPU; how long a newcomer takes to
 * get in. Three of four members run; the key of the fourth is the attacker's. The attacker is a process of a low
 * priority, so that it takes from the nodes what it takes over the network, and not their processors.
 */
import { writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { HotPocketClient } from '../../dist/client/node.js'
import { loadConfig } from '../../dist/config/index.js'
import { encodeGenesis } from '../../src/codec/index.js'
import type { Genesis } from '../../src/consensus/types.js'
import type { Target } from '../../test/helpers/attack.js'
import { listAttacks } from '../../test/helpers/attacks.js'
import { askForGenesis, HostilePeer } from '../../test/helpers/hostile-peer.js'
import { measurePace, type Pace, RawUser } from '../../test/helpers/hostile-user.js'
import { crowd } from '../../test/helpers/user-attacks.js'
import { CROWD_HEAD, measureCrowd } from './attack-crowd.js'
import { startAttacker } from './attack-process.js'
import type { AttackerCommand } from './attacker.js'
import { startNetwork } from './network.js'
import { usageOf } from './processes.js'

/** Time for what an attack has left to pass. */
const CALM_MS = 1500
const NEWCOMER_MS = 5000
/** Connections that a node has room for beside the crowd. */
const ROOM = 100

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    connections: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '4' },
    users: { type: 'string', default: '0' },
    only: { type: 'string', default: '' },
    on: { type: 'string', default: 'all' },
    rate: { type: 'string', default: '0' },
    out: { type: 'string' }
  }
})
const [connections, seconds, crowdUsers, rate] = [values.connections, values.seconds, values.users, values.rate].map(
  Number
) as [number, number, number, number]
if (![connections, crowdUsers, rate].every((value) => Number.isInteger(value) && value >= 0) || !(seconds > 0)) {
  console.error(
    'usage: npm run bench attack -- [--connections 1000] [--seconds 4] [--users 0] [--rate 0 (pubmaxcpm)] [--on users|peers|all] [--only REGEXP] [--out FILE]'
  )
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

/** ms until it is done; 'none' when it fails or takes too long. */
async function timeNewcomer(arrive: () => Promise<void>): Promise<string> {
  const startMs = performance.now()
  const arriving = arrive().then(
    () => true,
    () => false
  )
  const isIn = await Promise.race([arriving, delay(NEWCOMER_MS, false)])
  return isIn ? (performance.now() - startMs).toFixed(0) : 'none'
}

/** A new user who gets a challenge, and a new peer whose hello is accepted. */
async function timeNewcomers(url: string, address: string, genesis: Genesis): Promise<string> {
  const times = [
    await timeNewcomer(async () => (await RawUser.meet(url)).raw.end()),
    await timeNewcomer(async () => (await HostilePeer.dial(address, { genesis })).end())
  ]
  return times.join(', ')
}

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0)
const settings = { roundtime: 1000, minroundtime: 0, pubmaxcpm: rate, pubmaxconns: Math.max(10_000, crowdUsers + ROOM) }
const network = await startNetwork(4, settings)
try {
  const configs = await Promise.all(network.nodes.map(({ dir }) => loadConfig(dir)))
  await network.kill(3)
  const [url = '', otherUrl = ''] = network.urls
  const [pid = 0] = network.pids
  const { wsPort, tcpPort } = (configs[0] as (typeof configs)[0]).network
  const target: Target = {
    host: '127.0.0.1',
    pubport: Number(new URL(url).port),
    peerport: wsPort as number,
    tcpport: tcpPort as number,
    memberKeys: (configs[3] as (typeof configs)[0]).keys
  }
  const address = `/ip4/${target.host}/tcp/${target.tcpport}`
  const genesis = await askForGenesis(address)
  target.genesis = encodeGenesis(genesis)
  const users = await Promise.all([connectHonest(url), connectHonest(otherUrl)])
  const measure = (ms: number, isOver?: () => boolean): Promise<Pace[]> =>
    Promise.all(users.map((user) => measurePace(user, ms, isOver)))
  const commandOf = (name: string): AttackerCommand => ({ name, connections, crowdUsers, target })
  await measure(2000)
  const head = [
    'attack',
    'p50 here',
    'p50 elsewhere',
    'pace here',
    'pace elsewhere',
    'new user, peer ms',
    'MiB before',
    'most',
    'after',
    'CPU %',
    'done/s'
  ]
  const rows: string[][] = []
  const only = new RegExp(values.only, 'i')
  const attacks = listAttacks(connections, 0).filter(
    ({ name, on }) => (values.on === 'all' || values.on === on) && only.test(name)
  )
  for (const { name } of attacks) {
    const alone = await measure(seconds * 500)
    const before = usageOf(pid)
    let most = before.rssBytes
    const timer = setInterval(() => {
      most = Math.max(most, usageOf(pid).rssBytes)
    }, 50)
    const attacker = await startAttacker(commandOf(name), true)
    const atStart = usageOf(pid)
    const startMs = performance.now()
    const [under, newcomerMs] = await Promise.all([
      measure(seconds * 1000),
      delay(seconds * 500).then(() => timeNewcomers(url, address, genesis))
    ])
    const cpu = (usageOf(pid).cpuS - atStart.cpuS) / ((performance.now() - startMs) / 1000)
    const report = await attacker.ask({ ask: 'count' })
    await attacker.stop()
    await delay(CALM_MS)
    clearInterval(timer)
    const ratio = (of: (pace: Pace) => number): string[] =>
      under.map((pace, index) => (of(pace) / of(alone[index] as Pace)).toFixed(2))
    const row = [
      name,
      ...under.map(
        (pace, index) => `${pace.p50Ms.toFixed(0)} ms (${(pace.p50Ms / (alone[index] as Pace).p50Ms).toFixed(2)})`
      ),
      ...ratio(({ perS }) => perS),
      newcomerMs,
      mib(before.rssBytes),
      mib(most),
      mib(usageOf(pid).rssBytes),
      (cpu * 100).toFixed(0),
      report.perS.toFixed(0)
    ]
    rows.push(row)
    console.error(row.join(' | '))
  }
  const tables = [{ head, rows }]
  const { name: crowdName } = crowd(crowdUsers)
  if (crowdUsers > 0 && values.on !== 'peers' && only.test(crowdName)) {
    const crowdRows = await measureCrowd({
      users: crowdUsers,
      pid,
      start: () => startAttacker(commandOf(crowdName), false),
      measure,
      timeNewcomers: () => timeNewcomers(url, address, genesis)
    })
    tables.push({ head: CROWD_HEAD, rows: crowdRows })
  }
  const filled = tables.filter((each) => each.rows.length > 0)
  for (const each of filled) {
    const table = new Table({ head: each.head, style: { head: [], border: [] } })
    table.push(...each.rows)
    console.log(table.toString())
  }
  if (values.out !== undefined) {
    const texts = filled.map((each) => {
      const lines = [each.head, each.head.map(() => '---'), ...each.rows]
      return lines.map((row) => `| ${row.join(' | ')} |\n`).join('')
    })
    writeFileSync(values.out, texts.join('\n'))
  }
  await Promise.all(users.map((user) => user.close()))
} finally {
  await network.stop()
}
