import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../../src/network/index.js'
import { PeerRates } from '../../../src/network/peer-rates.js'

const keyOf = (index: number): string => index.toString(16).padStart(64, '0')

describe('the request rates of peers', () => {
  it('let a burst through, then as many as the rate says, of each peer', () => {
    let nowMs = 0
    const rates = new PeerRates({ perSecond: 2, burst: 3 }, 10, () => nowMs)
    const takeAll = (peer: number): number => {
      let taken = 0
      while (rates.take(keyOf(peer))) taken += 1
      return taken
    }
    expect([takeAll(1), takeAll(2), takeAll(1)]).toEqual([3, 3, 0])
    nowMs += 1000
    expect([takeAll(1), takeAll(2)]).toEqual([2, 2])
    nowMs += 1_000_000
    expect(takeAll(1)).toBe(3)
  })

  it('of a hundred thousand keys are remembered for as many as the limit says', () => {
    const { maxKnownPeers } = DEFAULT_LIMITS
    const rates = new PeerRates({ perSecond: 1, burst: 1 }, maxKnownPeers, () => 0)
    for (let index = 0; index < 100_000; index++) expect(rates.take(keyOf(index))).toBe(true)
    expect(rates.size).toBe(maxKnownPeers)
  })

  it('forget the peer that has not asked for longest, not one that asks in vain', () => {
    const rates = new PeerRates({ perSecond: 1, burst: 1 }, 3, () => 0)
    for (const peer of [1, 2, 3]) expect(rates.take(keyOf(peer))).toBe(true)
    // It has nothing left, and is now the last that asked.
    expect(rates.take(keyOf(1))).toBe(false)
    expect(rates.take(keyOf(4))).toBe(true)
    expect(rates.take(keyOf(1))).toBe(false)
    expect(rates.take(keyOf(2))).toBe(true)
    expect(rates.size).toBe(3)
  })
})
