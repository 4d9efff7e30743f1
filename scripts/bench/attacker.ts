/** The process that attacks: says when it is loaded, takes one command from its parent, says when the attack goes on, and how much it did. */
import { setTimeout as delay } from 'node:timers/promises'
import type { AttackRun, Target } from '../../test/helpers/attack.js'
import { listAttacks } from '../../test/helpers/attacks.js'

/** Time for the first thing to be done. */
const BEGIN_MS = 10_000

export interface AttackerCommand {
  name: string
  connections: number
  crowdUsers: number
  target: Target
}

export interface AttackerReport {
  /** What it did in a second. */
  perS: number
}

function say(report: AttackerReport): void {
  process.send?.(report)
}

if (process.send !== undefined) {
  let run: AttackRun | null = null
  let startMs = 0
  // What a cut connection throws here and there is no fault of the node.
  process.on('uncaughtException', () => {})
  process.on('unhandledRejection', () => {})
  process.on('disconnect', () => process.exit())
  process.on('message', async (message: AttackerCommand | 'stop') => {
    if (message === 'stop') {
      say({ perS: ((run?.count() ?? 0) * 1000) / (performance.now() - startMs) })
      return
    }
    const attack = listAttacks(message.connections, message.crowdUsers).find(({ name }) => name === message.name)
    if (attack === undefined) process.exit(2)
    startMs = performance.now()
    run = await attack.start(message.target)
    const endMs = performance.now() + BEGIN_MS
    while (run.count() === 0 && performance.now() < endMs) await delay(20)
    say({ perS: 0 })
  })
  say({ perS: 0 })
}
