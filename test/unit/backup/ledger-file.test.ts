import { readdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ArchiveReader, writeArchive } from '../../../src/backup/archive.js'
import { ArchiveError, exportLedgers, importLedgers, verifyExport } from '../../../src/backup/index.js'
import { LEDGER_FRAMES } from '../../../src/backup/ledger-frames.js'
import { encodeGenesis, encodeLedgerRecord, encodeOutputList } from '../../../src/codec/index.js'
import { blake3 } from '../../../src/crypto/index.js'
import { LedgerStore, verifyChain } from '../../../src/ledger/index.js'
import { certify, GENESIS, log, makeDir, makeLedger, SIGNERS, ZERO } from '../ledger/chain.js'
import {
  appendAll,
  collect,
  fillStore,
  hexOf,
  makeChangingChain,
  milestonesOf,
  type Step
} from '../ledger/changing-chain.js'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 })

const CHANGES = [3, 10, 11, 90]
const LENGTH = 150
const steps = makeChangingChain(LENGTH, CHANGES)
const at = (seq: number) => steps[seq - 1] as Step

let dirs: Awaited<ReturnType<typeof makeDir>>[]
let stores: LedgerStore[]
let file: string

beforeEach(async () => {
  dirs = []
  stores = []
  const dir = await newDir()
  file = join(dir, '..', '..', 'ledgers.hpl')
})

afterEach(async () => {
  for (const store of stores) await store.close()
  for (const dir of dirs) await dir.remove()
})

async function newDir(): Promise<string> {
  const dir = await makeDir()
  dirs.push(dir)
  return dir.path
}

async function open(path?: string): Promise<LedgerStore> {
  const store = await LedgerStore.open(path ?? (await newDir()), { log })
  stores.push(store)
  return store
}

async function filled(length = LENGTH, keepFrom = 1): Promise<LedgerStore> {
  const store = await fillStore(await newDir(), steps.slice(0, length))
  stores.push(store)
  await store.prune(keepFrom)
  return store
}

const leftovers = async () => (await readdir(join(file, '..'))).filter((name) => name.includes('.part'))

