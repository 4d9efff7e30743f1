import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LIMITS } from '../../../src/codec/limits.js'
import { closeLedger, type LedgerTip, nextTip, tipOf } from '../../../src/consensus/close-ledger.js'
import type { ConsensusConfig, Ledger, Proposal } from '../../../src/consensus/types.js'
import { hashOf, makeConfig, makeProposal, makeUnl, TIP } from './helpers.js'

const UNL = makeUnl(4)
const CONFIG: ConsensusConfig = { ...makeConfig(4), ledgerInputBytes: 100 }
const WINDOW = LIMITS.forwardLedgers

interface Input {
  name: string
  untilSeq: number
  bytes?: number
}

/** A proposal of validator `index` for the ledger after `tip`, with inputs of one user. */
function propose(tip: LedgerTip, index: number, inputs: Input[], user = hashOf('ann')): Proposal {
  const parts = inputs.map(({ name, bytes = 10 }) => ({ user, id: hashOf(name), bytes }))
  const proposal = makeProposal(UNL[index] as string, { tip, inputs: parts, timeMs: tip.timeMs + 1 })
  return {
    ...proposal,
    hash: hashOf(`${proposal.hash} ${inputs.map(({ untilSeq }) => untilSeq).join()}`),
    inputs: proposal.inputs.map((input, place) => ({ ...input, untilSeq: inputs[place]?.untilSeq as number }))
  }
}

/** The ledger after `tip` when each list is what one validator proposes. */
function close(tip: LedgerTip, ...lists: Input[][]): Ledger {
  const proposals = [0, 1, 2].map((index) => propose(tip, index, lists[index] ?? []))
  return closeLedger(tip, proposals, CONFIG)
}

function idsOf(ledger: Ledger): string[] {
  return ledger.inputs.map(({ id }) => id)
}

describe('forwarded inputs', () => {
  test('are taken by a ledger in their window, and by none outside', () => {
    const next = TIP.seq + 1
    const taken = (untilSeq: number) => close(TIP, [{ name: 'a', untilSeq }]).inputs.length === 1
    expect([next, next + 1, next + WINDOW - 1].map(taken)).toEqual([true, true, true])
    expect([1, next - 1, next + WINDOW, Number.MAX_SAFE_INTEGER].map(taken)).toEqual([false, false, false, false])
  })

  test('are taken once: in one ledger, whoever and however many propose them, and not again until their window is over', () => {
    const batch = [{ name: 'a', untilSeq: TIP.seq + WINDOW }]
    const first = close(TIP, batch, batch, batch)
    expect(idsOf(first)).toEqual([hashOf('a')])
    let tip = nextTip(TIP, first)
    while (tip.seq < TIP.seq + 2 * WINDOW) {
      expect(tip.forwarded.size).toBe(tip.seq < TIP.seq + WINDOW ? 1 : 0)
      const ledger = close(tip, batch)
      expect(ledger.inputs).toEqual([])
      tip = nextTip(tip, ledger)
    }
  })

  test('that did not fit are taken later', () => {
    const batch = [0, 1, 2].map((index) => ({ name: `${index}`, untilSeq: TIP.seq + 5, bytes: 50 }))
    const first = close(TIP, batch)
    const second = close(nextTip(TIP, first), batch)
    expect([...idsOf(first), ...idsOf(second)]).toEqual(['0', '1', '2'].map(hashOf))
  })

  test('do not change what becomes of the others', () => {
    const own = [
      { name: 'a', untilSeq: 0 },
      { name: 'b', untilSeq: 0 }
    ]
    const late = { name: 'late', untilSeq: TIP.seq }
    expect(idsOf(close(TIP, [own[0] as Input, late, own[1] as Input]))).toEqual(idsOf(close(TIP, own)))
  })

  const sequences = fc.array(
    fc.record({
      /** New batches: how far ahead of the tip each ends, and how many inputs it has. */
      made: fc.array(
        fc.record({ ahead: fc.integer({ min: -2, max: WINDOW + 3 }), count: fc.integer({ min: 1, max: 4 }) }),
        {
          maxLength: 2
        }
      ),
      /** Which of all batches ever made each of three validators proposes. */
      proposed: fc.array(fc.array(fc.nat(40), { maxLength: 4 }), { minLength: 3, maxLength: 3 }),
      /** Ledgers without any of it afterwards. */
      pause: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(WINDOW + 2) })
    }),
    { maxLength: 30 }
  )

  test('in any sequence of candidates with replays: no input twice, none after its time or before, and tips agree', () => {
    fc.assert(
      fc.property(sequences, (rounds) => {
        let tip = TIP
        const batches: Input[][] = []
        const takenAt = new Map<string, number>()
        const untilOf = new Map<string, number>()
        const chain: Ledger[] = []
        for (const { made, proposed, pause } of rounds) {
          for (const { ahead, count } of made) {
            const untilSeq = Math.max(1, tip.seq + ahead)
            const inputs = Array.from({ length: count }, (_, index) => ({
              name: `${batches.length}/${index}`,
              untilSeq
            }))
            batches.push(inputs)
            for (const { name } of inputs) untilOf.set(hashOf(name), untilSeq)
          }
          const lists = proposed.map((picks) => [...new Set(picks)].flatMap((pick) => batches[pick] ?? []))
          for (const list of [lists, ...Array<Input[][]>(pause).fill([])]) {
            const ledger = close(tip, ...list)
            const { seq } = ledger.header
            let bytes = 0
            for (const { id, content, untilSeq } of ledger.inputs) {
              expect(takenAt.has(id)).toBe(false)
              takenAt.set(id, seq)
              expect(untilSeq).toBe(untilOf.get(id))
              expect(seq).toBeLessThanOrEqual(untilSeq)
              expect(untilSeq).toBeLessThan(seq + WINDOW)
              bytes += content.length
            }
            // What is in time, not taken and proposed is left out for want of room alone.
            const able = new Set(
              list
                .flat()
                .filter(({ untilSeq }) => seq <= untilSeq && untilSeq < seq + WINDOW)
                .map(({ name }) => hashOf(name))
                .filter((id) => !takenAt.has(id) || takenAt.get(id) === seq)
            )
            if (ledger.inputs.length < able.size) expect(bytes).toBeGreaterThan(CONFIG.ledgerInputBytes - 10)
            tip = nextTip(tip, ledger)
            chain.push(ledger)
          }
        }
        // A node that starts here knows the same from the last ledgers on its disk.
        const last = chain.at(-1)
        if (last === undefined) return
        const restarted = tipOf(last, chain.slice(0, -1).slice(-WINDOW))
        const sorted = (of: LedgerTip) => [...of.forwarded].sort()
        expect(sorted(restarted)).toEqual(sorted(tip))
      }),
      { numRuns: 200 }
    )
  })
})
