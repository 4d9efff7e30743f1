import { Random } from '../random.js'
import { DISK_MUTANTS } from './disk-mutants.js'
import type { WholeMutant } from './mutant-profiles.js'
import { PEER_MUTANTS } from './peer-mutants.js'
import { drawWholeProfile } from './profile.js'
import { createPrograms, simulateWhole, type WholeOutcome } from './whole-world.js'

export type { WholeMutant } from './mutant-profiles.js'

export const WHOLE_MUTANTS: WholeMutant[] = [...DISK_MUTANTS, ...PEER_MUTANTS]

/** Seeds that are tried for one mutant. */
export const WHOLE_SEEDS_MAX = 60

/** Runs seeds until one finds the mutant's fault. @returns null when none of `seeds` did */
export async function huntWhole(mutant: WholeMutant, seeds: number): Promise<WholeOutcome | null> {
  const programs = createPrograms(mutant.replacements)
  const { needs, override = {}, expected, firstSeed = 1 } = mutant
  for (let seed = firstSeed, ran = 0; ran < seeds; seed++) {
    if (needs?.(drawWholeProfile(new Random(seed))) === false) continue
    ran++
    const outcome = await simulateWhole(programs, seed, { override })
    if (outcome.violation !== null && expected.includes(outcome.violation.kind)) return outcome
  }
  return null
}
