import { describe } from 'vitest'
import { findObstacle } from '../../scripts/nat-lab/system.js'

const obstacle = findObstacle()
if (obstacle !== null) console.warn(`skipped: ${obstacle}`)

/** A group of tests that is skipped, with the reason said, where the lab cannot be made. */
export const describeLab = describe.skipIf(obstacle !== null)