describe('an export', () => {
  it.each([
    ['a whole chain', 1, undefined, undefined],
    ['a pruned chain', 60, undefined, undefined],
    ['the end of a chain', 1, 100, undefined],
    ['a piece of a chain', 1, 50, 99],
    ['the first ledger', 1, 1, 1],
    ['a milestone as base', 1, 12, 20],
    ['one ledger', 1, 91, 91],
    ['no ledger', 1, 151, undefined]
  ])('of %s, imported into an empty store, gives the same ledgers', async (_name, keepFrom, from, to) => {
    const source = await filled(LENGTH, keepFrom)
    const result = await exportLedgers(source, file, { from, to })
    const [first, last] = [from ?? keepFrom, to ?? LENGTH]
    expect(result).toMatchObject({ path: file, first, last, bytes: (await stat(file)).size })
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await leftovers()).toEqual([])
    const report = await verifyExport(file)
    expect(report).toMatchObject({
      first,
      last,
      bytes: result.bytes,
      networkId: ZERO.hash && at(1).ledger.header.networkId
    })
    expect(report.milestones).toBe(CHANGES.filter((seq) => seq <= last).length)
    const target = await open()
    expect(await importLedgers(target, file)).toMatchObject({ first, last, added: last - first + 1, tip: last })
    expect(target.first()).toBe(first)
    const checked = await verifyChain(target)
    expect(checked).toMatchObject({ ok: true, checked: last - first + 1, milestones: report.milestones })
    expect(await collect(target.records(first, last))).toEqual(await collect(source.records(first, last)))
    expect(await collect(target.milestones())).toEqual(hexOf(milestonesOf(steps, last)))
    for (let seq = first; seq < last; seq++) {
      expect((await target.getOutputs(seq)) ?? []).toEqual(
        at(seq).outputs.map(({ user, content }) => ({ user, content: Buffer.from(content) }))
      )
    }
  })

  it('made twice is the same, of a running store too', async () => {
    const source = await filled(100)
    const first = await exportLedgers(source, file, { to: 100 })
    let done = 100
    const second = await exportLedgers(source, `${file}2`, {
      to: 100,
      onProgress: () => {
        // The node goes on while it is read, and would prune.
        if (done < LENGTH) void appendAll(source, [at(++done)])
        if (done === 120) void source.prune(60)
      }
    })
    expect(second.hash).toBe(first.hash)
    expect(await readFile(`${file}2`)).toEqual(await readFile(file))
  })

  it('goes in steps into a store that has a part, and again changes nothing', async () => {
    const source = await filled()
    await exportLedgers(source, file, { to: 60 })
    await exportLedgers(source, `${file}2`, { from: 40 })
    const target = await open()
    expect(await importLedgers(target, file)).toMatchObject({ added: 60, tip: 60 })
    expect(await importLedgers(target, `${file}2`)).toMatchObject({ added: 90, tip: LENGTH })
    expect(await importLedgers(target, `${file}2`)).toMatchObject({ added: 0, tip: LENGTH })
    expect(await importLedgers(target, file)).toMatchObject({ added: 0, tip: LENGTH })
    expect(await verifyChain(target)).toMatchObject({ ok: true, checked: LENGTH, milestones: CHANGES.length })
  })

  it('that was stopped on the way is gone on with', async () => {
    await exportLedgers(await filled(), file)
    const path = await newDir()
    const target = await open(path)
    const stop = new AbortController()
    const onProgress = (seq: number) => {
      if (seq === 70) stop.abort(new Error('stopped'))
    }
    await expect(importLedgers(target, file, { onProgress, signal: stop.signal })).rejects.toThrow('stopped')
    await target.close()
    const again = await open(path)
    expect(again.tip().seq).toBe(70)
    expect(await verifyChain(again)).toMatchObject({ ok: true, checked: 70 })
    expect(await importLedgers(again, file)).toMatchObject({ added: 80, tip: LENGTH })
  })

  it('is refused where it does not fit, with words', async () => {
    const source = await filled()
    await exportLedgers(source, file, { from: 100 })
    const target = await filled(50)
    await expect(importLedgers(target, file)).rejects.toMatchObject({
      code: 'no-fit',
      message: expect.stringContaining('begins with ledger 100, the ledgers here end with 50')
    })
    const stranger = await open()
    await stranger.putGenesis({ ...GENESIS, contractId: 'another' })
    await expect(importLedgers(stranger, file)).rejects.toMatchObject({ code: 'other-network' })
    // Two chains: only validators that break the rules can make them.
    const forked = await filled(120)
    const other = await open()
    await other.putGenesis(GENESIS)
    await appendAll(other, steps.slice(0, 119))
    const fork = makeLedger(at(119).ledger, {
      timeMs: 1_900_000_000_000,
      result: { outputsRoot: at(120).ledger.header.result.outputsRoot }
    })
    await other.append(fork, certify(fork, SIGNERS.slice(2, 7)))
    await exportLedgers(other, `${file}2`)
    await expect(importLedgers(forked, `${file}2`)).rejects.toMatchObject({
      code: 'no-fit',
      message: expect.stringContaining('two chains of one network')
    })
    for (const store of [target, forked]) expect((await verifyChain(store)).ok).toBe(true)
    expect([target.tip().seq, forked.tip().seq, stranger.tip().seq]).toEqual([50, 120, 0])
  })

  it('of what is not there is refused, and overwrites nothing', async () => {
    const source = await filled(LENGTH, 60)
    for (const [from, to, what] of [
      [59, undefined, 'the oldest one is 60'],
      [60, 151, 'the last one is 150'],
      [100, 98, 'no ledger from 100 to 98']
    ] as const) {
      await expect(exportLedgers(source, file, { from, to })).rejects.toMatchObject({
        code: 'missing',
        message: expect.stringContaining(what)
      })
    }
    await writeFile(file, 'precious')
    await expect(exportLedgers(source, file)).rejects.toMatchObject({ code: 'exists' })
    expect(await readFile(file, 'utf8')).toBe('precious')
    await expect(exportLedgers(source, join(file, 'below'))).rejects.toMatchObject({ code: 'io' })
    const stop = AbortSignal.abort(new Error('stopped'))
    await expect(exportLedgers(source, `${file}2`, { signal: stop })).rejects.toThrow('stopped')
    expect((await readdir(join(file, '..'))).sort()).toEqual(['ledgers.hpl'])
  })
})

