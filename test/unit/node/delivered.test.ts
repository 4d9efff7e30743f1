import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DeliveredMark } from '../../../src/node/delivered.js'

const NETWORK = '01'.repeat(32)

describe('the mark of what was delivered', () => {
  let dir: string
  const open = (networkId = NETWORK) => DeliveredMark.open(join(dir, 'delivered'), networkId)
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'hp-delivered-'))
  })
  afterEach(() => rm(dir, { recursive: true, force: true }))

  test('takes each ledger once, in rising order, over restarts', async () => {
    const mark = await open()
    expect([1, 2, 2, 1, 5].map((seq) => mark.take(seq))).toEqual([true, true, false, false, true])
    await mark.close()
    const again = await open()
    expect(again.seq).toBe(5)
    expect([4, 5, 6].map((seq) => again.take(seq))).toEqual([false, false, true])
    await again.close()
  })

  test('counts for its network alone, and nothing when it is torn', async () => {
    const mark = await open()
    mark.take(9)
    await mark.close()
    const other = await open('02'.repeat(32))
    expect(other.seq).toBe(0)
    await other.close()
    await writeFile(join(dir, 'delivered'), '00000000000000')
    const torn = await open()
    expect(torn.seq).toBe(0)
    expect(torn.take(1)).toBe(true)
    await torn.close()
  })
})
