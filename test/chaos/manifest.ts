import { Random } from '../sim/random.js'

/** What may be done to a node of a real network. */
export const FAULT_KINDS = [
  'kill',
  'kill-again',
  'freeze',
  'stop',
  'partition',
  'contract-kill',
  'clock',
  'ledgers-damaged',
  'state-damaged',
  'disk-full',
  'journal-damaged',
  'journal-deleted',
  'version'
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

/** These leave everything on the disk as it was: any number of nodes may have them at once. */
const HARMLESS: readonly FaultKind[] = ['kill', 'kill-again', 'freeze', 'stop', 'partition']

export interface UserPlan {
  /** Node that takes the inputs. */
  home: number
  /** Another node that the same user only listens to, or null. */
  listens: number | null
  /** Between an answer and the next inputs, ms. */
  pauseMs: number
  /** Inputs sent at once. */
  burst: number
  /** Bytes of an input, about. */
  bytes: number
}

export interface Manifest {
  seed: number
  validators: number
  observers: number
  threshold: number
  quorum: number
  roundtimeMs: number
  contract: 'book' | 'echo'
  sandbox: 'off' | 'auto'
  transport: 'ws' | 'tcp'
  /** Bytes of each file of the contract's first state beside its own. */
  ballastBytes: number[]
  users: UserPlan[]
  /** Nodes on a small disk of their own, where the system lets us mount one. */
  smallDisks: number[]
  /** By how much the clock of each node is wrong at the start, ms, and how much faster it goes. */
  clocks: { offsetMs: number; rate: number }[]
  /** Clocks may be wrong by hours: then no journal is lost, since silence without one goes by the clock. */
  hasWildClocks: boolean
  freezeMaxMs: number
  /** How long other faults last at most, ms. */
  holdMaxMs: number
  kinds: FaultKind[]
}

export function quorumOf(validators: number, threshold: number): number {
  return Math.max(Math.floor((2 * validators) / 3) + 1, Math.ceil((threshold / 100) * validators))
}

/** Everything about a network that its seed determines. */
export function drawManifest(seed: number, override: Partial<Manifest> = {}): Manifest {
  const random = new Random(seed)
  const validators = override.validators ?? random.between(4, 9)
  const observers = override.observers ?? (random.chance(0.4) ? 1 : 0)
  const count = validators + observers
  const thresholds = [67, 67, 70, 75, 80].filter((threshold) => quorumOf(validators, threshold) < validators)
  const threshold = override.threshold ?? random.pick(thresholds)
  const hasWildClocks = override.hasWildClocks ?? random.chance(0.3)
  const users = Array.from({ length: random.between(2, Math.min(6, count)) }, () => drawUser(random, count))
  const left = FAULT_KINDS.filter((kind) => !hasWildClocks || !kind.startsWith('journal'))
  return {
    seed,
    validators,
    observers,
    threshold,
    quorum: quorumOf(validators, threshold),
    roundtimeMs: random.pick([300, 500, 1000]) * (validators > 6 ? 2 : 1),
    contract: random.chance(0.8) ? 'book' : 'echo',
    // It costs a busy machine much.
    sandbox: random.chance(0.4) && validators < 6 ? 'auto' : 'off',
    transport: random.pick(['ws', 'tcp'] as const),
    ballastBytes: Array.from({ length: random.between(0, 4) }, () => random.between(1, 400_000)),
    users,
    smallDisks: random.shuffle(Array.from({ length: count }, (_, index) => index)).slice(0, 2),
    clocks: Array.from({ length: count }, () => drawClock(random, hasWildClocks)),
    hasWildClocks,
    freezeMaxMs: random.pick([5_000, 15_000, 60_000]),
    holdMaxMs: 8000,
    kinds: left,
    ...override
  }
}

function drawUser(random: Random, nodes: number): UserPlan {
  const home = random.between(0, nodes - 1)
  const other = (home + random.between(1, nodes - 1)) % nodes
  return {
    home,
    listens: random.chance(0.5) ? other : null,
    pauseMs: random.pick([20, 200, 500, 1500]),
    burst: random.pick([1, 1, 2, 5]),
    bytes: random.pick([20, 200, 3000])
  }
}

/** Mostly right; sometimes wrong by seconds, or by hours where the manifest allows it. */
export function drawClock(random: Random, isWild: boolean, rightShare = 0.4): { offsetMs: number; rate: number } {
  if (random.chance(rightShare)) return { offsetMs: 0, rate: 0 }
  const limitMs = isWild && random.chance(0.5) ? 20 * 3_600_000 : 20_000
  return { offsetMs: random.between(-limitMs, limitMs), rate: random.chance(0.5) ? 0 : random.between(-20, 20) / 1000 }
}

/** One fault of a round. */
export interface FaultPlan {
  node: number
  kind: FaultKind
  /** From the start of the round, ms. */
  afterMs: number
  /** How long it lasts, where that is for us to say, ms. */
  holdMs: number
  /** For what the fault itself leaves to chance. */
  seed: number
}

export interface RoundPlan {
  /** More validators are hurt than the quorum can do without. */
  isBeyond: boolean
  faults: FaultPlan[]
}

/** Round `round` of a manifest; `forced` is the kind of its first fault. */
export function drawRound(manifest: Manifest, round: number, forced?: FaultKind): RoundPlan {
  const random = new Random(manifest.seed * 4096 + round + 1)
  const { validators, observers, quorum } = manifest
  const spare = validators - quorum
  const isBeyond = forced === undefined && random.chance(0.2)
  const hurt = isBeyond ? random.between(spare + 1, validators) : random.between(1, spare)
  const order = random.shuffle(Array.from({ length: validators }, (_, index) => index))
  const victims = order.slice(0, hurt)
  if (observers > 0 && random.chance(0.4)) victims.push(validators)
  const allowed = isBeyond ? manifest.kinds.filter((kind) => HARMLESS.includes(kind)) : manifest.kinds
  const faults = victims.map((node, index): FaultPlan => {
    const drawn = random.pick(allowed.length > 0 ? allowed : HARMLESS)
    const kind = index === 0 && forced !== undefined ? forced : drawn
    const holdMs =
      kind === 'freeze' ? random.between(1000, manifest.freezeMaxMs) : random.between(200, manifest.holdMaxMs)
    // A disk is filled where there is a small one.
    const small = manifest.smallDisks.find((disk) => disk < validators && !victims.includes(disk))
    const at =
      kind === 'disk-full' && node < validators && !manifest.smallDisks.includes(node) && hurt === 1
        ? (small ?? node)
        : node
    return { node: at, kind, afterMs: random.between(0, 2000), holdMs, seed: random.between(0, 2 ** 31) }
  })
  return { isBeyond, faults }
}

export function describeManifest(manifest: Manifest): string {
  const { validators, observers, threshold, quorum, roundtimeMs, contract, sandbox, transport, users } = manifest
  const clocks = manifest.hasWildClocks ? 'hours' : 'seconds'
  return `${validators} validators, ${observers} observers, threshold ${threshold} (quorum ${quorum}), roundtime ${roundtimeMs} ms, ${contract}, sandbox ${sandbox}, ${transport}, ${users.length} users, clocks wrong by ${clocks}, freezes up to ${manifest.freezeMaxMs / 1000} s`
}
