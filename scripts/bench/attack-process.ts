import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { AttackerCommand, AttackerQuestion, AttackerReport } from './attacker.js'

const ATTACKER = fileURLToPath(new URL('attacker.ts', import.meta.url))
/** With 19 it would not come to attack at all beside other work. */
const GROUP_NICE = 10

/** An attack in a process of its own. */
export interface AttackProcess {
  ask(question: AttackerQuestion): Promise<AttackerReport>
  stop(): Promise<void>
}

/** From now on the process gets little more than what all others leave. */
function setLowest(pid: number): void {
  setPriority(pid, constants.priority.PRIORITY_LOW)
  // Where the kernel groups processes by session, the group's own weight decides.
  const group = `/proc/${pid}/autogroup`
  if (existsSync(group)) writeFileSync(group, String(GROUP_NICE))
}

/**
 * Resolves when the attack goes on.
 *
 * @param isLowest of a low priority, so that it takes from the nodes what it takes over the network, and not their processors
 */
export async function startAttacker(command: AttackerCommand, isLowest: boolean): Promise<AttackProcess> {
  const child = fork(ATTACKER, [], { execArgv: ['--import', 'tsx'], detached: true, serialization: 'advanced' })
  const exited = once(child, 'exit')
  const next = async (): Promise<AttackerReport> => {
    const [report] = await Promise.race([
      once(child, 'message') as Promise<[AttackerReport]>,
      exited.then(([code]) => Promise.reject(new Error(`the attacker ended with ${code}`)))
    ])
    return report
  }
  const ask = (message: AttackerCommand | AttackerQuestion): Promise<AttackerReport> => {
    const answer = next()
    child.send(message)
    return answer
  }
  // Its sources are loaded.
  await next()
  if (isLowest) setLowest(child.pid as number)
  await ask(command)
  return {
    ask,
    stop: async () => {
      child.kill('SIGKILL')
      await exited
    }
  }
}
