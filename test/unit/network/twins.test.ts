import { describe, expect, it } from 'vitest'
import { Twins } from '../../../src/network/twins.js'
import { createKeyPairs, startNode, until } from './helpers.js'

const KEY = '11'.repeat(32)

describe('a key', () => {
  it('that is started again and again is used once', () => {
    const twins = new Twins(10)
    for (const instance of ['a', 'a', 'b', 'b', 'c', 'd', 'e', 'f']) expect(twins.meet(KEY, instance)).toBe(false)
    expect(twins.list()).toEqual([])
  })

  it('is used twice when its starts come in turns', () => {
    const twins = new Twins(10)
    expect(['a', 'b', 'a', 'a'].map((instance) => twins.meet(KEY, instance))).toEqual([false, false, false, false])
    expect(twins.isTwin(KEY)).toBe(false)
    expect(twins.meet(KEY, 'b')).toBe(true)
    expect(twins.list()).toEqual([KEY])
    expect(twins.meet(KEY, 'a')).toBe(false)
    expect(twins.meet('22'.repeat(32), 'a')).toBe(false)
  })

  it('is forgotten when one of the two has stopped, and when many others come', () => {
    let nowMs = 0
    const twins = new Twins(2, () => nowMs)
    for (const instance of ['a', 'b', 'a', 'b']) twins.meet(KEY, instance)
    nowMs = 500_000
    expect(twins.isTwin(KEY)).toBe(true)
    twins.refuse(KEY)
    nowMs = 1_000_000
    expect(twins.isTwin(KEY)).toBe(true)
    nowMs = 1_200_000
    expect(twins.isTwin(KEY)).toBe(false)
    expect(twins.meet(KEY, 'b')).toBe(false)
    expect(twins.meet(KEY, 'a')).toBe(false)
    expect(twins.meet(KEY, 'b')).toBe(true)
    for (const key of ['22', '33']) twins.meet(key.repeat(32), 'a')
    expect(twins.list()).toEqual([])
  })
})

describe('two nodes with one key', { timeout: 60_000 }, () => {
  it('are noticed by a third; one of them stays, and the other one is told', async () => {
    const [own, copied] = createKeyPairs(2)
    if (own === undefined || copied === undefined) throw new Error('unreachable')
    const third = await startNode(own)
    const twins = [
      await startNode(copied, { peers: [third.address] }),
      await startNode(copied, { peers: [third.address] })
    ]
    await until('the third to notice', () => third.network.twins().includes(copied.publicKey), 30_000)
    await until('the word to one of them', () =>
      twins.some(
        ({ network }) => network.peer(own.publicKey).lastError?.includes('another node with your key') === true
      )
    )
    expect(third.network.connected()).toEqual([copied.publicKey])
  })
})
