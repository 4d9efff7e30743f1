import type { Attack } from './attack.js'
import { peerAttacks } from './peer-attacks.js'
import { crowd, userAttacks } from './user-attacks.js'

/**
 * Every attack by name.
 *
 * @param crowdUsers 0: without the crowd
 */
export function listAttacks(connections: number, crowdUsers: number): Attack[] {
  return [...userAttacks(connections), ...(crowdUsers > 0 ? [crowd(crowdUsers)] : []), ...peerAttacks(connections)]
}
