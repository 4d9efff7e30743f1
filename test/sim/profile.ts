import type { ConsensusConfig, PublicKey } from '../../src/consensus/types.js'
import { blake3Hex } from '../../src/crypto/index.js'
import type { Random } from './random.js'

/** What one seed draws: the network, its faults and how long they last. */
export interface Profile {
  /** Another course of the same faults; 0 is the one of the seed. */
  turn: number
  n: number
  quorum: number
  byzantine: number
  /** The Byzantine validators, as many as fork safety bears, want one false result to be agreed. */
  colludes: boolean
  observers: number
  /** A change of the UNL or of the quorum is wished for about this often; 0 for never. Observers are then added. */
  changeEveryMs: number
  /** An observer forwards an input about this often; 0 for never. */
  forwardEveryMs: number
  /** Nodes that are not in the UNL and vote all the same. */
  strangers: number
  config: ConsensusConfig
  lossRate: number
  precommitLossRate: number
  proposalLossRate: number
  duplicateRate: number
  delayMs: number
  /** A new partition about this often; 0 for none. */
  partitionEveryMs: number
  /** Probability of a crash at each boundary between two effects, and within one. */
  crashRate: number
  downMs: number
  /**
   * Faults aimed at the lock: one lucky node gets the precommits and is cut off once it has closed a ledger, a lone one
   * misses prevotes and is not heard in time, others crash. What remains of the quorum must close the same ledger.
   */
  forkHunt: boolean
  lucky: number
  lone: number
  /** Probability that a crash also takes the last ledger, when all other nodes have it. */
  ledgerLossRate: number
  /** How many ledgers a crash may take, as when an old copy of the store is put back. */
  ledgerLossMax: number
  /** Probability that a crash takes the journal of a node; of one node at a time, where the others are a quorum. */
  journalLossRate: number
  /** Probability that a node which has lost its journal is restored from a backup: ledgers are then missing too. */
  backupRate: number
  /** Probability that a write fails: the node stops, says nothing of it, and comes back when there is room. */
  diskFullRate: number
  /** By how much the clocks that proposals take their time from are wrong. */
  clockSkewMs: number
  /** A clock is set anew about this often; 0 for never. */
  clockStepEveryMs: number
  slowNodes: number
  slowExecutionMs: number
  executionMs: number
  /** Probability that a node's execution differs from the others'. */
  differingRate: number
  failingRate: number
  inputEveryMs: number
  faultMs: number
  faultLedgers: number
}

/** Kept apart from the code under test on purpose: it is what that is checked against. */
export function expectedQuorum(n: number, threshold: number): number {
  let q = 1
  while (3 * q <= 2 * n || 100 * q < threshold * n) q++
  return q
}

export function keyOf(name: string): PublicKey {
  return blake3Hex(Buffer.from(`key of ${name}`))
}

/** Mostly small: most faults need no more nodes, and small networks run through more of them in the same time. */
function drawSize(random: Random): number {
  if (random.chance(0.05)) return random.between(11, 21)
  return random.pick([1, 2, 3, 4, 4, 4, 4, 5, 6, 7, 7, 8, 9, 10])
}

function unlOf(n: number): PublicKey[] {
  return Array.from({ length: n }, (_, index) => keyOf(`node ${index}`)).sort()
}

/** The same with fewer validators, and no more Byzantine ones than these bear. */
export function resize(profile: Profile, n: number): Profile {
  const quorum = expectedQuorum(n, profile.config.threshold)
  const safe = 2 * quorum - n - 1
  const byzantine = profile.colludes ? safe : Math.min(profile.byzantine, safe)
  const config = { ...profile.config, unl: unlOf(n) }
  const slowNodes = Math.min(profile.slowNodes, n - byzantine)
  return { ...profile, n, quorum, byzantine, config, slowNodes, lucky: profile.lucky % n, lone: profile.lone % n }
}

