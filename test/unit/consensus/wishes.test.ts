import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { configHashOf } from '../../../src/codec/ledger.js'
import { decodeProposalPayload, encodeProposalPayload, type ProposalPayload } from '../../../src/codec/proposal.js'
import { closeLedger } from '../../../src/consensus/close-ledger.js'
import type { ConfigWish } from '../../../src/consensus/types.js'
import { applyWishes, changeConfig, isFulfilled } from '../../../src/consensus/wishes.js'
import * as arbitrary from '../codec/arbitraries.js'
import { hashOf, makeConfig, makeProposal, makeUnl, RESULT, TIP } from './helpers.js'

const UNL = makeUnl(4)
const CONFIG = makeConfig(4)
const NEW = hashOf('a new validator')

function proposalsWith(...wishes: ConfigWish[][]) {
  return wishes.map((of, index) => ({ ...makeProposal(UNL[index] as string), wishes: of }))
}

describe('a change of the config', () => {
  const add: ConfigWish = { kind: 'add-validator', key: NEW }

  test('takes a quorum of the UNL, not of the candidate', () => {
    expect(changeConfig(CONFIG, proposalsWith([add], [add], []), 3)).toBeNull()
    expect(changeConfig(CONFIG, proposalsWith([add], [add], [], []), 3)).toBeNull()
    expect(changeConfig(CONFIG, proposalsWith([add], [add], [add]), 3)?.unl).toEqual([...UNL, NEW].sort())
  })

  test('is for one and the same thing', () => {
    const set = (value: number): ConfigWish => ({ kind: 'set', name: 'roundtimeMs', value })
    expect(changeConfig(CONFIG, proposalsWith([set(500)], [set(500)], [set(501)]), 3)).toBeNull()
    expect(changeConfig(CONFIG, proposalsWith([set(500)], [set(500)], [set(500)], [set(9)]), 3)?.roundtimeMs).toBe(500)
  })

  test('stands in the ledger with its content, and the header names it', () => {
    const ledger = closeLedger(TIP, proposalsWith([add], [add], [add]), CONFIG)
    expect(ledger.config?.unl).toContain(NEW)
    expect(ledger.header.result.configHash).toBe(configHashOf(ledger.config as typeof CONFIG))
    const same = closeLedger(TIP, proposalsWith([], [], []), CONFIG)
    expect(same.config).toBeNull()
    expect(same.header.result.configHash).toBe(TIP.configHash)
  })

  test('is not made by what results say of it', () => {
    const result = { ...RESULT, configHash: hashOf('another config') }
    const proposals = [0, 1, 2].map((index) => makeProposal(UNL[index] as string, { result }))
    expect(closeLedger(TIP, proposals, CONFIG).header.result.configHash).toBe(TIP.configHash)
  })

  test('never leaves a config that is not valid', () => {
    const removals = UNL.map((key): ConfigWish => ({ kind: 'remove-validator', key }))
    expect(applyWishes(CONFIG, removals).unl).toHaveLength(1)
    const low: ConfigWish = { kind: 'set', name: 'minRoundtimeMs', value: 900 }
    const high: ConfigWish = { kind: 'set', name: 'roundtimeMs', value: 800 }
    expect(applyWishes(CONFIG, [low, high])).toMatchObject({ roundtimeMs: 800, minRoundtimeMs: 0 })
    // Either is possible after the other only.
    const slow = { ...CONFIG, minRoundtimeMs: 900 }
    const both: ConfigWish[] = [
      { kind: 'set', name: 'roundtimeMs', value: 100 },
      { kind: 'set', name: 'minRoundtimeMs', value: 50 }
    ]
    expect(applyWishes(slow, both)).toMatchObject({ roundtimeMs: 100, minRoundtimeMs: 50 })
  })

  test('does not depend on the order of the wishes, and leaves nothing possible undone', () => {
    fc.assert(
      fc.property(arbitrary.wishes, fc.integer(), (wishes, seed) => {
        const shuffled = [...wishes].sort((a, b) =>
          hashOf(`${seed}${JSON.stringify(a)}`).localeCompare(hashOf(`${seed}${JSON.stringify(b)}`))
        )
        const config = applyWishes(CONFIG, wishes)
        expect(applyWishes(CONFIG, shuffled)).toEqual(config)
        const undone = wishes.filter((wish) => !isFulfilled(wish, config))
        expect(applyWishes(config, undone)).toEqual(config)
      })
    )
  })
})

describe('wishes in a proposal', () => {
  const payload: ProposalPayload = {
    networkId: hashOf('network'),
    seq: 7,
    lcl: hashOf('lcl'),
    timeMs: 1000,
    usersHash: hashOf('users'),
    inputsHash: hashOf('inputs'),
    result: RESULT,
    wishes: [],
    forwards: []
  }

  test('come back as they were', () => {
    fc.assert(
      fc.property(arbitrary.wishes, fc.uniqueArray(arbitrary.hash, { maxLength: 64 }), (wishes, forwards) => {
        const bytes = encodeProposalPayload({ ...payload, wishes, forwards })
        expect(decodeProposalPayload(bytes)).toEqual({ ...payload, wishes, forwards })
      })
    )
  })

  test('are refused when two are about the same, when there are too many, or one is out of its range', () => {
    const key = hashOf('somebody')
    const contrary: ConfigWish[] = [
      { kind: 'add-validator', key },
      { kind: 'remove-validator', key }
    ]
    expect(() => encodeProposalPayload({ ...payload, wishes: contrary })).toThrow('contrary')
    const many = Array.from(
      { length: 65 },
      (_, index): ConfigWish => ({ kind: 'add-validator', key: hashOf(`${index}`) })
    )
    expect(() => encodeProposalPayload({ ...payload, wishes: many })).toThrow('65 wishes')
    const low: ConfigWish = { kind: 'set', name: 'threshold', value: 66 }
    expect(() => encodeProposalPayload({ ...payload, wishes: [low] })).toThrow('threshold')
  })
})
