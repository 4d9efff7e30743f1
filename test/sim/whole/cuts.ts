import { type Shrunk, shrinkRun } from '../shrink.js'
import type { WholeProfile } from './profile.js'
import { type Programs, simulateWhole, type WholeOutcome } from './whole-world.js'

/** What can be left out of a run of whole nodes, one after another, and how. */
const CUTS: Partial<WholeProfile>[] = [
  { changeEveryMs: 0, observers: 0 },
  { changeEveryMs: 0 },
  { observers: 0 },
  { byzantine: 0, colludes: false, usurps: false },
  { byzantine: 1, colludes: false },
  { usurps: false },
  { crashEveryMs: 0, crashOnIoRate: 0, diskFullEveryMs: 0, lossOnDiskRate: 0, flipRate: 0, damageRate: 0 },
  { crashEveryMs: 0 },
  { crashOnIoRate: 0 },
  { powerShare: 0 },
  { allShare: 0 },
  { downMs: 10 },
  { diskFullEveryMs: 0 },
  { lossOnDiskRate: 0 },
  { flipRate: 0 },
  { damageRate: 0 },
  { skewMs: 0, clockStepEveryMs: 0 },
  { clockStepEveryMs: 0 },
  { drift: 0 },
  { partitionEveryMs: 0 },
  { lossRate: 0 },
  { requestLossRate: 0 },
  { duplicateRate: 0 },
  { delayMs: 2 },
  { slowDisks: 0 },
  { slowNodes: 0 },
  { flaky: 0 },
  { failShare: 0 },
  { bigShare: 0 },
  { stepMs: 0.5 },
  { users: 1 },
  { inputEveryMs: 5000 },
  { inputEveryMs: 500 },
  { history: 0 },
  { faultLedgers: 3 },
  { faultLedgers: 8 }
]

/** Leaves out what a failing run of whole nodes does not need; null when the seed does not fail. */
export function shrinkWhole(
  programs: Programs,
  seed: number,
  override: Partial<WholeProfile>,
  log: (line: string) => void
): Promise<Shrunk<WholeProfile, WholeOutcome> | null> {
  return shrinkRun((cut) => simulateWhole(programs, seed, { override: cut }), CUTS, override, log)
}
