import { describe, expect, test } from 'vitest'
import { closeLedger, tipOf } from '../../../src/consensus/close-ledger.js'
import type { ConsensusEffect, Lock } from '../../../src/consensus/events.js'
import type { Candidate, Ledger, VoteSet } from '../../../src/consensus/types.js'
import { hashOf, makeConfig, makeProposal, makeUnl, RESULT, TIP, typesOf, Validator } from './helpers.js'

function voteSetOf(validator: Validator, indices: number[], ledger: Ledger, attempt: number): VoteSet {
  const signatures = indices.map((index) => ({ validator: validator.unl[index]!, signature: new Uint8Array(64) }))
  return { seq: 7, attempt, hash: ledger.hash, signatures }
}

function candidateOf(
  validator: Validator,
  attempt: number,
  ledger: Ledger,
  prevotes: VoteSet | null = null
): Candidate {
  const coordinator = validator.unl[(7 + attempt) % validator.unl.length]!
  const { proposals } = ledger.header
  return { validator: coordinator, seq: 7, attempt, hash: ledger.hash, proposals, prevotes }
}

function closed(effects: ConsensusEffect[]): Extract<ConsensusEffect, { type: 'close' }> | undefined {
  return effects.find((effect) => effect.type === 'close')
}

/** Locks validator 0 on the ledger of proposals 0, 1, 2 in attempt 0 and brings it to attempt 1, unclosed. */
function lockAndMoveOn(): { validator: Validator; locked: Ledger; other: Ledger } {
  const validator = new Validator()
  validator.propose(0, 1, 2)
  validator.timer('propose')
  const locked = validator.ledgerOf(0, 1, 2)
  validator.vote([0, 1, 2], 'prevote', locked)
  expect(validator.votes()).toEqual([`0 prevote ${locked.hash}`, `0 precommit ${locked.hash}`])
  validator.propose(3)
  validator.vote([0], 'precommit', locked)
  validator.vote([1, 3], 'precommit', null)
  validator.timer('precommit')
  expect(validator.core.attempt).toBe(1)
  return { validator, locked, other: validator.ledgerOf(0, 1, 2, 3) }
}

describe('the common case', () => {
  test('four healthy validators close a ledger in three message delays, without a timer', () => {
    const unl = makeUnl(4)
    const validators = unl.map((self) => new Validator(4, { self }))
    let effects: ConsensusEffect[] = []
    for (const validator of validators)
      effects = validator.apply({ type: 'executed', seq: 6, result: RESULT }, { type: 'inputs-waiting' })
    expect(typesOf(effects)).toContain('propose')
    for (const validator of validators) validator.propose(0, 1, 2, 3)
    const ledger = validators[0]!.ledgerOf(0, 1, 2, 3)
    for (const validator of validators) {
      expect(validator.votes()).toEqual([`0 prevote ${ledger.hash}`])
      validator.vote([0, 1, 2, 3], 'prevote', ledger)
      expect(validator.votes()).toEqual([`0 prevote ${ledger.hash}`, `0 precommit ${ledger.hash}`])
      const close = closed(validator.vote([3, 1, 2], 'precommit', ledger))
      expect(close?.ledger).toEqual(ledger)
      expect(close?.certificate.signatures.map((signature) => signature.validator)).toEqual(unl.slice(1))
      expect(validator.core.tip).toEqual(tipOf(ledger))
    }
  })

  test('a silent validator is waited for once, until it is heard again', () => {
    const validator = new Validator()
    validator.propose(0, 1, 2)
    expect(validator.votes()).toEqual([])
    validator.timer('propose')
    const ledger = validator.ledgerOf(0, 1, 2)
    validator.vote([0, 1, 2], 'prevote', ledger)
    validator.vote([0, 1, 2], 'precommit', ledger)
    const tip = tipOf(ledger)
    const next = validator.unl.map((key) => makeProposal(key, { tip }))
    const effects = validator.apply(...next.slice(0, 3).map((proposal) => ({ type: 'proposal' as const, proposal })))
    expect(typesOf(effects)).toContain('vote')
  })

  test('an idle network waits for its round time, a proposal of anyone ends the wait', () => {
    const validator = new Validator()
    expect(typesOf(validator.apply({ type: 'executed', seq: 6, result: RESULT }))).not.toContain('propose')
    expect(typesOf(validator.propose(2))).toContain('propose')
    const other = new Validator()
    other.apply({ type: 'executed', seq: 6, result: RESULT })
    expect(typesOf(other.timer('idle-pace'))).toContain('propose')
  })

  test('votes do not wait for the own execution', () => {
    const validator = new Validator()
    validator.propose(1, 2, 3)
    const ledger = validator.ledgerOf(1, 2, 3)
    validator.timer('propose')
    validator.vote([0, 1, 2], 'prevote', ledger)
    expect(closed(validator.vote([0, 1, 2], 'precommit', ledger))).toBeDefined()
  })
})

