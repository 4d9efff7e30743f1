import type { Replacement } from '../mutants.js'
import type { WholeViolationKind } from './checks.js'
import type { WholeProfile } from './profile.js'

/** A fault outside of the core that runs of whole nodes must find. */
export interface WholeMutant {
  name: string
  /** Files are relative to src. */
  replacements: Replacement[]
  expected: WholeViolationKind[]
  /** Where the hunt begins; 1 unless given. */
  firstSeed?: number
  /** Seeds that cannot show it are passed over. */
  needs?: (profile: WholeProfile) => boolean
  /** Other than what seeds draw. */
  override?: Partial<WholeProfile>
}

/** Four validators on good lines, quick and without other faults than those that a mutant asks for. */
export const QUIET: Partial<WholeProfile> = {
  n: 4,
  threshold: 67,
  quorum: 3,
  observers: 0,
  roundtimeMs: 50,
  minRoundtimeMs: 0,
  lossRate: 0,
  delayMs: 2,
  partitionEveryMs: 0,
  crashEveryMs: 0,
  crashOnIoRate: 0,
  diskFullEveryMs: 0,
  byzantine: 0,
  colludes: false,
  usurps: false,
  changeEveryMs: 0,
  lossOnDiskRate: 0,
  flipRate: 0,
  damageRate: 0,
  skewMs: 200,
  flaky: 0,
  slowNodes: 0,
  slowDisks: 0,
  stepMs: 0.5,
  faultMs: 10_000,
  faultLedgers: 60
}

/** Things are lost on the disk of one node again and again, and it is soon back. */
export const LOSING: Partial<WholeProfile> = {
  ...QUIET,
  lossRate: 0.2,
  crashEveryMs: 200,
  crashOnIoRate: 0.02,
  downMs: 10,
  lossOnDiskRate: 0.7,
  powerShare: 0
}

/** The UNL and the config change. */
export const CHANGING: Partial<WholeProfile> = {
  ...QUIET,
  observers: 2,
  changeEveryMs: 300,
  faultMs: 15_000,
  crashEveryMs: 4000
}
