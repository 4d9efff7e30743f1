import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Journal, JournalError } from '../../src/node/journal.js'
import { DriverNet } from './driver-net.js'
import { Random } from './random.js'
import { SimDisk } from './sim-disk.js'

const POWER_CUTS = 60
const LEDGERS_AFTER = 4
const HEAL_MS = 40_000

describe('real drivers, journals and pools', () => {
  test('keep their word over power cuts, and go on', { timeout: 90_000 }, async () => {
    const random = new Random(1)
    const net = new DriverNet(random, 0.1)
    try {
      await Promise.all(net.nodes.map((node) => node.start()))
      for (let cut = 0; cut < POWER_CUTS; cut++) {
        await delay(random.between(0, 80))
        const fallen = random.chance(0.3) ? net.nodes : [random.pick(net.nodes)]
        for (const node of fallen) node.cutPower()
        await Promise.all(fallen.map((node) => node.start()))
        net.check()
      }
      net.lossRate = 0
      const goal = net.ledgers + LEDGERS_AFTER
      const untilMs = Date.now() + HEAL_MS
      while (net.nodes.some(({ tip }) => tip.seq < goal) && Date.now() < untilMs) await delay(5)
      net.check()
      expect(net.nodes.map(({ tip }) => tip.seq >= goal)).toEqual([true, true, true, true])
      expect(net.locksRestored).toBeGreaterThan(0)
    } finally {
      await net.stop()
    }
  })
})

describe('a journal on a disk that forgets', () => {
  const networkId = 'aa'.repeat(32)
  const key = 'bb'.repeat(32)
  const textOf = (record: { content?: Uint8Array }) => Buffer.from(record.content ?? []).toString()
  const toBytes = (text: string) => Buffer.from(text) as Uint8Array<ArrayBuffer>

  test('gives back what was flushed, and of what was not the beginning at most', { timeout: 60_000 }, async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = new Random(seed)
      const disk = new SimDisk(random)
      let flushed: string[] = []
      let written: string[] = []
      for (let life = 0; life < 4; life++) {
        const { journal, records } = await Journal.open(disk.open(), networkId, key)
        const found = records.map(textOf)
        expect(found.slice(0, flushed.length), `seed ${seed}`).toEqual(flushed)
        expect(written.slice(0, found.length), `seed ${seed}`).toEqual(found)
        written = [...found]
        flushed = [...found]
        for (let record = random.between(0, 6); record > 0; record--) {
          const text = `${life} ${record} ${'x'.repeat(random.between(0, 50))}`
          journal.add({ content: toBytes(text) })
          written.push(text)
          if (!random.chance(0.6)) continue
          await journal.flush()
          flushed = [...written]
        }
        const last = journal.flush().catch(() => {})
        await delay(random.between(0, 3))
        disk.cutPower()
        await last
      }
    }
  })

  test('notices a flipped bit, or has lost its last record, or knows that it is new', { timeout: 60_000 }, async () => {
    const disk = new SimDisk(new Random(1))
    const { journal } = await Journal.open(disk.open(), networkId, key)
    for (const text of ['one', 'two', 'three', 'four']) {
      journal.add({ content: toBytes(text) })
      await journal.flush()
    }
    const whole = disk.durable
    const outcomes = new Set<string>()
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const bytes = Buffer.from(whole)
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
      const file = { read: async () => bytes, append: noop, sync: noop, truncate: noop, close: noop }
      const outcome = await Journal.open(file, networkId, key).then(
        ({ records, isNew }) => (isNew ? 'new' : records.map(textOf).join()),
        (error: unknown) => (error instanceof JournalError ? 'refused' : String(error))
      )
      outcomes.add(outcome)
    }
    expect([...outcomes].sort()).toEqual(['new', 'one,two,three', 'refused'])
  })
})

async function noop(): Promise<void> {}
