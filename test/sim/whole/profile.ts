import { expectedQuorum } from '../profile.js'
import type { Random } from '../random.js'
import type { LinkFaults } from './hub.js'

/** What one seed draws. */
export interface WholeProfile extends LinkFaults {
  /** Another course of the same faults; 0 is the one of the seed. */
  turn: number
  n: number
  threshold: number
  quorum: number
  observers: number
  /** ed25519 instead of a hash that stands for it. */
  realSignatures: boolean
  roundtimeMs: number
  minRoundtimeMs: number
  /** Ledgers that a node keeps; 0 for all. */
  history: number
  partitionEveryMs: number
  crashEveryMs: number
  /** Probability of a crash at a call to the disk. */
  crashOnIoRate: number
  /** Of the crashes those that cut the power, and those that hit all nodes. */
  powerShare: number
  allShare: number
  downMs: number
  diskFullEveryMs: number
  slowDisks: number
  /** Probability that a bit of the journal flips while a node is down. */
  flipRate: number
  /** Probability that a bit of the last ledger flips while a node is down. */
  damageRate: number
  skewMs: number
  clockStepEveryMs: number
  /** Clocks run up to this share too fast or slow. */
  drift: number
  /** Byzantine validators, at most 2q - n - 1. */
  byzantine: number
  /** They want one false result to be agreed. */
  colludes: boolean
  /** Some of them have a plan: they keep attempts from closing, and put ledgers of their own to the vote. */
  usurps: boolean
  /** A change of the UNL or of the config is wished for about this often; 0 for never. */
  changeEveryMs: number
  /** Probability that something is lost while a node is down: its journal, ledgers or state, or all that is newer than a backup. */
  lossOnDiskRate: number
  users: number
  inputEveryMs: number
  stepMs: number
  /** Nodes on which executions crash or differ, and how often. */
  flaky: number
  flakyRate: number
  slowNodes: number
  /** Commands that fail or are large, out of all inputs. */
  failShare: number
  bigShare: number
  faultMs: number
  faultLedgers: number
}

/** The same with fewer validators, and no more faulty ones than these bear. */
export function resizeWhole(profile: WholeProfile, n: number): WholeProfile {
  const quorum = expectedQuorum(n, profile.threshold)
  const safe = 2 * quorum - n - 1
  const byzantine = profile.colludes ? safe : Math.min(profile.byzantine, safe)
  const spare = Math.max(0, n - quorum - byzantine)
  const isOdd = profile.flaky >= profile.n
  const rates = spare > 0 ? {} : { flipRate: 0, damageRate: 0, lossOnDiskRate: 0 }
  return { ...profile, ...rates, n, quorum, byzantine, flaky: isOdd ? n : Math.min(profile.flaky, spare) }
}

/** Long enough for old ledgers to be dropped while a node is away. */
function lengthen(profile: WholeProfile, random: Random): WholeProfile {
  const n = random.pick([4, 4, 5, 7])
  return {
    ...profile,
    n,
    threshold: 67,
    quorum: expectedQuorum(n, 67),
    roundtimeMs: 50,
    minRoundtimeMs: 0,
    history: 1,
    inputEveryMs: 500,
    delayMs: random.pick([2, 10]),
    lossRate: 0,
    partitionEveryMs: random.pick([0, 20_000]),
    crashEveryMs: 15_000,
    crashOnIoRate: 0,
    allShare: 0,
    downMs: 40_000,
    diskFullEveryMs: 0,
    slowDisks: 0,
    flaky: 0,
    slowNodes: 0,
    stepMs: 0.5,
    // Who goes on without the ledgers before is silent for a while, and one at a time is what the others bear.
    byzantine: 0,
    colludes: false,
    usurps: false,
    changeEveryMs: 0,
    lossOnDiskRate: 0,
    flipRate: 0,
    damageRate: 0,
    faultMs: 60_000,
    faultLedgers: 280
  }
}

export function drawWholeProfile(random: Random): WholeProfile {
  const profile = drawAny(random)
  if (random.chance(0.03)) return lengthen(profile, random)
  return random.chance(0.15) ? change(profile, random) : profile
}

