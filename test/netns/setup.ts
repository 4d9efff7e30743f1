import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe } from 'vitest'
import { Internet } from '../../scripts/nat-lab/internet.js'
import { LabNetwork, type NetworkPlan } from '../../scripts/nat-lab/network.js'
import { findObstacle } from '../../scripts/nat-lab/system.js'

const obstacle = findObstacle()
if (obstacle !== null) console.warn(`skipped: ${obstacle}`)

/** A group of tests that is skipped, with the reason said, where the lab cannot be made. */
export function describeLab(name: string, tests: () => void): void {
  describe.skipIf(obstacle !== null)(name, tests)
}

const cleanups: (() => Promise<void>)[] = []

/** Runs after the test, the last one first. */
export function onCleanup(cleanup: () => Promise<void>): void {
  cleanups.push(cleanup)
}

afterEach(async ({ task }) => {
  const failures: unknown[] = []
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup().catch((error: unknown) => failures.push(error))
  if (failures.length > 0 && task.result?.state !== 'fail') throw failures[0]
})

export async function createInternet(): Promise<Internet> {
  const internet = await Internet.create()
  onCleanup(() => internet.destroy())
  return internet
}

/** A network in a lab of its own; stopped and removed after the test. Nothing runs yet. */
export async function createNetwork(plan: NetworkPlan): Promise<LabNetwork> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'hp-netns-')))
  onCleanup(async () => {
    if (process.env.HP_P2P_KEEP === undefined) await rm(dir, { recursive: true, force: true, maxRetries: 3 })
  })
  const network = await LabNetwork.create(await createInternet(), dir, plan)
  onCleanup(() => network.destroy())
  return network
}
