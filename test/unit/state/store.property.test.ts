import fs from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareNames, decodeListing, encodeListing, makeDir, type TreeNode } from '../../../src/state/tree.js'
import { listTree, Sandbox } from './helpers.js'
import { type Mutation, mutate, mutation } from './model.js'

async function withBox<T>(work: (box: Sandbox) => Promise<T>): Promise<T> {
  const box = new Sandbox()
  try {
    return await work(box)
  } finally {
    await box.destroy()
  }
}

/** The root of a copy that was made entry by entry in another order. */
async function rootOfCopy(stateDir: string, reverse: boolean): Promise<string> {
  return withBox(async (box) => {
    fs.mkdirSync(box.stateDir)
    const copy = (from: string, to: string): void => {
      const names = fs.readdirSync(from).sort()
      for (const name of reverse ? names.reverse() : names) {
        const stat = fs.lstatSync(path.join(from, name))
        if (stat.isSymbolicLink()) fs.symlinkSync(fs.readlinkSync(path.join(from, name)), path.join(to, name))
        else if (stat.isDirectory()) {
          fs.mkdirSync(path.join(to, name))
          copy(path.join(from, name), path.join(to, name))
        } else fs.copyFileSync(path.join(from, name), path.join(to, name))
      }
    }
    copy(stateDir, box.stateDir)
    return (await (await box.open()).scan()).root
  })
}

const mutations = fc.array(mutation, { minLength: 1, maxLength: 12 })

describe('state store, any sequence of changes', () => {
  it('an incremental scan finds the root of a full one, whatever the order of creation', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(mutations, { minLength: 1, maxLength: 4 }), fc.boolean(), async (steps, reverse) => {
        await withBox(async (box) => {
          const store = await box.open()
          for (const step of steps) {
            for (const one of step) mutate(box.stateDir, one)
            const { root } = await store.scan()
            expect(root).toBe(await rootOfCopy(box.stateDir, reverse))
          }
        })
      }),
      { numRuns: 25 }
    )
  }, 120_000)

  it('commit, rollback, restart and recover do what a model does', async () => {
    type Step = { kind: 'change'; mutations: Mutation[] } | { kind: 'commit' | 'rollback' | 'restart' | 'recover' }
    const step: fc.Arbitrary<Step> = fc.oneof(
      fc.record({ kind: fc.constant('change' as const), mutations }),
      fc.record({
        kind: fc.constantFrom('commit' as const, 'rollback' as const, 'restart' as const, 'recover' as const)
      })
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async (steps) => {
        await withBox(async (box) => {
          let store = await box.open()
          let agreed: Record<string, string> = {}
          for (const one of steps) {
            if (one.kind === 'change') for (const change of one.mutations) mutate(box.stateDir, change)
            else if (one.kind === 'commit') {
              const { root } = await store.scan()
              await store.commit(root)
              agreed = listTree(box.stateDir)
            } else if (one.kind === 'rollback') {
              await store.rollback()
              expect(listTree(box.stateDir)).toEqual(agreed)
            } else if (one.kind === 'restart') {
              await store.close()
              store = await box.open()
            } else {
              expect(await store.recover(store.committedRoot)).toMatch(/clean|restored/)
              expect(listTree(box.stateDir)).toEqual(agreed)
            }
            expect(store.isIntact).toBe(true)
            expect(listTree(store.reader.dir)).toEqual(agreed)
          }
        })
      }),
      { numRuns: 40 }
    )
  }, 120_000)
})

describe('listing', () => {
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .filter((s) => !/[/\0]/.test(s) && !/^\.\.?$/.test(s))
  const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'))
  const node: fc.Arbitrary<TreeNode> = fc.oneof(
    fc.record({
      kind: fc.constant('file' as const),
      executable: fc.boolean(),
      size: fc.maxSafeNat(),
      hash,
      blocks: fc.constant(new Uint8Array(0))
    }),
    fc.record({ kind: fc.constant('link' as const), target: fc.constantFrom('a', '../é', '../../x/y') })
  )

  it('is read as it was written, in the order of bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, node)), (entries) => {
        const dir = makeDir(new Map(entries))
        const names = [...dir.children.keys()]
        expect(names).toEqual([...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
        const listing = encodeListing(dir.children)
        expect(listing.length).toBe(dir.size)
        const decoded = decodeListing(listing, 2)
        expect(decoded.map((entry) => entry.name)).toEqual(names)
        for (const { name: entryName, ...rest } of decoded) expect(dir.children.get(entryName)).toMatchObject(rest)
      })
    )
  })

  it('orders names as their UTF-8 bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        expect(Math.sign(compareNames(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
      })
    )
  })

  it('refuses whatever is not a listing', () => {
    const entry = (kind: number, nameBytes: Buffer, rest: Buffer) =>
      Buffer.concat([Buffer.from([kind, nameBytes.length]), nameBytes, rest])
    const body = Buffer.alloc(40)
    const good = entry(0, Buffer.from('a'), body)
    expect(decodeListing(good, 0)).toHaveLength(1)
    const link = (target: string) => {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(Buffer.byteLength(target))
      return entry(3, Buffer.from('l'), Buffer.concat([length, Buffer.from(target)]))
    }
    const bad = [
      Buffer.concat([good, good]),
      Buffer.concat([entry(0, Buffer.from('b'), body), good]),
      good.subarray(0, 20),
      good.subarray(0, 1),
      entry(4, Buffer.from('a'), body),
      entry(0, Buffer.from('a'), Buffer.alloc(40, 0xff)),
      ...['', '.', '..', 'a/b', '/etc', 'a\0'].map((odd) => entry(0, Buffer.from(odd), body)),
      entry(0, Buffer.from([0xff]), body),
      ...['', '/etc', '../x', 'a/../../x', 'x\0'].map(link)
    ]
    for (const listing of bad)
      expect(() => decodeListing(listing, 0)).toThrow(expect.objectContaining({ code: 'bad-chunk' }))
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
        try {
          decodeListing(bytes, 1)
        } catch (error) {
          expect(error).toMatchObject({ code: 'bad-chunk' })
        }
      })
    )
  })
})
