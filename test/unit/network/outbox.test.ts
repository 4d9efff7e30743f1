import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Outbox } from '../../../src/network/outbox.js'

const KIB = 1024

describe('messages that are handed on', () => {
  it('go out once a turn, those of a peer together and in their order', async () => {
    const sent: unknown[] = []
    const outbox = new Outbox<number>((peer, messages, bytes) => void sent.push([peer, messages, bytes]))
    for (const [index, peer] of ['a', 'b', 'a', 'a'].entries()) outbox.add(peer, index, 100)
    expect(sent).toEqual([])
    await turn()
    expect(sent).toEqual([
      ['a', [0, 2, 3], 300],
      ['b', [1], 100]
    ])
    outbox.add('b', 4, 1)
    await turn()
    expect(sent.slice(2)).toEqual([['b', [4], 1]])
    await turn()
    expect(sent).toHaveLength(3)
  })

  it('go out at once when a packet is full, by number or by bytes, and none is lost', async () => {
    const packets: { messages: number[]; bytes: number }[] = []
    const outbox = new Outbox<number>((_peer, messages, bytes) => void packets.push({ messages, bytes }))
    const sizes = [...Array.from({ length: 150 }, () => 10), 200 * KIB, 100 * KIB, 1024 * KIB, 10]
    for (const [index, size] of sizes.entries()) outbox.add('a', index, size)
    // All but the last packet.
    expect(packets).toHaveLength(5)
    await turn()
    expect(packets.flatMap(({ messages }) => messages)).toEqual(sizes.map((_, index) => index))
    for (const { messages, bytes } of packets) {
      expect(messages.length).toBeLessThanOrEqual(64)
      expect(bytes).toBe(messages.reduce((sum, index) => sum + (sizes[index] as number), 0))
      expect(messages.length === 1 || bytes <= 256 * KIB).toBe(true)
    }
  })
})
