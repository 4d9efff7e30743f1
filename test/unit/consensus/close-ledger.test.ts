import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EMPTY_OUTPUTS_ROOT } from '../../../src/codec/ledger.js'
import { LIMITS } from '../../../src/codec/limits.js'
import { closeLedger, tipOf } from '../../../src/consensus/close-ledger.js'
import { quorumOf, safeFaults } from '../../../src/consensus/quorum.js'
import type { ConsensusConfig, Proposal } from '../../../src/consensus/types.js'
import { hashOf, makeConfig, makeProposal, makeUnl, RESULT, TIP } from './helpers.js'

const UNL = makeUnl(4)

function closing(ledgerInputBytes: number): ConsensusConfig {
  return { ...makeConfig(4), ledgerInputBytes }
}

const users = ['ann', 'bob', 'cid', 'dan', 'eve'].map(hashOf)

/** Each proposal has for each user a run of that user's inputs: nodes hear of them at different times. */
const proposals: fc.Arbitrary<Proposal[]> = fc
  .array(
    fc.record({
      timeMs: fc.integer({ min: 0, max: 10_000 }),
      ends: fc.array(fc.integer({ min: 0, max: 6 }), { minLength: users.length, maxLength: users.length })
    }),
    { minLength: 3, maxLength: 4 }
  )
  .map((parts) =>
    parts.map(({ timeMs, ends }, index) =>
      makeProposal(UNL[index]!, {
        timeMs,
        inputs: ends.flatMap((end, user) =>
          Array.from({ length: end }, (_, ordinal) => ({
            user: users[user]!,
            id: hashOf(`${user} ${ordinal}`),
            bytes: 1 + ((user + ordinal) % 9)
          }))
        )
      })
    )
  )

