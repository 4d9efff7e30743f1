import { describe, expect, test } from 'vitest'
import { UserRates } from '../../../src/users/user-rates.js'

describe('inputs of a user a minute', () => {
  test('are counted over all connections, each user apart, and come back with time', () => {
    let nowMs = 0
    const rates = new UserRates(60, () => nowMs)
    const admitted = (user: string, count: number) =>
      Array.from({ length: count }, () => rates.admit(user)).filter(Boolean).length
    expect(admitted('ann', 100)).toBe(60)
    expect(admitted('bob', 10)).toBe(10)
    nowMs += 5000
    expect(admitted('ann', 100)).toBe(5)
    nowMs += 60_000
    expect(admitted('ann', 100)).toBe(60)
  })

  test('are remembered for a bounded number of users', () => {
    const rates = new UserRates(1, () => 0)
    for (let user = 0; user < 70_000; user++) rates.admit(`user ${user}`)
    expect(rates.admit('user 69999')).toBe(false)
    expect(rates.admit('user 0')).toBe(true)
  })
})
