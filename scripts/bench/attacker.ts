/**
 * The process that attacks: says when it is loaded, takes one command from its parent, says when the attack goes on, and
 * answers questions: how much it did, and how soon those are answered whom it holds.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { AttackRun, Target } from '../../test/helpers/attack.js'
import { listAttacks } from '../../test/helpers/attacks.js'
import type { Pace } from '../../test/helpers/hostile-user.js'

/** Time for the first thing to be done. */
const BEGIN_MS = 10_000

export interface AttackerCommand {
  name: string
  connections: number
  crowdUsers: number
  target: Target
}

export type AttackerQuestion = { ask: 'count' } | { ask: 'pace'; users: number; durationMs: number }

export interface AttackerReport {
  count: number
  /** What it did in a second. */
  perS: number
  pace?: Pace | undefined
}

/** An attack that is under way. */
interface Attacking {
  run: AttackRun
  startMs: number
}

async function begin({ name, connections, crowdUsers, target }: AttackerCommand): Promise<Attacking> {
  const attack = listAttacks(connections, crowdUsers).find((each) => each.name === name)
  if (attack === undefined) process.exit(2)
  const startMs = performance.now()
  const run = await attack.start(target)
  while (run.count() === 0 && performance.now() < startMs + BEGIN_MS) await delay(20)
  return { run, startMs }
}

if (process.send !== undefined) {
  const say = (report: AttackerReport): void => void process.send?.(report)
  let attacking: Promise<Attacking> | null = null
  // What a cut connection throws here and there is no fault of the node.
  process.on('uncaughtException', () => {})
  process.on('unhandledRejection', () => {})
  process.on('disconnect', () => process.exit())
  process.on('message', async (message: AttackerCommand | AttackerQuestion) => {
    if ('name' in message) attacking = begin(message)
    if (attacking === null) return
    const { run, startMs } = await attacking
    const isPace = 'ask' in message && message.ask === 'pace'
    const pace = isPace ? await run.ask?.(message.users, message.durationMs) : undefined
    const count = run.count()
    say({ count, perS: (count * 1000) / (performance.now() - startMs), pace })
  })
  say({ count: 0, perS: 0 })
}
