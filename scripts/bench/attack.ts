/**
 * `npm run bench attack [-- --connections 1000 --seconds 4 --users 10000 --on users|peers --only REGEXP --out FILE]`: what each
 * attack on one node costs two honest users, one at that node and one elsewhere: their median time of an answer and
 * their answers a second, as parts of what they had right before it; the node's memory and CPU; how long a newcomer takes to
 * get in. Three of four members run; the key of the fourth is the attacker's. The attacker is a process of a low
 * priority, so that it takes from the nodes what it takes over the network, and not their processors.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
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
import type { AttackerCommand, AttackerReport } from './attacker.js'
import { startNetwork } from './network.js'
import { usageOf } from './processes.js'

const ATTACKER = fileURLToPath(new URL('attacker.ts', import.meta.url))
/** Time for what an attack has left to pass. */
const CALM_MS = 1500
const NEWCOMER_MS = 5000
/** With 19 it would not come to attack at all beside other work. */
const GROUP_NICE = 10

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

/** From now on the process gets little more than what all others leave. */
function setLowest(pid: number): void {
  setPriority(pid, constants.priority.PRIORITY_LOW)
  // Where the kernel groups processes by session, the group's own weight decides.
  const group = `/proc/${pid}/autogroup`
  if (existsSync(group)) writeFileSync(group, String(GROUP_NICE))
}

/** One attack in a process of its own. */
async function startAttacker(name: string, target: Target): Promise<{ stop: () => Promise<AttackerReport> }> {
  const child = fork(ATTACKER, [], { execArgv: ['--import', 'tsx'], detached: true, serialization: 'advanced' })
  const exited = once(child, 'exit')
  const next = async (): Promise<AttackerReport> => {
    const [report] = await Promise.race([
      once(child, 'message') as Promise<[AttackerReport]>,
      exited.then(([code]) => Promise.reject(new Error(`the attacker ended with ${code}`)))
    ])
    return report
  }
  // Its sources are loaded.
  await next()
  setLowest(child.pid as number)
  const command: AttackerCommand = { name, connections, crowdUsers, target }
  child.send(command)
  await next()
  return {
    stop: async () => {
      const last = next()
      child.send('stop')
      const report = await last
      child.kill('SIGKILL')
      await exited
      return report
    }
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
const settings = { roundtime: 1000, minroundtime: 0, pubmaxcpm: rate }
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
  const measure = (ms: number): Promise<Pace[]> => Promise.all(users.map((user) => measurePace(user, ms)))
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
  const attacks = listAttacks(connections, crowdUsers).filter(
    ({ name, on }) => (values.on === 'all' || values.on === on) && only.test(name)
  )
  for (const { name } of attacks) {
    const alone = await measure(seconds * 500)
    const before = usageOf(pid)
    let most = before.rssBytes
    const timer = setInterval(() => {
      most = Math.max(most, usageOf(pid).rssBytes)
    }, 50)
    const attacker = await startAttacker(name, target)
    const atStart = usageOf(pid)
    const startMs = performance.now()
    const [under, newcomerMs] = await Promise.all([
      measure(seconds * 1000),
      delay(seconds * 500).then(() => timeNewcomers(url, address, genesis))
    ])
    const cpu = (usageOf(pid).cpuS - atStart.cpuS) / ((performance.now() - startMs) / 1000)
    const report = await attacker.stop()
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
  const table = new Table({ head, style: { head: [], border: [] } })
  table.push(...rows)
  console.log(table.toString())
  if (values.out !== undefined) {
    const lines = [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`)
    writeFileSync(values.out, `${lines.join('\n')}\n`)
  }
  await Promise.all(users.map((user) => user.close()))
} finally {
  await network.stop()
}