describe('traps', () => {
  test('a vote, proposal or candidate of anyone outside the UNL counts for nothing', () => {
    const validator = new Validator()
    const stranger = hashOf('stranger')
    validator.apply({ type: 'proposal', proposal: makeProposal(stranger) })
    validator.propose(0, 1, 2, 3)
    const ledger = validator.ledgerOf(0, 1, 2, 3)
    validator.vote([0, 1], 'prevote', ledger)
    validator.apply({ type: 'vote', vote: { ...validator.makeVote(2, 'prevote', ledger), validator: stranger } })
    expect(validator.votes()).toEqual([`0 prevote ${ledger.hash}`])
    validator.vote([1, 2], 'precommit', ledger)
    const effects = validator.apply({
      type: 'vote',
      vote: { ...validator.makeVote(2, 'precommit', ledger), validator: stranger }
    })
    expect(closed(effects)).toBeUndefined()
  })

  test('one validator is counted once, whatever it says the second time', () => {
    const validator = new Validator()
    validator.propose(0, 1, 2, 3)
    const ledger = validator.ledgerOf(0, 1, 2, 3)
    validator.vote([0, 1, 1, 1], 'prevote', ledger)
    expect(validator.votes()).toEqual([`0 prevote ${ledger.hash}`])
    expect(closed(validator.vote([1, 2, 2, 1], 'precommit', ledger))).toBeUndefined()
    validator.vote([3], 'precommit', null)
    expect(closed(validator.vote([3], 'precommit', ledger))).toBeUndefined()
  })

  test('no precommit without the content: it is fetched first', () => {
    const validator = new Validator()
    validator.propose(0, 1)
    const ledger = validator.ledgerOf(0, 1, 2)
    const effects = validator.vote([1, 2, 3], 'prevote', ledger)
    expect(validator.votes()).toEqual([])
    const fetch = effects.find((effect) => effect.type === 'fetch')
    expect(fetch).toMatchObject({ seq: 7, proposals: [validator.proposals[2]!.hash] })
    validator.propose(2)
    validator.vote([0], 'prevote', ledger)
    expect(validator.votes()).toEqual([`0 prevote ${ledger.hash}`, `0 precommit ${ledger.hash}`])
  })

  test('a hash whose named proposals give another ledger is never voted for', () => {
    const validator = new Validator()
    validator.propose(0, 1, 2)
    const lie = { ...validator.ledgerOf(0, 1, 2), hash: hashOf('lie') }
    validator.timer('propose')
    validator.vote([1, 2, 3], 'prevote', lie)
    validator.timer('prevote')
    expect(validator.votes()).not.toContain(`0 precommit ${lie.hash}`)
    expect(closed(validator.vote([1, 2, 3], 'precommit', lie))).toBeUndefined()
  })

  test('a lock holds against another candidate and gives way to later prevotes of a quorum only', () => {
    const refused = lockAndMoveOn()
    refused.validator.apply({ type: 'candidate', candidate: candidateOf(refused.validator, 1, refused.other) })
    expect(refused.validator.votes().at(-1)).toBe('1 prevote null')

    const same = lockAndMoveOn()
    same.validator.apply({ type: 'candidate', candidate: candidateOf(same.validator, 1, same.locked) })
    expect(same.validator.votes().at(-1)).toBe(`1 prevote ${same.locked.hash}`)

    const unlocked = lockAndMoveOn()
    const prevotes = voteSetOf(unlocked.validator, [1, 2, 3], unlocked.other, 0)
    unlocked.validator.apply({
      type: 'candidate',
      candidate: candidateOf(unlocked.validator, 1, unlocked.other, prevotes)
    })
    expect(unlocked.validator.votes().at(-1)).toBe(`1 prevote ${unlocked.other.hash}`)
  })

  test.each([
    { name: 'too few', indices: [2, 3], attempt: 0 },
    { name: 'one validator thrice', indices: [3, 3, 3], attempt: 0 },
    { name: 'one validator twice beside others', indices: [1, 2, 3, 3], attempt: 0 },
    { name: 'of the same attempt', indices: [1, 2, 3], attempt: 1 }
  ])('prevotes of a candidate that prove nothing ($name) do not unlock', ({ indices, attempt }) => {
    const { validator, other } = lockAndMoveOn()
    const prevotes = voteSetOf(validator, indices, other, attempt)
    validator.apply({ type: 'candidate', candidate: candidateOf(validator, 1, other, prevotes) })
    expect(validator.votes()).not.toContain(`1 prevote ${other.hash}`)
    const foreign = { ...voteSetOf(validator, [1, 2, 3], other, 0), hash: hashOf('foreign') }
    validator.apply({ type: 'candidate', candidate: candidateOf(validator, 1, other, foreign) })
    const stranger = { validator: hashOf('stranger'), signature: new Uint8Array(64) }
    const strange = voteSetOf(validator, [2, 3], other, 0)
    strange.signatures.push(stranger)
    validator.apply({ type: 'candidate', candidate: candidateOf(validator, 1, other, strange) })
    expect(validator.votes()).not.toContain(`1 prevote ${other.hash}`)
  })

  test('only the coordinator of the attempt puts candidates to the vote', () => {
    const validator = new Validator()
    validator.propose(0, 1, 2, 3)
    validator.vote([0, 1, 2], 'precommit', null)
    expect(validator.core.attempt).toBe(1)
    const candidate = candidateOf(validator, 1, validator.ledgerOf(1, 2, 3))
    validator.apply({ type: 'candidate', candidate: { ...candidate, validator: validator.unl[3]! } })
    expect(validator.votes().some((vote) => vote.startsWith('1 prevote'))).toBe(false)
  })

  test('precommits of different attempts do not add up', () => {
    const { validator, locked } = lockAndMoveOn()
    validator.vote([2], 'precommit', locked, 0)
    expect(closed(validator.vote([3, 1], 'precommit', locked, 1))).toBeUndefined()
    expect(closed(validator.vote([2], 'precommit', locked, 1))?.certificate.attempt).toBe(1)
  })

  test('precommits of an earlier attempt still close', () => {
    const { validator, locked } = lockAndMoveOn()
    validator.vote([1], 'precommit', locked, 2)
    const late = new Validator()
    late.propose(0, 1, 2, 3)
    late.vote([0, 1, 2, 3], 'prevote', locked)
    late.vote([1, 2], 'precommit', locked)
    late.vote([1, 2], 'prevote', null, 1)
    expect(late.core.attempt).toBe(1)
    expect(closed(late.vote([3], 'precommit', locked))?.certificate.attempt).toBe(0)
  })

  test('two proposals of one validator: both are left out, and the pair is evidence', () => {
    const validator = new Validator()
    validator.propose(0, 1, 2)
    const second = makeProposal(validator.unl[3]!, { salt: 'second' })
    validator.propose(3)
    const effects = validator.apply({ type: 'proposal', proposal: second })
    expect(effects.filter(({ type }) => type === 'evidence')).toEqual([
      { type: 'evidence', first: validator.proposals[3], second }
    ])
    const early = new Validator(7)
    early.propose(6)
    early.apply({ type: 'proposal', proposal: makeProposal(early.unl[6]!, { salt: 'second' }) })
    early.propose(0, 1, 2, 3, 4, 5)
    expect(early.votes()).toEqual([`0 prevote ${early.ledgerOf(0, 1, 2, 3, 4, 5).hash}`])
  })

  test('a contradicting proposal is taken after all when a candidate names it', () => {
    const validator = new Validator()
    const second = makeProposal(validator.unl[3]!, { salt: 'second' })
    validator.propose(0, 1, 3)
    validator.apply({ type: 'proposal', proposal: second })
    validator.vote([1, 2, 3], 'precommit', null)
    const list = [validator.proposals[0]!, validator.proposals[1]!, second]
    const ledger = closeLedger(TIP, list, validator.config)
    const effects = validator.apply({ type: 'candidate', candidate: candidateOf(validator, 1, ledger) })
    expect(effects.find(({ type }) => type === 'fetch')).toMatchObject({ proposals: [second.hash] })
    validator.apply({ type: 'proposal', proposal: second })
    expect(validator.votes().at(-1)).toBe(`1 prevote ${ledger.hash}`)
  })

  test('attempts that are out of reach are ignored, and do not drag anyone along', () => {
    const validator = new Validator()
    validator.vote([1, 2], 'prevote', null, 2 ** 32 - 1)
    expect(validator.core.attempt).toBe(0)
    validator.vote([1], 'prevote', null, 500)
    expect(validator.core.attempt).toBe(0)
    validator.vote([2], 'prevote', null, 400)
    expect(validator.core.attempt).toBe(400)
  })

  test('messages of later ledgers say that one is behind; those of the next are kept', () => {
    const validator = new Validator()
    validator.propose(0, 1, 2, 3)
    const ledger = validator.ledgerOf(0, 1, 2, 3)
    const next = makeProposal(validator.unl[1]!, { tip: tipOf(ledger) })
    const effects = validator.apply({ type: 'proposal', proposal: next })
    expect(effects).toEqual([{ type: 'behind', seq: 8, from: validator.unl[1] }])
    validator.apply({ type: 'executed', seq: 6, result: RESULT })
    validator.apply({ type: 'certified', ledger, certificate: voteSetOf(validator, [0, 1, 2], ledger, 0) })
    expect(typesOf(validator.apply({ type: 'executed', seq: 7, result: RESULT }))).toContain('propose')
  })

  test('an observer follows and closes without a word', () => {
    const observer = new Validator(4, { self: hashOf('observer'), config: makeConfig(4) })
    observer.propose(0, 1, 2, 3)
    const ledger = observer.ledgerOf(0, 1, 2, 3)
    observer.apply({ type: 'executed', seq: 6, result: RESULT })
    observer.vote([0, 1, 2], 'prevote', ledger)
    expect(closed(observer.vote([0, 1, 2], 'precommit', ledger))).toBeDefined()
    expect(typesOf(observer.effects)).not.toContain('vote')
    expect(typesOf(observer.effects)).not.toContain('propose')
  })
})

