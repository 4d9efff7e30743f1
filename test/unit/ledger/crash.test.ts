import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, rename, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { configHashOf } from '../../../src/codec/index.js'
import { genesisFileOf } from '../../../src/ledger/genesis-file.js'
import { LedgerStore, LedgerStoreError, verifyChain } from '../../../src/ledger/index.js'
import { GENESIS, log, makeDir } from './chain.js'
import { appendAll, fillStore, makeChangingChain, milestonesOf, type Step } from './changing-chain.js'

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

const CHANGES = [5, 12, 13, 90]
const LENGTH = 130
const steps = makeChangingChain(LENGTH, CHANGES)

/** The kinds of store that there are: whole, pruned, begun without history. */
const KINDS = ['whole', 'pruned', 'without history'] as const

async function fill(kind: (typeof KINDS)[number]): Promise<void> {
  let store: LedgerStore
  if (kind === 'without history') {
    store = await LedgerStore.open(dir.path, { log })
    await store.putGenesis(GENESIS)
    await store.startFrom({ milestones: milestonesOf(steps, 20), base: (steps[19] as Step).linkRecord })
    await appendAll(store, steps.slice(20))
  } else {
    store = await fillStore(dir.path, steps)
    if (kind === 'pruned') await store.prune(60)
  }
  await store.close()
}

type Answer = 'refused' | 'empty' | 'shorter' | 'damaged' | 'whole'

/**
 * What a damaged store may do: refuse to open in words, or open with a chain up to its tip to which ledgers can be
 * appended. Whatever it answers is right or says that it is damaged: never another ledger.
 */
async function expectClearAnswer(): Promise<Answer> {
  let store: LedgerStore
  try {
    store = await LedgerStore.open(dir.path, { log })
  } catch (error) {
    expect(error).toBeInstanceOf(LedgerStoreError)
    expect(error).toMatchObject({ code: 'damaged', message: expect.stringContaining('Move the directory away') })
    return 'refused'
  }
  try {
    // The genesis lies beside the database: the network is never forgotten.
    expect(store.getGenesis()).toEqual(GENESIS)
    await expectRightOrDamaged(store)
    const report = await verifyChain(store)
    if (!report.ok) return 'damaged'
    const { seq } = store.tip()
    expect(report.checked).toBe(seq - store.first() + 1)
    if (seq === LENGTH) return 'whole'
    // What was lost is fetched again.
    await appendAll(store, steps.slice(seq))
    expect(await verifyChain(store)).toMatchObject({ ok: true, lastSeq: LENGTH, milestones: CHANGES.length })
    return seq === 0 ? 'empty' : 'shorter'
  } finally {
    await store.close()
  }
}

async function expectRightOrDamaged(store: LedgerStore): Promise<void> {
  const orDamaged = async <T>(read: Promise<T>, right: T): Promise<void> => {
    try {
      const found = await read
      if (found !== null) expect(found).toEqual(right)
    } catch (error) {
      expect(error).toMatchObject({ name: 'LedgerStoreError', code: 'damaged' })
    }
  }
  for (const { ledger, config } of steps) {
    const { seq } = ledger.header
    await orDamaged(
      store.get(seq).then((stored) => stored?.ledger.hash ?? null),
      ledger.hash
    )
    await orDamaged(
      store.get(seq).then((stored) => stored?.ledger.users ?? null),
      ledger.users
    )
    await orDamaged(store.header(seq), ledger.header)
    await orDamaged(
      store.getConfig(ledger.header.result.configHash).then((found) => found && configHashOf(found)),
      ledger.header.result.configHash
    )
    if (seq <= store.tip().seq + 1 && seq >= store.first()) await orDamaged(store.configAt(seq), config)
  }
}

const isDataFile = (name: string) => /\.(log|ldb)$/.test(name)

