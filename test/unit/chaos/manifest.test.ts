import { describe, expect, it } from 'vitest'
import { drawManifest, drawRound, quorumOf } from '../../chaos/manifest.js'

const SEEDS = Array.from({ length: 300 }, (_, index) => index)
/** Faults that take something from the disk or the protocol of a node. */
const LASTING = /damaged|deleted|disk|version/

describe('the networks of chaos', () => {
  it('are determined by their seed', () => {
    for (const seed of SEEDS.slice(0, 20)) {
      expect(drawManifest(seed)).toEqual(drawManifest(seed))
      expect(drawRound(drawManifest(seed), 3)).toEqual(drawRound(drawManifest(seed), 3))
    }
    expect(drawManifest(1)).not.toEqual(drawManifest(2))
  })

  it('have 4 to 10 nodes and can do without at least one', () => {
    for (const seed of SEEDS) {
      const { validators, observers, threshold, quorum } = drawManifest(seed)
      expect(validators).toBeGreaterThanOrEqual(4)
      expect(validators + observers).toBeLessThanOrEqual(10)
      expect(quorum).toBe(quorumOf(validators, threshold))
      expect(quorum).toBeLessThan(validators)
      expect(3 * quorum).toBeGreaterThan(2 * validators)
    }
  })

  it('lose nothing on more validators than the quorum can do without', () => {
    let beyond = 0
    for (const seed of SEEDS) {
      const manifest = drawManifest(seed)
      const spare = manifest.validators - manifest.quorum
      for (let round = 0; round < 10; round++) {
        const { faults, isBeyond } = drawRound(manifest, round)
        const hurt = faults.filter(({ node }) => node < manifest.validators)
        expect(new Set(faults.map(({ node }) => node)).size).toBe(faults.length)
        if (hurt.length <= spare) continue
        expect(isBeyond).toBe(true)
        beyond++
        expect(faults.filter(({ kind }) => LASTING.test(kind))).toEqual([])
      }
    }
    expect(beyond).toBeGreaterThan(100)
  })

  it('lose no journal where clocks are wrong by hours', () => {
    for (const seed of SEEDS) {
      const { hasWildClocks, kinds } = drawManifest(seed)
      if (hasWildClocks) expect(kinds.filter((kind) => kind.startsWith('journal'))).toEqual([])
    }
  })
})
