/**
 * `npm run bench [-- --nodes 1,4,7 --seconds 10 --json FILE]`: real processes on this machine, the C echo contract.
 * Figures depend on the machine and on what else it does: compare them within one run.
 */
import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import Table from 'cli-table3'
import { parseOptions } from '../options.js'
import {
  type Idle,
  type Latency,
  measureIdle,
  measureLarge,
  measureLatency,
  measureThroughput,
  type Throughput
} from './measures.js'
import { closeUsers, connectUsers, startNetwork } from './network.js'

interface Row {
  nodes: number
  latency: Latency
  /** The same with 1,000 more users connected; only where asked for. */
  latencyCrowded: Latency | null
  connectThousandS: number | null
  oneUser: Throughput
  fiftyUsers: Throughput
  largeMs: { mib1: number; mib4: number }
  idle: Idle
}

const USAGE = 'usage: npm run bench -- [--nodes 1,4,7] [--seconds 10] [--crowd 4] [--json FILE]'
const { values } = parseOptions(USAGE, {
  options: {
    nodes: { type: 'string', default: '1,4,7' },
    seconds: { type: 'string', default: '10' },
    crowd: { type: 'string', default: '4' },
    json: { type: 'string' }
  }
})
const seconds = Number(values.seconds)
const counts = values.nodes.split(',').map(Number)
if (!(seconds > 0) || counts.some((count) => !Number.isInteger(count) || count < 1)) {
  console.error(USAGE)
  process.exit(2)
}

const WARM_UP_INPUTS = 300
const SETTINGS = { roundtime: 1000, minroundtime: 0, pubmaxsize: 8 * 1024 * 1024 }

async function benchNetwork(nodes: number, crowd: boolean): Promise<Row> {
  const network = await startNetwork(nodes, SETTINGS)
  try {
    const idle = await measureIdle(network, seconds)
    const [user] = await connectUsers(network, 1)
    if (user === undefined) throw new Error('no user could connect')
    // Until the code of the nodes is compiled and the caches are warm.
    await measureLatency(user, WARM_UP_INPUTS)
    const latency = await measureLatency(user, 200)
    const largeMs = { mib1: await measureLarge(user, 2 ** 20), mib4: await measureLarge(user, 2 ** 22) }
    let latencyCrowded: Latency | null = null
    let connectThousandS: number | null = null
    if (crowd) {
      const start = performance.now()
      const users = await connectUsers(network, 1000)
      connectThousandS = (performance.now() - start) / 1000
      await measureLatency(user, 5)
      latencyCrowded = await measureLatency(user, 50)
      await closeUsers(users)
    }
    await closeUsers([user])
    const oneUser = await measureThroughput(network, 1, 64, seconds)
    const fiftyUsers = await measureThroughput(network, 50, 64, seconds)
    return { nodes, latency, latencyCrowded, connectThousandS, oneUser, fiftyUsers, largeMs, idle }
  } finally {
    await network.stop()
  }
}

const number = (value: number, digits = 1): string => value.toFixed(digits)

function printTable(rows: Row[]): void {
  const table = new Table({ head: ['', ...rows.map((row) => `${row.nodes} nodes`)], style: { head: [], border: [] } })
  const add = (name: string, cell: (row: Row) => string): void => {
    table.push([name, ...rows.map(cell)])
  }
  add('input to agreed output, p50 / p99 ms', ({ latency }) => `${number(latency.p50Ms)} / ${number(latency.p99Ms)}`)
  add('with 1,000 users connected, p50 / p99 ms', ({ latencyCrowded: latency }) =>
    latency === null ? '-' : `${number(latency.p50Ms)} / ${number(latency.p99Ms)}`
  )
  add('1,000 users connect in, s', ({ connectThousandS: took }) => (took === null ? '-' : number(took)))
  add('inputs/s, 1 user', ({ oneUser }) => number(oneUser.inputsPerS, 0))
  add('inputs/s, 50 users', ({ fiftyUsers }) => number(fiftyUsers.inputsPerS, 0))
  add('ledgers/s with 50 users', ({ fiftyUsers }) => number(fiftyUsers.ledgersPerS))
  add(
    'sent to peers, bytes a ledger and node: idle / 50 users',
    ({ idle, fiftyUsers }) => `${number(idle.sentBytesPerLedger, 0)} / ${number(fiftyUsers.sentBytesPerLedger, 0)}`
  )
  add(
    'on disk, bytes a ledger and node: 1 user / 50 users',
    ({ oneUser, fiftyUsers }) =>
      `${number(oneUser.diskBytesPerLedger, 0)} / ${number(fiftyUsers.diskBytesPerLedger, 0)}`
  )
  add('1 MiB / 4 MiB there and back, ms', ({ largeMs }) => `${number(largeMs.mib1, 0)} / ${number(largeMs.mib4, 0)}`)
  add('idle: % of a core / MB, a node', ({ idle }) => `${number(idle.cpuPercent)} / ${number(idle.rssMb, 0)}`)
  add(
    '50 users: % of a core / MB, a node',
    ({ fiftyUsers: { load } }) => `${number(load.cpuPercent, 0)} / ${number(load.rssMb, 0)}`
  )
  console.log(table.toString())
}

const rows: Row[] = []
for (const count of counts) {
  console.error(`${count} nodes ...`)
  rows.push(await benchNetwork(count, values.crowd.split(',').map(Number).includes(count)))
}
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGb: Math.round(totalmem() / 1e9),
  kernel: execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim(),
  node: process.version
}
console.log(
  `${machine.cores} cores (${machine.cpu}), ${machine.memoryGb} GB, Linux ${machine.kernel}, Node ${machine.node}`
)
printTable(rows)
const json = JSON.stringify({ machine, seconds, rows }, null, 2)
if (values.json === undefined) console.log(json)
else await writeFile(values.json, `${json}\n`)