/** Damages each file of the closed store in turn, with what `alter` makes of it, and gives all answers. */
async function damageEach(alter: (bytes: Buffer, name: string) => Iterable<Buffer>): Promise<Set<Answer>> {
  const saved = new Map<string, Buffer>()
  for (const name of await readdir(dir.path)) saved.set(name, await readFile(join(dir.path, name)))
  const restore = async () => {
    for (const name of await readdir(dir.path)) if (!saved.has(name)) await unlink(join(dir.path, name))
    for (const [name, bytes] of saved) await writeFile(join(dir.path, name), bytes)
  }
  const answers = new Set<Answer>()
  for (const [name, bytes] of saved) {
    if (!isDataFile(name) && !/^(MANIFEST|CURRENT)/.test(name)) continue
    for (const altered of alter(bytes, name)) {
      await writeFile(join(dir.path, name), altered)
      answers.add(await expectClearAnswer())
      await restore()
    }
  }
  expect(await expectClearAnswer()).toBe('whole')
  return answers
}

function* flips(bytes: Buffer): Generator<Buffer> {
  for (let at = 3; at < bytes.length; at += Math.max(1, Math.floor(bytes.length / 8))) {
    const flipped = Buffer.from(bytes)
    for (let index = at; index < Math.min(at + 8, bytes.length); index++) flipped[index] = ~(flipped[index] as number)
    yield flipped
  }
}

function* cuts(bytes: Buffer): Generator<Buffer> {
  for (const part of [0, 0.1, 0.4, 0.7, 0.95]) yield bytes.subarray(0, Math.floor(bytes.length * part))
}

describe.each(KINDS)('a store that is %s, with damaged files,', (kind) => {
  beforeEach(() => fill(kind))

  it('answers clearly wherever its log is damaged', { timeout: 180_000 }, async () => {
    const answers = new Set([...(await damageEach(flips)), ...(await damageEach(cuts))])
    // Damage was noticed, not read over.
    expect([...answers].filter((answer) => answer !== 'whole').length).toBeGreaterThan(0)
  })

  it('answers clearly wherever its tables are damaged', { timeout: 180_000 }, async () => {
    // The second opening moves the log into a table.
    await (await LedgerStore.open(dir.path, { log })).close()
    const answers = new Set([...(await damageEach(flips)), ...(await damageEach(cuts))])
    expect([...answers].filter((answer) => answer !== 'whole').length).toBeGreaterThan(0)
  })
})

describe('a store with damaged files', () => {
  it('opens up to where the log is cut, and goes on from there', async () => {
    await fill('whole')
    const [name] = (await readdir(dir.path)).filter(isDataFile)
    const file = join(dir.path, name as string)
    const { length } = await readFile(file)
    await truncate(file, Math.floor(length / 2))
    expect(await expectClearAnswer()).toBe('shorter')
  })

  it('does not take a directory without CURRENT for a new one', async () => {
    await fill('whole')
    await unlink(join(dir.path, 'CURRENT'))
    expect(await expectClearAnswer()).toBe('refused')
    expect((await readdir(dir.path)).filter(isDataFile).length).toBeGreaterThan(0)
  })

  it('moved away, as it is told to do, leaves what is needed to fetch all ledgers again', async () => {
    await fill('whole')
    await rename(dir.path, `${dir.path}.damaged`)
    expect(await expectClearAnswer()).toBe('empty')
    expect(await expectClearAnswer()).toBe('whole')
  })

  it('whose genesis beside it is damaged opens all the same, and alone is refused', async () => {
    await fill('whole')
    await writeFile(genesisFileOf(dir.path), 'garbage')
    expect(await expectClearAnswer()).toBe('whole')
    await rename(dir.path, `${dir.path}.damaged`)
    await writeFile(genesisFileOf(dir.path), Buffer.alloc(100_000))
    await expect(LedgerStore.open(dir.path, { log })).rejects.toMatchObject({
      code: 'damaged',
      message: expect.stringContaining('hist/ledgers.genesis')
    })
  })
})
