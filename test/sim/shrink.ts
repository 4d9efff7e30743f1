import type { Profile } from './profile.js'
import { type Core, type Outcome, simulate } from './world.js'

/** What can be left out of a run, one after another, and how. */
const CUTS: Partial<Profile>[] = [
  { changeEveryMs: 0, observers: 0 },
  { changeEveryMs: 0 },
  { forwardEveryMs: 0 },
  { strangers: 0 },
  { byzantine: 0, colludes: false },
  { byzantine: 1, colludes: false },
  { crashRate: 0, ledgerLossRate: 0, journalLossRate: 0, diskFullRate: 0 },
  { crashRate: 0 },
  { diskFullRate: 0 },
  { ledgerLossRate: 0 },
  { journalLossRate: 0 },
  { backupRate: 0 },
  { clockSkewMs: 0, clockStepEveryMs: 0 },
  { clockStepEveryMs: 0 },
  { partitionEveryMs: 0 },
  { lossRate: 0, precommitLossRate: 0, proposalLossRate: 0 },
  { lossRate: 0 },
  { precommitLossRate: 0 },
  { proposalLossRate: 0 },
  { duplicateRate: 0 },
  { delayMs: 2 },
  { differingRate: 0 },
  { failingRate: 0 },
  { slowNodes: 0 },
  { executionMs: 0 },
  { forkHunt: false },
  { inputEveryMs: 60_000 },
  { faultLedgers: 3 },
  { faultLedgers: 8 }
]
/** With something left out a run takes another turn: the same failure is looked for in the turns of this many generators. */
const TURNS = 12

export interface Shrunk {
  override: Partial<Profile>
  outcome: Outcome
  /** Runs that it took. */
  runs: number
}

/**
 * Leaves out nodes, faults and inputs of a failing run, one after another and again, as long as it still fails in the
 * same way.
 *
 * @param log told of each step
 * @returns null when the seed does not fail
 */
export function shrink(
  core: Core,
  seed: number,
  override: Partial<Profile>,
  log: (line: string) => void
): Shrunk | null {
  let runs = 1
  let outcome = simulate(core, seed, { override })
  const kind = outcome.violation?.kind
  if (kind === undefined) return null
  let smallest = override
  const fails = (candidate: Partial<Profile>): boolean => {
    for (let turn = 0; turn < TURNS; turn++) {
      const tried = turn === 0 ? candidate : { ...candidate, turn }
      const again = simulate(core, seed, { override: tried })
      runs++
      if (again.violation?.kind !== kind) continue
      smallest = tried
      outcome = again
      return true
    }
    return false
  }
  let isSmaller = true
  while (isSmaller) {
    isSmaller = false
    const { n } = outcome.profile
    for (const size of [1, Math.floor(n / 2), n - 1]) {
      if (size < 1 || size >= outcome.profile.n || !fails({ ...smallest, n: size })) continue
      log(`still fails with ${size} validators`)
      isSmaller = true
    }
    for (const cut of CUTS) {
      if (isIn(cut, outcome.profile) || !fails({ ...smallest, ...cut })) continue
      log(`still fails with ${JSON.stringify(cut)}`)
      isSmaller = true
    }
  }
  return { override: smallest, outcome, runs }
}

/** True when a cut changes nothing, or would make a run larger. */
function isIn(cut: Partial<Profile>, profile: Profile): boolean {
  return Object.entries(cut).every(([name, value]) => {
    const present = profile[name as keyof Profile]
    if (name === 'inputEveryMs') return Number(present) >= Number(value)
    return Number(present) <= Number(value)
  })
}