/** The UNL and the config change, and those who were observers come to vote. */
function change(profile: WholeProfile, random: Random): WholeProfile {
  return {
    ...profile,
    observers: random.between(1, 3),
    changeEveryMs: random.pick([300, 1000, 3000]),
    // Who is silent, or has another result, may be one too many in a smaller UNL.
    flipRate: 0,
    damageRate: 0,
    lossOnDiskRate: 0,
    flaky: 0,
    faultMs: 15_000
  }
}

function drawAny(random: Random): WholeProfile {
  const n = random.pick([1, 2, 3, 3, 4, 4, 4, 4, 5, 6, 7])
  const threshold = random.pick([67, 67, 67, 75, 100])
  const quorum = expectedQuorum(n, threshold)
  const { byzantine, colludes } = drawByzantine(random, n, quorum)
  // Faulty nodes that the others still bear.
  const spare = Math.max(0, n - quorum - byzantine)
  const flipRate = spare > 0 ? random.pick([0, 0, 0.3]) : 0
  const lossOnDiskRate = spare > 0 ? random.pick([0, 0, 0.3]) : 0
  const mayBeSilent = flipRate + lossOnDiskRate > 0
  // Executions that differ on more nodes than the others bear are void.
  const isOdd = random.chance(0.05)
  return {
    turn: 0,
    n,
    threshold,
    quorum,
    observers: random.chance(0.3) ? 1 : 0,
    realSignatures: random.chance(0.05),
    roundtimeMs: random.pick([50, 200, 1000]),
    minRoundtimeMs: random.pick([0, 0, 20]),
    history: random.pick([0, 0, 0, 1]),
    lossRate: random.pick([0, 0.01, 0.05, 0.2]),
    duplicateRate: random.pick([0, 0, 0.05, 0.3]),
    delayMs: random.pick([2, 10, 50, 300]),
    requestLossRate: random.pick([0, 0, 0.1, 0.4]),
    partitionEveryMs: random.pick([0, 500, 2000, 5000]),
    crashEveryMs: random.pick([0, 300, 1000, 4000]),
    crashOnIoRate: random.pick([0, 0, 0.002, 0.01]),
    powerShare: random.pick([0, 0.5, 1]),
    allShare: random.pick([0, 0.1, 0.3]),
    downMs: random.pick([10, 500, 3000]),
    diskFullEveryMs: random.pick([0, 0, 0, 2000]),
    slowDisks: random.chance(0.3) ? random.between(0, n) : 0,
    flipRate,
    damageRate: spare > 0 ? random.pick([0, 0, 0, 0.2]) : 0,
    // Who has lost its journal goes by the clocks, and must know how wrong they may be.
    skewMs: random.pick(mayBeSilent ? [0, 200, 5000] : [0, 200, 60_000, 86_400_000]),
    clockStepEveryMs: random.pick([0, 0, 1000]),
    drift: random.pick([0, 0, 0.1]),
    byzantine,
    colludes,
    usurps: byzantine > 0 && random.chance(0.3),
    changeEveryMs: 0,
    lossOnDiskRate,
    users: random.between(1, 4),
    inputEveryMs: random.pick([20, 100, 500]),
    stepMs: random.pick([0.5, 5, 40]),
    flaky: isOdd ? n : random.between(0, spare),
    flakyRate: random.pick([0.05, 0.3]),
    slowNodes: random.chance(0.3) ? random.between(0, Math.max(1, spare)) : 0,
    failShare: random.pick([0, 0, 0.05]),
    bigShare: random.pick([0, 0, 0.1]),
    faultMs: random.between(2000, 15_000),
    faultLedgers: random.between(5, 40)
  }
}

/** As many as fork safety bears, mostly no more than the others can go on without. */
function drawByzantine(random: Random, n: number, quorum: number): { byzantine: number; colludes: boolean } {
  const safe = 2 * quorum - n - 1
  const max = random.chance(0.75) ? Math.min(safe, n - quorum) : safe
  const byzantine = random.chance(0.4) ? random.between(0, max) : 0
  const colludes = byzantine > n - quorum && random.chance(0.5)
  return { byzantine: colludes ? safe : byzantine, colludes }
}
