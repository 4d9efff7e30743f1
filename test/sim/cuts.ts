import type { Profile } from './profile.js'
import { type Shrunk, shrinkRun } from './shrink.js'
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

/** Leaves out what a failing run of the core's simulator does not need; null when the seed does not fail. */
export function shrink(
  core: Core,
  seed: number,
  override: Partial<Profile>,
  log: (line: string) => void
): Promise<Shrunk<Profile, Outcome> | null> {
  return shrinkRun((cut) => simulate(core, seed, { override: cut }), CUTS, override, log)
}