describe('a file that is no good export', () => {
  const refused = async (path: string, code?: string) => {
    const target = await open()
    const error = await importLedgers(target, path).then(
      () => null,
      (failure: unknown) => failure
    )
    expect(error).toBeInstanceOf(ArchiveError)
    if (code !== undefined) expect(error).toMatchObject({ code })
    expect(await verifyExport(path).catch((failure: ArchiveError) => failure.code)).toBe((error as ArchiveError).code)
    // Nothing of it was taken.
    expect(target.getGenesis()).toBe(null)
    await target.close()
    return (error as ArchiveError).message
  }

  it('because it is something else is refused', async () => {
    expect(await refused(join(file, '..'), 'no-archive')).toContain('is not a file')
    expect(await refused(`${file}none`, 'io')).toContain('no such file')
    expect(await refused('/dev/zero', 'no-archive')).toContain('is not a file')
    for (const text of ['', 'x', 'hp-p2p ledgers', 'hp-p2p ledgers 0\n', 'hp-p2p other 1\n', 'a'.repeat(100_000)]) {
      await writeFile(file, text)
      expect(await refused(file, 'no-archive')).toContain('ledger export')
    }
    await writeFile(file, 'hp-p2p ledgers 2\n')
    expect(await refused(file, 'newer-version')).toContain('version 2')
    await writeFile(file, 'hp-p2p backup 1\n')
    expect(await refused(file, 'no-archive')).toContain('restore')
    await writeFile(file, 'hp-p2p ledgers 1\n')
    expect(await refused(file, 'damaged')).toContain('end is missing')
    await symlink('/dev/urandom', `${file}link`)
    expect(await refused(`${file}link`, 'no-archive')).toContain('is not a file')
  })

  it('because it was cut or altered anywhere is refused before anything is taken', async () => {
    await exportLedgers(await filled(20), file)
    const good = await readFile(file)
    for (let cut = 1; cut < good.length; cut += Math.ceil(good.length / 40)) {
      await writeFile(`${file}2`, good.subarray(0, good.length - cut))
      expect(await refused(`${file}2`, 'damaged')).toContain('not copied or written whole')
    }
    for (let spot = 20; spot < good.length; spot += Math.ceil(good.length / 40)) {
      const altered = Buffer.from(good)
      altered[spot] = (altered[spot] as number) ^ 0x10
      await writeFile(`${file}2`, altered)
      await refused(`${file}2`, 'damaged')
    }
    await writeFile(`${file}2`, Buffer.concat([good, Buffer.from('more')]))
    await refused(`${file}2`, 'damaged')
    await truncate(file, good.length - 1)
    await refused(file, 'damaged')
  })

  const recordOf = ({ ledger, certificate, config }: Step) => encodeLedgerRecord(ledger, certificate, config.unl)
  const { genesis, base, milestone, ledger, outputs } = LEDGER_FRAMES
  type Part = [type: number, payload: Uint8Array]
  const start: Part = [genesis, encodeGenesis(GENESIS)]
  const records = (first: number, last: number): Part[] =>
    steps.slice(first - 1, last).map((step) => [ledger, recordOf(step)])
  const baseOf = (seq: number): Part => [base, at(seq).linkRecord]
  const milestones = (seq: number): Part[] => milestonesOf(steps, seq).map((bytes) => [milestone, bytes])
  const forged = makeLedger(at(5).ledger, { users: [] })
  const withOutputs = steps.find((step) => step.outputs.length > 0) as Step
  const outputsAt = withOutputs.ledger.header.seq

  async function put(parts: Part[]): Promise<void> {
    await writeArchive(`${file}2`, 'ledgers', async (archive) => {
      for (const [type, payload] of parts) await archive.write(type, payload)
    })
  }

  it.each<[string, Part[], string, string]>([
    ['nothing', [], 'damaged', 'of which network'],
    ['no genesis', records(1, 3), 'damaged', ''],
    ['a genesis that is none', [[genesis, Buffer.from('x')]], 'damaged', 'genesis'],
    ['an unknown part', [start, [99, Buffer.from('x')]], 'damaged', 'type 99'],
    ['a part that is too large', [start, [base, Buffer.alloc(100_000)]], 'damaged', 'at most'],
    ['two geneses', [start, start], 'damaged', 'out of its place'],
    ['ledgers with a gap', [start, ...records(1, 3), ...records(5, 6)], 'not-proven', 'ledger 5'],
    ['a ledger twice', [start, ...records(1, 3), ...records(3, 4)], 'not-proven', 'ledger 3'],
    ['ledgers without the first', [start, ...records(2, 3)], 'not-proven', 'ledger 2'],
    ['garbage for a ledger', [start, [ledger, Buffer.from('garbage')]], 'not-proven', 'ledger 1'],
    ['a base of another chain', [start, baseOf(4), ...records(5, 8)], 'not-proven', 'ledger 4'],
    ['a milestone behind its base', [start, baseOf(5), ...milestones(11)], 'not-proven', 'behind the base'],
    ['a milestone too few', [start, baseOf(50), ...milestones(50).slice(1)], 'not-proven', 'ledger 10'],
    ['milestones without a base', [start, ...milestones(50)], 'not-proven', 'no ledger after it'],
    ['a milestone after ledgers', [start, ...records(1, 5), ...milestones(5)], 'damaged', 'type 3'],
    [
      'a ledger without a quorum',
      [
        start,
        ...records(1, 5),
        [ledger, recordOf({ ...at(6), ledger: forged, certificate: certify(forged, SIGNERS.slice(2, 5)) })]
      ],
      'not-proven',
      'quorum'
    ],
    ['outputs before a ledger', [start, [outputs, encodeOutputList(withOutputs.outputs)]], 'damaged', 'type 5'],
    [
      'outputs that were not agreed',
      [start, ...records(1, 1), [outputs, encodeOutputList([{ user: '11'.repeat(32), content: Buffer.from('x') }])]],
      'not-proven',
      'agreed'
    ],
    [
      'outputs twice',
      [
        start,
        ...records(1, outputsAt + 1),
        [outputs, encodeOutputList(withOutputs.outputs)],
        [outputs, encodeOutputList(withOutputs.outputs)]
      ],
      'damaged',
      'type 5'
    ],
    [
      'outputs of a ledger that is not there',
      [
        start,
        baseOf(outputsAt),
        ...milestones(outputsAt),
        ...records(outputsAt + 1, outputsAt + 1),
        [outputs, encodeOutputList(withOutputs.outputs)]
      ],
      'not-proven',
      'not there'
    ]
  ])('because it holds %s is refused although it is whole', async (_name, parts, code, what) => {
    await put(parts)
    expect(await refused(`${file}2`, code)).toContain(what)
  })

  it('whatever its bytes are', async () => {
    await put([start, baseOf(12), ...milestones(11), ...records(13, 16)])
    const good = await readFile(`${file}2`)
    const target = await open()
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(good.length - 38), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        async (changes, resealed) => {
          const altered = Buffer.from(good)
          for (const [spot, byte] of changes) altered[spot] = byte
          const path = `${file}fuzz`
          await writeFile(path, resealed ? await reseal(altered) : altered)
          if (altered.equals(good)) return
          const error = await importLedgers(target, path).catch((failure: unknown) => failure)
          expect(error).toBeInstanceOf(ArchiveError)
          expect(target.getGenesis()).toBe(null)
        }
      ),
      { numRuns: 300 }
    )
  })

  /** Makes the hash at the end fit again, as an attacker would. */
  async function reseal(bytes: Buffer): Promise<Buffer> {
    return Buffer.concat([bytes.subarray(0, -32), blake3(bytes.subarray(0, -37))])
  }

  it('because it changes while it is read is noticed', async () => {
    await exportLedgers(await filled(20), file)
    const archive = await ArchiveReader.open(file, 'ledgers')
    const bytes = await readFile(file)
    bytes[bytes.length - 60] = (bytes[bytes.length - 60] as number) ^ 1
    await writeFile(file, bytes)
    const read = async () => {
      for await (const _ of archive.frames(() => 1_000_000));
    }
    await expect(read()).rejects.toMatchObject({ code: 'damaged', message: expect.stringContaining('changed while') })
    await archive.close()
  })
})

describe('round trips', () => {
  it('keep every ledger, wherever the config changes and the file begins and ends', async () => {
    const property = fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { maxLength: 6 }),
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 0, max: 30 }),
      async (changes, from, length) => {
        const chain = makeChangingChain(30, changes)
        const to = Math.min(30, from + length)
        const source = await fillStore(await newDir(), chain)
        const target = await open()
        const path = join(await newDir(), '..', '..', 'file')
        await exportLedgers(source, path, { from, to })
        await importLedgers(target, path)
        expect(target.tip()).toEqual({ seq: to, hash: (chain[to - 1] as Step).ledger.hash })
        expect(await collect(target.records(from, to))).toEqual(await collect(source.records(from, to)))
        expect(await collect(target.milestones())).toEqual(hexOf(milestonesOf(chain, to)))
        // What it is good for: the chain goes on.
        await appendAll(target, chain.slice(to))
        expect(await verifyChain(target)).toMatchObject({ ok: true, lastSeq: 30, milestones: changes.length })
        await source.close()
        await target.close()
      }
    )
    await fc.assert(property, { numRuns: 15 })
  })
})