describe('after a restart', () => {
  const plain = new Validator()
  const proposals = [0, 1, 2].map((index) => plain.proposals[index]!)
  const ledger = plain.ledgerOf(0, 1, 2)
  const lock: Lock = { attempt: 0, ledger, proposals, prevotes: voteSetOf(plain, [0, 1, 2], ledger, 0) }
  const votes = [
    { attempt: 0, kind: 'prevote' as const, hash: ledger.hash },
    { attempt: 0, kind: 'precommit' as const, hash: ledger.hash }
  ]

  test('nothing that the journal has is said in another way', () => {
    const validator = new Validator(4, {
      journaled: { seq: 7, proposal: proposals[0]!, votes: votes.slice(0, 1), lock: null }
    })
    validator.apply({ type: 'executed', seq: 6, result: RESULT }, { type: 'inputs-waiting' })
    validator.propose(0, 1, 2, 3)
    expect(typesOf(validator.effects)).not.toContain('propose')
    expect(validator.votes()).toEqual([])
  })

  test('the lock holds', () => {
    const validator = new Validator(4, { journaled: { seq: 7, proposal: null, votes, lock } })
    validator.propose(0, 1, 2, 3)
    validator.vote([1, 2, 3], 'precommit', null)
    expect(validator.core.attempt).toBe(1)
    validator.apply({ type: 'candidate', candidate: candidateOf(validator, 1, validator.ledgerOf(0, 1, 2, 3)) })
    expect(validator.votes()).toEqual(['1 prevote null'])
  })

  test('a later lock on the same ledger has the attempt of its own prevotes', () => {
    const validator = new Validator(4, { journaled: { seq: 7, proposal: null, votes, lock } })
    validator.vote([1, 2, 3], 'precommit', null)
    validator.apply({ type: 'candidate', candidate: candidateOf(validator, 1, ledger) })
    const effects = validator.vote([0, 1, 2], 'prevote', ledger, 1)
    expect(effects.find((effect) => effect.type === 'vote')).toMatchObject({
      kind: 'precommit',
      lock: { attempt: 1, prevotes: { attempt: 1 } }
    })
  })

  test('what was sent is sent again at once, and again', () => {
    const validator = new Validator(4, { journaled: { seq: 7, proposal: null, votes, lock } })
    expect(validator.effects).toContainEqual({ type: 'resend', seq: 7, attempt: 0 })
    expect(typesOf(validator.timer('resend'))).toEqual(['resend', 'timer'])
  })

  test('a journal that is ahead of the ledgers silences until they are there, then binds', () => {
    const validator = new Validator(4, { journaled: { seq: 8, proposal: null, votes, lock: null } })
    validator.apply({ type: 'executed', seq: 6, result: RESULT }, { type: 'inputs-waiting' })
    validator.propose(0, 1, 2, 3)
    validator.timer('propose')
    expect(validator.votes()).toEqual([])
    expect(typesOf(validator.effects)).not.toContain('propose')
    const full = validator.ledgerOf(0, 1, 2, 3)
    const effects = validator.apply({
      type: 'certified',
      ledger: full,
      certificate: voteSetOf(validator, [0, 1, 2], full, 0)
    })
    expect(typesOf(effects)).toContain('resend')
    expect(validator.core.seq).toBe(8)
  })
})

describe('liveness', () => {
  test('a validator that has gone on to the next attempt does not hold up the others', () => {
    const validator = new Validator()
    validator.propose(0, 1, 2)
    validator.timer('propose')
    const ledger = validator.ledgerOf(0, 1, 2)
    validator.vote([0, 1], 'prevote', ledger)
    expect(typesOf(validator.vote([2], 'prevote', null, 1))).toContain('timer')
    validator.timer('prevote')
    expect(validator.votes().at(-1)).toBe('0 precommit null')
    validator.vote([0, 1], 'precommit', null)
    validator.timer('precommit')
    expect(validator.core.attempt).toBe(1)
  })

  test('lost fetches are asked for again, also by who has said nothing yet', () => {
    const validator = new Validator()
    const ledger = validator.ledgerOf(1, 2, 3)
    const asked = typesOf(validator.vote([1, 2, 3], 'prevote', ledger))
    expect(asked).toContain('fetch')
    expect(asked).toContain('timer')
    expect(typesOf(validator.timer('resend'))).toContain('fetch')
  })
})
