import { setTimeout as delay } from 'node:timers/promises'
import type { Pace } from '../../test/helpers/hostile-user.js'
import type { AttackProcess } from './attack-process.js'
import { usageOf } from './processes.js'

/** What has not connected by then does not: the figures are of those who have. */
const CONNECT_MAX_MS = 120_000
/** Between two looks at how many are connected. */
const LOOK_MS = 250
/** Those of the crowd who ask too, in the last phase. */
const ACTIVE_USERS = 20
/** For a 99th percentile there must be enough answers. */
const PHASE_MS = 10_000
/** Users who come and go are seen a second later. */
const SETTLE_MS = 3000

export interface CrowdOptions {
  users: number
  /** Of the node that they connect to. */
  pid: number
  start: () => Promise<AttackProcess>
  /** The pace of the honest, for this time and for as long as `isOver` is false. */
  measure: (ms: number, isOver?: () => boolean) => Promise<Pace[]>
  /** How long a new user and a new peer take. */
  timeNewcomers: () => Promise<string>
}

export const CROWD_HEAD = [
  'crowd',
  'p50, p99 here',
  'p50, p99 elsewhere',
  'pace here',
  'pace elsewhere',
  'new user, peer ms',
  'MiB',
  'CPU %'
]

/** The honest before, while the crowd connects, beside the crowd that says nothing, and while a few of it speak too. */
export async function measureCrowd(options: CrowdOptions): Promise<string[][]> {
  const { users, pid, measure, timeNewcomers } = options
  const rows: string[][] = []
  let alone: Pace[] | null = null
  const phase = async (name: () => string, newcomers: boolean, work: () => Promise<Pace[]>): Promise<void> => {
    const [before, startMs] = [usageOf(pid), performance.now()]
    const [paces, newcomerMs] = await Promise.all([work(), newcomers ? timeNewcomers() : '-'])
    const { cpuS, rssBytes } = usageOf(pid)
    const cpu = (cpuS - before.cpuS) / ((performance.now() - startMs) / 1000)
    alone ??= paces
    const first = alone
    const row = [
      name(),
      ...paces.map(({ p50Ms, p99Ms }) => `${p50Ms.toFixed(0)}, ${p99Ms.toFixed(0)} ms`),
      ...paces.map(({ perS }, index) => (perS / (first[index] as Pace).perS).toFixed(2)),
      newcomerMs,
      (rssBytes / 2 ** 20).toFixed(0),
      (cpu * 100).toFixed(0)
    ]
    rows.push(row)
    console.error(row.join(' | '))
  }

  await phase(
    () => 'alone',
    false,
    () => measure(PHASE_MS)
  )
  const attacker = await options.start()
  try {
    const startMs = performance.now()
    let [connected, tookMs, isOver] = [0, 0, false]
    const looking = (async () => {
      while (connected < users && tookMs < CONNECT_MAX_MS) {
        await delay(LOOK_MS)
        connected = (await attacker.ask({ ask: 'count' })).count
        tookMs = performance.now() - startMs
      }
      isOver = true
    })()
    const connecting = (): string => `${connected} of ${users} connect, in ${(tookMs / 1000).toFixed(0)} s`
    await phase(connecting, false, () => measure(0, () => isOver))
    await looking
    await delay(SETTLE_MS)
    await phase(
      () => `${connected} say nothing`,
      true,
      () => measure(PHASE_MS)
    )
    let spoken: Pace | undefined
    const active = (): string =>
      `${ACTIVE_USERS} of them ask too (p50 ${spoken?.p50Ms.toFixed(0)}, p99 ${spoken?.p99Ms.toFixed(0)} ms)`
    await phase(active, false, async () => {
      const question = { ask: 'pace', users: ACTIVE_USERS, durationMs: PHASE_MS } as const
      const [paces, report] = await Promise.all([measure(PHASE_MS), attacker.ask(question)])
      spoken = report.pace
      return paces
    })
  } finally {
    await attacker.stop()
  }
  return rows
}
