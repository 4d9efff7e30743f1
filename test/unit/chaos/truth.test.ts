import { describe, expect, it } from 'vitest'
import type { Ledger } from '../../../src/consensus/types.js'
import type { Heard, Sent } from '../../chaos/traffic.js'
import { checkAnswers, replay } from '../../chaos/truth.js'

const ALICE = 'aa'
const BOB = 'bb'
const END = { connection: 0, isConnected: true }

function sent(id: string, user: string, text: string): Sent {
  return { id, user, text, connection: 0, ordinal: 0, isRefused: false }
}

function ledger(seq: number, inputs: Sent[], status: 'ok' | 'void' = 'ok'): [number, Ledger] {
  const shown = {
    header: { seq, result: { status } },
    users: [BOB, ALICE],
    inputs: inputs.map(({ id, user, text }) => ({ id, user, content: Buffer.from(`${text}\n`) }))
  }
  // The judge looks at nothing else.
  return [seq, shown as unknown as Ledger]
}

const one = sent('1', ALICE, 'one')
const two = sent('2', BOB, 'two')
const three = sent('3', ALICE, 'three')
const known = new Map([one, two, three].map((input) => [input.id, input]))
const chain = (ledgers: [number, Ledger][]) => ({ name: 'node 0', ledgers: new Map(ledgers), tip: ledgers.length })
const heard = (node: number, ...lines: string[]): Heard => ({ node, user: ALICE, lines, notices: [] })

describe('what a chain must have come to', () => {
  it('is worked out user by user, without ledgers that are void', () => {
    const played = replay('book', chain([ledger(1, [one, two]), ledger(2, [three]), ledger(3, [], 'void')]), known)
    expect(played).toMatchObject({ book: '1 two\n2 one\n', inputs: 3, undone: 1 })
    expect([...played.answers]).toEqual([
      ['2', '1 two'],
      ['1', '2 one']
    ])
  })

  it('shows an input in two ledgers, one that nobody sent, and one that was refused', () => {
    const twice = chain([ledger(1, [one]), ledger(2, [one])])
    expect(() => replay('book', twice, known)).toThrow('an input of ledger 2 was in ledger 1 already')
    expect(() => replay('book', chain([ledger(1, [sent('4', ALICE, 'four')])]), known)).toThrow('sent by nobody')
    expect(() => replay('book', chain([ledger(1, [{ ...one, text: 'other' }])]), known)).toThrow('sent by nobody')
    const refused = new Map([['1', { ...one, isRefused: true }]])
    expect(() => replay('book', chain([ledger(1, [one])]), refused)).toThrow('had been refused')
    expect(() => replay('book', { ...chain([ledger(1, [one])]), tip: 2 }, known)).toThrow('ledger 2 is missing')
  })
})

describe('what a user was told', () => {
  const right = new Map([
    ['1', '1 one'],
    ['3', '2 three']
  ])
  const user = (...all: Heard[]) => ({ name: 'alice', sent: [one, three], heard: all })

  it('is counted when it is right, from each node', () => {
    expect(checkAnswers(user(heard(0, '1 one', '2 three'), heard(1, '1 one')), END, right)).toBe(3)
  })

  it('must not be wrong, made up or told twice', () => {
    expect(() => checkAnswers(user(heard(0, '2 one', '2 three')), END, right)).toThrow('no right answer')
    expect(() => checkAnswers(user(heard(0, '1 one', '2 three', '1 one')), END, right)).toThrow('twice')
  })

  it('must be everything, where the connection stood', () => {
    expect(() => checkAnswers(user(heard(0, '1 one')), END, right)).toThrow('never told the answer to "three"')
    expect(checkAnswers(user(heard(0, '1 one')), { connection: 1, isConnected: true }, right)).toBe(1)
    expect(checkAnswers(user(heard(0, '1 one')), { connection: 0, isConnected: false }, right)).toBe(1)
  })
})
