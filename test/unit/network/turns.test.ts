import { describe, expect, it } from 'vitest'
import { Turns } from '../../../src/network/turns.js'

const signal = new AbortController().signal

describe('turns', () => {
  it('are handed on in the order of arrival, no more at once than allowed', async () => {
    const turns = new Turns(1)
    const order: number[] = []
    const end = await turns.take(signal)
    const waiting = [1, 2].map(async (name) => {
      const endOwn = await turns.take(signal)
      order.push(name)
      endOwn()
      endOwn()
    })
    expect(order).toEqual([])
    end()
    await Promise.all(waiting)
    expect(order).toEqual([1, 2])
    expect(turns.isIdle).toBe(true)
  })

  it('are left by who gives up, without being lost', async () => {
    const turns = new Turns(1)
    const end = await turns.take(signal)
    const controller = new AbortController()
    const given = turns.take(controller.signal)
    controller.abort(new Error('gave up'))
    await expect(given).rejects.toThrow('gave up')
    end()
    expect(turns.isIdle).toBe(true)
    ;(await turns.take(signal))()
  })
})