describe('closeLedger', () => {
  test('does not depend on the order of the proposals', () => {
    fc.assert(
      fc.property(
        proposals.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
        ([list, shuffled]) => {
          expect(closeLedger(TIP, shuffled, closing(100))).toEqual(closeLedger(TIP, list, closing(100)))
        }
      )
    )
  })

  test('has each input once, in the order of its user, within the byte limit, all users in one run each', () => {
    fc.assert(
      fc.property(proposals, fc.integer({ min: 1, max: 200 }), (list, maxBytes) => {
        const { inputs, users: listed } = closeLedger(TIP, list, closing(maxBytes))
        expect(new Set(inputs.map(({ id }) => id)).size).toBe(inputs.length)
        expect(inputs.reduce((sum, { content }) => sum + content.length, 0)).toBeLessThanOrEqual(maxBytes)
        for (const [index, user] of users.entries()) {
          const own = inputs.filter((input) => input.user === user).map(({ id }) => id)
          expect(own).toEqual(own.map((_, ordinal) => hashOf(`${index} ${ordinal}`)))
        }
        const runs = inputs.filter((input, index) => inputs[index - 1]?.user !== input.user)
        expect(runs.length).toBe(new Set(inputs.map(({ user }) => user)).size)
        const union = new Set(list.flatMap((proposal) => proposal.users.map(({ key }) => key)))
        expect(listed).toEqual([...union].sort())
      })
    )
  })

  test('takes everything when it fits', () => {
    fc.assert(
      fc.property(proposals, (list) => {
        const ids = new Set(list.flatMap((proposal) => proposal.inputs.map(({ id }) => id)))
        expect(new Set(closeLedger(TIP, list, closing(10_000)).inputs.map(({ id }) => id))).toEqual(ids)
      })
    )
  })

  test('the order of users is that of hash(lcl, user), another in each ledger', () => {
    const inputs = users.map((user) => ({ user, id: hashOf(`input of ${user}`) }))
    const list = UNL.map((validator) => makeProposal(validator, { inputs }))
    const orders = new Set<string>()
    for (let at = 0; at < 20; at++) {
      const tip = { ...TIP, hash: hashOf(`lcl ${at}`) }
      orders.add(
        closeLedger(tip, list, closing(1000))
          .inputs.map(({ user }) => user.slice(0, 4))
          .join()
      )
    }
    expect(orders.size).toBeGreaterThan(10)
  })

  test('no user starves: one large input gets in although others always have more than fits', {
    timeout: 60_000
  }, () => {
    const [big, ...small] = users
    let tip = TIP
    const taken = new Map<string, number>()
    for (let round = 0; round < 200; round++) {
      const inputs = [
        { user: big!, id: hashOf(`big ${taken.get(big!) ?? 0}`), bytes: 50 },
        ...small.flatMap((user) =>
          Array.from({ length: 20 }, (_, at) => ({
            user,
            id: hashOf(`${user} ${(taken.get(user) ?? 0) + at}`),
            bytes: 10
          }))
        )
      ]
      const list = UNL.map((validator) => makeProposal(validator, { inputs, tip, timeMs: tip.timeMs + 1 }))
      const ledger = closeLedger(tip, list, closing(60))
      for (const { user } of ledger.inputs) taken.set(user, (taken.get(user) ?? 0) + 1)
      tip = tipOf(ledger)
    }
    for (const user of users) expect(taken.get(user) ?? 0).toBeGreaterThan(10)
  })

  test.each([
    { times: [5000, 2000, 3000], prevMs: 1000, timeMs: 3000 },
    { times: [5000, 2000, 3000, 4000], prevMs: 1000, timeMs: 3000 },
    { times: [9e15, 2000, 2001, 2002], prevMs: 1000, timeMs: 2001 },
    { times: [0, 2000, 2001, 2002], prevMs: 1000, timeMs: 2000 },
    { times: [10, 20, 30], prevMs: 1000, timeMs: 1001 }
  ])('time of $times after $prevMs is $timeMs', ({ times, prevMs, timeMs }) => {
    const list = times.map((time, index) => makeProposal(UNL[index]!, { timeMs: time }))
    expect(closeLedger({ ...TIP, timeMs: prevMs }, list, closing(10)).header.timeMs).toBe(timeMs)
  })

  test('agrees on the result that enough of the proposals carry and counts them', () => {
    const other = { ...RESULT, stateRoot: hashOf('other') }
    const withResults = (...results: (typeof RESULT)[]) =>
      closeLedger(
        TIP,
        results.map((result, index) => makeProposal(UNL[index]!, { result })),
        closing(10)
      ).header
    expect(withResults(RESULT, other, RESULT)).toMatchObject({ result: RESULT, support: 2 })
    expect(withResults(RESULT, RESULT, RESULT, RESULT)).toMatchObject({ result: RESULT, support: 4 })
    const failed = { ...RESULT, status: 'failed' as const }
    expect(withResults(failed, failed, RESULT)).toMatchObject({ result: failed, support: 2 })
  })

  test('as many as may be Byzantine do not make a result, and all others do when no more than may be silent lie', () => {
    const lie = { ...RESULT, stateRoot: hashOf('lie') }
    for (let n = 1; n <= 24; n++) {
      for (const threshold of [67, 75, 80, 90, 100]) {
        const config = makeConfig(n, threshold)
        const q = quorumOf(n, threshold)
        for (let c = q; c <= n; c++) {
          for (let liars = 0; liars <= Math.min(c, safeFaults(n, q)); liars++) {
            const list = config.unl
              .slice(0, c)
              .map((validator, index) => makeProposal(validator, { result: index < liars ? lie : RESULT }))
            const { result, support } = closeLedger(TIP, list, config).header
            expect(result.stateRoot, `n=${n} q=${q} c=${c} liars=${liars}`).not.toBe(lie.stateRoot)
            if (liars <= n - q) expect({ result, support }).toEqual({ result: RESULT, support: c - liars })
          }
        }
      }
    }
  })

  test('five liars in a candidate of eight of ten make the execution void, not false', () => {
    const lie = { ...RESULT, stateRoot: hashOf('lie') }
    const config = makeConfig(10, 80)
    const list = config.unl
      .slice(0, 8)
      .map((validator, index) => makeProposal(validator, { result: index < 5 ? lie : RESULT }))
    expect(closeLedger(TIP, list, config).header).toMatchObject({ result: { status: 'void' }, support: 5 })
  })

  test('no majority makes the execution void: state and config stay, outputs go', () => {
    const results = ['a', 'a', 'b', 'b'].map((state) => ({ ...RESULT, stateRoot: hashOf(state) }))
    const list = results.map((result, index) => makeProposal(UNL[index]!, { result }))
    const { result, support } = closeLedger(TIP, list, closing(10)).header
    expect(result).toEqual({
      status: 'void',
      stateRoot: TIP.stateRoot,
      outputsRoot: EMPTY_OUTPUTS_ROOT,
      configHash: TIP.configHash
    })
    expect(support).toBe(2)
  })

  test('keeps to the limit of users: those with inputs first, then the others by key', { timeout: 60_000 }, () => {
    const keys = Array.from({ length: LIMITS.usersPerLedger + 50 }, (_, index) => hashOf(`user ${index}`)).sort()
    const active = keys.slice(-10)
    const inputs = active.map((user) => ({ user, id: hashOf(`of ${user}`) }))
    const half = keys.length / 2
    const list = [
      makeProposal(UNL[0]!, { users: keys.slice(0, half) }),
      makeProposal(UNL[1]!, { users: keys.slice(half) }),
      makeProposal(UNL[2]!, { inputs })
    ]
    const { users: listed, inputs: taken } = closeLedger(TIP, list, closing(1000))
    expect(listed).toEqual([...keys.slice(0, LIMITS.usersPerLedger - 10), ...active])
    expect(taken.length).toBe(10)
  })

  test('keeps to the limits of inputs and of users with inputs', { timeout: 60_000 }, () => {
    // Not hashed: there are many.
    const idOf = (index: number) => index.toString(16).padStart(64, '0')
    const keys = Array.from({ length: LIMITS.usersPerLedger + 60 }, (_, index) => idOf(index))
    const each = Math.ceil(LIMITS.inputsPerLedger / LIMITS.usersPerLedger) + 2
    const inputsOf = (user: string) =>
      Array.from({ length: each }, (_, at) => ({ user, id: idOf(Number.parseInt(user, 16) * each + at), bytes: 0 }))
    const list = [0, 1, 2].map((at) =>
      makeProposal(UNL[at]!, { inputs: keys.filter((_, index) => index % 3 === at).flatMap(inputsOf) })
    )
    const { inputs, users: listed } = closeLedger(TIP, list, closing(1000))
    expect(inputs.length).toBe(LIMITS.inputsPerLedger)
    expect(listed.length).toBe(LIMITS.usersPerLedger)
    expect(new Set(inputs.map(({ user }) => user)).size).toBe(LIMITS.usersPerLedger)
  })
})
