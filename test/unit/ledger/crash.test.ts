import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LedgerStore, LedgerStoreError, verifyChain } from '../../../src/ledger/index.js'
import { certify, GENESIS, log, makeChain, makeDir, nextOf } from './chain.js'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let dir: Awaited<ReturnType<typeof makeDir>>

beforeEach(async () => {
  dir = await makeDir()
})

afterEach(() => dir.remove())

/** Starts the appending child, kills it with -9 after `count` appends, and gives the last seq that it reported. */
async function appendAndKill(count: number): Promise<number> {
  const script = fileURLToPath(new URL('./append-forever.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', script, dir.path], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    if (output.split('\n').length > count) child.kill('SIGKILL')
  })
  const [, signal] = await once(child, 'close')
  expect({ signal, errors }).toEqual({ signal: 'SIGKILL', errors: '' })
  return Number(output.trimEnd().split('\n').at(-1))
}

describe('a store killed with -9 while it appends', () => {
  it('has every ledger that was reported and a whole chain, ten times in a row', { timeout: 180_000 }, async () => {
    for (let run = 0; run < 10; run++) {
      const reported = await appendAndKill(5 + run * 4)
      const store = await LedgerStore.open(dir.path, { log })
      try {
        expect(store.repaired()).toBe(null)
        expect(store.tip().seq).toBeGreaterThanOrEqual(reported)
        const report = await verifyChain(store)
        expect(report).toMatchObject({ ok: true, problem: null, checked: store.tip().seq - store.first() + 1 })
      } finally {
        await store.close()
      }
    }
  })
})

async function fill(length: number): Promise<void> {
  const store = await LedgerStore.open(dir.path, { log })
  await store.putGenesis(GENESIS)
  for (const { ledger, certificate, outputs } of makeChain(length)) {
    await store.append(ledger, certificate, { sync: false })
    await store.putOutputs(ledger.header.seq, outputs)
  }
  await store.close()
}

/**
 * What a damaged store may do: refuse to open in words, or open with a chain up to its tip to which ledgers can be
 * appended, whose reads are right or say that they are damaged.
 */
async function expectClearAnswer(length: number): Promise<'refused' | 'shorter' | 'damaged' | 'whole'> {
  let store: LedgerStore
  try {
    store = await LedgerStore.open(dir.path, { log })
  } catch (error) {
    expect(error).toBeInstanceOf(LedgerStoreError)
    expect(error).toMatchObject({ code: 'damaged', message: expect.stringContaining('Move the directory away') })
    return 'refused'
  }
  try {
    if (store.getGenesis() === null) return 'shorter'
    const report = await verifyChain(store)
    if (!report.ok) return 'damaged'
    const { seq } = store.tip()
    expect(report.checked).toBe(seq)
    const next = await nextOf(store)
    await store.append(next, certify(next))
    expect((await verifyChain(store)).ok).toBe(true)
    return seq < length ? 'shorter' : 'whole'
  } finally {
    await store.close()
  }
}

const isDataFile = (name: string) => /\.(log|ldb)$/.test(name)

describe('a store with damaged files', () => {
  it('opens up to where the log is cut, and goes on from there', async () => {
    await fill(40)
    const [name] = (await readdir(dir.path)).filter(isDataFile)
    const file = join(dir.path, name as string)
    const { length } = await readFile(file)
    await truncate(file, Math.floor(length / 2))
    expect(await expectClearAnswer(40)).toBe('shorter')
  })

  it('answers clearly wherever bytes are flipped', { timeout: 180_000 }, async () => {
    await fill(40)
    // The second opening has moved the log into a table: both kinds of file are there to damage.
    await (await LedgerStore.open(dir.path, { log })).close()
    const names = (await readdir(dir.path)).filter((name) => isDataFile(name) || name.startsWith('MANIFEST'))
    const saved = new Map<string, Buffer>()
    for (const name of await readdir(dir.path)) saved.set(name, await readFile(join(dir.path, name)))
    const restore = async () => {
      for (const name of await readdir(dir.path)) if (!saved.has(name)) await unlink(join(dir.path, name))
      for (const [name, bytes] of saved) await writeFile(join(dir.path, name), bytes)
    }
    const answers = new Set<string>()
    for (const name of names) {
      const bytes = saved.get(name) as Buffer
      for (let at = 3; at < bytes.length; at += Math.max(1, Math.floor(bytes.length / 20))) {
        const flipped = Buffer.from(bytes)
        for (let index = at; index < Math.min(at + 8, bytes.length); index++)
          flipped[index] = ~(flipped[index] as number)
        await writeFile(join(dir.path, name), flipped)
        answers.add(await expectClearAnswer(40))
        await restore()
      }
    }
    expect(await expectClearAnswer(40)).toBe('whole')
    // Damage was noticed, not read over.
    expect([...answers].filter((answer) => answer !== 'whole').length).toBeGreaterThan(0)
  })

  it('does not take a directory without CURRENT for a new one', async () => {
    await fill(3)
    await unlink(join(dir.path, 'CURRENT'))
    expect(await expectClearAnswer(3)).toBe('refused')
    expect((await readdir(dir.path)).filter(isDataFile).length).toBeGreaterThan(0)
  })
})