export function drawProfile(random: Random): Profile {
  if (random.chance(0.6)) return drawAny(random, drawSize(random))
  const profile = drawAny(random, random.pick([4, 4, 4, 4, 5, 7]))
  // The Byzantine validator, if there is one, coordinates; otherwise the lone node does, for the lock to be needed.
  const [lucky, lone] = random.shuffle(Array.from({ length: profile.n }, (_, index) => index)) as [number, number]
  return {
    ...profile,
    forkHunt: true,
    lucky,
    lone,
    lossRate: random.pick([0, 0.01, 0.05]),
    precommitLossRate: random.pick([0.7, 0.9]),
    proposalLossRate: random.pick([0, 0.2]),
    delayMs: random.pick([2, 10, 50]),
    partitionEveryMs: random.pick([0, 0, 5000]),
    crashRate: random.pick([0, 0, 0.001]),
    downMs: random.pick([10, 500]),
    slowNodes: 0
  }
}

function drawAny(random: Random, n: number): Profile {
  const threshold = random.pick([67, 67, 67, 70, 75, 80, 90, 100])
  const quorum = expectedQuorum(n, threshold)
  const safe = 2 * quorum - n - 1
  const byzantineMax = random.chance(0.75) ? Math.min(safe, n - quorum) : safe
  const drawn = random.chance(0.5) ? random.between(0, byzantineMax) : 0
  const colludes = drawn > n - quorum && random.chance(0.5)
  const byzantine = colludes ? safe : drawn
  const changes = random.chance(0.3)
  const mayLoseJournal = !changes && byzantine + 1 <= n - quorum
  const strangers = random.chance(0.2) ? 1 : 0
  const unl = unlOf(n)
  const journalLossRate = mayLoseJournal ? random.pick([0, 0, 0.2]) : 0
  return {
    turn: 0,
    n,
    quorum,
    byzantine,
    colludes,
    observers: changes ? random.between(1, 3) : random.chance(0.2) ? 1 : 0,
    changeEveryMs: changes ? random.pick([100, 1000, 4000]) : 0,
    forwardEveryMs: random.chance(0.3) ? random.pick([20, 200, 1000]) : 0,
    strangers,
    config: {
      unl,
      threshold,
      roundtimeMs: random.pick([50, 200, 1000]),
      minRoundtimeMs: random.pick([0, 0, 20, 50]),
      ledgerInputBytes: random.pick([20, 200, 10_000]),
      userOutputBytes: 1000,
      ledgerOutputBytes: 1000,
      nplBytes: 1000,
      execTimeoutMs: 1000
    },
    lossRate: random.pick([0, 0.01, 0.05, 0.2, 0.4]),
    precommitLossRate: random.pick([0, 0, 0.3, 0.6, 0.8]),
    proposalLossRate: random.pick([0, 0, 0.2, 0.5]),
    duplicateRate: random.pick([0, 0, 0.05, 0.3]),
    delayMs: random.pick([2, 10, 50, 200, 1500]),
    partitionEveryMs: random.pick([0, 500, 2000, 5000]),
    crashRate: random.pick([0, 0, 0.0005, 0.003, 0.015]),
    downMs: random.pick([10, 1000, 5000]),
    forkHunt: false,
    lucky: 0,
    lone: 0,
    ledgerLossRate: random.pick([0, 0, 0.5]),
    ledgerLossMax: random.pick([1, 1, 6]),
    journalLossRate,
    backupRate: random.pick([0, 0.5]),
    diskFullRate: random.pick([0, 0, 0, 0.0005, 0.005]),
    // Who has lost its journal goes by the clocks, and must know how wrong they may be.
    clockSkewMs: random.pick(journalLossRate > 0 ? [0, 200] : [0, 0, 200, 60_000, 86_400_000]),
    clockStepEveryMs: random.pick([0, 500, 5000]),
    slowNodes: random.chance(0.3) ? random.between(1, Math.max(1, n - quorum)) : 0,
    slowExecutionMs: random.pick([300, 900, 3000]),
    executionMs: random.pick([0, 2, 20]),
    differingRate: random.chance(0.2) ? random.pick([0.02, 0.3]) : 0,
    failingRate: random.chance(0.2) ? 0.1 : 0,
    inputEveryMs: random.pick([20, 200, 2000]),
    faultMs: random.between(5_000, 60_000),
    faultLedgers: random.between(3, 25)
  }
}
