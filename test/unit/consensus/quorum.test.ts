import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { liveFaults, quorumOf, safeFaults } from '../../../src/consensus/quorum.js'

describe('quorum', () => {
  test.each([
    { n: 1, threshold: 67, q: 1, safe: 0, live: 0 },
    { n: 4, threshold: 67, q: 3, safe: 1, live: 1 },
    { n: 5, threshold: 67, q: 4, safe: 2, live: 1 },
    { n: 7, threshold: 67, q: 5, safe: 2, live: 2 },
    { n: 10, threshold: 67, q: 7, safe: 3, live: 3 },
    { n: 10, threshold: 80, q: 8, safe: 5, live: 2 },
    { n: 10, threshold: 100, q: 10, safe: 9, live: 0 }
  ])('of $n at $threshold % is $q', ({ n, threshold, q, safe, live }) => {
    expect(quorumOf(n, threshold)).toBe(q)
    expect(safeFaults(n, q)).toBe(safe)
    expect(liveFaults(n, q)).toBe(live)
  })

  test('two quorums share more validators than may be silent, and a quorum is never more than all', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 128 }), fc.integer({ min: 67, max: 100 }), (n, threshold) => {
        const q = quorumOf(n, threshold)
        expect(q).toBeLessThanOrEqual(n)
        expect(3 * q).toBeGreaterThan(2 * n)
        expect(100 * q).toBeGreaterThanOrEqual(threshold * n)
        expect(2 * q - n).toBeGreaterThan(liveFaults(n, q))
      })
    )
  })
})
