import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { CatchUp, type CatchUpOptions } from '../../../src/node/catch-up.js'

function makeCatchUp(options: Partial<CatchUpOptions>) {
  const unused = (): never => {
    throw new Error('not expected')
  }
  return new CatchUp({
    log: pino({ level: 'silent' }),
    tip: () => 5,
    link: unused,
    peersAt: () => [],
    fetch: unused,
    adopt: unused,
    onBadLedger: unused,
    onGap: unused,
    ...options
  })
}

describe('a claim of ledgers that do not exist', () => {
  it('is forgotten once its peer has nothing to show, and asked for once', async () => {
    const asked: string[] = []
    const catchUp = makeCatchUp({
      // biome-ignore lint/correctness/useYield: a peer that has nothing
      fetch: async function* (peer) {
        asked.push(peer)
      }
    })
    catchUp.hear(2 ** 52, 'liar')
    expect(catchUp.active).toBe(true)
    while (catchUp.target > 0) await new Promise((resolve) => setTimeout(resolve, 10))
    expect(asked).toEqual(['liar'])
    expect(catchUp.active).toBe(false)
    await catchUp.stop()
  })

  it('does not keep a node asking while consensus itself moves on', async () => {
    let seq = 5
    let asked = 0
    const catchUp = makeCatchUp({
      tip: () => seq,
      // biome-ignore lint/correctness/useYield: a peer that has nothing
      fetch: async function* () {
        asked += 1
        seq += 1
      }
    })
    catchUp.hear(2 ** 52, 'liar')
    while (catchUp.target > 0) await new Promise((resolve) => setTimeout(resolve, 10))
    expect(asked).toBe(1)
    await catchUp.stop()
  })
})

describe('ledgers that nobody keeps any more', () => {
  it('are told of once every peer has had nothing again and again', async () => {
    const gaps: string[] = []
    let asked = 0
    const catchUp = makeCatchUp({
      // biome-ignore lint/correctness/useYield: a peer that has pruned it
      fetch: async function* () {
        asked += 1
      },
      onGap: async (peer) => {
        gaps.push(peer)
      }
    })
    while (gaps.length === 0) {
      catchUp.hear(900, 'far ahead')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    expect(gaps).toEqual(['far ahead'])
    expect(asked).toBeGreaterThan(1)
    await catchUp.stop()
  })
})
