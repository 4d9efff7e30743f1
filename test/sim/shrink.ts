/** What a profile of either simulator has. */
interface Shrinkable {
  /** Another course of the same faults; 0 is the one of the seed. */
  turn: number
  n: number
  inputEveryMs: number
}

interface Failing<P> {
  profile: P
  violation: { kind: string } | null
}

export interface Shrunk<P, O> {
  override: Partial<P>
  outcome: O
  /** Runs that it took. */
  runs: number
}

/** With something left out a run takes another turn: the same failure is looked for in the turns of this many generators. */
const TURNS = 12

/**
 * Leaves out nodes, faults and inputs of a failing run, one after another and again, as long as it still fails in the
 * same way.
 *
 * @param cuts what can be left out, and how
 * @param log told of each step
 * @returns null when the seed does not fail
 */
export async function shrinkRun<P extends Shrinkable, O extends Failing<P>>(
  run: (override: Partial<P>) => O | Promise<O>,
  cuts: readonly Partial<P>[],
  override: Partial<P>,
  log: (line: string) => void
): Promise<Shrunk<P, O> | null> {
  let runs = 1
  let outcome = await run(override)
  const kind = outcome.violation?.kind
  if (kind === undefined) return null
  let smallest = override
  const fails = async (candidate: Partial<P>): Promise<boolean> => {
    for (let turn = 0; turn < TURNS; turn++) {
      const tried = turn === 0 ? candidate : { ...candidate, turn }
      const again = await run(tried)
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
      if (size < 1 || size >= outcome.profile.n || !(await fails({ ...smallest, n: size }))) continue
      log(`still fails with ${size} validators`)
      isSmaller = true
    }
    for (const cut of cuts) {
      if (isIn(cut, outcome.profile) || !(await fails({ ...smallest, ...cut }))) continue
      log(`still fails with ${JSON.stringify(cut)}`)
      isSmaller = true
    }
  }
  return { override: smallest, outcome, runs }
}

/** True when a cut changes nothing, or would make a run larger. */
function isIn<P extends Shrinkable>(cut: Partial<P>, profile: P): boolean {
  return Object.entries(cut).every(([name, value]) => {
    const present = profile[name as keyof P]
    if (name === 'inputEveryMs') return Number(present) >= Number(value)
    return Number(present) <= Number(value)
  })
}
