import fs from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { StateStore } from '../../../src/state/index.js'
import { listTree, log, makeBytes, Sandbox } from './helpers.js'
import { mutate, mutation } from './model.js'

const copyTree = (from: string, to: string) => {
  fs.rmSync(to, { recursive: true, force: true })
  fs.cpSync(from, to, { recursive: true, verbatimSymlinks: true })
}

it('brings a snapshot from any state on the way to the last root of the journal, as after a power failure', async () => {
  const rounds = fc.array(fc.array(mutation, { minLength: 1, maxLength: 8 }), { minLength: 2, maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(rounds, fc.nat(), fc.boolean(), async (steps, pick, withLarge) => {
      const box = new Sandbox()
      try {
        const store = await box.open()
        const saved: string[] = []
        const roots: string[] = []
        for (const [round, step] of steps.entries()) {
          for (const one of step) mutate(box.stateDir, one)
          // Too large for the journal: it goes through a prepared file, and the journal starts anew.
          if (withLarge && round === 0) box.write('large/file', makeBytes(9_000_000, round))
          else if (withLarge && round === 1) fs.truncateSync(box.path('large/file'), 8_900_000)
          const { root } = await store.scan()
          await store.commit(root)
          saved.push(path.join(box.dir, `snapshot${round}`))
          copyTree(store.reader.dir, saved[round]!)
          roots.push(root)
        }
        // What the disk may hold: the journal to its end, the snapshot of any commit since the journal was emptied.
        const crashed = path.join(box.dir, 'crashed')
        copyTree(box.metaDir, crashed)
        copyTree(saved[pick % saved.length]!, path.join(crashed, 'snapshot'))
        const expected = listTree(box.stateDir)
        const reopened = await StateStore.open({ stateDir: path.join(box.dir, 'other'), metaDir: crashed, log })
        expect(reopened.committedRoot).toBe(roots.at(-1))
        expect(await reopened.recover(roots.at(-1)!)).toMatch(/clean|restored/)
        expect(listTree(path.join(box.dir, 'other'))).toEqual(expected)
        await reopened.close()
      } finally {
        await box.destroy()
      }
    }),
    { numRuns: 20 }
  )
}, 120_000)

it('takes a journal that is cut or damaged anywhere for one of its roots', async () => {
  const box = new Sandbox()
  try {
    const store = await box.open()
    const { root: empty } = await store.scan()
    const roots = [empty]
    const before = path.join(box.dir, 'before')
    copyTree(store.reader.dir, before)
    for (let i = 0; i < 3; i++) {
      box.write(`f${i}`, makeBytes(1000 + i, i))
      const { root } = await store.scan()
      await store.commit(root)
      roots.push(root)
    }
    const journal = fs.readFileSync(path.join(box.metaDir, 'journal'))
    const seen = new Set<string>()
    const crashed = path.join(box.dir, 'crashed')
    const variants: Buffer[] = [journal]
    for (let at = 0; at < journal.length; at += 97) variants.push(journal.subarray(0, at), flip(journal, at))
    for (const damaged of variants) {
      copyTree(box.metaDir, crashed)
      copyTree(before, path.join(crashed, 'snapshot'))
      fs.writeFileSync(path.join(crashed, 'journal'), damaged)
      const reopened = await StateStore.open({ stateDir: path.join(box.dir, 'other'), metaDir: crashed, log })
      expect(roots).toContain(reopened.committedRoot)
      seen.add(reopened.committedRoot)
      await reopened.close()
    }
    expect(seen.size).toBe(roots.length)
  } finally {
    await box.destroy()
  }
}, 120_000)

function flip(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt8(copy.readUInt8(at) ^ 0x10, at)
  return copy
}
